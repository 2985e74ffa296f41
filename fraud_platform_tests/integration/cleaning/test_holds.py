"""What a person must see before a drop is published: classes, other drops' rows, wrong days."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

import pytest

from fraud_platform.adapters.tables.lake import Lake
from fraud_platform_tests.oracles.drop_text import HEADER, Publish
from fraud_platform_tests.oracles.lake_tables import clean_rows, everything, ledger
from fraud_platform_tests.testing.defaults import limits

A, B = "2018-03-15", "2018-04-01"
OF_ALL = {"max_quarantined_share": 0.01}
DAYS, ROWS = 30, 3_000


def month(
    first: date = date(2018, 4, 1), rows: int = ROWS, days: int = DAYS, start: int = 0
) -> list[list[str]]:
    """Rows of a month, field by field; 1 in 100 is a fraud, of each scenario in turn."""
    made = []
    for n in range(rows):
        day = first + timedelta(days=n * days // rows)
        scenario = n // 100 % 3 + 1 if n % 100 == 0 else 0
        fields = (start + n, f"{day} 10:00:00", n % 50, n % 40, "5.00", 0, 0, int(scenario > 0))
        made.append([*map(str, fields), str(scenario)])
    return made


def text(rows: list[list[str]]) -> bytes:
    return HEADER + b"".join(",".join(row).encode() + b"\n" for row in rows)


def frauds(rows: list[list[str]], scenario: str | None = None) -> Iterator[list[str]]:
    return (row for row in rows if row[7] == "1" and scenario in (None, row[8]))


def test_a_month_with_some_dirt_is_published(publish: Publish, lake: Lake) -> None:
    rows = month()
    for row in rows[5::400]:
        row[4] = "-1.00"
    next(frauds(rows))[8] = ""
    assert publish(B, text(rows), **OF_ALL).is_published


@pytest.mark.parametrize("scenario", ["0", "", "9", "x"])
def test_frauds_whose_scenario_is_lost_hold_the_drop_though_they_are_few(
    publish: Publish, lake: Lake, scenario: str
) -> None:
    rows = month()
    for row in frauds(rows):
        row[8] = scenario
    held = publish(B, text(rows), **OF_ALL)
    assert not held.is_published
    assert held.ledger["rows_quarantined"] / held.ledger["rows_read"] <= 0.01
    why = held.ledger["held_because"]
    assert "30 of 30 rows labelled fraud (100.00%) are quarantined, more than 5.00%" in why
    assert publish(B, **OF_ALL, accepted_because="they come later").is_published


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        (7, "", "10 of 10 frauds of kind terminal (100.00%)"),
        (4, "-1.00", "10 of 10 frauds of kind terminal (100.00%)"),
        (1, "2018-04-31 10:00:00", "10 of 10 frauds of kind terminal (100.00%)"),
        (1, "2031-04-30 10:00:00", "10 of 10 frauds of kind terminal (100.00%)"),
        (8, "", "10 of 30 rows labelled fraud (33.33%)"),
    ],
)
def test_a_kind_of_fraud_that_is_lost_holds_the_drop(
    publish: Publish, lake: Lake, field: int, value: str, words: str
) -> None:
    rows = month()
    for row in frauds(rows, "2"):
        row[field] = value
    held = publish(B, text(rows), **OF_ALL)
    assert not held.is_published
    assert words in held.ledger["held_because"]


def test_a_comma_too_many_does_not_hide_the_label(publish: Publish, lake: Lake) -> None:
    rows = month()
    for row in frauds(rows):
        row[4] = "5,00"
    held = publish(B, text(rows), **OF_ALL)
    assert "30 of 30 rows labelled fraud" in held.ledger["held_because"]


def test_labels_that_nobody_can_read_may_be_all_the_frauds(publish: Publish, lake: Lake) -> None:
    rows = month()
    for row in frauds(rows):
        row[7:] = ["x", "x"]
    held = publish(B, text(rows), **OF_ALL)
    assert "the labels of 30 quarantined rows cannot be read" in held.ledger["held_because"]


@pytest.mark.parametrize("field", [1, 2, 4])
def test_a_day_that_is_lost_holds_the_drop(publish: Publish, lake: Lake, field: int) -> None:
    rows = month(rows=4_000, days=200)
    for row in rows:
        if row[1].startswith("2018-06-10"):
            row[field] = {1: "2018-06-10 99:00:00", 2: "-999999", 4: "0"}[field]
    held = publish(B, text(rows), **OF_ALL)
    assert not held.is_published
    assert "20 of 20 rows of 2018-06-10 (100.00%)" in held.ledger["held_because"]


def test_few_rows_of_a_class_and_copies_hold_nothing(publish: Publish, lake: Lake) -> None:
    rows = month(rows=100, days=1)
    rows += month(date(2018, 4, 2), rows=3, days=1, start=200)
    rows[-1][4] = "-1"
    copies = [row.copy() for row in rows if row[7] == "1"] * 9
    assert publish(B, text([*rows, *copies]), max_quarantined_share=0.2).is_published


TAKEN = {"max_quarantined_share": 0.01}


def older(rows: int = 216, start: int = 100, amount: str = "7.77") -> bytes:
    """A small drop with ids of the month, and other contents."""
    made = month(date(2018, 3, 15), rows, start=start)
    for row in made:
        row[4] = amount
    return text(made)


def test_a_small_older_drop_that_takes_rows_of_a_published_one_is_held(
    publish: Publish, lake: Lake
) -> None:
    publish(B, text(month()), **TAKEN)
    before = everything(lake)
    held = publish(A, older(), **TAKEN)
    assert not held.is_published
    why = held.ledger["held_because"]
    assert f"216 rows of drop {B} go to quarantine since drop {A} has their ids" in why
    after = everything(lake)
    assert after["transactions"] == before["transactions"]
    assert after["drop_labels"] == before["drop_labels"]
    assert publish(A, **TAKEN, accepted_because="they belong there").is_published
    assert ledger(lake)[B]["rejected_conflicting_duplicate_id"] == 216


def test_the_same_is_held_in_the_other_order_of_landing(publish: Publish, lake: Lake) -> None:
    publish(A, older(), **TAKEN)
    held = publish(B, text(month(rows=300_000, days=30)), **TAKEN)
    assert not held.is_published
    why = held.ledger["held_because"]
    assert f"216 rows of drop {B} go to quarantine since drop {A} has their ids" in why
    assert f"100.00% of the rows of drop {A}" in why
    assert publish(B, **TAKEN, accepted_because="known").is_published


def test_a_replacement_that_takes_rows_of_another_drop_is_held(
    publish: Publish, lake: Lake
) -> None:
    publish(A, text(month(date(2018, 3, 15), 500, start=10_000)), **TAKEN)
    publish(B, text(month()), **TAKEN)
    held = publish(A, older(), **TAKEN)
    assert not held.is_published
    assert len(clean_rows(lake, A)) == 500
    assert len(clean_rows(lake, B)) == ROWS
    replaced = month(start=10_000)
    held = publish(B, text(replaced), **TAKEN)
    assert f"484 rows of drop {B} go to quarantine since drop {A}" in held.ledger["held_because"]


def test_taking_the_frauds_of_another_drop_is_held_though_they_are_few(
    publish: Publish, lake: Lake
) -> None:
    rows = month(rows=20_000)
    publish(B, text(rows), **TAKEN)
    taken = [row.copy() for row in frauds(rows)][:20]
    for row in taken:
        row[7:] = ["0", "0"]
    own = month(date(2018, 3, 15), 3_000, start=50_000)
    held = publish(A, text([*own, *taken]), **TAKEN)
    assert "of 200 rows labelled fraud (10.00%)" in held.ledger["held_because"]


def test_equal_rows_of_an_older_drop_take_nothing_away(publish: Publish, lake: Lake) -> None:
    rows = month()
    publish(B, text(rows), **TAKEN)
    outcome = publish(A, text(rows[:1_000]), **TAKEN)
    assert outcome.rewritten_drops == (B,)


def test_a_drop_outside_of_the_datas_days_is_held(publish: Publish, lake: Lake) -> None:
    held_before = limits(quarantined=0.01, first_day=date(2018, 4, 1))
    rows = text(month(date(2010, 1, 1), 216))
    held = publish("2010-01-01", rows, limits=held_before)
    assert not held.is_published
    assert "lies before the first day of the data, 2018-04-01" in held.ledger["held_because"]
    held = publish("2010-01-02", text(month(rows=216, start=9_000)), limits=held_before)
    assert "more than 92 days from the days of its name" in held.ledger["held_because"]
    early = publish("2018-03-20", text(month(date(2018, 3, 20), start=5_000)), limits=held_before)
    assert early.is_published


def test_a_person_who_accepts_has_seen_all_reasons(publish: Publish, lake: Lake) -> None:
    publish(B, text(month()), **TAKEN)
    rows = older() + b"bad\n" * 9
    why = publish(A, rows, **TAKEN).ledger["held_because"]
    assert "9 of 225 rows (4.00%) are quarantined" in why
    assert f"216 rows of drop {B}" in why
