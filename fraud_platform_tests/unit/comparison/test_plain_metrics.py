"""Metrics against scikit-learn, hand-worked tables and plain loops."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, brier_score_loss, recall_score, roc_auc_score

from fraud_platform.comparison import plain_metrics as metrics


def scored_rows(
    seed: int, n: int = 3_000, decimals: int = 2
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows with many tied scores, some of weight 0."""
    rng = np.random.default_rng(seed)
    is_fraud = rng.random(n) < 0.05
    probability = np.round(np.clip(rng.beta(1, 8, n) + 0.3 * is_fraud * rng.random(n), 0, 1), 2)
    return is_fraud, np.round(probability, decimals), rng.poisson(1.0, n)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("decimals", [1, 2, 16])
def test_metrics_equal_scikit_learn_with_ties_and_weights(seed: int, decimals: int) -> None:
    y, p, w = scored_rows(seed, decimals=decimals)
    for weight in (None, w):
        pairs = [
            (metrics.average_precision(y, p, weight), average_precision_score),
            (metrics.auc_roc(y, p, weight), roc_auc_score),
            (metrics.brier(y, p, weight), brier_score_loss),
        ]
        for value, oracle in pairs:
            assert value == pytest.approx(oracle(y, p, sample_weight=weight), abs=1e-12)
        recall = recall_score(y, p >= 0.2, sample_weight=weight)
        assert metrics.recall_at(y, p, 0.2, weight) == pytest.approx(recall, abs=1e-12)
        specificity = recall_score(~y, p < 0.2, sample_weight=weight)
        fpr = metrics.false_positive_rate_at(y, p, 0.2, weight)
        assert fpr == pytest.approx(1 - specificity, abs=1e-12)


def test_a_metric_with_nothing_to_measure_is_nan() -> None:
    genuine = np.zeros(4, dtype=bool)
    scores = np.array([0.1, 0.2, 0.3, 0.4])
    assert np.isnan(metrics.average_precision(genuine, scores))
    assert np.isnan(metrics.auc_roc(genuine, scores))
    assert np.isnan(metrics.auc_roc(~genuine, scores))
    assert np.isnan(metrics.recall_at(genuine, scores, 0.2))
    assert np.isnan(metrics.false_positive_rate_at(~genuine, scores, 0.2))
    empty = np.array([])
    assert np.isnan(metrics.card_precision_at_k(empty, empty, empty, empty, k=100))


def test_a_score_that_is_nan_is_refused() -> None:
    with pytest.raises(ValueError, match="1 scores are NaN"):
        metrics.average_precision(np.array([True, False]), np.array([0.2, np.nan]))


def test_a_row_at_the_threshold_alerts() -> None:
    assert metrics.recall_at(np.array([True, True]), np.array([0.5, 0.4]), 0.5) == 0.5


def test_recall_by_scenario_is_hand_worked() -> None:
    scenario = np.array([0, 1, 1, 2, 0])
    recall = metrics.recall_by_scenario(scenario, np.array([0.9, 0.9, 0.1, 0.8, 0.2]), 0.5)
    assert recall[1] == 0.5
    assert recall[2] == 1.0
    assert np.isnan(recall[3])


def test_expected_loss_is_missed_amounts_and_reviews_in_currency_units_a_day() -> None:
    loss = metrics.expected_loss(
        day=np.array([1, 1, 2, 2]),
        amount_cents=np.array([10_000, 5_000, 3_050, 700]),
        is_fraud=np.array([True, True, False, True]),
        probability=np.array([0.1, 0.9, 0.9, 0.2]),
        threshold=0.5,
        review_cost=5.0,
    )
    assert loss == pytest.approx((100.00 + 7.00 + 2 * 5.0) / 2)


def test_card_precision_is_hand_worked() -> None:
    day = np.array([1, 1, 1, 1, 2, 2, 2])
    customer = np.array([10, 10, 20, 30, 10, 20, 30])
    fraud = np.array([False, True, False, True, True, True, False])
    score = np.array([0.9, 0.1, 0.8, 0.7, 0.9, 0.3, 0.2])
    # Day 1: 10 and 20 are looked at, 10 is found. Day 2 without 10: 20 (found) and 30.
    assert metrics.card_precision_at_k(day, customer, fraud, score, k=2) == 0.5
    # With k = 3 day 1 finds 10 and 30, day 2 has only 20 left; the divisor stays 3.
    assert metrics.card_precision_at_k(day, customer, fraud, score, k=3) == pytest.approx(0.5)


def test_cards_of_equal_score_are_ranked_by_customer() -> None:
    day, fraud, score = np.array([1, 1]), np.array([True, False]), np.array([0.5, 0.5])
    assert metrics.card_precision_at_k(day, np.array([7, 3]), fraud, score, k=1) == 0.0
    assert metrics.card_precision_at_k(day, np.array([3, 7]), fraud, score, k=1) == 1.0


def card_precision_by_loop(rows: list[tuple[int, int, bool, float]], k: int) -> float:
    """The Handbook's definition card by card, in plain Python."""
    found: set[int] = set()
    precisions = []
    for day in sorted({r[0] for r in rows}):
        best: dict[int, float] = {}
        compromised = set()
        for row_day, customer, fraud, score in rows:
            if row_day == day and customer not in found:
                best[customer] = max(score, best.get(customer, -1.0))
                if fraud:
                    compromised.add(customer)
        top = sorted(best, key=lambda c: (-best[c], c))[:k]
        hits = [c for c in top if c in compromised]
        found.update(hits)
        precisions.append(len(hits) / k)
    return sum(precisions) / len(precisions)


@pytest.mark.parametrize("seed", range(6))
def test_card_precision_equals_a_loop_over_cards_and_a_weight_is_that_many_cards(
    seed: int,
) -> None:
    rng = np.random.default_rng(seed)
    n, k = 800, 15
    day, customer = rng.integers(0, 5, n), rng.integers(0, 60, n)
    score = np.round(rng.random(n), 2)
    fraud = rng.random(n) < score * 0.4
    copies = rng.poisson(1.0, 60)
    rows = list(zip(day.tolist(), customer.tolist(), fraud.tolist(), score.tolist(), strict=True))
    plain = metrics.card_precision_at_k(day, customer, fraud, score, k)
    assert plain == pytest.approx(card_precision_by_loop(rows, k), abs=1e-12)
    expanded = [(d, c * 100 + copy, f, s) for d, c, f, s in rows for copy in range(copies[c])]
    weighted = metrics.card_precision_at_k(day, customer, fraud, score, k, copies[customer])
    days_lost = 5 - len({r[0] for r in expanded})
    assert days_lost == 0
    assert weighted == pytest.approx(card_precision_by_loop(expanded, k), abs=1e-12)
