"""Live equals batch: what was scored from the stream is what the drop gives later, bit for bit.

The last days of a world go through a real broker, labels on their topic, and are scored by either
engine. In a copy of the lake the same days are published as a drop and built by Spark.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.operations.live.drop_rows import load_rows
from fraud_platform.settings import Settings
from fraud_platform.simulation import DirtRates, SimulationConfig, simulate_drops
from fraud_platform_tests.testing.worlds.parity import (
    DAY,
    ENGINES,
    History,
    Stream,
    differing,
    make_history,
    touched_by,
    with_late_rows,
)
from fraud_platform_tests.testing.worlds.scoring import train_small

CONFIG = SimulationConfig(
    customers=80,
    terminals=40,
    days=57,
    drop_days=45,
    dirt=DirtRates.none(),
    radius=25.0,
    compromised_terminals_per_day=1,
    compromised_customers_per_day=1,
)


@pytest.fixture(scope="module")
def history(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> History:
    folder = tmp_path_factory.mktemp("parity")
    simulate_drops(CONFIG, folder / "drops", None)
    model = train_small(folder / "model")
    made = make_history(spark, folder, list((folder / "drops").glob("*.txt")), model)
    assert made.first_day - CONFIG.first_day > timedelta(days=38)
    return made


@pytest.fixture(scope="module")
def built(spark: SparkSession, history: History, tmp_path_factory: pytest.TempPathFactory) -> Lake:
    return history.with_last_drop(spark, tmp_path_factory.mktemp("batch"))


@pytest.fixture(scope="module")
def batch(history: History, built: Lake) -> pd.DataFrame:
    found = history.batch(built)
    assert len(found) == len(history.rows) > 1_500
    assert found["fraud_probability"].nunique() > 100
    # what is known only by the stream's own labels matters
    assert (found["terminal_risk_30d"] > 0).mean() > 0.01
    return found


def _is_mid_day(moment: datetime) -> bool:
    return moment.hour not in (0, 23)


@pytest.mark.parametrize("engine", ENGINES)
def test_every_row_equals_the_batch_features_and_score(
    engine: str, history: History, batch: pd.DataFrame, make_stream: Callable[..., Stream]
) -> None:
    half = len(history.rows) // 2
    stream = make_stream(
        history, kafka_partitions=4, max_plan_messages=half, max_batch_messages=700
    )
    stream.produce_labels(history.rows)
    stream.produce(history.rows)
    stream.score(engine)
    scored = stream.scored()
    assert stream.plans >= 2
    assert _is_mid_day(history.rows["tx_datetime"][half]), "the restart is in the middle of a day"
    assert differing(scored, batch) == {}
    assert not scored["is_late"].any()


@pytest.mark.slow
def test_labels_that_land_between_plans_late_or_corrected_give_the_batch_features(
    history: History,
    built: Lake,
    make_stream: Callable[..., Stream],
    spark: SparkSession,
    tmp_path: Path,
) -> None:
    stream = make_stream(history, kafka_partitions=4)
    random = np.random.default_rng(2)
    rows = history.rows.with_columns(
        known=pl.col("tx_datetime") + timedelta(days=7),
        is_held=pl.Series(random.random(len(history.rows)) < 0.05),
        is_wrong=pl.Series(random.random(len(history.rows)) < 0.05),
    )
    start = datetime(*history.first_day.timetuple()[:3], tzinfo=UTC)
    counts_from: dict[int, datetime] = {}
    corrected: dict[int, tuple[int, datetime]] = {}
    for number in range(12):
        since, until = (
            start + number * DAY - timedelta(hours=11),
            start + number * DAY + DAY / 24 * 13,
        )
        due = rows.filter(pl.col("known").is_between(since, until, closed="left"))
        # what could be on time or late by minutes is not held
        held = due.filter(pl.col("is_held") & (pl.col("known") < until - timedelta(hours=3)))
        stream.produce_labels(due.join(held, "transaction_id", how="anti"))
        stream.produce(rows.filter(pl.col("tx_datetime").is_between(since, until, closed="left")))
        stream.score(ENGINES[number % 4 == 2])
        midnight = start + (number + 1) * DAY
        wrong = due.filter(pl.col("is_wrong") & ~pl.col("is_held")).with_columns(
            fraud_scenario=1 - pl.col("fraud_scenario").clip(0, 1),
            is_fraud=pl.col("fraud_scenario") == 0,
        )
        stream.produce_labels(held)
        stream.produce_labels(wrong, until)
        counts_from |= dict.fromkeys(held["transaction_id"], midnight)
        corrected |= {
            i: (scenario, midnight)
            for i, scenario in wrong.select("transaction_id", "fraud_scenario").iter_rows()
        }
    rest = rows.filter(pl.col("tx_datetime") >= until)
    stream.produce_labels(rows.filter(pl.col("known").is_between(until, until + DAY)))
    stream.produce(rest)
    stream.score("spark")
    assert stream.plans == 13
    assert len(counts_from) > 20
    assert len(corrected) > 20

    shutil.copytree(built.url, tmp_path / "changed")
    changed = Lake(str(tmp_path / "changed"))
    last = history.first_day.isoformat()
    history.with_labels(spark, changed, last, lambda rows: _changed(rows, counts_from, corrected))
    assert differing(stream.scored(), history.batch(changed)) == {}


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
def test_labels_that_correct_a_drop_s_give_the_batch_features_whenever_a_scorer_starts(
    engine: str,
    history: History,
    built: Lake,
    make_stream: Callable[..., Stream],
    spark: SparkSession,
    tmp_path: Path,
) -> None:
    """No message brought the transactions: their drop did, before the stream began."""
    start = datetime(*history.first_day.timetuple()[:3], tzinfo=UTC)
    old, _ = load_rows(Settings(home=tmp_path), str(history.drop_before))
    recent = old.filter(pl.col("tx_datetime") >= start - 21 * DAY)
    stream = make_stream(history, kafka_partitions=4)
    stream.produce_labels(history.rows)
    corrected: dict[int, tuple[int, datetime]] = {}
    for number in range(0, 12, 3):
        until = start + (number + 2) * DAY + DAY / 2
        wrong = recent.gather_every(11, number).with_columns(
            fraud_scenario=1 - pl.col("fraud_scenario").clip(0, 1),
            is_fraud=pl.col("fraud_scenario") == 0,
        )
        wrong = wrong.filter(pl.col("tx_datetime") < until - 7 * DAY)
        stream.produce(
            history.rows.filter(
                pl.col("tx_datetime").is_between(until - 3 * DAY, until, closed="left")
            )
        )
        stream.score(engine)
        stream.produce_labels(wrong, until)
        corrected |= {
            i: (scenario, until + DAY / 2)
            for i, scenario in wrong.select("transaction_id", "fraud_scenario").iter_rows()
        }
    stream.produce(history.rows.filter(pl.col("tx_datetime") >= until))
    stream.score(engine)
    assert len(corrected) > 100

    shutil.copytree(built.url, tmp_path / "changed")
    changed = Lake(str(tmp_path / "changed"))
    before = history.drop_before.name.split(".")[0]
    history.with_labels(spark, changed, before, lambda rows: _changed(rows, {}, corrected))
    batch = history.batch(changed)
    assert differing(stream.scored(), batch) == {}
    assert differing(batch, history.batch(built)), "the corrections matter"


def _changed(
    labels: pa.Table,
    counts_from: dict[int, datetime],
    corrected: dict[int, tuple[int, datetime]],
) -> pa.Table:
    """Return a drop's labels as the contract wants late ones and corrections."""
    rows = labels.to_pylist()
    for row in rows:
        row["counts_from"] = counts_from.get(row["transaction_id"], row["counts_from"])
    second = [
        {
            **row,
            "fraud_scenario": corrected[row["transaction_id"]][0],
            "is_fraud": corrected[row["transaction_id"]][0] > 0,
            "counts_from": corrected[row["transaction_id"]][1],
            "version": row["version"] + 1,
        }
        for row in rows
        if row["transaction_id"] in corrected
    ]
    return pa.Table.from_pylist(rows + second, schema=labels.schema)


@pytest.mark.parametrize("engine", ENGINES)
def test_late_rows_change_nothing_but_what_has_them_in_reach(
    engine: str, history: History, batch: pd.DataFrame, make_stream: Callable[..., Stream]
) -> None:
    rows, late = with_late_rows(history.rows, 0.01)
    stream = make_stream(history, kafka_partitions=4, max_batch_messages=500)
    stream.produce_labels(rows)
    stream.produce(rows)
    stream.score(engine)
    scored = stream.scored()

    touched = touched_by(history.rows, late)
    wrong = differing(scored.drop(index=touched), batch.drop(index=touched))
    assert wrong == {}
    found = differing(scored, batch)
    differ = set().union(*found.values())
    print(
        f"{engine}: {len(late)} of {len(rows)} rows late, {len(touched)} have one in reach, "
        f"{len(differ)} differ, {scored['is_late'].sum()} marked late"
    )
    assert late & set(scored.index[scored["is_late"]])
    assert differ
