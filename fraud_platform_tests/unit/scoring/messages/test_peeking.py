"""Ranges shortened by a look at their ends: the hour, the label delay, wrong dates, progress."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from random import Random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from fraud_platform.contracts.messages import Messages
from fraud_platform.scoring.messages.peeking import MAX_SPAN_SECONDS, Peeker

HOUR, DAY = 3_600, 86_400
START = 1_532_908_800
FEW = 51
"""Messages that a look may be wrong by."""


class Topic:
    """A topic in memory: event seconds by partition, 0 for a dead message."""

    def __init__(self, *partitions: list[int]) -> None:
        self.seconds = dict(enumerate(partitions))
        self.read_messages = 0

    def go_to(self, starts: Mapping[int, int]) -> None:
        """A read names its own ranges."""

    def close(self) -> None:
        """Nothing is open."""

    def read(self, ranges: Mapping[int, tuple[int, int]]) -> Iterator[Messages]:
        for p, (start, end) in ranges.items():
            assert 0 <= start < end <= len(self.seconds[p])
            own = self.seconds[p][start:end]
            self.read_messages += len(own)
            yield Messages(
                np.full(len(own), p, np.int32),
                np.arange(start, end),
                np.zeros(len(own), np.int64),
                [b"5"] * len(own),
                [_value(second) for second in own],
            )

    def ranges(self) -> dict[int, tuple[int, int]]:
        return {p: (0, len(own)) for p, own in self.seconds.items() if own}


def _value(second: int) -> bytes:
    moment = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%d %H:%M:%S")
    fields = {"transaction_id": 1, "tx_datetime": moment, "customer_id": 5, "terminal_id": 7}
    return b"broken" if not second else json.dumps({**fields, "tx_amount": 5.25}).encode()


def behind(topic: Topic, *with_more: int) -> dict[int, tuple[int, int]]:
    return {p: (end, end + (p in with_more)) for p, (_, end) in topic.ranges().items()}


def every(seconds: int, count: int, first: int = 0) -> list[int]:
    return [START + first + seconds * i for i in range(count)]


def ends(topic: Topic, *with_more: int) -> dict[int, int]:
    cut = Peeker(topic).cut(topic.ranges(), behind(topic, *with_more))
    return {p: end for p, (_, end) in cut.items()}


def test_a_partition_ahead_stops_between_the_one_furthest_behind_and_an_hour_more() -> None:
    topic = Topic(every(60, 4_000), every(20, 9_000), every(10, 30_000))
    found = ends(topic, 0, 1)
    # p1 ends first, after 180,000 s; p0 and p2 go on for up to 240,000 and 300,000 s
    assert found[1] == 9_000
    for p, step in ((0, 60), (2, 10)):
        reached = found[p] * step
        assert 180_000 - HOUR <= reached <= 180_000 + HOUR + step * FEW
    assert topic.read_messages < 2_000


def test_without_more_to_come_a_week_is_cut_all_the_same() -> None:
    topic = Topic(every(600, 2_000), every(60, 3_000))
    found = ends(topic)
    assert found[1] == 3_000
    assert 6 * DAY - 2 * HOUR - 600 * FEW <= found[0] * 600 <= 6 * DAY + 600 * FEW
    assert MAX_SPAN_SECONDS == 6 * DAY


def test_what_spans_less_is_left_whole_without_a_search() -> None:
    topic = Topic(every(60, 3_000), every(60, 3_010))
    assert ends(topic, 0, 1) == {0: 3_000, 1: 3_010}
    assert topic.read_messages == 4 * FEW


def test_a_partition_far_ahead_waits_whole() -> None:
    topic = Topic(every(1, 500), every(1, 500, first=3 * DAY))
    assert ends(topic, 0, 1) == {0: 500, 1: 0}


def test_wrong_dates_and_dead_messages_move_nothing() -> None:
    slow, fast = every(60, 1_000), every(60, 3_000)
    expected = ends(Topic(slow, fast), 0, 1)
    for place in (3, 990, 998):
        slow[place] = START + 10**8
    fast[2_990] = fast[5] = START - 10**8
    slow[999] = fast[2_995] = 0
    found = ends(Topic(slow, fast), 0, 1)
    assert found[0] == expected[0] == 1_000
    assert abs(found[1] - expected[1]) <= FEW


def test_dead_messages_alone_are_taken() -> None:
    assert ends(Topic([0] * 300, [0] * 10), 0, 1) == {0: 300, 1: 10}


def test_many_dead_messages_before_the_first_good_one_are_taken_in_few_steps() -> None:
    topic = Topic([0] * 3_000 + every(60, 100))
    peeker, left, steps = Peeker(topic), topic.ranges(), 0
    while left:
        cut = peeker.cut(left, {p: (end, end) for p, (_, end) in left.items()})
        assert cut[0][1] > left[0][0]
        left = {0: (cut[0][1], 3_100)} if cut[0][1] < 3_100 else {}
        steps += 1
    assert steps < 12
    assert topic.read_messages < 30_000


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.lists(st.tuples(st.integers(0, 3), st.integers(1, 120)), min_size=1, max_size=6),
        min_size=1,
        max_size=3,
    ),
    st.sets(st.integers(0, 2)),
    st.randoms(use_true_random=False),
)
def test_everything_is_taken_in_the_end(
    parts: list[list[tuple[int, int]]], with_more: set[int], random: Random
) -> None:
    steps = {0: 0, 1: 30, 2: HOUR, 3: 5 * DAY}
    topic = Topic()
    for p, own in enumerate(parts):
        second, seconds = START, []
        for kind, count in own:
            for _ in range(count):
                second += steps[kind]
                seconds.append(0 if random.random() < 0.1 else min(second, START + 900 * DAY))
        topic.seconds[p] = seconds
    left = topic.ranges()
    peeker = Peeker(topic)
    for _ in range(10_000):
        if not left:
            return
        cut = peeker.cut(left, {p: (end, end + (p in with_more)) for p, (_, end) in left.items()})
        assert cut.keys() == left.keys()
        assert all(left[p][0] <= end <= left[p][1] for p, (_, end) in cut.items())
        assert any(end > left[p][0] for p, (_, end) in cut.items())
        left = {p: (end, left[p][1]) for p, (_, end) in cut.items() if end < left[p][1]}
    raise AssertionError("it never ends")
