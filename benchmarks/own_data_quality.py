"""Quality on data of a declaration: candidates beside plain XGBoost on the same features.

Here: features of drops in this process, four weekly folds, and the table in docs/benchmarks.md.
Not here: the Handbook's folds (`benchmarks.quality`), candidates (`fraud_platform.training`).

    FRAUD_DATA_SET=docs/examples/sparkov.py python -m benchmarks.own_data_quality --drops DIR
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl

from benchmarks.report import markdown_table, write_section
from fraud_platform.comparison.plain_metrics import average_precision
from fraud_platform.contracts.active import DATA_SET, FEATURE_NAMES
from fraud_platform.contracts.arrays import Transactions
from fraud_platform.contracts.time import SECONDS_PER_DAY, day_number
from fraud_platform.features.compute.at_once import features_at_once
from fraud_platform.rows.declared import RowReader
from fraud_platform.settings import load_settings
from fraud_platform.training.candidate import TrainingOptions, train_candidate
from fraud_platform.training.splits import training_parts

WEEKS = 4
GAP_DAYS = TEST_DAYS = 7
TRAINING_DAYS = (7, 28)
PLAIN_ROUNDS = 300
PLAIN = {
    "objective": "binary:logistic",
    "max_depth": 6,
    "learning_rate": 0.1,
    "nthread": 2,
    "tree_method": "hist",
}


@dataclass(frozen=True)
class Rows:
    """Clean rows of all drops with their labels and features, in order of id."""

    transactions: Transactions
    is_fraud: np.ndarray
    features: np.ndarray

    @property
    def days(self) -> np.ndarray:
        """The day of each row, since 1970."""
        return self.transactions.second // SECONDS_PER_DAY


def read_rows(drops: Path) -> Rows:
    """Read every drop with the declaration of this process, and compute its features."""
    source = DATA_SET.source
    frames = [
        pl.read_csv(path, separator=source.drops.delimiter, infer_schema=False)
        for path in sorted(drops.glob(source.drops.name.replace("{day}", "*")))
    ]
    columns = pl.concat(frames)
    read = RowReader(source).read({name: columns[name] for name in source.columns})
    ids, first = np.unique(read.rows.transaction_id, return_index=True)
    kept = first[read.reasons[first] == 0]
    print(f"{len(columns):,} rows, {len(ids) - len(kept):,} of them not clean")
    rows = read.rows
    transactions = Transactions(
        rows.transaction_id[kept], rows.customer_id[kept], rows.terminal_id[kept],
        rows.seconds[kept], rows.amount_cents[kept],
        {name: fact[kept] for name, fact in rows.facts.items()},
    )  # fmt: skip
    scenario = rows.scenario[kept].astype(np.int64)
    features = features_at_once(DATA_SET.declaration, transactions, scenario)
    return Rows(transactions, scenario > 0, features)


def weeks_until(last_day: date) -> Iterator[date]:
    """Yield the first days of the weeks that end by `last_day`."""
    for week in range(WEEKS, 0, -1):
        yield last_day + timedelta(days=1 - week * TEST_DAYS)


def precisions(rows: Rows, test_start: date, training_days: int) -> tuple[float, float]:
    """Return the average precision of plain XGBoost and of a candidate on a test week."""
    end = day_number(test_start) - GAP_DAYS
    days = rows.days
    train = np.flatnonzero((days >= end - training_days) & (days < end))
    first = day_number(test_start)
    test = np.flatnonzero((days >= first) & (days < first + TEST_DAYS))
    candidate = train_candidate(
        _training_rows(rows, train, test_start, training_days),
        DATA_SET.chosen,
        TrainingOptions.from_settings(load_settings()),
    )
    places = [FEATURE_NAMES.index(name) for name in candidate.feature_names]
    ours = candidate.predict_probability(np.ascontiguousarray(rows.features[test][:, places]))
    plain = _plain(rows.features[train], rows.is_fraud[train], rows.features[test])
    labels = rows.is_fraud[test]
    return average_precision(labels, plain), average_precision(labels, ours)


def _training_rows(
    rows: Rows, train: np.ndarray, test_start: date, training_days: int
) -> pd.DataFrame:
    """Return rows as `training_set` holds them, with the parts of their knowledge date."""
    knowledge_date = test_start + timedelta(days=TEST_DAYS + GAP_DAYS)
    parts = training_parts(knowledge_date, training_days, date(2000, 1, 1))
    own = rows.days[train]
    part = np.empty(train.size, object)
    for name, (first, end) in parts.spans().items():
        part[(own >= day_number(first)) & (own < day_number(end))] = name
    frame = pd.DataFrame(rows.features[train], columns=list(FEATURE_NAMES))
    return frame.assign(
        transaction_id=rows.transactions.transaction_id[train],
        tx_datetime=rows.transactions.second[train].astype("datetime64[s]"),
        amount_cents=rows.transactions.amount_cents[train],
        is_fraud=rows.is_fraud[train],
        part=part,
        sample_weight=1.0,
    )


def _plain(train: np.ndarray, labels: np.ndarray, test: np.ndarray) -> np.ndarray:
    import xgboost as xgb

    booster = xgb.train(PLAIN, xgb.DMatrix(train, label=labels), num_boost_round=PLAIN_ROUNDS)
    return booster.predict(xgb.DMatrix(test)).astype(np.float64)


def main() -> None:
    parser = argparse.ArgumentParser(description="Quality on data of a declaration.")
    parser.add_argument("--drops", type=Path, required=True)
    parser.add_argument("--until", type=date.fromisoformat, default=date(2018, 7, 29))
    parser.add_argument("--days", type=int, nargs="+", default=list(TRAINING_DAYS))
    given = parser.parse_args()
    rows = read_rows(given.drops)
    table = []
    for training_days in given.days:
        started, found = time.process_time(), []
        for week in weeks_until(given.until):
            found.append(precisions(rows, week, training_days))
            print(training_days, week, *(f"{value:.4f}" for value in found[-1]), flush=True)
        plain, ours = np.mean(found, axis=0)
        folds = ", ".join(f"{value:.3f}" for _, value in found)
        seconds = (time.process_time() - started) / WEEKS
        table.append(
            [f"{training_days} days", f"{plain:.4f}", f"{ours:.4f}", folds, f"{seconds:.0f}"]
        )
        print(table[-1])
    header = [
        "training", "plain XGBoost", "candidate", "candidate by fold", "CPU seconds a fold",
    ]  # fmt: skip
    write_section(
        f"Quality of the data set {DATA_SET.name}",
        f"`python -m benchmarks.own_data_quality --drops DIR` with FRAUD_DATA_SET. Average "
        f"precision on {WEEKS} weeks that end by {given.until}, gap {GAP_DAYS} days, all rows of "
        f"the week; {len(FEATURE_NAMES)} features. Plain XGBoost has {PLAIN_ROUNDS} trees of depth "
        f"{PLAIN['max_depth']}, rate {PLAIN['learning_rate']}, on the same features and all "
        "training days.\n\n" + markdown_table(header, table),
    )


if __name__ == "__main__":
    main()
