"""Batching: splitting a backlog into micro-batches whose partitions stay within one hour.

Here: how many messages to take from each partition, and which of them to leave for the next batch.
Not here: reading them (`adapters.kafka`), scoring a batch (`scoring.scorer`).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from fraud_platform.contracts.time import TILE_SECONDS
from fraud_platform.stream.event_time import FOLLOWERS

Ints = npt.NDArray[np.int64]
Ranges = Mapping[int, tuple[int, int]]
"""Partition to first offset and the offset after the last."""

FRONTIER_ROWS = 51
"""Messages of a partition whose median event time is its frontier."""


def next_ranges(remaining: Ranges, max_messages: int) -> dict[int, tuple[int, int]]:
    """Return about `max_messages` offsets, from each partition in proportion to its backlog."""
    left = {p: end - start for p, (start, end) in remaining.items() if end > start}
    total = sum(left.values())
    if total <= max_messages:
        return {p: remaining[p] for p in left}
    return {
        p: (remaining[p][0], remaining[p][0] + min(size, -(-size * max_messages // total)))
        for p, size in left.items()
    }


def with_followers(ranges: Ranges, behind: Ranges) -> dict[int, tuple[int, int]]:
    """Return the ranges extended by the messages after them that are evidence for event times.

    Args:
        behind: the rest of the plan after the ranges; nothing beyond it is read.
    """
    ends = {p: min(end + FOLLOWERS, behind.get(p, (end, end))[1]) for p, (_, end) in ranges.items()}
    return {p: (start, max(end, ends[p])) for p, (start, end) in ranges.items()}


def is_within_hour(
    partition: Ints, event_seconds: Ints, has_more: Mapping[int, bool]
) -> npt.NDArray[np.bool_]:
    """Return which messages may be scored now, as a mask that keeps a prefix of each partition.

    Of the partitions with more to come, the slowest one sets the bound: its frontier plus one hour.
    A frontier is the median of a partition's last event times. A single wrong date therefore moves
    neither the bound nor its own partition's prefix, because later messages are within the bound.

    Args:
        partition: partition of each message, in offset order within a partition.
        event_seconds: event time of each message, 0 for a dead one.
        has_more: whether a partition has messages after these.
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
        keep[own[_prefix_length(event_seconds[own], bound) :]] = False
    # if only wrong dates hold back the slowest partition, everything may be scored
    return keep if keep.any() else ~keep


def _prefix_length(seconds: Ints, bound: int) -> int:
    """Return the length of the prefix with the most messages within the bound and fewest beyond.

    Neither an early wrong date nor a late or dead message at the end moves it.
    """
    steps = np.where(seconds > bound, 1, np.where(seconds > 0, -1, 0))
    sums = np.concatenate(([0], np.cumsum(steps)))
    return int(sums.size - 1 - np.argmin(sums[::-1]))
