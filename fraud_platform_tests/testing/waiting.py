"""Waiting for what happens in other processes, always for a condition and never for a time.

Here: the only places where tests sleep (checked by `unit.test_tests`).
Not here: what is waited for (`testing.worlds`, `testing.servers`).
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from typing import TypeVar

_T = TypeVar("_T")


def wait_for(
    condition: Callable[[], _T],
    within: float = 60.0,
    what: object = "the condition",
    *,
    process: subprocess.Popen[bytes] | None = None,
    ignoring: tuple[type[Exception], ...] = (),
    every: float = 0.05,
) -> _T:
    """Return the first value of a condition that counts as true.

    Args:
        condition: asked again until its value is true.
        within: the longest wait in seconds.
        what: named if the wait was in vain; a function is called then.
        process: must live while it is waited for.
        ignoring: errors of the condition that mean "not yet".
        every: seconds between two questions.

    Raises:
        AssertionError: the condition did not come true in time, or the process ended.
    """
    limit = time.monotonic() + within
    while True:
        try:
            if value := condition():
                return value
        except ignoring:
            pass
        code = None if process is None else process.poll()
        assert code is None, f"ended with code {code} before: {_words(what)}"
        assert time.monotonic() < limit, f"not within {within:g} s: {_words(what)}"
        time.sleep(every)


def comes_true(condition: Callable[[], object], within: float, every: float = 0.05) -> bool:
    """Return whether a condition comes true within so many seconds."""
    limit = time.monotonic() + within
    while not condition():
        if time.monotonic() > limit:
            return False
        time.sleep(every)
    return True


def stays_true(condition: Callable[[], object], seconds: float, every: float = 0.05) -> bool:
    """Return whether a condition is true during all of so many seconds."""
    return not comes_true(lambda: not condition(), seconds, every)


def pace(seconds: float) -> None:
    """Let simulated work take so long, or a clock pass the time of a file; no wait for a result."""
    time.sleep(seconds)


def _words(what: object) -> object:
    return what() if callable(what) else what
