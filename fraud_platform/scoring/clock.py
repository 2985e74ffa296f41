"""Stream time: how far the live transactions have come.

Here: the running maximum of the 99th percentile of the last 10,000 scored event times, so that a
few rows with a wrong date do not move the clock.
Not here: the clock of drops (`fraud_platform.clock`).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]

WINDOW_ROWS = 10_000
_SHARE = 0.99
_LEAST_ROWS = 2
"""Of two rows, the percentile is the earlier one."""


class StreamClock:
    """The stream's clock.

    Args:
        second: where it stood, seconds since 1970; None where nothing was ever scored, or a
            single row, whose date may be the wrong one.
        recent: event times of the last scored rows, oldest first, at most `WINDOW_ROWS`.
    """

    def __init__(self, second: int | None = None, recent: Ints | None = None) -> None:
        self.second = second
        self.recent = np.zeros(0, np.int64) if recent is None else recent[-WINDOW_ROWS:]

    def advance(self, seconds: Ints) -> None:
        """Take in the event times of rows in the order of their scoring."""
        for start in range(0, seconds.size, WINDOW_ROWS):
            part = seconds[start : start + WINDOW_ROWS]
            self.recent = np.concatenate((self.recent, part))[-WINDOW_ROWS:]
            if self.recent.size < _LEAST_ROWS:
                continue
            place = int(_SHARE * (self.recent.size - 1))
            now = int(np.partition(self.recent, place)[place])
            self.second = now if self.second is None else max(self.second, now)
