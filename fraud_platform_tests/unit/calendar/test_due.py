"""The data's clock, against hand-worked calendars."""

from __future__ import annotations

from datetime import date, timedelta

from fraud_platform.calendar.due import (
    DropDay,
    built_from_replaced,
    days_to_build,
    due_weeks,
    inputs_by_day,
    inputs_of,
    watermark,
)

FIRST = date(2018, 4, 1)


def days_of(
    drop: str, start: date, count: int, content: str = "a", rows: int = 1000
) -> list[DropDay]:
    return [DropDay(drop, start + timedelta(days=i), rows, content) for i in range(count)]


def test_watermark_is_the_day_after_the_last_full_day() -> None:
    assert watermark(days_of("2018-04-01", FIRST, 30)) == date(2018, 5, 1)


def test_a_few_rows_with_a_far_date_do_not_move_the_watermark() -> None:
    stray = [DropDay("2018-04-01", date(2099, 1, 1), 9, "a")]
    assert watermark(days_of("2018-04-01", FIRST, 30) + stray) == date(2018, 5, 1)


def test_more_wrong_days_than_right_ones_do_not_move_the_watermark() -> None:
    stray = [DropDay("2018-04-01", date(2020 + n, 1, 1), 1, "a") for n in range(70)]
    assert watermark(days_of("2018-04-01", FIRST, 30) + stray) == date(2018, 5, 1)


def test_a_few_rows_with_an_early_date_ask_for_no_days_and_no_weeks() -> None:
    month = days_of("2018-05-01", date(2018, 5, 1), 30)
    stray = [DropDay("2018-05-01", FIRST + timedelta(days=n), 1, "a") for n in range(3)]
    inputs = inputs_by_day(month + stray, FIRST)
    assert (min(inputs), max(inputs)) == (date(2018, 5, 1), date(2018, 5, 30))
    assert due_weeks(inputs, inputs, set(), 7, 4) == []


def test_a_drop_of_one_percent_of_the_median_day_does_move_it() -> None:
    thin = [DropDay("2018-05-03", date(2018, 5, 3), 10, "a")]
    assert watermark(days_of("2018-04-01", FIRST, 30) + thin) == date(2018, 5, 4)


def test_no_data_has_no_watermark() -> None:
    assert watermark([]) is None
    assert inputs_by_day([], FIRST) == {}


def test_a_replaced_drop_changes_its_own_days_and_the_lookback_after_it_only() -> None:
    months = days_of("2018-04-01", FIRST, 30) + days_of("2018-05-01", date(2018, 5, 1), 60)
    before = inputs_by_day(months, FIRST)
    replaced = [
        DropDay(d.drop, d.day, d.rows, "b" if d.drop == "2018-04-01" else d.content) for d in months
    ]
    after = inputs_by_day(replaced, FIRST)
    changed = {day for day in before if before[day] != after[day]}
    assert changed == {FIRST + timedelta(days=i) for i in range(30 + 38)}


def test_a_later_drop_leaves_the_days_before_it_as_they_are() -> None:
    one = inputs_by_day(days_of("2018-04-01", FIRST, 30), FIRST)
    two = inputs_by_day(
        days_of("2018-04-01", FIRST, 30) + days_of("2018-05-01", date(2018, 5, 1), 30), FIRST
    )
    assert all(two[day] == fingerprint for day, fingerprint in one.items())
    assert len(two) == 60


def test_days_before_the_first_partition_are_not_asked_for() -> None:
    inputs = inputs_by_day(days_of("2018-03-02", date(2018, 3, 2), 60), FIRST)
    assert min(inputs) == FIRST


def test_a_backlog_is_cut_into_contiguous_runs_of_bounded_size() -> None:
    inputs = {FIRST + timedelta(days=i): "x" for i in range(10)}
    rows = dict.fromkeys(inputs, 100)
    built = {FIRST + timedelta(days=2): "x"}
    assert days_to_build(inputs, built, rows, 1_000) == (FIRST, FIRST + timedelta(days=1))
    assert days_to_build(inputs, {}, rows, 350) == (FIRST, FIRST + timedelta(days=2))
    assert days_to_build(inputs, {}, rows, 1) == (FIRST, FIRST)
    assert days_to_build(inputs, inputs, rows, 1_000) is None


def test_the_first_week_due_has_seven_days_of_training_before_the_gap() -> None:
    inputs = inputs_by_day(days_of("2018-04-01", FIRST, 45), FIRST)
    # training must lie in [2018-04-01, D - 21 d) for at least 7 days: D >= 2018-04-29
    assert due_weeks(inputs, inputs, [], 7, 10) == [
        date(2018, 4, 30),
        date(2018, 5, 7),
        date(2018, 5, 14),
    ]


def test_decided_weeks_and_older_ones_are_not_asked_again() -> None:
    inputs = inputs_by_day(days_of("2018-04-01", FIRST, 45), FIRST)
    assert due_weeks(inputs, inputs, [date(2018, 5, 7)], 7, 10) == [date(2018, 5, 14)]


def test_a_week_whose_features_are_not_built_is_not_due() -> None:
    inputs = inputs_by_day(days_of("2018-04-01", FIRST, 45), FIRST)
    built = {day: f for day, f in inputs.items() if day < date(2018, 4, 28)}
    assert due_weeks(inputs, built, [], 7, 10) == [date(2018, 4, 30)]


def test_only_the_latest_weeks_of_a_backlog_are_decided() -> None:
    inputs = inputs_by_day(days_of("2018-04-01", FIRST, 45), FIRST)
    assert due_weeks(inputs, inputs, [], 7, 1) == [date(2018, 5, 14)]


def test_a_model_trained_on_a_replaced_drop_is_named() -> None:
    days = days_of("2018-04-01", FIRST, 30)
    trained = {3: (FIRST, date(2018, 4, 20), inputs_of(days, FIRST, date(2018, 4, 20)))}
    assert built_from_replaced(trained, days) == []
    assert built_from_replaced(trained, days_of("2018-04-01", FIRST, 30, content="b")) == [3]


def test_a_corrected_label_marks_models_but_no_day_that_is_past() -> None:
    days = days_of("2018-04-01", FIRST, 30)
    corrected = [DropDay(d.drop, d.day, d.rows, d.content, "other") for d in days]
    assert inputs_by_day(corrected, FIRST) == inputs_by_day(days, FIRST)
    assert inputs_of(corrected, FIRST, FIRST) != inputs_of(days, FIRST, FIRST)
