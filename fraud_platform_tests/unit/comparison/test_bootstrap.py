"""The bootstrap against scikit-learn, SciPy, plain loops and published numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import average_precision_score, brier_score_loss, recall_score, roc_auc_score

from fraud_platform.comparison import plain_metrics as metrics
from fraud_platform.comparison.inputs import ComparisonRows, ScoredModel
from fraud_platform.comparison.metrics import Metric
from fraud_platform.comparison.replicates import WeightedMetrics
from fraud_platform.comparison.resampling import (
    degrees_of_freedom,
    draw_weights,
    expanded_level,
    holm_adjusted,
    leave_one_out,
    percentile_interval,
    replicate,
    two_sided_p_value,
    weight_blocks,
)
from fraud_platform.comparison.weighted_sums import WeightedSums
from fraud_platform_tests.oracles.scored_customers import scored_rows
from fraud_platform_tests.testing.defaults import comparison

CONFIG = comparison(k=20)
ORDER = list(Metric)
BY_NAME = {str(metric): metric for metric in Metric}
Setup = tuple[
    ComparisonRows, tuple[ScoredModel, ScoredModel], np.ndarray, WeightedMetrics, np.ndarray
]


def weighted_setup(
    seed: int, cluster_column: str, decimals: int = 17, customers: int = 400
) -> Setup:
    rng = np.random.default_rng(seed)
    rows, candidate, champion = scored_rows(rng, customers, 300, decimals=decimals)
    rows = rows.take(rows.order())
    _, clusters = np.unique(getattr(rows, cluster_column), return_inverse=True)
    by_customer = cluster_column == "customer_id"
    engine = WeightedMetrics(rows, [candidate, champion], clusters, CONFIG, by_customer)
    weights = draw_weights(rng, engine.n_clusters, 40)
    return rows, (candidate, champion), clusters, engine, weights


@pytest.mark.parametrize("cluster_column", ["customer_id", "terminal_id"])
@pytest.mark.parametrize("decimals", [2, 17])
def test_metrics_of_supplied_resamples_equal_scikit_learn(
    cluster_column: str, decimals: int
) -> None:
    rows, models, clusters, engine, weights = weighted_setup(1, cluster_column, decimals)
    values = engine(weights)
    y, day = rows.is_fraud, rows.day
    for i, model in enumerate(models):
        p, cut = model.probability, model.threshold
        for r in range(weights.shape[1]):
            w = weights[clusters, r]
            alert = p >= cut
            missed = np.sum(w * rows.amount_cents * (y & ~alert)) / 100
            expected = {
                Metric.AVERAGE_PRECISION: average_precision_score(y, p, sample_weight=w),
                Metric.AUC_ROC: roc_auc_score(y, p, sample_weight=w),
                Metric.BRIER: brier_score_loss(y, p, sample_weight=w),
                Metric.RECALL: recall_score(y, alert, sample_weight=w),
                Metric.FALSE_POSITIVE_RATE: 1 - recall_score(~y, ~alert, sample_weight=w),
                Metric.EXPECTED_LOSS: (missed + 5.0 * np.sum(w * alert)) / len(np.unique(day)),
            }
            for s in (1, 2, 3):
                of_scenario = rows.fraud_scenario == s
                if w[of_scenario].sum() > 0:
                    expected[BY_NAME[f"recall_scenario_{s}"]] = recall_score(
                        of_scenario[of_scenario], alert[of_scenario], sample_weight=w[of_scenario]
                    )
            for metric, value in expected.items():
                found = values[i, ORDER.index(metric), r]
                assert found == pytest.approx(value, abs=1e-12, rel=1e-12), metric


@pytest.mark.parametrize("decimals", [2, 17])
def test_card_precision_of_customer_resamples_counts_each_copy_as_a_card(decimals: int) -> None:
    """The oracle copies the rows: a customer drawn three times becomes three customers."""
    rows, models, clusters, engine, weights = weighted_setup(2, "customer_id", decimals)
    values = engine(weights)[:, ORDER.index(Metric.CARD_PRECISION)]
    for i, model in enumerate(models):
        for r in range(weights.shape[1]):
            copies = weights[clusters, r].astype(int)
            at = np.repeat(np.arange(len(rows)), copies)
            copy = np.concatenate([np.arange(c) for c in copies])
            expected = metrics.card_precision_at_k(
                rows.day[at],
                rows.customer_id[at] * 1_000 + copy,
                rows.is_fraud[at],
                model.probability[at],
                CONFIG.k,
            )
            assert values[i, r] == pytest.approx(expected, abs=1e-12)


def test_card_precision_of_terminal_resamples_weighs_a_card_by_its_fraud_or_its_suspicion() -> None:
    rows, models, clusters, engine, weights = weighted_setup(3, "terminal_id")
    values = engine(weights)[:, ORDER.index(Metric.CARD_PRECISION)]
    for i, model in enumerate(models):
        days, left = [], set()
        for day in np.unique(rows.day):
            cards: dict[int, list[int]] = {}
            for n in np.flatnonzero(rows.day == day).tolist():
                customer = rows.customer_id[n]
                if customer not in left:
                    cards.setdefault(customer, []).append(n)
            top = {c: max(at, key=lambda n: model.probability[n]) for c, at in cards.items()}
            fraud = {c: next((n for n in at if rows.is_fraud[n]), None) for c, at in cards.items()}
            ranked = sorted(cards, key=lambda c: (-model.probability[top[c]], c))
            left |= {c for c in ranked[: CONFIG.k] if fraud[c] is not None}
            days.append(
                [
                    (clusters[top[c] if (at := fraud[c]) is None else at], fraud[c] is not None)
                    for c in ranked
                ]
            )
        for r in range(weights.shape[1]):
            found = 0.0
            for ranked_day in days:
                places = float(CONFIG.k)
                for cluster, hit in ranked_day:
                    taken = min(places, weights[cluster, r])
                    places -= taken
                    found += taken * hit
            expected = found / (CONFIG.k * len(days))
            assert values[i, r] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("metric", [m for m in Metric if m is not Metric.CARD_PRECISION])
def test_a_cluster_of_weight_two_counts_as_its_rows_twice(metric: Metric) -> None:
    """Holds for every declared metric; a copied card is another card and has tests of its own."""
    rows, models, clusters, engine, weights = weighted_setup(6, "customer_id")
    at = np.repeat(np.arange(len(rows)), weights[clusters, 0].astype(int))
    copied = [replace(model, probability=model.probability[at]) for model in models]
    everything = np.zeros(len(at), dtype=np.int64)
    plain = WeightedMetrics(rows.take(at), copied, everything, CONFIG, cards_are_clusters=False)
    expected = plain(np.ones((1, 1)))[:, ORDER.index(metric), 0]
    found = engine(weights)[:, ORDER.index(metric), 0]
    assert np.isfinite(expected).all()
    assert found == pytest.approx(expected, rel=1e-12, abs=1e-12)


def test_a_sum_that_no_formula_declares_is_refused() -> None:
    weighted = WeightedSums(np.ones(1), np.ones(1), np.ones(1), days=1, config=CONFIG, sums={})
    with pytest.raises(ValueError, match="expected a sum that a formula declares, found RowSum"):
        Metric.RECALL.formula.of(weighted)


@pytest.mark.parametrize("cluster_column", ["customer_id", "terminal_id"])
def test_weights_of_one_give_the_plain_metrics(cluster_column: str) -> None:
    rows, models, _, engine, _ = weighted_setup(4, cluster_column)
    values = engine(np.ones((engine.n_clusters, 1)))[..., 0]
    for i, model in enumerate(models):
        y, p, cut = rows.is_fraud, model.probability, model.threshold
        cards = metrics.card_precision_at_k(rows.day, rows.customer_id, y, p, CONFIG.k)
        loss = metrics.expected_loss(rows.day, rows.amount_cents, y, p, cut, CONFIG.review_cost)
        assert values[i, ORDER.index(Metric.CARD_PRECISION)] == pytest.approx(cards, abs=1e-12)
        assert values[i, ORDER.index(Metric.EXPECTED_LOSS)] == pytest.approx(loss, rel=1e-12)
        assert values[i, 0] == pytest.approx(metrics.average_precision(y, p), abs=1e-12)


def test_paired_clustered_percentile_intervals_equal_scipys_with_the_same_draws() -> None:
    rows, (candidate, champion), clusters, engine, _ = weighted_setup(5, "customer_id")
    y, p, q = rows.is_fraud, candidate.probability, champion.probability
    ours = replicate(engine, np.random.default_rng(7), engine.n_clusters, 300, engine.cells)
    low, high = percentile_interval(ours[0] - ours[1], 0.95)
    for metric, score in (
        (Metric.AVERAGE_PRECISION, average_precision_score),
        (Metric.AUC_ROC, roc_auc_score),
    ):

        def difference(drawn: np.ndarray, score: Callable[..., float] = score) -> float:
            w = np.bincount(drawn, minlength=engine.n_clusters)[clusters]
            return score(y, p, sample_weight=w) - score(y, q, sample_weight=w)

        scipys = stats.bootstrap(
            (np.arange(engine.n_clusters),),
            difference,
            vectorized=False,
            n_resamples=300,
            method="percentile",
            rng=np.random.default_rng(7),
        )
        j = ORDER.index(metric)
        np.testing.assert_allclose(
            (ours[0] - ours[1])[j], scipys.bootstrap_distribution, atol=1e-12
        )
        assert low[j] == pytest.approx(scipys.confidence_interval.low, abs=1e-12)
        assert high[j] == pytest.approx(scipys.confidence_interval.high, abs=1e-12)


def test_the_size_of_blocks_does_not_change_the_draws() -> None:
    whole = draw_weights(np.random.default_rng(3), 700, 500)
    blocks = list(weight_blocks(np.random.default_rng(3), 700, 500, cells=40_000))
    assert len(blocks) > 5
    assert np.array_equal(np.concatenate(blocks, axis=1), whole)
    assert (whole.sum(axis=0) == 700).all()


def test_draws_are_multinomial() -> None:
    weights = draw_weights(np.random.default_rng(5), 50, 40_000)
    share_never_drawn = np.mean(weights == 0)
    assert share_never_drawn == pytest.approx((1 - 1 / 50) ** 50, abs=4e-3)
    assert weights.var(axis=1).mean() == pytest.approx(1 - 1 / 50, abs=0.01)
    covariance = np.cov(weights[:2])[0, 1]
    assert covariance == pytest.approx(-1 / 50, abs=0.02)


def test_an_interval_leaves_replicates_without_a_value_out() -> None:
    low, high = percentile_interval(np.array([np.nan, 1.0, 2.0, 3.0, np.nan]), 0.5)
    assert (float(low), float(high)) == (1.5, 2.5)
    assert np.isnan(percentile_interval(np.array([np.nan, np.nan]), 0.95)).all()


def test_holm_adjustment_equals_a_published_table() -> None:
    """R's p.adjust(c(.01, .02, .03, .04, .05), "holm") and a shuffled case worked by hand."""
    assert holm_adjusted([0.01, 0.02, 0.03, 0.04, 0.05]) == pytest.approx(
        [0.05, 0.08, 0.09, 0.09, 0.09]
    )
    assert holm_adjusted([0.6, 0.001, np.nan, 0.02]) == pytest.approx(
        [0.6, 0.003, np.nan, 0.04], nan_ok=True
    )
    assert holm_adjusted([0.9, 0.8]).tolist() == [1.0, 1.0]


