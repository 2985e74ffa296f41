"""The metrics of a comparison over resamples of customers and of terminals.

Here: replicates and influences of every model's metrics under each clustering, and the intervals
of metrics and paired differences.
Not here: drawing weights and computing quantiles (`fraud_platform.comparison.resampling`), which
clustering is reported (`fraud_platform.comparison.bootstrap`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fraud_platform.comparison.inputs import (
    BASELINES,
    ComparisonConfig,
    ComparisonRows,
    Role,
    ScoredModel,
)
from fraud_platform.comparison.replicates import WeightedMetrics
from fraud_platform.comparison.resampling import (
    degrees_of_freedom,
    expanded_level,
    leave_one_out,
    percentile_interval,
    replicate,
)
from fraud_platform.comparison.results import Clustering

Floats = npt.NDArray[np.float64]

_MOST_LEFT_OUT = 1_000
"""Maximum number of clusters that are left out one by one; of more clusters a sample is used."""


@dataclass(frozen=True)
class Interval:
    """A metric or difference under one clustering: value, standard deviation, interval.

    `freedom` is the number of degrees of freedom of the standard deviation.
    """

    clustering: Clustering
    value: float
    mean: float
    standard_deviation: float
    low: float
    high: float
    freedom: float


@dataclass(frozen=True)
class ClusteredResamples:
    """Every model's metrics under one clustering.

    Attributes:
        clustering: the clusters that were drawn.
        point: values on the original rows, shape (models, metrics).
        replicates: values on the resamples, shape (models, metrics, resamples).
        influences: change of the value without a cluster, shape (models, metrics, clusters).
        clusters_for_each: number of clusters that each cluster in `influences` represents.
    """

    clustering: Clustering
    point: Floats
    replicates: Floats
    influences: Floats
    clusters_for_each: float

    def estimates(self, level: float) -> list[list[Interval]]:
        """Return each model's metrics with intervals, indexed by model and metric."""
        return self._intervals(self.point, self.replicates, self.influences, level)

    def differences(self, level: float) -> list[list[Interval]]:
        """Return the first model minus each other, indexed by other model and metric."""
        return self._intervals(
            self.point[:1] - self.point[1:],
            self.replicates[:1] - self.replicates[1:],
            self.influences[:1] - self.influences[1:],
            level,
        )

    def _intervals(
        self, point: Floats, replicates: Floats, influences: Floats, level: float
    ) -> list[list[Interval]]:
        freedom = degrees_of_freedom(influences, self.clusters_for_each)
        low, high = percentile_interval(replicates, expanded_level(level, freedom))
        return [
            [
                Interval(
                    clustering=self.clustering,
                    value=float(point[i, j]),
                    mean=_mean(replicates[i, j]),
                    standard_deviation=_deviation(replicates[i, j]),
                    low=float(low[i, j]),
                    high=float(high[i, j]),
                    freedom=float(freedom[i, j]),
                )
                for j in range(point.shape[1])
            ]
            for i in range(point.shape[0])
        ]


def resample(
    rows: ComparisonRows, models: dict[Role, ScoredModel], config: ComparisonConfig
) -> list[ClusteredResamples]:
    """Return the metrics of all models over the resamples of each clustering.

    Args:
        rows: the comparison's rows, by transaction_id.
        models: scores in the rows' order by role, the candidate first.
        config: resamples, seed, k, review cost.
    """
    ids = {Clustering.CUSTOMER: rows.customer_id, Clustering.TERMINAL: rows.terminal_id}
    resamples = []
    for stream, clustering in enumerate(ids):
        _, clusters = np.unique(ids[clustering], return_inverse=True)
        metrics = WeightedMetrics(
            rows,
            list(models.values()),
            clusters,
            config,
            cards_are_clusters=clustering is Clustering.CUSTOMER,
        )
        n, cells = metrics.n_clusters, metrics.cells
        rng = np.random.default_rng([config.seed, stream])
        replicates = replicate(metrics, rng, n, config.resamples, cells)
        point = metrics(np.ones((n, 1)))
        carriers = _carriers(rows, models, clusters)
        left_out = carriers
        if len(carriers) > _MOST_LEFT_OUT:
            left_out = np.sort(rng.choice(carriers, _MOST_LEFT_OUT, replace=False))
        influences = leave_one_out(metrics, n, left_out, cells) - point
        each = len(carriers) / len(left_out)
        resamples.append(
            ClusteredResamples(clustering, point[..., 0], replicates, influences, each)
        )
    return resamples


def _carriers(
    rows: ComparisonRows, models: dict[Role, ScoredModel], clusters: npt.NDArray[np.int64]
) -> npt.NDArray[np.intp]:
    """Return the clusters that can influence a difference: those with a fraud or an alert.

    Alerts of the baselines are ignored: there are thousands of them, and no rule of the gate
    depends on them alone.
    """
    matters = rows.is_fraud.astype(bool)
    for role, model in models.items():
        if role not in BASELINES:
            matters = matters | (model.probability >= model.threshold)
    return np.unique(clusters[matters])


def _mean(replicates: Floats) -> float:
    known = replicates[~np.isnan(replicates)]
    return float(known.mean()) if len(known) else float("nan")


def _deviation(replicates: Floats) -> float:
    known = replicates[~np.isnan(replicates)]
    return float(known.std(ddof=1)) if len(known) > 1 else float("nan")
