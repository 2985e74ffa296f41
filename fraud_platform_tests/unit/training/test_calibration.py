from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from fraud_platform.training.calibration import fit_calibrator


def scored(
    n: int, seed: int, a: float = 1.4, b: float = 0.6, c: float = 0.8
) -> tuple[np.ndarray, np.ndarray]:
    """Return scores and labels whose fraud probability is a beta calibration of the score."""
    draw = np.random.default_rng(seed)
    score = draw.beta(0.3, 3.0, n)
    score = np.clip(score, 1e-6, 1 - 1e-6)
    truth = 1 / (1 + np.exp(-(a * np.log(score) - b * np.log1p(-score) + c)))
    return score, draw.random(n) < truth


def test_it_recovers_the_parameters_that_generated_the_labels() -> None:
    score, is_fraud = scored(400_000, seed=1)
    fitted = fit_calibrator(score, is_fraud, np.ones(len(score)))
    assert (fitted.a, fitted.b, fitted.c) == pytest.approx((1.4, 0.6, 0.8), abs=0.08)


def test_it_equals_the_maximum_likelihood_fit_of_scikit_learn() -> None:
    score, is_fraud = scored(100_000, seed=2)
    fitted = fit_calibrator(score, is_fraud, np.ones(len(score)))
    design = np.column_stack([np.log(score), -np.log1p(-score)])
    oracle = LogisticRegression(C=1e8, tol=1e-10, max_iter=10_000).fit(design, is_fraud)
    expected = oracle.predict_proba(design)[:, 1]
    assert fitted.probability(score) == pytest.approx(expected, abs=2e-4)


def test_a_weight_of_two_counts_as_two_rows() -> None:
    score, is_fraud = scored(3_000, seed=3)
    weights = np.where(np.arange(3_000) % 3 == 0, 2.0, 1.0)
    twice = np.repeat(np.arange(3_000), weights.astype(int))
    weighted = fit_calibrator(score, is_fraud, weights)
    repeated = fit_calibrator(score[twice], is_fraud[twice], np.ones(len(twice)))
    assert (weighted.a, weighted.b, weighted.c) == pytest.approx(
        (repeated.a, repeated.b, repeated.c), rel=1e-6
    )


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 999), st.booleans()), min_size=2, max_size=60).filter(
        lambda rows: len({label for _, label in rows}) == 2
    )
)
def test_calibration_is_strictly_increasing_for_any_rows(rows: list[tuple[int, bool]]) -> None:
    score = np.array([s / 1_000 for s, _ in rows])
    is_fraud = np.array([label for _, label in rows])
    calibrator = fit_calibrator(score, is_fraud, np.ones(len(rows)))
    grid = np.linspace(0.001, 0.999, 999)
    assert (np.diff(calibrator.probability(grid)) > 0).all()


def test_scores_of_exactly_0_and_1_give_probabilities_between_0_and_1() -> None:
    score, is_fraud = scored(2_000, seed=4)
    probability = fit_calibrator(score, is_fraud, np.ones(2_000)).probability(np.array([0.0, 1.0]))
    assert 0 < probability[0] < 1e-3
    assert 0.9 < probability[1] <= 1
