"""All metrics of several models for many vectors of cluster weights at once.

Here: aggregating rows to score cells by cluster, one sparse product that gives the weight of each
cell, the sums and rankings that the metrics' formulas read.
Not here: the metrics (`fraud_platform.comparison.metrics`), drawing weights and computing intervals
(`fraud_platform.comparison.resampling`), the plain definitions that this equals
(`fraud_platform.comparison.plain_metrics`).

Rows can be aggregated to a cell if no metric distinguishes them. Average precision and AUC ROC
change only at the scores of frauds. A model with m distinct fraud scores therefore has m cells of
frauds and 2m + 1 cells of genuine rows: at each of these scores, and between them. The metrics are
exact, unlike with binned scores.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fraud_platform.comparison.cards import CardDays, RankedCards
from fraud_platform.comparison.inputs import ComparisonConfig, ComparisonRows, ScoredModel
from fraud_platform.comparison.metrics import Metric
from fraud_platform.comparison.weighted_sums import RowSum, WeightedSums

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class _CellFolder:
    """Aggregates rows to cells, and stacks the cells to one cells-by-clusters matrix.

    Each piece is summed when it is added, so that memory holds the rows of only one model at once.
    """

    def __init__(self, clusters: Ints) -> None:
        self._clusters = clusters.astype(np.int32)
        self._n_clusters = int(clusters.max()) + 1
        self._pieces: list[Any] = []
        self._size = 0

    def add(self, values: npt.NDArray[Any]) -> slice:
        """Add one cell, the sum of what each row adds; return its slice."""
        rows = np.flatnonzero(values)
        return self.add_many(rows, np.zeros(len(rows), np.int64), 1, values)

    def add_many(
        self, rows: npt.NDArray[np.intp], cells: Ints, n_cells: int, values: npt.ArrayLike = 1.0
    ) -> slice:
        """Add n_cells cells, where `cells` is the cell of each of the rows; return their slice."""
        from scipy.sparse import coo_array

        of_row = np.broadcast_to(np.asarray(values, dtype=np.float64), self._clusters.shape)
        at = (cells.astype(np.int32), self._clusters[rows])
        piece = coo_array((of_row[rows], at), shape=(n_cells, self._n_clusters))
        self._pieces.append(piece.tocsr())
        self._size += n_cells
        return slice(self._size - n_cells, self._size)

    def matrix(self) -> Any:
        """Return the cells-by-clusters matrix."""
        from scipy.sparse import vstack

        return vstack(self._pieces, format="csr")


@dataclass(frozen=True)
class _ModelCells:
    """The slices of one model's cells in the cells-by-clusters matrix."""

    frauds: slice
    genuine: slice
    sums: Mapping[RowSum, slice]


class WeightedMetrics:
    """Computes every metric of every model for many weight vectors over clusters.

    Args:
        rows: the comparison's rows, by transaction_id.
        models: the models that scored them.
        clusters: each row's cluster, integers from 0, shape (n,).
        config: k, review cost.
        cards_are_clusters: whether clusters are customers, so that a cluster drawn twice is two
            cards. Otherwise a card has the weight of the cluster of one of its transactions, and
            cards found in the unweighted rows leave the following days (see `CardDays`).
    """

    metrics: tuple[Metric, ...] = tuple(Metric)

    def __init__(
        self,
        rows: ComparisonRows,
        models: Sequence[ScoredModel],
        clusters: Ints,
        config: ComparisonConfig,
        cards_are_clusters: bool,
    ) -> None:
        self.n_clusters = int(clusters.max()) + 1
        self._config = config
        self._n_days = len(np.unique(rows.day))
        folder = _CellFolder(clusters)
        declared = dict.fromkeys(s for metric in self.metrics for s in metric.formula.sums)
        shared = {s: folder.add(s.of(rows, models[0])) for s in declared if not s.per_model}
        own = [s for s in declared if s.per_model]
        self._models = tuple(_fold_model(folder, rows, m, own, shared) for m in models)
        self._matrix = folder.matrix()
        card_days = CardDays(rows, clusters, cards_are_clusters)
        self._cards: tuple[RankedCards, ...] = tuple(
            card_days.rank(model.probability, config.k) for model in models
        )

    @property
    def cells(self) -> int:
        """The number of cells."""
        return int(self._matrix.shape[0])

    def __call__(self, weights: Floats) -> Floats:
        """Return the metrics for each weight vector.

        Args:
            weights: how often each cluster counts, shape (n_clusters, r).

        Returns:
            Shape (models, metrics, r), metrics in the order of `Metric`; NaN if a metric is
            undefined for a weight vector.
        """
        sums = self._matrix @ weights
        values = np.empty((len(self._models), len(self.metrics), weights.shape[1]))
        with np.errstate(invalid="ignore", divide="ignore"):
            for cells, cards, out in zip(self._models, self._cards, values, strict=True):
                weighted = self._weighted(sums, cells, cards.precision(weights))
                for i, metric in enumerate(self.metrics):
                    out[i] = metric.formula.of(weighted)
        return values

    def _weighted(self, sums: Floats, cells: _ModelCells, card_precision: Floats) -> WeightedSums:
        average_precision, auc_roc = _ranking(sums[cells.frauds], sums[cells.genuine])
        return WeightedSums(
            average_precision=average_precision,
            auc_roc=auc_roc,
            card_precision=card_precision,
            days=self._n_days,
            config=self._config,
            sums={row_sum: sums[at][0] for row_sum, at in cells.sums.items()},
        )


def _fold_model(
    folder: _CellFolder,
    rows: ComparisonRows,
    model: ScoredModel,
    own: Sequence[RowSum],
    shared: Mapping[RowSum, slice],
) -> _ModelCells:
    fraud = rows.is_fraud.astype(bool)
    scores = model.probability
    at_fraud, genuine = np.flatnonzero(fraud), np.flatnonzero(~fraud)
    distinct = np.unique(scores[at_fraud])
    below = np.searchsorted(distinct, scores, side="left").astype(np.int64)
    up_to = np.searchsorted(distinct, scores, side="right")
    m = len(distinct)
    return _ModelCells(
        frauds=folder.add_many(at_fraud, below[at_fraud], m),
        genuine=folder.add_many(genuine, (below + up_to)[genuine], 2 * m + 1),
        sums={**shared, **{s: folder.add(s.of(rows, model)) for s in own}},
    )


def _ranking(frauds: Floats, genuine: Floats) -> tuple[Floats, Floats]:
    """Return average precision and AUC ROC, shape (r,), from weighted cells in ascending order.

    Args:
        frauds: weight of frauds at each distinct fraud score, shape (m, r).
        genuine: weight of genuine rows below, at, between and above these scores, shape
            (2m + 1, r).
    """
    genuine_up_to = np.cumsum(genuine, axis=0)
    total = genuine_up_to[-1]
    genuine_below, genuine_at = genuine_up_to[0:-1:2], genuine[1::2]
    found = np.cumsum(frauds[::-1], axis=0)[::-1]
    alerts = found + (total - genuine_below)
    precision = np.divide(found, alerts, out=np.zeros_like(found), where=alerts > 0)
    average_precision = np.einsum("mr,mr->r", frauds, precision) / found[0]
    ranked_right = np.einsum("mr,mr->r", frauds, genuine_below + genuine_at / 2)
    return average_precision, ranked_right / (found[0] * total)
