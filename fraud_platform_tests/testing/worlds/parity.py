"""A history of drops, the stream that follows them, and how the two ways to score it compare.

Here: `History` with its batch features, `Stream`, rows that come late, what differs.
Not here: the tests (`integration.scoring.test_parity`), small worlds of messages
(`testing.worlds.scoring`).
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
from pyspark.sql import SparkSession

from fraud_platform.adapters.kafka.connection import KafkaConnection
from fraud_platform.adapters.kafka.producers import IdempotentProducer
from fraud_platform.adapters.models.registry import ModelRegistry
from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.cleaning.publish import publish_drop
from fraud_platform.cleaning.raw_text import sha256_of
from fraud_platform.contracts.active import DECLARATION, FEATURE_NAMES
from fraud_platform.contracts.tables import DROP_LABELS
from fraud_platform.features.batch.materialize import materialize_days
from fraud_platform.operations.live.drop_rows import load_rows
from fraud_platform.operations.live.planning import plan_next
from fraud_platform.operations.live.session import open_scorer
from fraud_platform.scoring.engines.micro_batch import PinnedModel
from fraud_platform.scoring.state.snapshot import write_snapshot
from fraud_platform.settings import Settings
from fraud_platform.simulation.stream import label_messages, transaction_messages
from fraud_platform.simulation.stream_messages import BadMessage
from fraud_platform.tables.features import TRANSACTION_FEATURES
from fraud_platform.tables.scoring import SCORED
from fraud_platform.training.candidate import Candidate
from fraud_platform_tests.testing.defaults import DEFAULTS, limits, unpacking

COMPARED = [*FEATURE_NAMES, *(flag.name for flag in DECLARATION.flags)]
ENGINES = ("inprocess", "spark")
DAY = timedelta(days=1)


@dataclass(frozen=True)
class History:
    """A lake with all but the last drop, that drop's rows, and the model that scores them.

    Attributes:
        first_day: of the last drop; the snapshot's midnight.
        last_drop: its file.
        drop_before: the file of the drop before it.
        rows: its rows in stream order.
    """

    lake: Lake
    first_day: date
    last_drop: Path
    drop_before: Path
    rows: pl.DataFrame
    model: PinnedModel

    def with_last_drop(self, spark: SparkSession, folder: Path) -> Lake:
        """Return a copy of the lake in which the last drop is published and its days built."""
        lake = Lake(str(folder / "batch"))
        shutil.copytree(self.lake.url, lake.url)
        _publish(spark, lake, self.last_drop)
        materialize_days(spark, lake, self.first_day, self.last_day)
        return lake

    def with_labels(
        self, spark: SparkSession, built: Lake, drop: str, change: Callable[[pa.Table], pa.Table]
    ) -> None:
        """Change a drop's labels in a built lake and build the last drop's days again."""
        labels = change(built.read_arrow(DROP_LABELS, filters=[("drop", "=", drop)]))
        built.replace_arrow(DROP_LABELS, labels, f"drop = '{drop}'")
        materialize_days(spark, built, self.first_day, self.last_day)

    @property
    def last_day(self) -> date:
        last: datetime = max(self.rows["tx_datetime"])
        return last.date()

    def batch(self, lake: Lake) -> pd.DataFrame:
        """Return the last drop's features and the model's probabilities."""
        rows = lake.read_arrow(
            TRANSACTION_FEATURES, filters=[("tx_date", ">=", self.first_day)]
        ).to_pandas()
        candidate = self.model.candidate
        matrix = rows[list(candidate.feature_names)].to_numpy(np.float32)
        rows["fraud_probability"] = candidate.predict_probability(np.ascontiguousarray(matrix))
        return rows.set_index("transaction_id").sort_index()


def drop_day(path: Path) -> date:
    """Return the day in a drop's name."""
    found = re.search(r"\d{4}-\d{2}-\d{2}", path.name)
    assert found is not None, path.name
    return date.fromisoformat(found[0])


def _publish(spark: SparkSession, lake: Lake, path: Path) -> None:
    publish_drop(
        spark, lake, str(path), str(drop_day(path)),
        content_sha256=sha256_of(lake.files, str(path)), size_bytes=path.stat().st_size,
        run_id="parity", limits=limits(quarantined=0.01),
        unpacking=unpacking(),
    )  # fmt: skip


