"""The setup of the scoring benchmarks: history, a champion, a broker, a stream to score.

Here: simulating drops, publishing the history, building features, training the champion, topics.
Not here: what is measured (`benchmarks.scoring`).
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import psutil

from fraud_platform.adapters.kafka import broker
from fraud_platform.adapters.kafka.broker_settings import free_port
from fraud_platform.adapters.kafka.connection import KafkaConnection
from fraud_platform.adapters.kafka.topics import Topics
from fraud_platform.adapters.models.registry import CHAMPION, ModelRegistry
from fraud_platform.adapters.spark.session import open_session
from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.calendar.due import watermark
from fraud_platform.cleaning.holding import Limits
from fraud_platform.cleaning.publish import publish_drop
from fraud_platform.cleaning.raw_text import UnpackLimits, sha256_of
from fraud_platform.contracts.active import FEATURE_NAMES
from fraud_platform.contracts.messages import topic_specs
from fraud_platform.contracts.tables import TRANSACTIONS
from fraud_platform.features.batch.materialize import materialize_days
from fraud_platform.operations.live.drop_rows import load_rows
from fraud_platform.operations.models.registry import registry_of
from fraud_platform.operations.platform_state import (
    read_drop_days,
    write_built_days,
    write_drop_days,
)
from fraud_platform.scoring.state.snapshot import write_snapshot
from fraud_platform.settings import Settings, load_settings
from fraud_platform.simulation import DirtRates, SimulationConfig, simulate_drops
from fraud_platform.tables.features import TRANSACTION_FEATURES
from fraud_platform.tables.training import CALIBRATION, FIT, THRESHOLD

CUSTOMERS = 20_000
DROP_DAYS = 30
_LIVE_TABLES = ("scored", "dead_letters", "inference_plans", "topic_labels", "dead_labels")


@dataclass(frozen=True)
class World:
    """A prepared platform: one drop of history, a model on all declared features, a stream.

    Attributes:
        settings: settings of its home; child processes get the same from the environment.
        rows: the stream's transactions, in order.
    """

    settings: Settings
    rows: pl.DataFrame

    @property
    def lake(self) -> Lake:
        """The lake."""
        return Lake(self.settings.lake)

    @property
    def registry(self) -> ModelRegistry:
        """The model registry."""
        return registry_of(self.settings)

    def broker(self) -> psutil.Process:
        """Return the broker's process."""
        children = psutil.Process().children(recursive=True)
        return next(child for child in children if "kafka.Kafka" in child.cmdline())

    def forget_scores(self) -> None:
        """Remove all live tables, so that the next contender starts from the same state."""
        for name in _LIVE_TABLES:
            shutil.rmtree(Path(self.settings.lake) / name, ignore_errors=True)


@contextmanager
def world(folder: Path, customers: int = CUSTOMERS, drop_days: int = DROP_DAYS) -> Iterator[World]:
    """Prepare a home in a folder, once, and run a broker for the duration of the `with` block.

    Args:
        folder: folder of the home.
        customers: number of customers, each with about 1.9 transactions a day.
        drop_days: days of history, and of the stream after it.
    """
    home = folder / f"scoring-{customers}-{drop_days}"
    port = free_port()
    os.environ.update(FRAUD_HOME=str(home), FRAUD_KAFKA_PORT=str(port), FRAUD_MODEL_FEATURES="all")
    settings = load_settings()
    stream = home / "stream"
    if not (home / "ready").exists():
        shutil.rmtree(home, ignore_errors=True)
        _prepare(settings, customers, drop_days, stream)
        (home / "ready").touch()
    (path,) = stream.glob("*.txt")
    rows, _ = load_rows(settings, str(path), None)
    with broker.running(home / "kafka", settings.jars, port):
        yield World(settings, rows)


@contextmanager
def fresh_topics(settings: Settings, name: str) -> Iterator[Settings]:
    """Yield settings with new topics, whose names begin with `name` and a unique number."""
    name = f"{name}-{time.time_ns()}"
    names = {
        "transactions_topic": f"{name}.transactions",
        "labels_topic": f"{name}.labels",
        "predictions_topic": f"{name}.predictions",
        "dead_letters_topic": f"{name}.dlq",
    }
    fresh = settings.model_copy(update=names)
    Topics(KafkaConnection.from_settings(fresh)).ensure(topic_specs(fresh))
    variables = {f"FRAUD_{key.upper()}": value for key, value in names.items()}
    os.environ.update(variables)
    try:
        yield fresh
    finally:
        for key in variables:
            del os.environ[key]


def _prepare(settings: Settings, customers: int, drop_days: int, stream: Path) -> None:
    config = SimulationConfig(
        customers=customers,
        terminals=10_000,
        days=2 * drop_days,
        drop_days=drop_days,
        dirt=DirtRates().scaled(0),
    )
    drops = settings.home / "drops"
    simulate_drops(config, drops, None)
    history, live = sorted(drops.glob("*.txt"))
    stream.mkdir(parents=True)
    live.rename(stream / live.name)
    spark, lake = open_session(settings), Lake(settings.lake)
    publish_drop(
        spark, lake, str(history), history.stem, content_sha256=sha256_of(lake.files, str(history)),
        size_bytes=history.stat().st_size, run_id="benchmark",
        limits=replace(Limits.from_settings(settings), quarantined=0.01),
        unpacking=UnpackLimits.from_settings(settings),
    )  # fmt: skip
    write_drop_days(spark, lake)
    days = read_drop_days(lake)
    end = watermark(days)
    assert end is not None
    materialize_days(spark, lake, min(d.day for d in days), end - timedelta(days=1))
    write_built_days(lake, {d.day: "benchmark" for d in days}, "benchmark")
    write_snapshot(spark, lake, end, settings.duplicate_horizon_days)
    _train(settings, lake)
    spark.stop()


def _train(settings: Settings, lake: Lake) -> None:
    from fraud_platform.training.candidate import TrainingOptions, train_candidate

    rows = lake.read_arrow(TRANSACTION_FEATURES).to_pandas()
    labels = lake.read_arrow(TRANSACTIONS, columns=["transaction_id", "is_fraud"]).to_pandas()
    rows = rows.merge(labels, on="transaction_id").sort_values("tx_datetime").tail(400_000)
    third = len(rows) // 4
    rows["part"] = [FIT] * (len(rows) - 2 * third) + [CALIBRATION] * third + [THRESHOLD] * third
    rows["sample_weight"] = 1.0
    candidate = train_candidate(rows, FEATURE_NAMES, TrainingOptions.from_settings(settings))
    registry = registry_of(settings)
    with TemporaryDirectory() as folder:
        candidate.save(Path(folder))
        model = registry.register(
            "2018-05-01", Path(folder), candidate.feature_names, candidate.parameters,
            candidate.metrics, {}, {},
        )  # fmt: skip
    registry.set_alias(CHAMPION, model.version)
