"""Cutting a backlog: proportions, the bound of one hour, wrong dates, progress."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from fraud_platform.stream.batching import is_within_hour, next_ranges

HOUR = 3_600
START = 1_532_908_800


def cut(has_more: dict[int, bool], **seconds: list[int]) -> dict[int, int]:
    """Return how many messages of each partition are kept; partitions are p0, p1, .."""
    partition = np.repeat([int(name[1:]) for name in seconds], [len(s) for s in seconds.values()])
    events = np.array([s for own in seconds.values() for s in own], dtype=np.int64)
    keep = is_within_hour(partition.astype(np.int64), events, has_more)
    return {int(p): int(keep[partition == p].sum()) for p in np.unique(partition)}


def minutes(first: int, last: int) -> list[int]:
    """Return an event a minute."""
    return [START + 60 * minute for minute in range(first, last)]


def test_what_remains_is_taken_whole_where_it_fits() -> None:
    assert next_ranges({0: (5, 8), 1: (2, 2), 2: (0, 7)}, 10) == {0: (5, 8), 2: (0, 7)}


@given(
    st.dictionaries(
        st.integers(0, 11), st.tuples(st.integers(0, 10**9), st.integers(0, 10**6)), min_size=1
    ),
    st.integers(1, 10**5),
)
def test_each_partition_gives_in_proportion_to_its_backlog(
    sizes: dict[int, tuple[int, int]], max_messages: int
) -> None:
    remaining = {p: (start, start + size) for p, (start, size) in sizes.items()}
    total = sum(size for _, size in sizes.values())
    taken = {p: end - start for p, (start, end) in next_ranges(remaining, max_messages).items()}
    assert set(taken) == {p for p, (_, size) in sizes.items() if size}
    for p, count in taken.items():
        share = sizes[p][1] * min(1.0, max_messages / max(total, 1))
        assert 1 <= count <= sizes[p][1]
        assert share - 1 <= count <= share + 1


def test_without_more_to_come_all_is_scored() -> None:
    assert cut({}, p0=minutes(0, 60), p1=minutes(300, 400)) == {0: 60, 1: 100}


def test_a_partition_ahead_waits_an_hour_beyond_the_one_that_is_furthest_behind() -> None:
    # the median of the last 51 minutes before 100 is minute 74; one hour more is 134
    assert cut({0: True, 1: True}, p0=minutes(0, 100), p1=minutes(0, 300)) == {0: 100, 1: 135}


def test_a_partition_with_nothing_more_sets_no_bound_but_keeps_to_it() -> None:
    assert cut({1: True}, p0=minutes(0, 100), p1=minutes(0, 300)) == {0: 100, 1: 300}
    assert cut({0: True}, p0=minutes(0, 100), p1=minutes(0, 300)) == {0: 100, 1: 135}


def test_a_wrong_date_in_the_future_holds_nothing_up() -> None:
    wrong = minutes(0, 100)
    wrong[20] = START + 10**8
    assert cut({0: True, 1: True}, p0=wrong, p1=minutes(0, 300)) == {0: 100, 1: 135}


def test_late_and_dead_messages_at_the_end_drag_nothing_along() -> None:
    ahead = minutes(0, 300)
    ahead[250], ahead[297], ahead[299] = START, 0, START + 60
    assert cut({0: True, 1: True}, p0=minutes(0, 100), p1=ahead) == {0: 100, 1: 135}


def test_dead_messages_alone_are_scored() -> None:
    assert cut({0: True, 1: True}, p0=[0] * 30, p1=minutes(0, 300)) == {0: 30, 1: 300}


@settings(max_examples=200)
@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.sampled_from([0, 1, 2, 500]), st.integers(0, HOUR)),
        min_size=1,
        max_size=200,
    ),
    st.dictionaries(st.integers(0, 2), st.booleans()),
)
def test_something_is_always_scored_and_always_a_prefix_of_each_partition(
    events: list[tuple[int, int, int]], has_more: dict[int, bool]
) -> None:
    partition = np.array([p for p, _, _ in events], dtype=np.int64)
    seconds = np.array([h * HOUR * 3 + s if h else 0 for _, h, s in events], dtype=np.int64)
    keep = is_within_hour(partition, seconds, has_more)
    assert keep.any()
    for p in range(3):
        own = keep[partition == p]
        assert (np.diff(own.astype(int)) <= 0).all()
