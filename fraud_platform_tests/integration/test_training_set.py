"""A training set's rows, labels and weights, on real Spark, against the rows it was made from."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import SparkSession

from fraud_platform.contracts.active import FEATURE_NAMES
from fraud_platform.tables.training import CALIBRATION, FIT, THRESHOLD
from fraud_platform.training.training_set import build_training_set

KNOWLEDGE_DATE = date(2018, 6, 4)
TRAINING_DAYS = 28
END = KNOWLEDGE_DATE - timedelta(days=21)
DELAY = timedelta(days=7)
ROWS = 3_000


def _transactions() -> pd.DataFrame:
    random = np.random.default_rng(3)
    days = [END - timedelta(days=int(n)) for n in random.integers(-5, TRAINING_DAYS + 5, ROWS)]
    frame = pd.DataFrame(
        {
            "transaction_id": np.arange(ROWS),
            "tx_datetime": [datetime(d.year, d.month, d.day, 12, tzinfo=UTC) for d in days],
            "customer_id": random.integers(0, 50, ROWS),
            "terminal_id": random.integers(0, 50, ROWS),
            "amount_cents": random.integers(100, 30_000, ROWS),
            "tx_date": days,
        }
    )
    return frame.assign(**dict.fromkeys(FEATURE_NAMES, np.float32(0)))


def _label(key: int, known_at: datetime, scenario: int, version: int) -> dict[str, Any]:
    return {
        "transaction_id": key,
        "is_fraud": scenario > 0,
        "fraud_scenario": scenario,
        "known_at": known_at,
        "version": version,
    }


@pytest.fixture(scope="module")
def made(spark: SparkSession) -> tuple[pd.DataFrame, dict[int, int], Any]:
    """Rows, the scenario of each that is known at D, and a function that builds the set."""
    rows, random, known = _transactions(), np.random.default_rng(4), {}
    labels: list[dict[str, Any]] = []
    for key, when in zip(rows["transaction_id"], rows["tx_datetime"], strict=True):
        chance = random.random()
        told_at = when + (timedelta(days=90) if chance < 0.05 else DELAY)
        labels.append(_label(key, told_at, max(0, int(random.integers(-40, 4))), 1))
        if 0.05 <= chance < 0.1:  # corrected, half of them when D is past
            corrected_at = told_at + timedelta(days=1 if chance < 0.075 else 90)
            labels.append(_label(key, corrected_at, 2, 2))
    midnight = datetime(2018, 6, 4, tzinfo=UTC)
    for label in labels:
        if label["known_at"] <= midnight:
            known[int(label["transaction_id"])] = label["fraud_scenario"]
    features, topic_labels = (
        spark.createDataFrame(rows),
        spark.createDataFrame(pd.DataFrame(labels)),
    )

    def build(max_rows: int | None, seed: int = 1) -> pd.DataFrame:
        found = build_training_set(
            features, topic_labels, KNOWLEDGE_DATE, TRAINING_DAYS, max_rows, seed
        )
        return found.toPandas().sort_values("transaction_id", ignore_index=True)

    return rows, known, build


def test_it_holds_the_days_before_d_with_the_label_that_was_known_then(
    made: tuple[pd.DataFrame, dict[int, int], Any],
) -> None:
    rows, known, build = made
    found = build(None)
    inside = rows["tx_date"].between(END - timedelta(days=TRAINING_DAYS), END - timedelta(days=1))
    expected = [key for key in rows["transaction_id"][inside] if key in known]
    assert found["transaction_id"].tolist() == expected
    assert found["fraud_scenario"].tolist() == [known[key] for key in expected]
    assert (found["is_fraud"] == (found["fraud_scenario"] > 0)).all()
    assert (found["sample_weight"] == 1).all()
    assert found.groupby("part")["tx_datetime"].min().sort_values().index.tolist() == [
        FIT,
        CALIBRATION,
        THRESHOLD,
    ]


def test_above_the_limit_genuine_rows_are_sampled_and_weigh_as_many_as_there_were(
    made: tuple[pd.DataFrame, dict[int, int], Any],
) -> None:
    _, _, build = made
    everything, sampled, others = build(None), build(600), build(600, seed=2)
    assert build(len(everything)).equals(everything)
    assert 500 < len(sampled) < 700
    assert set(sampled["transaction_id"]) != set(others["transaction_id"])
    frauds = everything["transaction_id"][everything["is_fraud"]]
    assert set(frauds) == set(sampled["transaction_id"][sampled["is_fraud"]])
    assert (sampled["sample_weight"][sampled["is_fraud"]] == 1).all()
    weights = sampled.groupby("part")["sample_weight"].sum()
    assert np.allclose(weights, everything.groupby("part").size()[weights.index])
