"""Benchmark of the declared features and the boosted trees on prequential folds.

Here: the Handbook's four folds (7 days of training, a gap of 7 days, 7 test days), scored with
the platform's features, estimator and metrics.
Not here: the Handbook's own features and baselines (a test oracle), the weekly comparison
(`fraud_platform.comparison`), loading drops into a lake (`operations.models.quality`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from fraud_platform.comparison.evaluation import unknown_customers_mask
from fraud_platform.comparison.plain_metrics import auc_roc, average_precision, card_precision_at_k
from fraud_platform.contracts.active import DATA_SET, FEATURE_NAMES

if TYPE_CHECKING:
    import pandas as pd

FOLD_STARTS = tuple(date(2018, 6, 13) + timedelta(days=7 * n) for n in range(4))
TRAIN_DAYS = GAP_DAYS = TEST_DAYS = 7
FOLD_DAYS = TRAIN_DAYS + GAP_DAYS + TEST_DAYS
CARDS_A_DAY = 100

Features = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]
FitAndScore = Callable[[Features, npt.NDArray[np.bool_], Features], Floats]
"""Takes training features (n, k), labels (n,) and test features (m, k); returns scores (m,)."""


@dataclass(frozen=True)
class FoldScore:
    """AUC ROC, average precision and card precision at 100 of one fold."""

    train_start: date
    auc_roc: float
    average_precision: float
    card_precision: float


@dataclass(frozen=True)
class QualityReport:
    """The fold scores of each contender; `str` prints them with their averages."""

    folds: dict[str, tuple[FoldScore, ...]]

    def mean(self, contender: str) -> tuple[float, float, float]:
        """Return the averages over the folds: AUC ROC, average precision, card precision."""
        scores = self.folds[contender]
        auc, ap, cards = (
            float(np.mean([getattr(s, name) for s in scores]))
            for name in ("auc_roc", "average_precision", "card_precision")
        )
        return auc, ap, cards

    def __str__(self) -> str:
        lines = ["contender                      train from   AUC ROC      AP  CP@100"]
        for name, scores in self.folds.items():
            rows = [
                (str(s.train_start), s.auc_roc, s.average_precision, s.card_precision)
                for s in scores
            ]
            rows.append(("average", *self.mean(name)))
            lines += [f"{name:<30} {day:<12} {a:7.4f} {b:7.4f} {c:7.4f}" for day, a, b, c in rows]
        return "\n".join(lines)


def score_folds(rows: pd.DataFrame, seed: int) -> QualityReport:
    """Score the data set's own feature sets, all declared features, and the chosen ones.

    Args:
        rows: every transaction of the folds' days: transaction_id, tx_date, customer_id, is_fraud
            and the declared features.
        seed: seed of fitting.
    """
    contenders: dict[str, Sequence[str]] = {
        **DATA_SET.feature_sets,
        f"all {len(FEATURE_NAMES)} declared": FEATURE_NAMES,
        f"the {len(DATA_SET.chosen)} chosen": DATA_SET.chosen,
    }
    return QualityReport(
        {
            name: tuple(
                score_fold(rows, start, features, _boosted(features, seed)) for start in FOLD_STARTS
            )
            for name, features in contenders.items()
        }
    )


def _boosted(names: Sequence[str], seed: int) -> FitAndScore:
    from fraud_platform.training.boosted_trees import BoostedTrees
    from fraud_platform.training.fitting import FitContext

    def fit_and_score(train: Features, labels: npt.NDArray[np.bool_], test: Features) -> Floats:
        model = BoostedTrees(FitContext(names)).fit(train, labels, np.ones(len(train)), seed)
        return model.predict_score(test)

    return fit_and_score


def score_fold(
    rows: pd.DataFrame, start: date, features: Sequence[str], fit_and_score: FitAndScore
) -> FoldScore:
    """Fit on a fold's training days and score its test days without known compromised customers.

    Args:
        rows: rows as in `score_folds`.
        start: first training day.
        features: columns to fit on.
        fit_and_score: fits a model and scores the test rows.
    """
    train_end = start + timedelta(days=TRAIN_DAYS)
    test_start = train_end + timedelta(days=GAP_DAYS)
    test_end = test_start + timedelta(days=TEST_DAYS)
    days = rows["tx_date"].to_numpy("datetime64[D]").astype(np.int64)
    first, end, test_first, test_last = (
        int(np.datetime64(day, "D").astype(np.int64))
        for day in (start, train_end, test_start, test_end)
    )
    train = rows[(days >= first) & (days < end)].sort_values("transaction_id")
    frauds = rows["is_fraud"].to_numpy(dtype=bool)
    candidates = (days >= test_first) & (days < test_last)
    test, test_days = rows[candidates], days[candidates]
    kept = unknown_customers_mask(
        test_days,
        test["customer_id"].to_numpy(),
        days[frauds],
        rows["customer_id"].to_numpy()[frauds],
        first,
        end,
    )
    test, test_days = test[kept], test_days[kept]
    scores = fit_and_score(
        train[list(features)].to_numpy(dtype=np.float32),
        train["is_fraud"].to_numpy(dtype=bool),
        test[list(features)].to_numpy(dtype=np.float32),
    )
    labels = test["is_fraud"].to_numpy(dtype=bool)
    return FoldScore(
        start,
        auc_roc(labels, scores),
        average_precision(labels, scores),
        card_precision_at_k(test_days, test["customer_id"].to_numpy(), labels, scores, CARDS_A_DAY),
    )
