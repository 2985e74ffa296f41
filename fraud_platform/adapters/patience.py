"""Waiting until a system that is away has come back.

Here: `Patience`: bounded back-off, and two lines for people, one when it begins and one when work
goes on, however many tries lie between.
Not here: distinguishing outages from other errors (`fraud_platform.errors`), what is retried (the
callers).
"""

from __future__ import annotations

import time
from collections.abc import Callable

from fraud_platform.errors import Outage

FIRST_SECONDS, MOST_SECONDS = 0.5, 10.0
_SLICE_SECONDS = 0.1


class Patience:
    """Waits between tries, longer each time, until it learns that work continues.

    Args:
        say: reports to people.
        is_stopped: ends a wait early.
        most_seconds: the longest wait between two tries.
    """

    def __init__(
        self,
        say: Callable[[str], None],
        is_stopped: Callable[[], bool],
        most_seconds: float = MOST_SECONDS,
    ) -> None:
        self._say, self._is_stopped, self._most = say, is_stopped, most_seconds
        self._began: float | None = None
        self._pause = FIRST_SECONDS

    def wait(self, outage: Outage) -> None:
        """Wait before the next try; only the first wait of an outage is reported."""
        if self._began is None:
            self._began, self._pause = time.monotonic(), FIRST_SECONDS
            self._say(f"waiting, nothing is lost; Ctrl-C ends it. {outage}")
        deadline = time.monotonic() + self._pause
        while time.monotonic() < deadline and not self._is_stopped():
            time.sleep(_SLICE_SECONDS)
        self._pause = min(2 * self._pause, self._most)

    def work_goes_on(self) -> None:
        """Report once that the wait is over; do nothing if there was no wait."""
        if self._began is not None:
            waited = time.monotonic() - self._began
            self._began = None
            self._say(f"going on after an outage of {waited:.0f} s")
