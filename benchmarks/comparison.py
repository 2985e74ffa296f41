"""Cost of comparing two models with the paired, customer-clustered bootstrap: ours and SciPy's.

Here: the same resamples of the same rows with both, in one run; CPU seconds and their ratio. The
intervals must be equal.
Not here: whether the statistics are right (`fraud_platform_tests/unit/comparison/`).

    python -m benchmarks.comparison [--rows 58000] [--resamples 1000]

SciPy draws customers and calls scikit-learn's `average_precision_score` and `roc_auc_score` for
both models, with weights and only on drawn rows, which is its fastest simple form. Ours computes
all ten metrics, including card precision; SciPy computes only these two.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.report import markdown_table, write_section
from fraud_platform.comparison.bootstrap import compare_models
from fraud_platform.comparison.inputs import (
    ComparisonConfig,
    ComparisonRows,
    ScoredModel,
)
from fraud_platform.comparison.metrics import Metric
from fraud_platform.comparison.replicates import WeightedMetrics
from fraud_platform.comparison.resampling import percentile_interval, replicate
from fraud_platform.settings import load_settings
from fraud_platform_tests.oracles.scored_customers import scored_rows

CONFIDENCE_LEVEL = 0.95
COMPARED = (Metric.AVERAGE_PRECISION, Metric.AUC_ROC)
ROUNDS = 3

Intervals = dict[Metric, tuple[float, float]]


def _config() -> ComparisonConfig:
    return ComparisonConfig.from_settings(load_settings())


def cpu_seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    """Return the CPU seconds of `work` and its result."""
    begun = time.process_time()
    result = work()
    return time.process_time() - begun, result


def test_week(
    rows_wanted: int,
) -> tuple[ComparisonRows, ScoredModel, ScoredModel]:
    """Return rows with the proportions of a week of the Handbook's drops, and two scored models."""
    rng = np.random.default_rng(20_180_401)
    rows, candidate, champion = scored_rows(rng, rows_wanted // 11, rows_wanted // 6)
    kept = rows.order()[:rows_wanted]
    models = [
        ScoredModel(m.name, m.version, m.probability[kept], m.threshold)
        for m in (candidate, champion)
    ]
    return rows.take(kept), models[0], models[1]


def ours(rows: ComparisonRows, models: list[ScoredModel], resamples: int) -> Intervals:
    """Return the intervals of the differences from our bootstrap, which computes all metrics."""
    _, clusters = np.unique(rows.customer_id, return_inverse=True)
    metrics = WeightedMetrics(
        rows,
        models,
        clusters,
        _config(),
        cards_are_clusters=True,
    )
    rng = np.random.default_rng(7)
    values = replicate(metrics, rng, metrics.n_clusters, resamples, metrics.cells)
    low, high = percentile_interval(values[0] - values[1], CONFIDENCE_LEVEL)
    order = list(Metric)
    return {m: (float(low[order.index(m)]), float(high[order.index(m)])) for m in COMPARED}


def scipys(rows: ComparisonRows, models: list[ScoredModel], resamples: int) -> Intervals:
    """Return the same two intervals from `scipy.stats.bootstrap` and scikit-learn."""
    from scipy.stats import bootstrap
    from sklearn.metrics import average_precision_score, roc_auc_score

    customers, clusters = np.unique(rows.customer_id, return_inverse=True)
    one, other = (model.probability for model in models)

    def difference(drawn: np.ndarray, score: Callable[..., float]) -> float:
        weight = np.bincount(drawn, minlength=len(customers))[clusters]
        at = np.flatnonzero(weight)
        y, w = rows.is_fraud[at], weight[at]
        return score(y, one[at], sample_weight=w) - score(y, other[at], sample_weight=w)

    intervals = {}
    for metric, score in zip(COMPARED, (average_precision_score, roc_auc_score), strict=True):
        interval = bootstrap(
            (np.arange(len(customers)),),
            lambda drawn, score=score: difference(drawn, score),
            vectorized=False,
            n_resamples=resamples,
            method="percentile",
            confidence_level=CONFIDENCE_LEVEL,
            rng=np.random.default_rng(7),
        ).confidence_interval
        intervals[metric] = (float(interval.low), float(interval.high))
    return intervals


def measure(rows_wanted: int = 58_000, resamples: int = 1_000) -> dict[str, Any]:
    """Compare both contenders on the same draws; return CPU seconds, ratio and intervals.

    Raises:
        AssertionError: the contenders' intervals differ by more than 1e-12.
    """
    rows, candidate, champion = test_week(rows_wanted)
    models = [candidate, champion]
    ours(rows, models, 10)
    our_seconds, full_seconds = [], []
    config = replace(_config(), resamples=resamples)
    for _ in range(ROUNDS):
        seconds, our_intervals = cpu_seconds(lambda: ours(rows, models, resamples))
        our_seconds.append(seconds)
        seconds, _result = cpu_seconds(lambda: compare_models(rows, candidate, champion, config))
        full_seconds.append(seconds)
    scipy_seconds, scipy_intervals = cpu_seconds(lambda: scipys(rows, models, resamples))
    seconds, _ = cpu_seconds(lambda: ours(rows, models, resamples))
    our_seconds.append(seconds)
    for metric in COMPARED:
        np.testing.assert_allclose(our_intervals[metric], scipy_intervals[metric], atol=1e-12)
    median, full = float(np.median(our_seconds)), float(np.median(full_seconds))
    return {
        "rows": len(rows),
        "customers": len(np.unique(rows.customer_id)),
        "resamples": resamples,
        "scipy_cpu_seconds": round(scipy_seconds, 2),
        "ours_cpu_seconds": round(median, 3),
        "ratio": round(scipy_seconds / median),
        "whole_comparison_cpu_seconds": round(full, 2),
        "whole_comparison_ratio": round(scipy_seconds / full),
        "average_precision_interval": [round(x, 6) for x in our_intervals[COMPARED[0]]],
        "auc_roc_interval": [round(x, 6) for x in our_intervals[COMPARED[1]]],
        "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=measure.__doc__)
    parser.add_argument("--rows", type=int, default=58_000)
    parser.add_argument("--resamples", type=int, default=1_000)
    arguments = parser.parse_args()
    figures = measure(arguments.rows, arguments.resamples)
    print(json.dumps(figures, indent=2))
    rows = [[name.replace("_", " "), str(value)] for name, value in figures.items()]
    write_section(
        "Comparison",
        "`python -m benchmarks.comparison`: the paired clustered comparison beside "
        "`scipy.stats.bootstrap` with the same resamples, CPU seconds.\n\n"
        + markdown_table(["figure", "value"], rows),
    )


if __name__ == "__main__":
    main()