def test_p_value_is_the_normal_tail_on_both_sides() -> None:
    assert two_sided_p_value(1.959963984540054) == pytest.approx(0.05, abs=1e-12)
    assert two_sided_p_value(-1.959963984540054) == pytest.approx(0.05, abs=1e-12)
    assert two_sided_p_value(float("inf")) == 0.0


@pytest.mark.parametrize("cluster_column", ["customer_id", "terminal_id"])
def test_a_cluster_left_out_equals_scikit_learn_without_its_rows(cluster_column: str) -> None:
    rows, models, clusters, engine, _ = weighted_setup(6, cluster_column)
    left_out = np.array([0, 3, engine.n_clusters - 1])
    values = leave_one_out(engine, engine.n_clusters, left_out, cells=10**9)
    for i, model in enumerate(models):
        for n, cluster in enumerate(left_out):
            kept = clusters != cluster
            expected = average_precision_score(rows.is_fraud[kept], model.probability[kept])
            assert values[i, 0, n] == pytest.approx(expected, abs=1e-12)


def test_degrees_of_freedom_are_hand_worked() -> None:
    alike = np.array([1.0, -1.0, 1.0, 1.0])
    one_of_ten = np.array([10.0] + [0.0] * 9)
    assert degrees_of_freedom(np.stack([alike, alike * 7])).tolist() == [12.0, 12.0]
    assert degrees_of_freedom(one_of_ten) == 3.0
    assert degrees_of_freedom(alike, clusters_for_each=2.5) == pytest.approx(30.0)
    assert degrees_of_freedom(np.array([1.0, np.nan, 1.0])) == 6.0
    assert np.isinf(degrees_of_freedom(np.zeros(5)))


