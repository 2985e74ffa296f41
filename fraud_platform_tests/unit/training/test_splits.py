from __future__ import annotations

from datetime import date

import pytest

from fraud_platform.contracts.knowledge_week import KnowledgeWeek, split_days
from fraud_platform.errors import NotEnoughDataError
from fraud_platform.training.splits import training_parts

D = date(2018, 6, 4)


def test_seven_days_give_five_for_trees_and_one_each_for_calibration_and_threshold() -> None:
    parts = training_parts(D, training_days=7, first_day=date(2018, 4, 1))
    assert parts.spans() == {
        "fit": (date(2018, 5, 7), date(2018, 5, 12)),
        "calibration": (date(2018, 5, 12), date(2018, 5, 13)),
        "threshold": (date(2018, 5, 13), date(2018, 5, 14)),
    }


def test_four_weeks_hold_out_four_days_each_for_calibration_and_threshold() -> None:
    parts = training_parts(D, training_days=28, first_day=date(2018, 4, 1))
    assert [str(d) for d in (parts.fit_start, parts.calibration_start)] == [
        "2018-04-16",
        "2018-05-06",
    ]
    assert [str(d) for d in (parts.threshold_start, parts.end)] == ["2018-05-10", "2018-05-14"]


def test_all_days_of_a_short_history_are_used() -> None:
    parts = training_parts(D, training_days=28, first_day=date(2018, 5, 1))
    assert (parts.fit_start, parts.days) == (date(2018, 5, 1), 13)


def test_training_ends_three_weeks_before_the_knowledge_date() -> None:
    for days in (7, 9, 28):
        assert training_parts(D, days, date(2018, 4, 1)).end == date(2018, 5, 14)


@pytest.mark.parametrize("first_day", [date(2018, 5, 8), date(2018, 5, 14), date(2018, 7, 1)])
def test_fewer_than_seven_days_name_the_first_date_that_works(first_day: date) -> None:
    with pytest.raises(NotEnoughDataError, match="at least 7 days") as error:
        training_parts(D, 28, first_day)
    message = str(error.value)
    earliest = date.fromisoformat(message.split("knowledge date from ")[1][:10])
    assert training_parts(earliest, 28, first_day).days == 7


def test_the_split_keeps_its_lengths_for_shorter_label_delays() -> None:
    found = KnowledgeWeek(D)
    week = (date(2018, 5, 14), date(2018, 5, 21), date(2018, 5, 28))
    assert (found.train_end, found.test_start, found.test_end) == week
    assert {split_days(delay) for delay in range(8)} == {(7, 14, 21)}


@pytest.mark.parametrize("delay", [1, 7, 8, 30, 60])
def test_no_gap_of_the_split_is_shorter_than_the_label_delay(delay: int) -> None:
    """Else labels of training rows would be unknown in the test, or those of the test at D."""
    test_ends, test_starts, training_ends = split_days(delay)
    assert min(training_ends - test_starts, test_ends) >= delay
    assert test_starts - test_ends == 7
