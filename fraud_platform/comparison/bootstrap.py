"""Compare two models on the same rows by a paired, clustered percentile bootstrap.

Here: `compare_models`, from rows and scores to a judged result.
Not here: its parts (`inputs`, `replicates`, `resampling`, `gate`), its print and table (`report`).

Candidate, champion and baselines see the same resamples, so what the rows have in common cancels in
the difference. Whole customers are drawn, because a customer's transactions share habits and frauds
(scenario 3); and once more whole terminals (scenario 2). The wider interval is reported.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fraud_platform.comparison.gate import conclude, judge
from fraud_platform.comparison.inputs import (
    TESTED_METRICS,
    ComparisonConfig,
    ComparisonRows,
    Metric,
    Role,
    ScoredModel,
    baseline_models,
)
from fraud_platform.comparison.replicates import WeightedMetrics
from fraud_platform.comparison.report import ComparedModel, ComparisonResult, RowCounts
from fraud_platform.comparison.resampling import (
    holm_adjusted,
    percentile_interval,
    replicate,
    two_sided_p_value,
)
from fraud_platform.comparison.results import Clustering, Difference, Estimate

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class _Replicates:
    """A quantity of shape (models, metrics) over the resamples of one clustering."""

    clustering: Clustering
    values: Floats
    low: Floats
    high: Floats

    @classmethod
    def of(cls, clustering: Clustering, values: Floats, confidence_level: float) -> _Replicates:
        return cls(clustering, values, *percentile_interval(values, confidence_level))


def compare_models(
    rows: ComparisonRows,
    candidate: ScoredModel,
    champion: ScoredModel | None,
    config: ComparisonConfig,
) -> ComparisonResult:
    """Compare a candidate with the champion, or, without one, with the baselines.

    Args:
        rows: out-of-time rows, n of them; their order does not matter.
        candidate: probabilities of shape (n,) in the rows' order, and a threshold.
        champion: the same of the champion; None for the first candidate.
        config: resamples, seed, margins, costs.

    Raises:
        NotEnoughDataError: no fraud or no genuine row.
        ValueError: columns or scores of other lengths, scores that are not finite, ids twice.
    """
    order = rows.order()
    models = {Role.CANDIDATE: candidate}
    if champion is not None:
        models[Role.CHAMPION] = champion
    models = {role: _aligned(model, order) for role, model in models.items()}
    rows = rows.take(order)
    models |= baseline_models(rows, config.amount_rule_cents)
    point, replicates = resample(rows, list(models.values()), config)
    roles = list(models)
    estimates = _estimates(roles, point, replicates, config)
    differences = _differences(roles, point, replicates, config)
    gate = judge(differences, estimates, config)
    counts = RowCounts.of(rows)
    verdict, reason = conclude(gate, counts.defrauded_customers, config)
    return ComparisonResult(
        models=tuple(
            ComparedModel(role, model.name, model.version, model.threshold)
            for role, model in models.items()
        ),
        estimates=estimates,
        differences=differences,
        gate=gate,
        verdict=verdict,
        reason=reason,
        counts=counts,
        config=config,
    )


def resample(
    rows: ComparisonRows, models: list[ScoredModel], config: ComparisonConfig
) -> tuple[Floats, dict[Clustering, Floats]]:
    """Return the metrics of the rows as they are, and over the resamples of each clustering.

    Returns:
        Shape (models, metrics), and for each clustering shape (models, metrics, resamples); the
        metrics in the order of `Metric`.
    """
    point = np.empty((0, 0))
    replicates = {}
    for stream, (clustering, ids) in enumerate(
        {Clustering.CUSTOMER: rows.customer_id, Clustering.TERMINAL: rows.terminal_id}.items()
    ):
        _, clusters = np.unique(ids, return_inverse=True)
        by_customer = clustering is Clustering.CUSTOMER
        metrics = WeightedMetrics(rows, models, clusters, config, cards_are_clusters=by_customer)
        if by_customer:
            point = metrics(np.ones((metrics.n_clusters, 1)))[..., 0]
        rng = np.random.default_rng([config.seed, stream])
        replicates[clustering] = replicate(
            metrics, rng, metrics.n_clusters, config.resamples, metrics.cells
        )
    return point, replicates


def _aligned(model: ScoredModel, order: npt.NDArray[np.intp]) -> ScoredModel:
    scores = np.asarray(model.probability, dtype=np.float64)
    if scores.shape != order.shape:
        raise ValueError(
            f"{model.name} {model.version} scored {scores.shape} rows, expected {order.shape}"
        )
    if not np.isfinite(scores).all():
        raise ValueError(
            f"{model.name} {model.version} has {(~np.isfinite(scores)).sum()} scores that are not "
            "finite; every row needs a probability"
        )
    return ScoredModel(model.name, model.version, scores[order], model.threshold)


def _estimates(
    roles: list[Role], point: Floats, replicates: dict[Clustering, Floats], config: ComparisonConfig
) -> tuple[Estimate, ...]:
    by_clustering = [
        _Replicates.of(clustering, values, config.confidence_level)
        for clustering, values in replicates.items()
    ]
    estimates = []
    for i, role in enumerate(roles):
        for j, metric in enumerate(Metric):
            wider = _wider(by_clustering, i, j)
            estimates.append(
                Estimate(
                    metric=metric,
                    role=role,
                    value=float(point[i, j]),
                    mean=_mean(wider.values[i, j]),
                    standard_deviation=_deviation(wider.values[i, j]),
                    low=float(wider.low[i, j]),
                    high=float(wider.high[i, j]),
                    clustered_by=wider.clustering,
                )
            )
    return tuple(estimates)


def _differences(
    roles: list[Role], point: Floats, replicates: dict[Clustering, Floats], config: ComparisonConfig
) -> tuple[Difference, ...]:
    """Return the candidate, which comes first, less each of the others."""
    by_clustering = [
        _Replicates.of(clustering, values[:1] - values[1:], config.confidence_level)
        for clustering, values in replicates.items()
    ]
    differences: list[Difference] = []
    for i, against in enumerate(roles[1:]):
        tests = [
            _z_test(float(point[0, j] - point[i + 1, j]), _wider(by_clustering, i, j).values[i, j])
            for j in range(len(TESTED_METRICS))
        ]
        holm = holm_adjusted([p_value for _, p_value in tests])
        for j, metric in enumerate(TESTED_METRICS):
            wider = _wider(by_clustering, i, j)
            z_score, p_value = tests[j]
            differences.append(
                Difference(
                    metric=metric,
                    against=against,
                    value=float(point[0, j] - point[i + 1, j]),
                    mean=_mean(wider.values[i, j]),
                    standard_deviation=_deviation(wider.values[i, j]),
                    low=float(wider.low[i, j]),
                    high=float(wider.high[i, j]),
                    clustered_by=wider.clustering,
                    z_score=z_score,
                    p_value=p_value,
                    p_value_holm=float(holm[j]),
                    by_clustering=tuple(
                        (r.clustering, float(r.low[i, j]), float(r.high[i, j]))
                        for r in by_clustering
                    ),
                )
            )
    return tuple(differences)


def _wider(by_clustering: list[_Replicates], model: int, metric: int) -> _Replicates:
    """Return the clustering of the wider interval; customers where both are alike."""
    return max(
        by_clustering, key=lambda r: np.nan_to_num(r.high[model, metric] - r.low[model, metric])
    )


def _z_test(value: float, replicates: Floats) -> tuple[float, float]:
    """Return z-score and two-sided p-value; no difference anywhere is z 0, p 1."""
    deviation = _deviation(replicates)
    if value == 0 and deviation == 0:
        return 0.0, 1.0
    z_score = (
        float(np.divide(value, deviation)) if deviation > 0 else float(np.copysign(np.inf, value))
    )
    return z_score, two_sided_p_value(z_score)


def _mean(replicates: Floats) -> float:
    known = replicates[~np.isnan(replicates)]
    return float(known.mean()) if len(known) else float("nan")


def _deviation(replicates: Floats) -> float:
    known = replicates[~np.isnan(replicates)]
    return float(known.std(ddof=1)) if len(known) > 1 else float("nan")