def make_history(spark: SparkSession, folder: Path, drops: list[Path], model: Path) -> History:
    """Publish all drops but the last, build their days and the snapshot after them."""
    lake, (*before, last) = Lake(str(folder / "history")), sorted(drops)
    for path in before:
        _publish(spark, lake, path)
    first_day = drop_day(last)
    materialize_days(spark, lake, drop_day(before[0]), first_day - DAY)
    write_snapshot(spark, lake, first_day, DEFAULTS.duplicate_horizon_days)
    rows, _ = load_rows(Settings(home=folder), str(last))
    return History(
        lake, first_day, last, before[-1], rows, PinnedModel("fraud", 1, Candidate.load(model))
    )


class Stream:
    """The topics and the home of one test, and what is done with them."""

    def __init__(self, history: History, settings: Settings, spark: SparkSession) -> None:
        self._history, self.settings, self._spark = history, settings, spark
        shutil.copytree(history.lake.url, settings.lake)
        self.plans = 0

    def produce(self, rows: pl.DataFrame, bad: Sequence[BadMessage] = ()) -> None:
        """Send rows, each bad message after the row that it names."""
        made = transaction_messages(rows)
        keys, values = list[bytes | None](made.keys), list[bytes | None](made.values)
        for message in reversed(bad):
            keys.insert(message.after + 1, message.key)
            values.insert(message.after + 1, message.value)
        self._send(self.settings.transactions_topic, keys, values)

    def produce_labels(self, rows: pl.DataFrame, known_at: datetime | None = None) -> None:
        """Send labels, known a label delay after their transactions or at another moment."""
        if known_at is not None:
            rows = rows.with_columns(tx_datetime=pl.lit(known_at))
        made = label_messages(rows, 7 if known_at is None else 0)
        self._send(self.settings.labels_topic, made.keys, made.values)

    def _send(
        self, topic: str, keys: Sequence[bytes | None], values: Sequence[bytes | None]
    ) -> None:
        producer = IdempotentProducer(KafkaConnection.from_settings(self.settings))
        producer.send_many(topic, keys, values)
        assert producer.finish().acked == len(keys)

    def score(self, engine: str) -> None:
        """Plan and score until nothing is left, each plan with a new scorer."""
        lake = Lake(self.settings.lake)
        champion = cast("ModelRegistry", SimpleNamespace(alias=lambda name: 1))
        session = (lambda: self._spark) if engine == "spark" else None
        while (plan := plan_next(self.settings, lake, champion).plan) is not None:
            with open_scorer(self.settings, lake, plan.state_version, "parity", session) as scorer:
                scorer.carry_out(plan, self._history.model, {})
            self.plans += 1

    def scored(self) -> pd.DataFrame:
        rows = Lake(self.settings.lake).read_arrow(SCORED).to_pandas()
        return rows.set_index("transaction_id", verify_integrity=True).sort_index()


def differing(scored: pd.DataFrame, batch: pd.DataFrame) -> dict[str, list[int]]:
    """Return the transactions whose value differs in a bit, by column; both hold the same ids."""
    assert scored.index.equals(batch.index)
    found = {}
    for name in [*COMPARED, "fraud_probability"]:
        one, other = scored[name].to_numpy(), batch[name].to_numpy()
        assert one.dtype == other.dtype, name
        is_other = one.view(f"i{one.itemsize}") != other.view(f"i{other.itemsize}")
        if is_other.any():
            found[name] = scored.index[is_other].tolist()
    return found


def with_late_rows(rows: pl.DataFrame, share: float) -> tuple[pl.DataFrame, set[int]]:
    """Move a share of the rows hours to days back in the stream; return it and their ids."""
    random = np.random.default_rng(7)
    chosen = random.random(len(rows)) < share
    delay = np.where(chosen, random.integers(3_600, 2 * 86_400, len(rows)), 0)
    moved = rows.with_columns(arrives=pl.col("tx_datetime").dt.epoch("s") + pl.Series(delay))
    ids = set(rows["transaction_id"].to_numpy()[chosen].tolist())
    return moved.sort("arrives", "transaction_id").drop("arrives"), ids


def touched_by(rows: pl.DataFrame, late: set[int]) -> list[int]:
    """Return the late rows, and every later row of their customers.

    All of the stream lies within one window of 30 days, so each of those has the late row in a
    window, or in a flag or last value of a row between. Terminals count a label delay later, when
    the late row has come.
    """
    frame = rows.to_pandas()
    firsts = frame[frame["transaction_id"].isin(late)].groupby("customer_id")["tx_datetime"].min()
    first = frame["customer_id"].map(firsts)
    return frame.loc[first.notna() & (frame["tx_datetime"] >= first), "transaction_id"].tolist()
