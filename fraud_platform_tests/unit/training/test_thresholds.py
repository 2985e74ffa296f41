from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fraud_platform.training.thresholds import Constraints, Threshold, choose_threshold

ROW = st.tuples(
    st.integers(1, 12), st.booleans(), st.integers(1, 40_000), st.sampled_from([1.0, 2.5])
)


Row = tuple[int, bool, int, float]


def brute_force(
    rows: list[Row], days: int, limits: Constraints
) -> tuple[int, float, float, float] | None:
    """Return the cut with the least expected loss within both limits, by a loop over rows."""
    genuine = sum(w for _, f, _, w in rows if not f)
    best = None
    for cut in sorted({s for s, *_ in rows}, reverse=True):
        alerts = sum(w for s, _, _, w in rows if s >= cut) / days
        false_rate = sum(w for s, f, _, w in rows if s >= cut and not f) / genuine
        missed = sum(w * cents for s, f, cents, w in rows if s < cut and f) / 100 / days
        loss = missed + limits.review_cost * alerts
        keeps = alerts <= limits.max_alerts_per_day and false_rate <= limits.max_false_positive_rate
        if keeps and (best is None or loss < best[1] - 1e-9):
            best = (cut, loss, alerts, false_rate)
    return best


@settings(max_examples=200, deadline=None)
@given(
    st.lists(ROW, min_size=2, max_size=40),
    st.integers(1, 5),
    st.floats(0.5, 20),
    st.floats(0.01, 0.9),
    st.floats(0, 300),
)
def test_it_is_the_cut_with_the_least_loss_within_the_limits(
    rows: list[Row], days: int, alerts: float, rate: float, cost: float
) -> None:
    assume({f for _, f, _, _ in rows} == {True, False})
    limits = Constraints(alerts, rate, cost)
    score, fraud, cents, weight = (np.array(column) for column in zip(*rows, strict=True))
    found = choose_threshold(score / 13, fraud, cents, weight.astype(float), days, limits)
    expected = brute_force(rows, days, limits)
    if expected is None:
        assert not (score / 13 >= found.value).any()
        assert found.alerts_per_day == 0
        return
    assert found.expected_loss_per_day == pytest.approx(expected[1])
    assert found.alerts_per_day <= alerts
    assert found.false_positive_rate <= rate
    assert (score / 13 >= found.value) @ weight / days == pytest.approx(found.alerts_per_day)


def worked(limits: Constraints) -> Threshold:
    """Choose a threshold for ten rows over two days, with frauds at scores .9, .7 and .3."""
    probability = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.05])
    is_fraud = np.array([1, 0, 1, 0, 0, 0, 1, 0, 0, 0], dtype=bool)
    cents = np.where(is_fraud, [100_00, 0, 80_00, 0, 0, 0, 20_00, 0, 0, 0], 5_00)
    return choose_threshold(probability, is_fraud, cents, np.ones(10), 2, limits)


def test_free_reviews_and_no_limits_catch_every_fraud() -> None:
    found = worked(Constraints(100, 0.99, 0.0))
    assert (found.value, found.recall, found.expected_loss_per_day) == (0.3, 1.0, 0.0)
    assert "both limits would allow more" in found.reason


def test_a_fraud_cheaper_than_the_reviews_to_find_it_is_missed() -> None:
    found = worked(Constraints(100, 0.99, 15.0))
    assert (found.value, found.expected_loss_per_day) == (0.7, 10.0 + 1.5 * 15.0)


def test_the_reason_names_the_limit_that_binds() -> None:
    by_alerts = worked(Constraints(0.5, 0.99, 0.0))
    assert (by_alerts.value, by_alerts.alerts_per_day) == (0.9, 0.5)
    assert by_alerts.reason.endswith("stays within 0.5 alerts a day")
    by_rate = worked(Constraints(100, 0.1, 0.0))
    assert by_rate.value == 0.9
    assert by_rate.reason.endswith("stays within a false positive rate of 0.1")


def test_nothing_alerts_if_every_cut_exceeds_a_limit() -> None:
    found = worked(Constraints(0.4, 0.99, 0.0))
    assert found.value > 1
    assert (found.alerts_per_day, found.recall, found.expected_loss_per_day) == (0.0, 0.0, 100.0)
    assert "nothing alerts" in found.reason
