"""Which days are a drop's own: the days that most of its rows agree on.

Here: the central days of a drop, the days that are connected with them, the span outside of which
a row's time is wrong; all from counts of rows by day, and with no clock of a machine.
Not here: counting the rows (`cleaning.tasks`), what becomes of rows outside
(`contracts.quarantine_reasons`), the watermark over all drops (`fraud_platform.calendar.due`).

The central days are the shortest run of days that holds two thirds of the rows. Up to a third of
the rows can say anything, and the run still lies among the days of the others: a quarter of wrong
dates, hours or decades too early or too late, does not move it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import accumulate
from math import ceil

CENTRAL_SHARE = 2 / 3
CONNECTED_SHARE = 0.05
"""A day belongs to the days next to it if it holds so much of the median day's rows."""

MAX_GAP_DAYS = 7
"""Over so many thinner days, days are connected still."""

ALLOWED_DAYS = 31
"""So far from the connected days a row may lie: a few rows of other months are normal."""

Counts = Mapping[int, int]
"""Rows by day; days are numbered in any way that counts them one by one."""


@dataclass(frozen=True)
class DaySpan:
    """The days from `first` to `last`, both included."""

    first: int
    last: int

    @property
    def length(self) -> int:
        """How many days."""
        return self.last - self.first + 1


def central_days(rows: Counts) -> DaySpan | None:
    """Return the shortest run of days that holds two thirds of the rows, None without rows.

    Of several the one with the most rows, of these the first.
    """
    days = sorted(day for day, count in rows.items() if count > 0)
    if not days:
        return None
    sums = [0, *accumulate(rows[day] for day in days)]
    needed = ceil(CENTRAL_SHARE * sums[-1])
    best: tuple[int, int, int] | None = None
    end = 0
    for start, first in enumerate(days):
        while end < len(days) and sums[end] - sums[start] < needed:
            end += 1
        held = sums[end] - sums[start]
        if held < needed:
            break
        found = (days[end - 1] - first, -held, first)
        best = found if best is None else min(best, found)
    assert best is not None, "all days together hold all rows"
    return DaySpan(best[2], best[2] + best[0])


def connected_days(rows: Counts, share: float = CONNECTED_SHARE) -> list[int]:
    """Return the days that are full, from the central days outwards, in order.

    A day is full if it holds at least `share` of the rows of the median central day. Beyond a gap
    of more than `MAX_GAP_DAYS` days that are not full no day belongs to the drop.
    """
    central = central_days(rows)
    if central is None:
        return []
    limit = share * median_day(n for day, n in rows.items() if central.first <= day <= central.last)
    full = sorted(day for day, count in rows.items() if count > 0 and count >= limit)
    inside = [day for day in full if central.first <= day <= central.last]
    before = _reached(central.first, (d for d in reversed(full) if d < central.first))
    after = _reached(central.last, (d for d in full if d > central.last))
    return [*reversed(before), *inside, *after]


def own_days(rows: Counts) -> DaySpan | None:
    """Return the span of a drop's own days, outside of which a time is wrong; None without rows.

    It reaches from the first connected day to the last, and beyond them by `ALLOWED_DAYS`, or by
    as many days as the central ones are where those are more.
    """
    central, connected = central_days(rows), connected_days(rows)
    if central is None:
        return None
    allowed = max(ALLOWED_DAYS, central.length)
    first, last = min(central.first, *connected), max(central.last, *connected)
    return DaySpan(first - allowed, last + allowed)


def median_day(counts: Iterable[int]) -> int:
    """Return the rows of the day that the median row lies on, 0 without rows.

    The median of the days themselves would follow wrong dates, a row each on many days.
    """
    sizes = sorted(counts)
    half = sum(sizes) / 2
    for size, up_to in zip(sizes, accumulate(sizes), strict=True):
        if up_to >= half:
            return size
    return 0


def _reached(start: int, days: Iterable[int]) -> list[int]:
    """Return the days, ever further from `start`, up to the first gap that is too long."""
    found: list[int] = []
    for day in days:
        if abs(day - (found[-1] if found else start)) > MAX_GAP_DAYS + 1:
            break
        found.append(day)
    return found
