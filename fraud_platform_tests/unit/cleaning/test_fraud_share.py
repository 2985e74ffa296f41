"""Days without a fraud: missing labels, except on the first day of the earliest drop."""

from __future__ import annotations

from collections import Counter

import pytest

from fraud_platform.cleaning.classes import ClassCounts
from fraud_platform.cleaning.drop import CleanedDrop
from fraud_platform.cleaning.fraud_share import Frauds, reason_of_fraud_share

FIRST_DAY, ROWS, FRAUDS = 17_622, 2_000, 50


def landed(day_without: int | None) -> CleanedDrop:
    """Return a drop of ten days, one of them without a fraud."""
    kept: Counter[tuple[int, int]] = Counter()
    for day in range(FIRST_DAY, FIRST_DAY + 10):
        frauds = 0 if day == day_without else FRAUDS
        kept[day, 1], kept[day, 0] = frauds, ROWS - frauds
    return CleanedDrop("2018-04-01", classes=ClassCounts(kept=kept))


def reason(day_without: int | None, others: tuple[str, ...] = ()) -> str | None:
    frauds = {name: Frauds(10 * FRAUDS, 10 * ROWS) for name in others}
    return reason_of_fraud_share(landed(day_without), frauds, lambda names: Counter(), 3.0)


@pytest.mark.parametrize("others", [(), ("2018-05-01",), ("2018-05-01", "2018-06-01")])
def test_the_first_day_of_the_earliest_drop_may_have_no_fraud(others: tuple[str, ...]) -> None:
    assert reason(None, others) is None
    assert reason(FIRST_DAY, others) is None


@pytest.mark.parametrize("day", [FIRST_DAY + 1, FIRST_DAY + 5, FIRST_DAY + 9])
def test_any_other_day_without_a_fraud_holds_it(day: int) -> None:
    assert "none of 2,000 rows of 1 day from 2018-04" in str(reason(day))


def test_after_another_drop_the_first_day_holds_it_too() -> None:
    assert "from 2018-04-01 to 2018-04-01" in str(reason(FIRST_DAY, ("2018-03-01",)))
