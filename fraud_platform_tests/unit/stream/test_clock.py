"""The front of the stream's clock: no scored row is after it, and wrong dates hardly move it."""

from __future__ import annotations

import numpy as np
import pytest

from fraud_platform.contracts.time import LATE_DAYS, SECONDS_PER_DAY, SECONDS_PER_HOUR
from fraud_platform.stream.clock import StreamClock, front_in, resumed

START = 1_533_000_000


def rows(count: int, every: int, start: int = START) -> np.ndarray:
    return start + np.arange(count, dtype=np.int64) * every


@pytest.mark.parametrize("every", [1, 60, 900, 2 * SECONDS_PER_HOUR], ids=str)
def test_the_front_is_the_last_row_though_the_clock_is_before_it(every: int) -> None:
    clock = StreamClock()
    for part in np.array_split(rows(1_000, every), 20):
        clock.advance(part)
        assert clock.front == part[-1]
    assert clock.second is not None
    assert clock.second <= int(part[-1]) - 5 * every


@pytest.mark.parametrize("gap_hours", [9, 60, 24 * LATE_DAYS - 3])
def test_the_front_passes_a_gap_with_its_first_row(gap_hours: int) -> None:
    clock = StreamClock()
    clock.advance(rows(5_000, 10))
    after = rows(20, 10, int(clock.recent[-1]) + gap_hours * SECONDS_PER_HOUR)
    clock.advance(after)
    assert clock.front == after[-1]
    assert clock.second is not None
    assert clock.second < after[0]


def test_a_row_dated_decades_ahead_does_not_move_the_front() -> None:
    clock = StreamClock()
    clock.advance(rows(2_000, 10))
    clock.advance(np.array([4_000_000_000], np.int64))
    assert clock.front == START + 1_999 * 10


def test_a_late_partition_does_not_take_the_front_back() -> None:
    clock = StreamClock()
    clock.advance(rows(2_000, 10))
    front = clock.front
    clock.advance(rows(12_000, 1, START - SECONDS_PER_DAY))
    assert clock.front == front


def test_a_front_beyond_the_bound_is_given_up() -> None:
    """As an earlier release, or a correction of stream time, may leave it."""
    clock = StreamClock(START, rows(2_000, 10, START - 20_000), START + 30 * SECONDS_PER_DAY)
    clock.advance(rows(10, 10))
    assert clock.front == START + 90


def test_a_commit_carries_the_front_on() -> None:
    clock = StreamClock()
    clock.advance(rows(300, 900))
    metadata = {"stream_second": clock.second, "front_second": clock.front}
    assert front_in(metadata) == clock.front
    later = resumed(metadata, clock.recent)
    assert (later.second, later.front) == (clock.second, clock.front)
    assert front_in({"stream_second": START}) == START
    assert front_in({}) is None
