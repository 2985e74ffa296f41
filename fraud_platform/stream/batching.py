"""Cutting a backlog into micro-batches, partitions kept within one hour of stream time.

Here: how many messages to take of each partition, and which of those to leave for the next batch.
Not here: reading them (`adapters.kafka`), what is done with a batch (`scoring.scorer`).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from fraud_platform.contracts.time import TILE_SECONDS
from fraud_platform.stream.event_time import FOLLOWERS

Ints = npt.NDArray[np.int64]
Ranges = Mapping[int, tuple[int, int]]
"""Partition to first offset and the offset behind the last."""

FRONTIER_ROWS = 51
"""Messages of a partition whose median event time says how far it has come."""


def next_ranges(remaining: Ranges, max_messages: int) -> dict[int, tuple[int, int]]:
    """Return about `max_messages` offsets, of each partition in proportion to what is left."""
    left = {p: end - start for p, (start, end) in remaining.items() if end > start}
    total = sum(left.values())
    if total <= max_messages:
        return {p: remaining[p] for p in left}
    return {
        p: (remaining[p][0], remaining[p][0] + min(size, -(-size * max_messages // total)))
        for p, size in left.items()
    }


def with_followers(ranges: Ranges, behind: Ranges) -> dict[int, tuple[int, int]]:
    """Return the ranges with the messages after them that are evidence for event times.

    Args:
        behind: what of the plan remains after the ranges; no more than that is read.
    """
    ends = {p: min(end + FOLLOWERS, behind.get(p, (end, end))[1]) for p, (_, end) in ranges.items()}
    return {p: (start, max(end, ends[p])) for p, (start, end) in ranges.items()}


def is_within_hour(
    partition: Ints, event_seconds: Ints, has_more: Mapping[int, bool]
) -> npt.NDArray[np.bool_]:
    """Tell which messages may be scored now, as a mask that keeps a prefix of each partition.

    The partition that is furthest behind, of those with more to come, sets the bound: its frontier
    and one hour. A frontier is the median of a partition's last event times, so a wrong date moves
    neither the bound nor, since others follow it within the bound, its own partition.

    Args:
        partition: of each message, in offset order within a partition.
        event_seconds: of each message, 0 where it is dead.
        has_more: whether messages of a partition follow behind these.
    """
    rows = {p: np.flatnonzero(partition == p) for p in np.unique(partition).tolist()}
    frontiers = []
    for p, own in rows.items():
        seconds = event_seconds[own][event_seconds[own] > 0][-FRONTIER_ROWS:]
        if has_more.get(p, False) and seconds.size:
            frontiers.append(int(np.median(seconds)))
    keep = np.ones(partition.size, dtype=bool)
    if not frontiers:
        return keep
    bound = min(frontiers) + TILE_SECONDS
    for own in rows.values():
        keep[own[_cut(event_seconds[own], bound) :]] = False
    # where wrong dates alone hold the partition that is furthest behind, all goes on
    return keep if keep.any() else ~keep


def _cut(seconds: Ints, bound: int) -> int:
    """Return the prefix that holds the most of what is within the bound and the least beyond it.

    So neither a wrong date early in it nor a late or dead message at its end moves the cut.
    """
    steps = np.where(seconds > bound, 1, np.where(seconds > 0, -1, 0))
    sums = np.concatenate(([0], np.cumsum(steps)))
    return int(sums.size - 1 - np.argmin(sums[::-1]))
