"""Ctrl-C, SIGTERM and SIGHUP: heard by every command, and as a question in loops that end in order.

Here: two context managers, one for a whole command and one for a loop.
Not here: what ends (`operations.services.laptop`, `operations.live.follow`), exit codes
(`fraud_platform.cli.commands`).
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType


@contextmanager
def stop_requests() -> Iterator[Callable[[], bool]]:
    """Turn SIGINT, SIGTERM and SIGHUP into a flag, also if the shell left SIGINT ignored."""
    asked: list[int] = []

    def ask(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - a signal handler gets both
        asked.append(number)

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, ask) for number in numbers}
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def heard_signals() -> Iterator[Callable[[], int | None]]:
    """Let the first SIGINT, SIGTERM or SIGHUP raise KeyboardInterrupt; give its number when asked.

    A shell leaves SIGINT ignored in what it starts with `&`, and Dagster copies the handler of
    SIGINT to SIGTERM: such a process could be ended by SIGKILL alone. The number comes from a pipe
    into which Python writes each signal, since Dagster and Spark set handlers of their own.

    Further signals do not stop the cleaning up that the first one began.
    """
    heard: list[int] = []
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    os.set_blocking(writing, False)

    def stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - a signal handler gets both
        is_first = not heard
        heard.append(number)
        if is_first:
            raise KeyboardInterrupt

    def first() -> int | None:
        with suppress(BlockingIOError):
            heard.extend(n for n in os.read(reading, 4096) if n in numbers and not heard)
        return heard[0] if heard else None

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, stop) for number in numbers}
    wakeup = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    try:
        yield first
    finally:
        signal.set_wakeup_fd(wakeup)
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(reading)
        os.close(writing)
