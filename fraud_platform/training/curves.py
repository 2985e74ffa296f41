"""Metrics and curve points of a candidate on held-out days.

Here: points of the precision-recall and calibration curves, metrics by name.
Not here: drawing them (`training.plots`), the metrics' definitions (`comparison.plain_metrics`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fraud_platform.comparison.plain_metrics import (
    auc_roc,
    average_precision,
    brier,
    false_positive_rate_at,
    recall_at,
)
from fraud_platform.training.thresholds import Threshold

Floats = npt.NDArray[np.float64]

CURVE_POINTS = 400
CALIBRATION_BINS = 10
_NAMES = ("recall", "precision", "mean_probability", "fraud_share", "bin_rows")


@dataclass(frozen=True)
class Curves:
    """Points of the plots; the vectors of one curve have equal length.

    Attributes:
        recall, precision: the precision-recall curve, from the highest threshold down.
        mean_probability, fraud_share, bin_rows: the calibration curve: predicted probability and
            observed share of frauds in bins with equal expected numbers of frauds, and the number
            of rows in each bin.
    """

    recall: Floats
    precision: Floats
    mean_probability: Floats
    fraud_share: Floats
    bin_rows: Floats

    def as_lists(self) -> dict[str, list[float]]:
        """Return the points for a JSON file."""
        return {name: getattr(self, name).tolist() for name in _NAMES}

    @classmethod
    def from_lists(cls, lists: Mapping[str, Sequence[float]]) -> Curves:
        """Return the curves that `as_lists` converted."""
        return cls(**{name: np.asarray(lists[name], dtype=np.float64) for name in _NAMES})


def describe(
    is_fraud: npt.NDArray[np.bool_], probability: Floats, weights: Floats, threshold: Threshold
) -> tuple[dict[str, float], Curves]:
    """Return metrics by name and curve points for weighted rows; all arrays have shape (n,)."""
    metrics = {
        "average_precision": average_precision(is_fraud, probability, weights),
        "auc_roc": auc_roc(is_fraud, probability, weights),
        "brier": brier(is_fraud, probability, weights),
        "recall_at_threshold": recall_at(is_fraud, probability, threshold.value, weights),
        "false_positive_rate_at_threshold": false_positive_rate_at(
            is_fraud, probability, threshold.value, weights
        ),
        "threshold": threshold.value,
        "alerts_per_day_at_threshold": threshold.alerts_per_day,
        "expected_loss_per_day_at_threshold": threshold.expected_loss_per_day,
    }
    recall, precision = _precision_recall(is_fraud, probability, weights)
    return metrics, Curves(recall, precision, *_calibration(is_fraud, probability, weights))


def _precision_recall(
    is_fraud: npt.NDArray[np.bool_], probability: Floats, weights: Floats
) -> tuple[Floats, Floats]:
    order = np.argsort(-probability, kind="stable")
    is_cut = np.append(np.diff(probability[order]) != 0, True)
    alerts = np.cumsum(weights[order])[is_cut]
    frauds = np.cumsum((weights * is_fraud)[order])[is_cut]
    recall = frauds / frauds[-1]
    # Evenly spaced in recall: evenly spaced cuts would mostly lie in the last percent of recall.
    points = np.searchsorted(recall, np.linspace(recall[0], 1.0, CURVE_POINTS))
    kept = np.unique(np.minimum(points, len(recall) - 1))
    return recall[kept], (frauds / alerts)[kept]


def _calibration(
    is_fraud: npt.NDArray[np.bool_], probability: Floats, weights: Floats
) -> tuple[Floats, Floats, Floats]:
    """Return mean probability, fraud share and row count of bins with equal expected frauds."""
    order = np.argsort(probability, kind="stable")
    expected = np.cumsum((weights * probability)[order])
    edges = expected[-1] * np.arange(1, CALIBRATION_BINS) / CALIBRATION_BINS
    bins = np.searchsorted(edges, expected, side="left")
    rows = np.bincount(bins, minlength=CALIBRATION_BINS)
    weight = np.bincount(bins, weights[order], CALIBRATION_BINS)
    expected_frauds = np.bincount(bins, (weights * probability)[order], CALIBRATION_BINS)
    observed_frauds = np.bincount(bins, (weights * is_fraud)[order], CALIBRATION_BINS)
    filled = weight > 0
    return (
        expected_frauds[filled] / weight[filled],
        observed_frauds[filled] / weight[filled],
        rows[filled].astype(np.float64),
    )
