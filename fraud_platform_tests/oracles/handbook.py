"""The Fraud Detection Handbook's features, protocol and baselines, written apart.

Here: what Le Borgne, Siblini, Lebichot and Bontempi, "Reproducible Machine Learning for Credit
Card Fraud Detection - Practical Handbook" (2022), chapters 3.4-3.5 and 4.2-5.2, define, to the
second: the 15 features, the training and test sets of one fold, card precision at k.
Not here: anything of the platform. This file imports none of it, so that it can judge it.
"""

from __future__ import annotations

import lzma
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd

WINDOW_DAYS = (1, 7, 30)
DELAY_DAYS = 7
SECONDS_PER_DAY = 86_400
FOLD_STARTS = ("2018-06-13", "2018-06-20", "2018-06-27", "2018-07-04")
FEATURES = (
    "tx_amount",
    "is_weekend",
    "is_night",
    *(f"customer_{what}_{n}d" for n in WINDOW_DAYS for what in ("nb_tx", "avg_amount")),
    *(f"terminal_{what}_{n}d" for n in WINDOW_DAYS for what in ("nb_tx", "risk")),
)


@dataclass(frozen=True)
class FoldScore:
    """AUC ROC, average precision and card precision at 100 of one fold."""

    auc_roc: float
    average_precision: float
    card_precision_100: float


def read_drops(folder: Path) -> pd.DataFrame:
    """Read every `*.txt` or `*.txt.xz` drop of a folder, in order of transaction_id."""
    names = ["transaction_id", "tx_datetime", "customer_id", "terminal_id", "tx_amount",
             "tx_time_seconds", "tx_time_days", "tx_fraud", "tx_fraud_scenario"]  # fmt: skip
    parts = []
    for path in sorted(folder.glob("*.txt*")):
        raw = path.read_bytes()
        text = lzma.decompress(raw) if path.suffix == ".xz" else raw
        parts.append(pd.read_csv(BytesIO(text), skiprows=1, header=None, names=names))
    rows = pd.concat(parts).sort_values("transaction_id", ignore_index=True)
    rows["tx_datetime"] = pd.to_datetime(rows["tx_datetime"])
    return rows


