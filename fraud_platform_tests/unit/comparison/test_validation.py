"""The comparison validated by simulation: how often it is wrong, how often its interval is right.

In an A/A pair each customer's (or terminal's) scores change sides by a coin, so that the models are
alike in law and the true difference is 0, while frauds and scores stay clustered as they are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from scipy.stats import binomtest

from fraud_platform.comparison.bootstrap import compare_models
from fraud_platform.comparison.gate import Verdict
from fraud_platform.comparison.metrics import Metric
from fraud_platform.comparison.results import Clustering
from fraud_platform_tests.oracles.scored_customers import exchanged, scored_rows
from fraud_platform_tests.testing.defaults import comparison

NOMINAL_PROMOTION_RATE = 0.025
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Outcomes:
    """What happened in each simulation, shape (simulations,) each."""

    promoted: np.ndarray
    customer_covers: dict[Metric, np.ndarray]
    wider_covers: dict[Metric, np.ndarray]


def simulate(
    simulations: int, customers: int, terminals: int, resamples: int, exchange_by: str
) -> Outcomes:
    """Compare A/A pairs, margins so wide that average precision alone decides: the worst case."""
    checked = (Metric.AVERAGE_PRECISION, Metric.AUC_ROC, Metric.EXPECTED_LOSS)
    promoted = np.zeros(simulations, dtype=bool)
    customer = {m: np.zeros(simulations, dtype=bool) for m in checked}
    wider = {m: np.zeros(simulations, dtype=bool) for m in checked}
    for n in range(simulations):
        rng = np.random.default_rng([20_180_401, n])
        rows, one, other = scored_rows(rng, customers, terminals)
        candidate, champion = exchanged(rng, getattr(rows, exchange_by), one, other)
        config = comparison(
            resamples=resamples, seed=n, card_precision_margin=1.0, expected_loss_margin=10.0
        )
        result = compare_models(rows, candidate, champion, config)
        promoted[n] = result.verdict is Verdict.PROMOTE
        for metric in checked:
            difference = result.difference(metric)
            for clustering, low, high in difference.by_clustering:
                if clustering is Clustering.CUSTOMER:
                    customer[metric][n] = low <= 0 <= high
            wider[metric][n] = difference.low <= 0 <= difference.high
    return Outcomes(promoted, customer, wider)


def binomial_interval(happened: np.ndarray) -> tuple[float, float]:
    """Return the exact 95 % interval of a rate."""
    interval = binomtest(int(happened.sum()), len(happened)).proportion_ci(0.95, method="exact")
    return interval.low, interval.high


def assert_valid(outcomes: Outcomes) -> None:
    assert binomial_interval(outcomes.promoted)[0] <= NOMINAL_PROMOTION_RATE
    for metric, covers in outcomes.customer_covers.items():
        low, high = binomial_interval(covers)
        assert low <= CONFIDENCE <= high, f"{metric}: {covers.mean():.3f} [{low:.3f}, {high:.3f}]"
    for metric, covers in outcomes.wider_covers.items():
        assert binomial_interval(covers)[1] >= CONFIDENCE, f"{metric}: {covers.mean():.3f}"


@pytest.mark.slow
def test_a_small_validation_keeps_its_promises() -> None:
    assert_valid(simulate(200, 600, 1_200, 300, "customer_id"))


@pytest.mark.slow
def test_the_wider_interval_covers_where_differences_cluster_by_terminal() -> None:
    outcomes = simulate(100, 600, 300, 300, "terminal_id")
    assert binomial_interval(outcomes.customer_covers[Metric.AVERAGE_PRECISION])[1] < CONFIDENCE
    assert binomial_interval(outcomes.promoted)[0] <= NOMINAL_PROMOTION_RATE
    for metric, covers in outcomes.wider_covers.items():
        assert binomial_interval(covers)[1] >= CONFIDENCE, f"{metric}: {covers.mean():.3f}"


def test_a_candidate_that_is_much_better_is_promoted_and_the_reverse_is_kept() -> None:
    config = comparison(resamples=400)
    verdicts = []
    for n in range(10):
        rows, better, worse = scored_rows(np.random.default_rng(n), skill=(1.6, 0.2))
        verdicts.append(
            (
                compare_models(rows, better, worse, config).verdict,
                compare_models(rows, worse, better, config).verdict,
            )
        )
    assert sum(v == (Verdict.PROMOTE, Verdict.KEEP) for v in verdicts) >= 9


@pytest.mark.slow
@pytest.mark.timeout(3_600)
def test_promotion_rate_and_coverage_over_500_exchanged_pairs(
    capsys: pytest.CaptureFixture[str],
) -> None:
    outcomes = simulate(500, 1_500, 3_000, 1_000, "customer_id")
    with capsys.disabled():
        print_outcomes(outcomes)
    assert_valid(outcomes)


def print_outcomes(outcomes: Outcomes) -> None:
    low, high = binomial_interval(outcomes.promoted)
    print(f"\n{len(outcomes.promoted)} A/A pairs: promotion rate {outcomes.promoted.mean():.3f} "
          f"[{low:.3f}, {high:.3f}], nominal {NOMINAL_PROMOTION_RATE}")  # fmt: skip
    for name, all_covers in (
        ("customer-clustered", outcomes.customer_covers),
        ("wider", outcomes.wider_covers),
    ):
        for metric, covers in all_covers.items():
            low, high = binomial_interval(covers)
            print(f"coverage, {name} interval of {metric}: {covers.mean():.3f} "
                  f"[{low:.3f}, {high:.3f}]")  # fmt: skip
