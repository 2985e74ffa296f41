"""Shortening ranges before they are read, by peeking at a few of their messages.

Here: `Peeker`, which keeps a micro-batch's partitions within one hour of each other, and the whole
micro-batch shorter than the label delay.
Not here: the same bound on messages that were read (`stream.batching`), reading (`adapters.kafka`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fraud_platform.contracts.active import LABEL_DELAY_HOURS
from fraud_platform.contracts.messages import Messages
from fraud_platform.contracts.time import HOURS_PER_DAY, TILE_SECONDS
from fraud_platform.scoring.messages.decode import decode
from fraud_platform.stream.batching import FRONTIER_ROWS, Ranges

if TYPE_CHECKING:
    from fraud_platform.scoring.ports import Source

MAX_SPAN_SECONDS = (LABEL_DELAY_HOURS - HOURS_PER_DAY) * TILE_SECONDS
"""The most stream time of one micro-batch: a day less than tasks can score independently."""
_MAX_ROUNDS = 40


@dataclass
class _Search:
    """The search for the offset where a partition passes the bound, in [`low`, `high`)."""

    start: int
    low: int
    low_second: int
    high: int
    high_second: int
    halves: bool = False

    def is_open(self, bound: int) -> bool:
        """Return whether to continue: the place is not yet known within an hour or few messages."""
        return self.high - self.low > FRONTIER_ROWS and bound - self.low_second > TILE_SECONDS

    def guess(self, bound: int) -> int:
        """Return the next place to look at: by interpolation and by bisection in turn."""
        share = (bound - self.low_second) / (self.high_second - self.low_second)
        if self.halves:
            share = 0.5
        self.halves = not self.halves
        at = self.low + int((self.high - self.low) * share)
        return min(max(at, self.low + 1), self.high - 1)

    def note(self, at: int, second: int, bound: int) -> None:
        """Record the frontier at a place."""
        if second > bound:
            self.high, self.high_second = at, second
        else:
            self.low, self.low_second = at, second


class Peeker:
    """Shortens ranges by the event times at their ends.

    A frontier is the median event time of the last messages before an offset, as in
    `stream.batching.is_within_hour`, so single wrong dates have no effect.

    Args:
        source: reads the topic.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._known: dict[int, tuple[int, int]] = {}

    def cut(self, ranges: Ranges, behind: Ranges) -> dict[int, tuple[int, int]]:
        """Return the ranges; those of partitions that run ahead are shorter or empty.

        Args:
            ranges: the ranges, none of them empty.
            behind: the rest of the plan after them.
        """
        firsts = self._first_seconds(ranges)
        lasts = self._frontiers({p: end for p, (_, end) in ranges.items()}, ranges)
        bounds = [min(firsts.values()) + MAX_SPAN_SECONDS] if firsts else []
        followed = [s for p, s in lasts.items() if behind[p][0] < behind[p][1]]
        bounds += [min(followed) + TILE_SECONDS] if followed else []
        bound = min(bounds, default=0)
        ahead = {
            p: _Search(start, start, min(firsts.get(p, bound), bound), end, lasts[p])
            for p, (start, end) in ranges.items()
            if lasts.get(p, 0) > bound
        }
        self._search(ahead, ranges, bound)
        cut = {p: (r[0], ahead[p].low if p in ahead else r[1]) for p, r in ranges.items()}
        if all(start == end for start, end in cut.values()):
            # if wrong dates alone hold back everything, the slowest partition continues
            p = min(ranges, key=lambda p: (firsts.get(p, 0), p))
            start, end = ranges[p]
            rows = FRONTIER_ROWS if p in firsts else self._dead_rows(p, start, end)
            cut[p] = (start, min(start + rows, end))
        ends = {
            p: ahead[p].low_second if p in ahead else lasts[p]
            for p in lasts
            if bounds or p not in ahead
        }
        self._known = {p: (cut[p][1], second) for p, second in ends.items()}
        return cut

    def _dead_rows(self, partition: int, start: int, end: int) -> int:
        """Return how many messages to take from a range whose frontier is all dead messages."""
        rows = FRONTIER_ROWS
        while start + rows < end and not self._medians(
            {partition: (start, min(start + 2 * rows, end))}
        ):
            rows *= 2
        return rows

    def _first_seconds(self, ranges: Ranges) -> dict[int, int]:
        """Return the event time at which each range begins; reuse the end of the last range."""
        known = {
            p: self._known[p][1]
            for p, (start, _) in ranges.items()
            if p in self._known and self._known[p][0] == start
        }
        unknown = {p: (s, min(s + FRONTIER_ROWS, e)) for p, (s, e) in ranges.items()}
        return known | self._medians({p: r for p, r in unknown.items() if p not in known})

    def _frontiers(self, places: Mapping[int, int], ranges: Ranges) -> dict[int, int]:
        return self._medians(
            {p: (max(ranges[p][0], at - FRONTIER_ROWS), at) for p, at in places.items()}
        )

    def _medians(self, ranges: Ranges) -> dict[int, int]:
        """Return the median event time of each range that holds a valid message."""
        if not ranges:
            return {}
        messages = Messages.join(list(self._source.read(ranges)))
        seconds = decode(messages.keys, messages.values).event_seconds(len(messages))
        own = {p: seconds[(messages.partition == p) & (seconds > 0)] for p in ranges}
        return {p: int(np.median(found)) for p, found in own.items() if found.size}

    def _search(self, ahead: dict[int, _Search], ranges: Ranges, bound: int) -> None:
        """Finish every search; each step reads all partitions together."""
        for _ in range(_MAX_ROUNDS):
            places = {p: s.guess(bound) for p, s in ahead.items() if s.is_open(bound)}
            if not places:
                return
            seconds = self._frontiers(places, ranges)
            for p, at in places.items():
                # only dead messages: nothing shows that they lie beyond the bound
                ahead[p].note(at, seconds.get(p, ahead[p].low_second), bound)