def handbook_features(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the 15 features of every row, windows (t - N days, t] that hold the row itself.

    A terminal's windows are those of `delay + N` days less those of `delay` days, so a label is
    seen once it is seven days old.
    """
    out = pd.DataFrame(index=rows.index)
    out["tx_amount"] = rows["tx_amount"]
    out["is_weekend"] = (rows["tx_datetime"].dt.weekday >= 5).astype(int)
    out["is_night"] = (rows["tx_datetime"].dt.hour <= 6).astype(int)
    customers = _Windows(rows, "customer_id")
    for days in WINDOW_DAYS:
        count = customers.total(np.ones(len(rows)), days)
        out[f"customer_nb_tx_{days}d"] = count
        out[f"customer_avg_amount_{days}d"] = (
            customers.total(rows["tx_amount"].to_numpy(), days) / count
        )
    terminals = _Windows(rows, "terminal_id")
    frauds = rows["tx_fraud"].to_numpy(float)
    for days in WINDOW_DAYS:
        count, known = (
            terminals.total(v, DELAY_DAYS + days) - terminals.total(v, DELAY_DAYS)
            for v in (np.ones(len(rows)), frauds)
        )
        out[f"terminal_nb_tx_{days}d"] = count
        out[f"terminal_risk_{days}d"] = np.divide(
            known, count, out=np.zeros(len(rows)), where=count > 0
        )
    return out[list(FEATURES)]


class _Windows:
    """Trailing sums of one entity's rows up to and with each row, like `rolling('Nd')`."""

    def __init__(self, rows: pd.DataFrame, entity: str) -> None:
        second = (rows["tx_datetime"] - rows["tx_datetime"].min()).dt.total_seconds()
        keys = pd.DataFrame({"e": rows[entity], "t": second, "i": rows["transaction_id"]})
        self.order = keys.sort_values(["e", "t", "i"]).index.to_numpy()
        # One axis for all entities: far enough apart that no window reaches a neighbour.
        stride = int(second.max()) + 100 * SECONDS_PER_DAY
        entity_code = keys["e"].rank(method="dense").to_numpy(np.int64)
        self.axis = (entity_code * stride + keys["t"].to_numpy(np.int64))[self.order]

    def total(self, values: np.ndarray, days: int) -> np.ndarray:
        """Return each row's sum over (t - days, t], in the order of the rows."""
        cumulative = np.concatenate([[0.0], np.cumsum(values[self.order])])
        first = np.searchsorted(self.axis, self.axis - days * SECONDS_PER_DAY, side="right")
        result = np.empty(len(values))
        result[self.order] = cumulative[1:] - cumulative[first]
        return result


def fold_masks(rows: pd.DataFrame, train_start: str) -> tuple[np.ndarray, np.ndarray]:
    """Return boolean masks of a fold's 7 training days and of its 7 test days after a gap of 7.

    Customers with a fraud in the training days leave the test; so do, on test day d, those with a
    fraud on the days up to d - 8 (the Handbook's `get_train_test_set`).
    """
    start = datetime.fromisoformat(train_start)
    day = (rows["tx_datetime"].dt.normalize() - start) // timedelta(days=1)
    day_number, customers = day.to_numpy(), rows["customer_id"].to_numpy()
    is_fraud = rows["tx_fraud"].to_numpy() == 1
    train = (day_number >= 0) & (day_number < 7)
    known = set(customers[train & is_fraud])
    test = np.zeros(len(rows), dtype=bool)
    for i in range(7):
        known |= set(customers[(day_number == 7 + i - 1) & is_fraud])
        test |= (day_number == 14 + i) & ~np.isin(customers, list(known))
    return train, test


def card_precision_top_k(rows: pd.DataFrame, scores: np.ndarray, k: int = 100) -> float:
    """Return the mean over days of the share of compromised cards among the day's top k.

    A card that was found on one day is not looked at on later days.
    """
    scored = rows[["customer_id", "tx_fraud"]].assign(score=scores, day=rows["tx_datetime"].dt.date)
    found: set[int] = set()
    daily = []
    for _, today in scored.groupby("day", sort=True):
        cards = today[~today["customer_id"].isin(found)].groupby("customer_id", as_index=False)
        top = (
            cards[["score", "tx_fraud"]]
            .max()
            .sort_values(["score", "customer_id"], ascending=[False, True])
            .head(k)
        )
        hits = set(top.loc[top["tx_fraud"] == 1, "customer_id"])
        daily.append(len(hits) / k)
        found |= hits
    return float(np.mean(daily))


def score_fold(rows: pd.DataFrame, test: np.ndarray, scores: np.ndarray) -> FoldScore:
    """Return the three metrics of scores given for the rows under `test`."""
    from sklearn.metrics import average_precision_score, roc_auc_score

    tested = rows[test]
    labels = tested["tx_fraud"].to_numpy()
    return FoldScore(
        float(roc_auc_score(labels, scores)),
        float(average_precision_score(labels, scores)),
        card_precision_top_k(tested, scores),
    )


def run_folds(
    rows: pd.DataFrame,
    features: np.ndarray,
    fit_predict: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray],
    starts: tuple[str, ...] = FOLD_STARTS,
) -> list[FoldScore]:
    """Fit on each fold's training days and score its test days.

    Args:
        rows: transactions with labels.
        features: float array (n, k), aligned with `rows`.
        fit_predict: from (train features, train labels, test features) to test scores.
        starts: first training day of each fold.
    """
    labels = rows["tx_fraud"].to_numpy()
    scores = []
    for start in starts:
        train, test = fold_masks(rows, start)
        predicted = fit_predict(features[train], labels[train], features[test])
        scores.append(score_fold(rows, test, predicted))
    return scores


def random_forest(train: np.ndarray, labels: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Score with scikit-learn's random forest of 100 trees, as the Handbook's baseline."""
    from sklearn.ensemble import RandomForestClassifier

    model = RandomForestClassifier(n_estimators=100, random_state=0, n_jobs=2)
    return model.fit(train, labels).predict_proba(test)[:, 1]


def gradient_boosting(train: np.ndarray, labels: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Score with XGBoost: 200 trees of depth 3, learning rate .05, exact split search."""
    from xgboost import XGBClassifier

    model = XGBClassifier(
        n_estimators=200, max_depth=3, learning_rate=0.05, base_score=0.5,
        tree_method="exact", random_state=0, n_jobs=2,
    )  # fmt: skip
    return model.fit(train, labels).predict_proba(test)[:, 1]


def mean_score(scores: list[FoldScore]) -> FoldScore:
    """Return the folds' average."""
    return FoldScore(
        *(
            float(np.mean([getattr(s, name) for s in scores]))
            for name in ("auc_roc", "average_precision", "card_precision_100")
        )
    )
