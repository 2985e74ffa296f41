"""Stream time: the event time that the live transactions have reached.

Here: the running maximum of the 99th percentile of the last 10,000 scored event times, held back
unless 200 of them in a row come that far, so that wrong dates hardly move the clock; and its front,
which no scored row is after, as far as dates can be believed.
Not here: the clock of drops (`fraud_platform.calendar.due`), which event times are scored
(`stream.event_time`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from fraud_platform.contracts.time import LATE_DAYS, SECONDS_PER_DAY, TILE_SECONDS

Ints = npt.NDArray[np.int64]

WINDOW_ROWS = 10_000
_SHARE = 0.99
_LEAST_ROWS = 2
"""The percentile of two rows is the earlier one."""
_REACH_ROWS = 200
"""Rows in scoring order come from one or two partitions, so a slow one holds back none."""
_REACH_LOWER, _REACH_FACTOR, _FEW_FACTOR = 0.35, 12, 6
"""For evenly spaced rows, 12 times the span from this quantile to the median is 1.8 windows; the
front is half a window from the median."""
_MANY_RUNS = 5
"""With so many runs, a single run that comes further is ignored."""


def likely_second(recent: Ints) -> int | None:
    """Return stream time as estimated from the last rows alone.

    Up to 25 % of wrong dates, in any order, do not matter. The estimate is for people; scoring
    does not use it, because it passes a gap only once half of its rows lie after the gap.
    """
    if not recent.size:
        return None
    median = int(_quantile(recent, 0.5))
    span = median - int(_quantile(recent, _REACH_LOWER))
    kept = recent[recent <= median + max(SECONDS_PER_DAY, _REACH_FACTOR * span)]
    return int(_quantile(kept, _SHARE))


class StreamClock:
    """The stream's clock.

    Robust: up to 25 % of wrong dates among the scored rows (early and late ones together, at any
    distance, up to 200 in a row) move it ahead of the front by at most an hour or twice the time
    that 200 rows of a partition take, if that is longer. Without wrong dates it is about 100 rows
    from the front, and it returns there within 400 rows after a gap.

    `front` is the latest event time that was scored, except times more than `LATE_DAYS` after the
    clock that no run of rows has reached. A label that lands now was not known to rows up to it, so
    it counts from later. The clock itself is up to 100 rows before the front, and all of a gap
    until enough rows lie after it.

    Args:
        second: its last value, seconds since 1970; None if nothing was scored yet, or only a
            single row, whose date may be wrong.
        recent: event times of the last scored rows, oldest first, at most `WINDOW_ROWS`.
        front: the last value of the front, seconds since 1970.
    """

    def __init__(
        self, second: int | None = None, recent: Ints | None = None, front: int | None = None
    ) -> None:
        self.second, self.front = second, second if front is None else front
        self.recent = np.zeros(0, np.int64) if recent is None else recent[-WINDOW_ROWS:]

    def advance(self, seconds: Ints) -> None:
        """Take in the event times of rows in scoring order."""
        for start in range(0, seconds.size, WINDOW_ROWS):
            part = seconds[start : start + WINDOW_ROWS]
            self.recent = np.concatenate((self.recent, part))[-WINDOW_ROWS:]
            if self.recent.size < _LEAST_ROWS:
                continue
            reach = _reach(self.recent)
            now = min(int(_quantile(self.recent, _SHARE)), reach)
            self.second = now if self.second is None else max(self.second, now)
            bound = max(reach, self.second + LATE_DAYS * SECONDS_PER_DAY)
            latest = self.recent[self.recent <= bound].max(initial=self.second)
            before = self.front if self.front is not None and self.front <= bound else self.second
            self.front = max(int(latest), before)


def resumed(metadata: Mapping[str, Any], recent: Ints) -> StreamClock:
    """Return the clock as of a commit with this metadata, and with these last scored rows."""
    return StreamClock(metadata.get("stream_second"), recent, metadata.get("front_second"))


def front_in(metadata: Mapping[str, Any]) -> int | None:
    """Return the front in a commit's metadata; stream time if an older release wrote it."""
    front: int | None = metadata.get("front_second", metadata.get("stream_second"))
    return front


def _reach(recent: Ints) -> int:
    """Return the time that consecutive rows have reached; 25 % of wrong dates do not matter."""
    rows = min(_REACH_ROWS, recent.size)
    runs = recent[recent.size % rows :].reshape(-1, rows)
    median = _quantile(runs, 0.5)
    span = median - _quantile(runs, _REACH_LOWER)
    factor = _REACH_FACTOR if rows == _REACH_ROWS else _FEW_FACTOR
    reached = np.sort(median + np.maximum(TILE_SECONDS, factor * span))
    return int(reached[-2] if reached.size >= _MANY_RUNS else reached[-1])


def _quantile(seconds: Ints, share: float) -> Any:
    place = int(share * (seconds.shape[-1] - 1))
    return np.partition(seconds, place)[..., place]
