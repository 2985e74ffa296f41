"""When a label counts, against a table that was worked out by hand from the data contract."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from fraud_platform.labels.drop_clock import LabelClock
from fraud_platform.labels.rule import (
    NEVER_LANDED,
    ON_TIME,
    confirms,
    corrects,
    counts_from_hour,
    on_time_end,
    on_time_hour,
)
from fraud_platform.stream.scored_ids import NO_LABEL

HOUR = 3_600

BY_HAND = [
    # transaction, known at, landed at, previous version counts from; expected
    ("2018-07-30 09:59:59", None, None, None, "2018-08-06 10:00"),
    ("2018-07-30 10:00:00", None, None, None, "2018-08-06 11:00"),
    ("2018-07-30 23:00:00", "2018-08-06 23:00:00", None, None, "2018-08-07 00:00"),
    ("2018-07-30 10:00:00", "2018-08-06 10:00:00", "2018-08-06 10:59:59", None, "2018-08-06 11:00"),
    ("2018-07-30 10:00:00", "2018-08-06 10:00:00", "2018-08-06 11:00:00", None, "2018-08-07 00:00"),
    ("2018-07-30 10:00:00", "2018-08-06 10:00:01", None, None, "2018-08-07 00:00"),
    ("2018-07-30 10:00:00", "2018-08-02 08:00:00", "2018-08-02 09:00:00", None, "2018-08-06 11:00"),
    ("2018-07-30 10:00:00", None, "2018-08-10 00:00:00", None, "2018-08-11 00:00"),
    ("2018-07-30 10:00:00", None, "2018-08-10 23:59:59", None, "2018-08-11 00:00"),
    ("2018-07-30 10:00:00", None, "2018-08-02 00:00:00", "2018-08-06 11:00", "2018-08-06 11:00"),
    ("2018-07-30 10:00:00", None, "2018-08-20 05:00:00", "2018-08-06 11:00", "2018-08-21 00:00"),
    ("2018-07-30 10:00:00", None, None, "2018-08-09 00:00", "2018-08-09 00:00"),
    ("2018-07-30 10:00:00", "2018-08-20 05:00:00", None, "2018-08-30 00:00", "2018-08-30 00:00"),
]


def second(text: str | None, none: int) -> int:
    if text is None:
        return none
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


@pytest.mark.parametrize(("tx", "known", "landed", "previous", "expected"), BY_HAND)
def test_a_label_counts_from_the_hour_worked_out_by_hand(
    tx: str, known: str | None, landed: str | None, previous: str | None, expected: str
) -> None:
    before = NO_LABEL if previous is None else second(previous, 0) // HOUR
    given = second(tx, 0), second(known, ON_TIME), second(landed, NEVER_LANDED), before
    (hour,) = counts_from_hour(*(np.array([value]) for value in given))
    assert datetime.fromtimestamp(int(hour) * HOUR, UTC) == datetime.fromisoformat(
        expected
    ).replace(tzinfo=UTC)


FIRST_OF_DROPS = [
    (tx, landed, expected)
    for tx, known, landed, previous, expected in BY_HAND
    if previous is None and (known is None or second(known, 0) == second(tx, 0) + 604_800)
]
"""Rows that a drop's first label can have: it is known a label delay after the transaction."""


@pytest.mark.parametrize(("tx", "landed", "expected"), FIRST_OF_DROPS)
def test_the_clock_of_a_drop_gives_its_first_labels_the_same_hours(
    tx: str, landed: str | None, expected: str
) -> None:
    now = None if landed is None else datetime.fromisoformat(landed).replace(tzinfo=UTC)
    (found,) = LabelClock(stream_time=now).first_counts_from(np.array([second(tx, 0)]))
    assert found == second(expected, 0)


def test_first_labels_of_a_drop_follow_the_general_rule() -> None:
    tx = np.arange(1_532_908_800, 1_532_908_800 + 40 * 86_400, 1_777)
    for now in (NEVER_LANDED, 0, int(tx[len(tx) // 2]) + 604_800, int(tx[-1]) + 700_000):
        landed = np.full(tx.size, now)
        columns = np.full(tx.size, ON_TIME), landed, np.full(tx.size, NO_LABEL)
        general = counts_from_hour(tx, *columns)
        assert counts_from_hour(tx, landed_second=now).tolist() == general.tolist()


def test_the_end_of_on_time_hours_is_the_first_hour_whose_labels_do_not_count_yet() -> None:
    hours = np.arange(400_000, 400_050)
    for end, hour in zip(on_time_end(hours), hours, strict=True):
        assert on_time_hour(end - 1) <= hour < on_time_hour(end)


@pytest.mark.parametrize(
    ("known", "scenario", "is_correction", "is_confirmation"),
    [
        (9, 2, False, False),
        (9, 1, False, False),
        (10, 2, True, False),
        (10, 1, False, True),
        (11, 2, True, False),
        (11, 1, False, True),
    ],
)
def test_of_two_labels_the_one_that_is_not_known_earlier_holds(
    known: int, scenario: int, is_correction: bool, is_confirmation: bool
) -> None:
    """The label that is held says scenario 1 and is known at 10."""
    pair = (np.array([value]) for value in (known, scenario, 10, 1))
    known_at, content, held_at, held = pair
    assert corrects(known_at, content, held_at, held).tolist() == [is_correction]
    assert confirms(known_at, content, held_at, held).tolist() == [is_confirmation]
