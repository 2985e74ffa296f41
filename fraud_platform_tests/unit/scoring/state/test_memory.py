"""What a scorer remembers: scored ids, stream time, whether its topic is still the same."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fraud_platform.contracts.arrays import Transactions
from fraud_platform.errors import OffsetGapError, TopicChangedError
from fraud_platform.scoring.plans import Plan, TopicNow, check_topic, ranges_to_plan
from fraud_platform.scoring.state.scorer_state import ScoringState
from fraud_platform.stream.clock import WINDOW_ROWS, StreamClock
from fraud_platform.stream.scored_ids import NO_LABEL, ScoredRows

DAY = 86_400
Row = tuple[int, int, int, int, int]


def transactions(rows: list[Row]) -> Transactions:
    columns = zip(*rows, strict=True) if rows else ((),) * 5
    ids, customers, terminals, seconds, cents = (np.array(c, dtype=np.int64) for c in columns)
    return Transactions(ids, customers, terminals, seconds, cents)


IDS = st.integers(0, 40)
PARTS = st.lists(st.lists(st.tuples(IDS, *(st.integers(0, 10**9),) * 4), max_size=12), max_size=10)


@settings(max_examples=150, deadline=None)
@given(PARTS, st.lists(IDS, max_size=20), st.sets(IDS, max_size=5))
def test_scored_rows_are_found_as_in_a_dictionary_the_last_scoring_of_an_id(
    parts: list[list[Row]], asked: list[int], labelled: set[int]
) -> None:
    rows = ScoredRows()
    plain: dict[int, list[int]] = {}
    for part in parts:
        rows.add(transactions(part))
        plain |= {row[0]: [*row[1:], NO_LABEL] for row in part}
    known = np.array(sorted(labelled & plain.keys()), dtype=np.int64)
    rows.label(known, known % 4, known + 1, known + 2)
    for key in known.tolist():
        plain[key][-1] = key % 4
    names = ("customer_id", "terminal_id", "second", "amount_cents", "scenario")
    is_found, columns = rows.find(np.array(asked, dtype=np.int64), *names)
    assert is_found.tolist() == [key in plain for key in asked]
    for place, key in enumerate(asked):
        if key in plain:
            assert [int(column[place]) for column in columns] == plain[key]
    assert rows.size == sum(map(len, parts))


def test_a_fork_of_the_rows_leaves_the_first_as_it_is() -> None:
    rows = ScoredRows()
    rows.add(transactions([(1, 2, 3, 4, 5)]))
    fork = rows.fork()
    one = np.array([1])
    fork.label(one, np.array([2]), np.array([7]), np.array([8]))
    fork.add(transactions([(6, 2, 3, 4, 5)]))
    assert rows.find(one, "scenario")[1][0].tolist() == [NO_LABEL]
    assert fork.find(one, "scenario")[1][0].tolist() == [2]
    assert rows.find(np.array([6]))[0].tolist() == [False]


def test_a_copy_in_the_same_batch_and_one_within_the_horizon_are_duplicates() -> None:
    state = ScoringState(duplicate_horizon_days=30)
    start = 1_532_908_800
    state.score(transactions([(1, 5, 5, start, 100)]))
    ids = np.array([2, 1, 2, 3])
    assert state.is_duplicate(ids).tolist() == [False, True, True, False]
    state.score(transactions([(4, 5, 5, start + 31 * DAY, 100)]))
    # stream time is the 99th percentile: one row far ahead of one other does not move it
    assert state.is_duplicate(ids).tolist() == [False, True, True, False]
    later = [(10 + i, 5, 5, start + 31 * DAY + i, 100) for i in range(200)]
    state.score(transactions(later))
    assert state.is_duplicate(ids).tolist() == [False, False, True, False]


def test_a_copy_of_what_came_long_after_its_event_is_a_duplicate_in_whatever_batch_it_comes() -> (
    None
):
    state = ScoringState(duplicate_horizon_days=30)
    start, per_day = 1_532_908_800, 300
    for day in range(40):
        ids = np.arange(per_day) + (day + 1) * per_day
        seconds = start + day * DAY + np.arange(per_day) * 60
        state.score(Transactions(ids, ids % 7, ids % 5, seconds, ids + 1))
        if day == 5:
            # years early, and months late
            state.score(transactions([(1, 5, 5, start - 6000 * DAY, 100)]))
            state.score(transactions([(2, 5, 5, start - 60 * DAY, 100)]))
        expected = [5 <= day <= 35] * 2
        assert state.is_duplicate(np.array([1, 2])).tolist() == expected, day


def test_scored_ids_are_kept_as_long_as_a_copy_or_a_label_may_come_and_not_for_ever() -> None:
    state = ScoringState(duplicate_horizon_days=30)
    start, per_day = 1_532_908_800, 100
    for day in range(300):
        ids = np.arange(per_day) + day * per_day
        seconds = start + day * DAY + np.arange(per_day) * 600
        state.score(Transactions(ids, ids % 7, ids % 5, seconds, ids + 1))
        sent_again = np.arange(max(0, day - 29) * per_day, (day + 1) * per_day)
        assert state.is_duplicate(sent_again).all()
    # 44 days: the lookback of labels and a week for what is late
    assert state.rows.size < 1.3 * 44 * per_day


def test_stream_time_is_the_percentile_of_the_last_rows_and_never_goes_back() -> None:
    clock = StreamClock()
    assert clock.second is None
    clock.advance(np.arange(1_000) + 5_000)
    assert clock.second == 5_000 + int(0.99 * 999)
    clock.advance(np.full(5, 10**9))
    assert clock.second is not None
    assert clock.second < 6_000
    before = clock.second
    clock.advance(np.zeros(WINDOW_ROWS, dtype=np.int64))
    assert clock.second == before
    clock.advance(np.full(WINDOW_ROWS, 10**9))
    assert clock.second == 10**9


def test_a_wrong_date_at_the_very_beginning_does_not_move_stream_time() -> None:
    clock = StreamClock()
    clock.advance(np.array([10**9]))
    assert clock.second is None
    clock.advance(np.array([5_000]))
    assert clock.second == 5_000


@given(st.lists(st.integers(0, 60), min_size=2, max_size=300))
def test_stream_time_of_one_batch_is_its_sorted_row(seconds: list[int]) -> None:
    clock = StreamClock()
    clock.advance(np.array(seconds, dtype=np.int64))
    assert clock.second == sorted(seconds)[int(0.99 * (len(seconds) - 1))]


@pytest.mark.parametrize("share", [0.001, 0.01, 0.05, 0.2, 0.25])
@pytest.mark.parametrize("direction", [1, -1])
def test_a_quarter_of_wrong_dates_moves_the_clock_by_no_more_than_it_promises(
    share: float, direction: int
) -> None:
    random = np.random.default_rng(int(share * 1000))
    true = 1_532_908_800 + np.cumsum(random.exponential(9, 60_000)).astype(np.int64)
    offsets = np.array([3_600, 5 * 3_600, DAY, 40 * DAY, 20 * 365 * DAY])
    wrong = random.random(true.size) < share
    seconds = true + direction * wrong * random.choice(offsets, true.size)
    clock, good = StreamClock(), StreamClock()
    for part in np.array_split(np.arange(true.size), 200):
        clock.advance(seconds[part])
        good.advance(true[part][~wrong[part]])
        front = int(true[part[-1]])
        assert good.second is not None
        assert front - good.second < 300 * 9
        assert clock.second is not None
        assert -6 * DAY / 24 < clock.second - front < 3_600 + 2 * 200 * 9, part[0]


def test_a_block_of_150_wrong_dates_among_10_000_does_not_move_the_clock() -> None:
    clock = StreamClock()
    clock.advance(np.arange(0, 63_000, 9))
    clock.advance(np.full(150, 10**9))
    clock.advance(np.arange(63_000, 90_000, 9))
    assert clock.second is not None
    assert clock.second < 90_000 + 3_600


def test_after_a_gap_the_clock_is_at_the_front_within_some_hundred_rows() -> None:
    clock = StreamClock()
    clock.advance(np.arange(0, 90_000, 9))
    clock.advance(10 * DAY + np.arange(0, 3_600, 9))
    assert clock.second is not None
    assert clock.second > 10 * DAY


def test_a_clock_goes_on_from_where_it_stood() -> None:
    seconds = np.random.default_rng(1).integers(0, 10**6, 3 * WINDOW_ROWS)
    whole, first = StreamClock(), StreamClock()
    whole.advance(seconds)
    first.advance(seconds[:WINDOW_ROWS])
    second = StreamClock(first.second, seconds[:WINDOW_ROWS])
    second.advance(seconds[WINDOW_ROWS:])
    assert second.second == whole.second


NOW = TopicNow("transactions", "id-1", {0: (0, 10), 1: (5, 9), 2: (0, 0)})


@pytest.mark.parametrize(
    ("topic_id", "committed", "error", "words"),
    [
        ("id-0", {0: 10, 1: 9, 2: 0}, TopicChangedError, "deleted and recreated"),
        ("id-1", {0: 10, 1: 9}, TopicChangedError, r"expected partitions \[0, 1\]"),
        ("id-1", {0: 10, 1: 9, 2: 0, 3: 4}, TopicChangedError, r"found \[0, 1, 2\]"),
        ("id-1", {0: 10, 1: 4, 2: 0}, OffsetGapError, "partition 1: 4 to 5"),
        ("id-1", {0: 11, 1: 9, 2: 0}, TopicChangedError, r"\{0: 11\} lie after"),
    ],
)
def test_a_topic_that_is_not_as_it_was_stops_scoring_and_says_why(
    topic_id: str, committed: dict[int, int], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words) as caught:
        check_topic(NOW, topic_id, committed)
    assert "accept-gap" in str(caught.value)


def test_a_topic_that_was_never_read_or_is_as_it_was_passes() -> None:
    check_topic(NOW, None, {})
    check_topic(NOW, "id-1", {0: 3, 1: 5, 2: 0})


def test_a_plan_has_a_range_for_every_partition_and_none_where_nothing_is_new() -> None:
    assert ranges_to_plan(NOW, {}, 100) == {0: (0, 10), 1: (5, 9), 2: (0, 0)}
    assert ranges_to_plan(NOW, {0: 10, 1: 7, 2: 0}, 100) == {0: (10, 10), 1: (7, 9), 2: (0, 0)}
    assert ranges_to_plan(NOW, {0: 10, 1: 9, 2: 0}, 100) == {}


def test_a_stream_that_begins_in_one_partition_goes_on_in_the_others() -> None:
    """Partitions that were empty when the first plan was made are no new partitions later."""
    first = TopicNow("transactions", "id-1", {0: (0, 4), 1: (0, 0)})
    committed = {p: end for p, (_, end) in ranges_to_plan(first, {}, 100).items()}
    later = TopicNow("transactions", "id-1", {0: (0, 4), 1: (0, 6)})
    check_topic(later, "id-1", committed)
    assert ranges_to_plan(later, committed, 100) == {0: (4, 4), 1: (0, 6)}


def test_a_plan_is_done_when_every_range_is_committed() -> None:
    ranges = {0: (0, 4), 1: (2, 2)}
    plan = Plan(1, "t", "id", ranges, 1, "none", datetime(2018, 8, 1, tzinfo=UTC), "0")
    assert plan.messages == 4
    assert plan.remaining({}) == ranges
    assert plan.remaining({0: 3}) == {0: (3, 4), 1: (2, 2)}
    assert not plan.is_done({0: 3})
    assert plan.is_done({0: 4})
    assert plan.is_done({0: 9, 1: 5})
