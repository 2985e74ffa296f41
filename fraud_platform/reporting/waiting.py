"""What a command says while it works: what it does, how long that usually takes, that it continues.

Here: one block around a wait.
Not here: bars of what can be counted (`reporting.terminal.progress_bar`).

On a terminal a spinner with the elapsed time is in the last line; in a log a line comes now and
then. Both go to standard error, so that a command's output stays what it answers.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

SAY_AGAIN_SECONDS = 20.0


@contextmanager
def waiting(what: str, usually: str, console: Console | None = None) -> Iterator[None]:
    """Say what is done while the block lasts, how long it usually takes, and how long it took.

    Args:
        what: what is done, as a verb with -ing.
        usually: how long that takes, e.g. "10 to 30 s".
        console: where to say it; standard error if not given.
    """
    out = console or Console(stderr=True, highlight=False, soft_wrap=True)
    started = time.monotonic()
    text = f"{what} (usually {usually}) ..."
    if out.is_terminal:
        columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
        with Progress(*columns, console=out, transient=True) as progress:
            progress.add_task(text, total=None)
            yield
    else:
        out.print(text, soft_wrap=True)
        with _repeating(out, what, started):
            yield
    out.print(f"{what}: done in {time.monotonic() - started:.0f} s", soft_wrap=True)


@contextmanager
def _repeating(out: Console, what: str, started: float) -> Iterator[None]:
    """Print now and then that the work continues, for readers of a log."""
    is_done = threading.Event()

    def say() -> None:
        while not is_done.wait(SAY_AGAIN_SECONDS):
            out.print(f"  {what}: {time.monotonic() - started:.0f} s so far", soft_wrap=True)

    thread = threading.Thread(target=say, daemon=True, name="waiting")
    thread.start()
    try:
        yield
    finally:
        is_done.set()
        thread.join()