def test_satterthwaites_degrees_of_freedom_are_those_of_the_variance_of_normal_influences() -> None:
    """A sum of n squares of N(0, s^2) has n degrees of freedom: twice squared mean by variance."""
    influences = np.random.default_rng(8).normal(size=(400, 200))
    assert np.median(degrees_of_freedom(influences)) == pytest.approx(200, rel=0.05)


def test_the_expanded_level_gives_a_normal_interval_the_width_of_students() -> None:
    level = expanded_level(0.95, [3.0, 10.0, np.inf])
    half_widths = stats.norm.ppf((1 + level) / 2)
    # Student's t table, two-sided 5 %.
    assert half_widths == pytest.approx([3.182, 2.228, 1.960], abs=5e-4)


def test_each_figure_may_have_a_level_of_its_own() -> None:
    replicates = np.random.default_rng(9).normal(size=(2, 3, 500))
    levels = np.array([[0.9, 0.95, 0.99], [0.5, 0.8, 0.999]])
    low, high = percentile_interval(replicates, levels)
    for i in range(2):
        for j in range(3):
            tail = (1 - levels[i, j]) / 2
            ends = np.percentile(replicates[i, j], [100 * tail, 100 * (1 - tail)])
            assert (low[i, j], high[i, j]) == pytest.approx(tuple(ends), abs=1e-12)


def test_p_value_of_few_degrees_of_freedom_is_students() -> None:
    assert two_sided_p_value(-3.182446305284263, 3.0) == pytest.approx(0.05, abs=1e-9)
