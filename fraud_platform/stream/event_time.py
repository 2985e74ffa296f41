"""Which event times are plausible, judged by a message's arrival and its neighbors.

Here: `judge_times`, a pure function that both engines call, and `sane_arrivals`, which reads the
Kafka timestamp in any unit that a producer may use.
Not here: the clock of the stream (`stream.clock`), the other rules for a message
(`scoring.messages.decode`), reading messages (`adapters.kafka`).

In a live stream, arrival bounds the event time. A replay of past (or simulated future) days is far
from its arrival, so its messages are compared with the messages after them in their partition: more
messages of the new day follow a real gap, but not a wrong date. The page `docs/event_time.md`
explains the rules and their reasons.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from fraud_platform.contracts.time import LATE_DAYS, SECONDS_PER_DAY, TILE_SECONDS
from fraud_platform.stream.clock import StreamClock

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

FOLLOWERS = 50
"""Number of following messages that may support an event time."""

_LATE = LATE_DAYS * SECONDS_PER_DAY
_WINDOWS = (3, 9, FOLLOWERS)
"""Numbers of followers to compare with: the nearest ones reveal a wrong date of an hour even if
messages are rare; many of them are robust against wrong dates among them."""
_FEW_FOLLOWERS = 15
_FIRST = 11
"""First messages of a read, whose lower quartile estimates where the partition begins."""
_IN_A_ROW = 5
"""So many messages in a row, with the supported one, are no accident if 25 % of dates are wrong."""
_PACE_ROWS, _PACE_LEAST = 50, 20
_POOLED_ROWS, _POOLED_LEAST = 500, 100
_FAR = 31 * SECONDS_PER_DAY
"""A live stream cannot run this far ahead of its arrival unless a person sets stream time."""
_FIRST_NEIGHBORS = 9

Carried = Mapping[int, tuple[int, ...]]
"""For each partition whose last messages are undecided: how many in a row are ahead of their
arrival, then the last event times, oldest first."""


@dataclass(frozen=True)
class Times:
    """The valid messages of a read, in order of partition and offset.

    Attributes:
        arrival: arrival time of each, seconds since 1970.
    """

    partition: Ints
    second: Ints
    arrival: Ints


@dataclass(frozen=True)
class TimeVerdicts:
    """The verdicts on event times.

    Attributes:
        ahead, behind: masks of the messages whose event time is impossibly late or early.
    """

    ahead: Mask
    behind: Mask


class _Stream(NamedTuple):
    """The state before the messages: stream time, the time between messages, the tolerance."""

    second: int | None
    pace: int
    max_ahead: int


def sane_arrivals(timestamp_ms: Ints, read_ms: int) -> tuple[Ints, Mask]:
    """Return arrivals in ms, and which timestamps were not plain ms since 1970.

    Between 2000 and an hour after reading, the ranges of s, ms, us and ns do not overlap, so the
    unit follows from the value. Anything else (-1, 0, a far future) becomes the time of reading.
    """
    low, high = 946_684_800_000, read_ms + TILE_SECONDS * 1000
    is_odd = (timestamp_ms < low) | (timestamp_ms > high)
    if not is_odd.any():
        return timestamp_ms, is_odd
    found = np.where(is_odd, read_ms, timestamp_ms)
    small = np.where(np.abs(timestamp_ms) < low, timestamp_ms, 0)
    for scaled in (timestamp_ms // 1_000, timestamp_ms // 1_000_000, small * 1_000):
        found = np.where(is_odd & (scaled >= low) & (scaled <= high), scaled, found)
    return found, is_odd


def judge_times(
    times: Times,
    clock: StreamClock,
    carried: Carried | None,
    max_ahead: int,
) -> TimeVerdicts:
    """Judge event times by arrival, stream time and neighbors.

    A verdict depends on the messages of its partition, and hardly on where a micro-batch ends: the
    caller reads up to `FOLLOWERS` messages beyond the end if the topic has them.

    Args:
        clock: the stream's clock before these messages.
        carried: what the last micro-batch carries over; None before the first.
        max_ahead: seconds that an event may lie ahead of arrival and of its followers.
    """
    second = times.second
    before = _Stream(clock.second, _pooled_pace(clock, max_ahead), max_ahead)
    agrees = _agrees_with_arrival(times, max_ahead)
    is_new = second > (0 if before.second is None else before.second + max_ahead)
    is_new |= _is_at_arrival(times.arrival, before) & (second > times.arrival + max_ahead)
    ahead = np.zeros(second.size, dtype=bool)
    behind = np.zeros(second.size, dtype=bool)
    for partition, start, end in _parts(times.partition):
        is_past = _behind_stream(second[start:end], before)
        left = np.flatnonzero(~is_past) + start
        # in a replay, a wrong date may match its arrival by accident
        is_live = 2 * np.count_nonzero(agrees[left]) >= left.size
        is_candidate = is_new[left] & ~agrees[left] if is_live else is_new[left]
        if is_candidate.any():
            own = Times(times.partition[left], second[left], times.arrival[left])
            last = (carried or {}).get(partition, (0,))
            ahead[left] = _ahead(own, is_candidate, before, last)
        behind[start:end] = is_past
        behind[left] = _behind_front(second[left], ahead[left])
    return TimeVerdicts(ahead, behind & ~ahead)


def carry_over(
    times: Times,
    clock: StreamClock,
    carried: Carried | None,
    max_ahead: int,
) -> dict[int, tuple[int, ...]]:
    """Return what later verdicts need from these messages; empty for a live stream.

    Args:
        times: the messages of the micro-batch, without those after it.
    """
    kept = {p: tuple(of_last) for p, of_last in (carried or {}).items()}
    is_future = times.second > times.arrival + max_ahead
    settled = -1 if clock.second is None else clock.second + max_ahead
    for partition, start, end in _parts(times.partition):
        last = kept.pop(partition, (0,))
        recent = (*last[1:], *times.second[max(start, end - _IN_A_ROW) : end].tolist())
        recent = recent[-_IN_A_ROW:]
        if max(recent) > settled:
            run = int(_run_lengths(is_future[start:end], last[0])[-1])
            kept[partition] = (min(run, FOLLOWERS), *recent)
    return kept


def _agrees_with_arrival(times: Times, max_ahead: int) -> Mask:
    """Return which events lie within the day before their arrival, as in a live stream."""
    lead = times.second - times.arrival
    return (lead <= max_ahead) & (lead >= -SECONDS_PER_DAY)


def _is_at_arrival(arrival: Ints, before: _Stream) -> Mask:
    """Return for which messages the stream itself is not ahead of arrival, unlike simulated months.

    One day is tolerated, for wrong dates that moved stream time a little.
    """
    return arrival >= (0 if before.second is None else before.second - SECONDS_PER_DAY)


def _pooled_pace(clock: StreamClock, max_ahead: int) -> int:
    """Return a usual time without messages, estimated from the last scored rows."""
    recent = clock.recent[-_POOLED_ROWS:]
    if clock.second is None or recent.size < _POOLED_LEAST:
        return SECONDS_PER_DAY
    return max(max_ahead, 2 * (clock.second - int(np.quantile(recent, 0.25))))


def _parts(partition: Ints) -> list[tuple[int, int, int]]:
    """Return each partition with the positions of its messages."""
    if not partition.size:
        return []
    cuts = np.flatnonzero(np.diff(partition)) + 1
    edges = [0, *cuts.tolist(), partition.size]
    return [(int(partition[a]), a, b) for a, b in pairwise(edges)]


def _ahead(own: Times, is_candidate: Mask, before: _Stream, last: tuple[int, ...]) -> Mask:
    """Judge the candidates of one partition in order; each accepted leap moves its front."""
    second, limit = own.second, before.max_ahead
    ahead = _ahead_of_arrival(own, is_candidate, before, last)
    front = _first_front(second, before)
    if front is None:
        return ahead
    reached = np.maximum.accumulate(np.concatenate(([front], second[:-1])))
    if not (is_candidate & (second > reached + limit)).any():
        return ahead
    accepted: list[int] = []
    listed = second.tolist()
    for place, event in enumerate(listed):
        if ahead[place]:
            continue
        if event > front + limit and is_candidate[place]:
            followers = listed[place + 1 : place + 1 + FOLLOWERS]
            verdict = _contradicted(event, front, followers, limit)
            if verdict is None:
                pace = _pace(accepted, front, before)
                verdict = event > front + pace and not _in_a_row(place, second, front, last)
            if verdict:
                ahead[place] = True
                continue
        front = max(front, event)
        accepted.append(event)
    return ahead


def _first_front(second: Ints, before: _Stream) -> int | None:
    """Return the front of a partition before its first message; None if it is unknown.

    A slow partition is measured by its own first messages, not by stream time. A front that is too
    early only means that more messages are judged.
    """
    first = np.sort(second[:_FIRST])
    if first.size < _IN_A_ROW:
        return before.second
    own = int(first[first.size // 4])
    return own if before.second is None else min(own, before.second)


def _contradicted(event: int, front: int, followers: list[int], limit: int) -> bool | None:
    """Return whether the messages after a leap continue from before it; None if too few decide.

    A message that is itself earlier than the front is late, and does not count.
    """
    in_order = [second for second in followers if second >= front - limit]
    earlier = [second < event - limit for second in in_order]
    is_earlier = [
        2 * sum(earlier[:size]) > len(earlier[:size])
        for size in _WINDOWS
        if len(earlier) >= _WINDOWS[0]
    ]
    return True if any(is_earlier) else None if len(earlier) < _FEW_FOLLOWERS else False


def _pace(accepted: list[int], front: int, before: _Stream) -> int:
    """Return a usual time without messages in this partition."""
    if len(accepted) < _PACE_LEAST:
        return before.pace
    recent = np.sort(accepted[-_PACE_ROWS:])
    return max(before.max_ahead, front - int(recent[recent.size // 4]))


def _in_a_row(place: int, second: Ints, front: int, last: tuple[int, ...]) -> bool:
    """Return whether a message is one of six in a row that are all at least half as far ahead.

    A real gap looks like a wrong date until enough messages agree.
    """
    around = np.concatenate((np.array(last[1:], np.int64), second))
    middle = place + len(last) - 1
    differs = np.flatnonzero(2 * (around - front) < around[middle] - front)
    at = int(np.searchsorted(differs, middle))
    first = int(differs[at - 1]) + 1 if at else 0
    end = int(differs[at]) if at < differs.size else around.size
    return end - first > _IN_A_ROW


def _ahead_of_arrival(
    own: Times, is_candidate: Mask, before: _Stream, last: tuple[int, ...]
) -> Mask:
    """Flag messages ahead of their arrival, if the stream is not and few messages are."""
    ahead = np.zeros(own.second.size, dtype=bool)
    now = before.second
    is_future = own.second > own.arrival + before.max_ahead
    rows = np.flatnonzero(is_candidate & is_future & _is_at_arrival(own.arrival, before))
    if not rows.size:
        return ahead
    total = np.concatenate(([0], np.cumsum(is_future)))
    ends = np.minimum(rows + 1 + FOLLOWERS, own.second.size)
    followers, future = ends - rows - 1, total[ends] - total[rows + 1]
    if now is None:
        ahead[rows] = (followers >= _FEW_FOLLOWERS) & (2 * future < followers)
        return ahead
    is_followed = (followers == FOLLOWERS) & (2 * future >= followers)
    in_a_row = _run_lengths(is_future, last[0])[rows] - 1
    is_far = own.second[rows] > np.maximum(own.arrival[rows], now) + _FAR
    ahead[rows] = is_far | ~(is_followed | (in_a_row >= FOLLOWERS))
    return ahead


def _run_lengths(mask: Mask, before: int) -> Ints:
    """Return how many true values in a row end at each place; `before` precede the first."""
    place = np.arange(1, mask.size + 1)
    last_false = np.maximum.accumulate(np.where(mask, -before, place))
    return np.where(mask, place - last_false, 0)


def _behind_stream(second: Ints, before: _Stream) -> Mask:
    """Flag messages that are older than the state's memory, by stream time.

    A stream that just begins has no stream time: most neighbors must be more than a week later.
    """
    if before.second is not None:
        return second < before.second - _LATE
    behind = np.zeros(second.size, dtype=bool)
    if int(second.max()) - int(second.min()) <= _LATE:
        return behind
    for place in np.flatnonzero(second < second.max() - _LATE).tolist():
        first, end = max(0, place - _FIRST_NEIGHBORS), place + 1 + _FIRST_NEIGHBORS
        around = np.delete(second[first:end], place - first)
        behind[place] = 2 * np.count_nonzero(around > second[place] + _LATE) > around.size
    return behind


def _behind_front(second: Ints, ahead: Mask) -> Mask:
    """Flag messages more than a week earlier than messages before them in their partition."""
    behind = np.zeros(second.size, dtype=bool)
    if not second.size or int(second.max()) - int(second.min()) <= _LATE:
        return behind
    # a message with few followers may be wrong itself, and proves nothing
    proven = np.where(ahead, 0, second)
    proven[max(0, second.size - _FEW_FOLLOWERS) :] = 0
    front = np.maximum.accumulate(np.concatenate(([0], proven[:-1])))
    return (front > 0) & (second < front - _LATE)
