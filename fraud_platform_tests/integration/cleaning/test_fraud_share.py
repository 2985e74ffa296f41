"""Drops whose rows are all valid, and whose labels are missing or wrong: held, or noted."""

from __future__ import annotations

import io
from datetime import date, timedelta

import pytest
from rich.console import Console

from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.cleaning import DropOutcome
from fraud_platform.cleaning.fraud_share import Frauds, differ, note_on_fraud_share
from fraud_platform.reporting.terminal import print_report
from fraud_platform_tests.oracles.drop_text import HEADER, Publish
from fraud_platform_tests.oracles.lake_tables import ledger
from fraud_platform_tests.testing.defaults import limits

APRIL, MAY, JUNE = date(2018, 4, 1), date(2018, 5, 1), date(2018, 6, 1)
LIMITS = {"limits": limits(quarantined=0.01)}
DAYS = 30


def month(first: date, share: float = 0.02, rows: int = 6_000, kinds: int = 3) -> list[list[str]]:
    """Rows of thirty days with this share of frauds, of each kind in turn."""
    made, start = [], (first - APRIL).days * 1_000
    frauds = round(rows * share)
    for n in range(rows):
        is_fraud = (n + 1) * frauds // rows > n * frauds // rows
        scenario = n * frauds // rows % kinds + 1 if is_fraud else 0
        day = first + timedelta(days=n * DAYS // rows)
        fields = (start + n, f"{day} 10:00:00", n % 50, n % 40, "5.00", 0, 0, int(is_fraud))
        made.append([*map(str, fields), str(scenario)])
    return made


def text(rows: list[list[str]]) -> bytes:
    return HEADER + b"".join(",".join(row).encode() + b"\n" for row in rows)


def land(publish: Publish, first: date, rows: list[list[str]], **options: object) -> DropOutcome:
    return publish(str(first), text(rows), **LIMITS, **options)


def report(lake: Lake) -> str:
    console = Console(width=400, record=True, file=io.StringIO())
    print_report(lake, console, note_on_fraud_share)
    return console.export_text()


@pytest.mark.parametrize(
    ("share", "words"),
    [
        (0.0, "0 of its 6,000 rows (0.000%)"),
        (0.002, "12 of its 6,000 rows (0.200%)"),
        (0.4, "2,400 of its 6,000 rows (40.000%)"),
        (1.0, "6,000 of its 6,000 rows (100.000%)"),
    ],
)
def test_a_share_of_frauds_that_is_not_chance_holds_the_drop(
    publish: Publish, lake: Lake, share: float, words: str
) -> None:
    assert land(publish, APRIL, month(APRIL)).is_published
    held = land(publish, MAY, month(MAY, share))
    assert not held.is_published
    assert held.ledger["rows_quarantined"] == 0
    why = held.ledger["held_because"]
    assert f"{words} are labelled fraud, but 120 of 6,000 rows (2.000%) of 1 other" in why
    assert "Check that its labels are complete" in why
    assert "is held" in report(lake)
    assert land(publish, MAY, month(MAY, share), accepted_because="it is so").is_published
    assert f"{words} are labelled fraud" in report(lake), "what was accepted is still noted"


def test_the_same_holds_an_older_drop_that_lands_later(publish: Publish, lake: Lake) -> None:
    assert land(publish, MAY, month(MAY)).is_published
    held = land(publish, APRIL, month(APRIL, 0.0))
    assert "0 of its 6,000 rows" in held.ledger["held_because"]


def test_a_replacement_without_labels_does_not_replace_a_drop_with_them(
    publish: Publish, lake: Lake
) -> None:
    for first in (APRIL, MAY):
        assert land(publish, first, month(first)).is_published
    held = land(publish, MAY, month(MAY, 0.0))
    assert not held.is_published
    # its row counts the content that is held, so the next drop is compared with April alone
    held = land(publish, JUNE, month(JUNE, 0.0))
    assert "of 1 other published drop:" in held.ledger["held_because"]


def test_a_share_that_chance_or_a_factor_of_four_explains_is_published(
    publish: Publish, lake: Lake
) -> None:
    assert land(publish, APRIL, month(APRIL)).is_published
    assert land(publish, MAY, month(MAY, 0.03)).is_published
    few = month(JUNE, 0.0, rows=300)
    assert land(publish, JUNE, few).is_published, "6 frauds are expected: none is chance"
    assert "labelled fraud" not in report(lake)


def test_a_difference_below_the_limit_is_published_with_a_note(
    publish: Publish, lake: Lake
) -> None:
    assert land(publish, APRIL, month(APRIL)).is_published
    assert land(publish, MAY, month(MAY, 0.06)).is_published
    assert f"Drop {MAY}: 360 of its 6,000 rows (6.000%) are labelled fraud" in report(lake)
    stricter = limits(quarantined=0.01, fraud_factor=2.5)
    assert not publish(str(MAY), text(month(MAY, 0.061)), limits=stricter).is_published


def test_a_first_drop_without_frauds_is_published_with_a_note(publish: Publish, lake: Lake) -> None:
    assert land(publish, APRIL, month(APRIL, 0.0)).is_published
    assert f"Drop {APRIL}: none of its 6,000 rows is labelled fraud" in report(lake)
    assert ledger(lake)[str(APRIL)]["held_because"] is None
    held = land(publish, MAY, month(MAY))
    assert "but 0 of 6,000 rows (0.000%)" in held.ledger["held_because"], "one of both is wrong"


def test_a_kind_of_fraud_that_is_gone_holds_the_drop(publish: Publish, lake: Lake) -> None:
    assert land(publish, APRIL, month(APRIL)).is_published
    held = land(publish, MAY, month(MAY, kinds=2))
    assert held.ledger["held_because"] == (
        "no row is a fraud of kind customer, but 40 of 6,000 rows (0.667%) of other published "
        "drops: not by chance. Check that its labels are complete"
    )


@pytest.mark.parametrize("gone", [(10,), (27, 28, 29), (0, 1)], ids=["one", "the last", "first"])
def test_days_without_a_label_of_fraud_hold_even_the_first_drop(
    publish: Publish, lake: Lake, gone: tuple[int, ...]
) -> None:
    rows = month(APRIL, 0.2)
    for row in rows:
        if (date.fromisoformat(row[1][:10]) - APRIL).days in gone:
            row[7:] = ["0", "0"]
    held = land(publish, APRIL, rows)
    assert not held.is_published
    assert "is labelled fraud, though the days near them have frauds" in held.ledger["held_because"]


def test_frauds_that_begin_slowly_hold_nothing(publish: Publish, lake: Lake) -> None:
    """As those of the original series: they grow over the first weeks."""
    rows = month(APRIL, 0.2)
    for n, row in enumerate(rows):
        if n % (2 + 60 // (1 + n // 200)):
            row[7:] = ["0", "0"]
    assert land(publish, APRIL, rows).is_published


@pytest.mark.parametrize(
    ("one", "other", "is_odd"),
    [
        (Frauds(0, 3_000), Frauds(29, 3_000), False),
        (Frauds(0, 30_000), Frauds(300, 30_000), True),
        (Frauds(0, 30_000), Frauds(1, 20), False),
        (Frauds(0, 0), Frauds(300, 30_000), False),
        (Frauds(0, 30_000), Frauds(0, 30_000), False),
        (Frauds(30_000, 30_000), Frauds(30_000, 30_000), False),
        (Frauds(9, 9), Frauds(0, 9), False),
        (Frauds(90, 90), Frauds(0, 90), True),
    ],
)
def test_two_shares_differ_only_by_more_than_chance(
    one: Frauds, other: Frauds, is_odd: bool
) -> None:
    assert differ(one, other) is differ(other, one) is is_odd
