"""The rule of event times: which are too late or too early, and which never are."""

from __future__ import annotations

import numpy as np
import pytest

from fraud_platform.stream.clock import StreamClock
from fraud_platform.stream.event_time import (
    FOLLOWERS,
    Carried,
    Times,
    carry_over,
    judge_times,
    sane_arrivals,
)
from fraud_platform_tests.testing.defaults import DEFAULTS

START, HOUR, DAY, YEAR = 1_532_908_800, 3_600, 86_400, 365 * 86_400
NOW = START + 8 * YEAR
AHEAD = (HOUR, 2 * HOUR, 7 * HOUR, DAY, 9 * DAY, 100 * DAY, 3 * YEAR, 19 * YEAR)
BEHIND = (8 * DAY, 40 * DAY, YEAR, 12 * YEAR)
SHARES = (0.001, 0.01, 0.05, 0.2)
PARTITIONS = 4
Arrivals = str
MAX_AHEAD = DEFAULTS.max_ahead_seconds


def stream(size: int = 12_000, days: int = 8, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Return partitions and event seconds, in order of time, busier by day than by night."""
    random = np.random.default_rng(seed)
    hours = random.normal(12, 5.5, size) % 24
    seconds = START + (random.integers(0, days, size) * DAY + hours * HOUR).astype(np.int64)
    return random.integers(0, PARTITIONS, size), np.sort(seconds)


def arrivals(kind: str, true: np.ndarray) -> np.ndarray:
    random = np.random.default_rng(2)
    if kind == "live":
        return true + random.integers(0, 20, true.size)
    return np.full(true.size, NOW if kind == "replay" else START - 60 * DAY)


def judge_in_parts(
    partition: np.ndarray,
    second: np.ndarray,
    arrival: np.ndarray,
    size: int,
    followers: int = FOLLOWERS,
) -> tuple[np.ndarray, np.ndarray]:
    """Judge a stream in micro-batches as an engine does; return masks of too late and too early."""
    clock = StreamClock()
    carried: dict[int, tuple[int, ...]] = {}
    ahead, behind = np.zeros(second.size, bool), np.zeros(second.size, bool)
    for start in range(0, second.size, size):
        end = min(start + size, second.size)
        beyond = np.arange(end, min(end + followers * PARTITIONS, second.size))
        rows = np.concatenate((np.arange(start, end), beyond))
        rows = rows[np.lexsort((rows, partition[rows]))]
        verdicts = judge_times(
            Times(partition[rows], second[rows], arrival[rows]), clock, carried, MAX_AHEAD
        )
        own = rows < end
        ahead[rows[own]] = verdicts.ahead[own]
        behind[rows[own]] = verdicts.behind[own]
        kept = rows[own]
        carried = carry_over(
            Times(partition[kept], second[kept], arrival[kept]), clock, carried, MAX_AHEAD
        )
        clock.advance(second[kept[~(verdicts.ahead | verdicts.behind)[own]]])
    return ahead, behind


def with_wrong(
    share: float, offsets: tuple[int, ...], kind: str, seed: int = 3
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    partition, true = stream()
    random = np.random.default_rng(seed)
    wrong = random.random(true.size) < share
    wrong[:3] = False
    return partition, true + wrong * random.choice(offsets, true.size), arrivals(kind, true), wrong


@pytest.mark.parametrize("kind", ["live", "replay", "future"])
@pytest.mark.parametrize("size", [700, 5_000, 12_000])
@pytest.mark.parametrize("share", SHARES)
def test_wrong_dates_ahead_are_named_and_no_good_row_is(share: float, size: int, kind: str) -> None:
    partition, second, arrival, wrong = with_wrong(share, AHEAD, kind)
    ahead, behind = judge_in_parts(partition, second, arrival, size)
    assert not (ahead & ~wrong).any()
    assert not behind.any()
    missed = np.flatnonzero(wrong & ~ahead)
    # the last messages have nothing after them to be compared with, nor has a stream that begins
    missed = missed[missed < second.size - 15 * PARTITIONS]
    if kind == "live":
        assert not missed.size
    # an hour or two ahead in the night, where messages are further apart
    assert missed.size <= 0.01 * wrong.sum()
    assert (second[missed] - stream()[1][missed] <= 2 * HOUR).all()


@pytest.mark.parametrize("kind", ["live", "replay", "future"])
@pytest.mark.parametrize("size", [700, 5_000, 12_000])
@pytest.mark.parametrize("share", SHARES)
def test_wrong_dates_behind_are_named_and_no_good_row_is(
    share: float, size: int, kind: str
) -> None:
    partition, second, arrival, wrong = with_wrong(share, tuple(-o for o in BEHIND), kind)
    ahead, behind = judge_in_parts(partition, second, arrival, size)
    assert not (behind & ~wrong).any()
    assert not ahead.any()
    missed = np.flatnonzero(wrong & ~behind)
    assert not missed.size, missed


@pytest.mark.parametrize("size", [1, 7, 60])
@pytest.mark.parametrize("kind", ["live", "replay"])
def test_a_stream_that_is_read_as_it_comes_loses_no_good_row(size: int, kind: str) -> None:
    partition, true = stream(3_000, 6)
    ahead, behind = judge_in_parts(partition, true, arrivals(kind, true), size, followers=0)
    assert not ahead.any()
    assert not behind.any()


@pytest.mark.parametrize("kind", ["live", "replay"])
@pytest.mark.parametrize("share", SHARES)
def test_wrong_dates_of_days_are_named_message_by_message(share: float, kind: str) -> None:
    offsets = (3 * DAY, 40 * DAY, 3 * YEAR, 19 * YEAR)
    partition, second, arrival, wrong = with_wrong(share, offsets, kind)
    ahead, _ = judge_in_parts(partition, second, arrival, 20, followers=0)
    assert not (ahead & ~wrong).any()
    missed = np.flatnonzero(wrong & ~ahead)
    # of a stream that only begins, nothing is known
    assert missed[missed > 40].size <= 0.002 * wrong.sum(), missed


@pytest.mark.parametrize("size", [1, 50, 2_000])
def test_a_live_stream_after_a_quiet_weekend_and_a_sparse_one_lose_no_row(size: int) -> None:
    partition, first = stream(1_000, 3)
    second = np.concatenate(
        (first, first + 6 * DAY, first[-1] + 10 * DAY + np.arange(9) * 5 * HOUR)
    )
    partition = np.concatenate((partition, partition, np.arange(9) % PARTITIONS))
    ahead, behind = judge_in_parts(partition, second, second + 3, size, followers=0)
    assert not ahead.any()
    assert not behind.any()


@pytest.mark.parametrize("kind", ["replay", "future"])
@pytest.mark.parametrize("gap", [2 * DAY, 30 * DAY, 3 * YEAR])
def test_a_gap_between_drops_loses_no_row_of_a_replay(gap: int, kind: str) -> None:
    partition, first = stream(4_000, 4)
    second = np.concatenate((first, first + 4 * DAY + gap))
    both = np.concatenate((partition, partition))
    ahead, behind = judge_in_parts(both, second, arrivals(kind, second), 900)
    assert not ahead.any()
    assert not behind.any()


def test_a_gap_in_a_replay_that_comes_message_by_message_costs_five_of_each_partition() -> None:
    partition, first = stream(2_000, 4)
    second = np.concatenate((first, first + 40 * DAY))
    both = np.concatenate((partition, partition))
    ahead, _ = judge_in_parts(both, second, arrivals("replay", second), 1, followers=0)
    assert ahead.sum() == 5 * PARTITIONS
    assert np.flatnonzero(ahead).min() >= 2_000
    assert np.flatnonzero(ahead).max() < 2_100


@pytest.mark.parametrize("lag", [HOUR, 9 * HOUR, 2 * DAY])
def test_a_partition_that_lags_loses_no_row_and_takes_none_from_the_others(lag: int) -> None:
    partition, true = stream(6_000, 6)
    arrival = true + 5 + (partition == 2) * lag
    order = np.argsort(arrival, kind="stable")
    for kind in ("live", "replay"):
        came = arrival[order] if kind == "live" else np.full(order.size, NOW)
        ahead, behind = judge_in_parts(partition[order], true[order], came, 500)
        assert not ahead.any()
        assert not behind.any()


@pytest.mark.parametrize("late_share", [0.01, 0.1])
def test_rows_up_to_two_days_late_are_no_wrong_dates_and_make_none(late_share: float) -> None:
    partition, true = stream(9_000, 9)
    random = np.random.default_rng(7)
    delay = (random.random(true.size) < late_share) * random.integers(HOUR, 2 * DAY, true.size)
    order = np.argsort(true + delay, kind="stable")
    for kind in ("live", "replay"):
        came = (true + delay)[order] if kind == "live" else np.full(order.size, NOW)
        ahead, behind = judge_in_parts(partition[order], true[order], came, 800)
        assert not ahead.any()
        assert not behind.any()


def test_simulated_months_that_pass_today_are_scored_and_a_block_of_2038_is_not() -> None:
    partition, second = stream(12_000, 8)
    arrival = np.full(second.size, START + 4 * DAY)
    ahead, behind = judge_in_parts(partition, second, arrival, 1_000)
    assert not ahead.any()
    assert not behind.any()
    # in a live stream a block of the same wrong date has its own followers, but is ahead of arrival
    second[5_000:5_150] = START + 19 * YEAR
    true = stream(12_000, 8)[1]
    ahead, _ = judge_in_parts(partition, second, true + 5, 1_000)
    assert np.flatnonzero(ahead).tolist() == list(range(5_000, 5_150))


def test_a_first_message_is_taken_and_a_wrong_one_among_the_first_is_named() -> None:
    clock = StreamClock()
    one = Times(np.array([0]), np.array([START]), np.array([NOW]))
    assert not judge_times(one, clock, None, MAX_AHEAD).ahead.any()
    seconds = START + np.arange(60) * 60
    seconds[[0, 20]] = [START - 10 * YEAR, START + 10 * YEAR]
    verdicts = judge_times(
        Times(np.zeros(60, int), seconds, np.full(60, NOW)), clock, None, MAX_AHEAD
    )
    assert np.flatnonzero(verdicts.behind).tolist() == [0]
    assert np.flatnonzero(verdicts.ahead).tolist() == [20]


def test_nothing_is_carried_over_from_a_live_stream_and_little_from_a_replay() -> None:
    partition, second = stream(400, 1)
    order = np.lexsort((second, partition))
    live = Times(partition[order], second[order], second[order] + 2)
    clock = StreamClock(int(second.max()))
    assert carry_over(live, clock, None, MAX_AHEAD) == {}
    carried: Carried = carry_over(live, StreamClock(START - DAY), None, MAX_AHEAD)
    assert {len(kept) for kept in carried.values()} == {6}


def test_a_timestamp_means_the_same_moment_in_whatever_unit_it_was_written() -> None:
    now_ms = 1_796_000_000_123
    stamps = np.array([now_ms, now_ms * 1000 + 7, now_ms * 10**6 + 7, now_ms // 1000, -1, 0, 2**62])
    found, is_odd = sane_arrivals(stamps, now_ms + 5_000)
    assert found.tolist() == [
        *[now_ms] * 3, now_ms // 1000 * 1000, *[now_ms + 5_000] * 3
    ]  # fmt: skip
    assert is_odd.tolist() == [False] + [True] * 6
    plain = np.array([now_ms, 1_000_000_000_000])
    assert sane_arrivals(plain, now_ms)[0] is plain
