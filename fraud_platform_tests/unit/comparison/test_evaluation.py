"""The prequential test rows against the Handbook's rule written as a loop over days."""

from __future__ import annotations

import numpy as np
import pytest

from fraud_platform.comparison.evaluation import unknown_customers_mask


def kept_by_loop(
    days: list[int],
    customers: list[int],
    frauds: list[tuple[int, int]],
    train_start: int,
    train_days: int,
    delay: int,
    test_days: int,
) -> list[int]:
    """Row positions that stay, day by day, with the known customers as a growing set."""
    train_end = train_start + train_days
    known = {c for d, c in frauds if train_start <= d < train_end}
    kept: list[int] = []
    for offset in range(test_days):
        known |= {c for d, c in frauds if d == train_end + offset - 1}
        today = train_end + delay + offset
        kept += [
            i
            for i, (d, c) in enumerate(zip(days, customers, strict=True))
            if d == today and c not in known
        ]
    return sorted(kept)


@pytest.mark.parametrize("seed", range(5))
def test_rows_kept_equal_a_loop_over_the_test_days(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, start, train_days, delay, test_days = 4_000, 40, 7, 7, 7
    day, customer = rng.integers(0, 80, n), rng.integers(1_000, 1_300, n)
    is_fraud = rng.random(n) < 0.05
    test_start = start + train_days + delay
    in_test = (day >= test_start) & (day < test_start + test_days)
    mask = unknown_customers_mask(
        day[in_test],
        customer[in_test],
        day[is_fraud],
        customer[is_fraud],
        start,
        start + train_days,
        delay,
    )
    frauds = list(zip(day[is_fraud].tolist(), customer[is_fraud].tolist(), strict=True))
    kept = kept_by_loop(
        day[in_test].tolist(),
        customer[in_test].tolist(),
        frauds,
        start,
        train_days,
        delay,
        test_days,
    )
    assert np.flatnonzero(mask).tolist() == kept
    assert 0 < mask.sum() < len(mask)


def test_a_fraud_seven_days_before_is_not_known_and_one_eight_days_before_is() -> None:
    mask = unknown_customers_mask([30, 30], [1, 2], [23, 22], [1, 2], 5, 12)
    assert mask.tolist() == [True, False]


def test_frauds_before_the_training_weeks_are_forgotten() -> None:
    assert unknown_customers_mask([30], [1], [4], [1], 5, 12).tolist() == [True]


def test_without_any_fraud_every_row_stays() -> None:
    assert unknown_customers_mask([30, 31], [1, 2], [], [], 5, 12).all()
