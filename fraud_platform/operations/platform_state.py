"""The platform's state in the lake, from which everything that is due is derived.

Here: `PlatformState`, read once by an asset, a schedule or a check and handed down; reading and
writing the two clock tables (`drop_days`, `feature_days`).
Not here: the conclusions (`fraud_platform.calendar.due`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cached_property
from typing import TYPE_CHECKING

import pyarrow as pa

from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.calendar.due import DropDay, inputs_by_day, watermark
from fraud_platform.contracts.active import DECLARATION, feature_signature
from fraud_platform.contracts.clock_tables import DROP_DAYS, FEATURE_DAYS
from fraud_platform.contracts.tables import CLEANING_LEDGER, DROP_LABELS, TRANSACTIONS
from fraud_platform.features.compatibility import FIRST_DECLARATION, first_tiles_signature
from fraud_platform.labels.later import later_labels
from fraud_platform.scoring.state.history import stream_days, stream_time
from fraud_platform.settings import Settings
from fraud_platform.tables.scoring import SCORED, STREAM_LABELS, TOPIC_LABELS

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession


@dataclass(frozen=True)
class BuiltDay:
    """A day whose features are built: from what, and by which declaration of features and tiles."""

    inputs: str
    feature_signature: str
    tiles_signature: str


@dataclass(frozen=True)
class PlatformState:
    """How far the data is, read once and handed down, so that every answer is of one moment.

    Attributes:
        first_day: the setting `first_day`, before which no day is built.
        drop_days: the days of every published drop.
        stream_days: the days that the stream has completed after the drops; empty if the state was
            read without them.
        built: the days whose features are built.
        stream_time: how far scoring has come (UTC); None if nothing was ever scored.
        scored_version: the version of the scored rows; None if the table does not exist.
    """

    first_day: date
    drop_days: tuple[DropDay, ...]
    stream_days: tuple[DropDay, ...]
    built: Mapping[date, BuiltDay]
    stream_time: datetime | None
    scored_version: int | None

    @property
    def days(self) -> list[DropDay]:
        """The days of published drops, then those that the stream has completed."""
        return [*self.drop_days, *self.stream_days]

    @cached_property
    def inputs(self) -> dict[date, str]:
        """The days that can be built, each with a fingerprint of what it is built from."""
        return inputs_by_day(self.days, self.first_day)

    @cached_property
    def end_of_drops(self) -> date | None:
        """The first day that the drops do not cover yet; None without drops."""
        return watermark(self.drop_days)

    @property
    def first_live_day(self) -> date:
        """The day from which scored rows stand in for drops."""
        return self.end_of_drops or self.first_day

    @property
    def built_inputs(self) -> dict[date, str]:
        """The built days, each with what it was built from; see `built_inputs`."""
        return built_inputs(self.built)

    @property
    def reached_days(self) -> dict[date, str]:
        """The built days up to the drops' end or to stream time, whichever is later.

        Days beyond were built while a clock was wrong: a snapshot of them would have no history.
        """
        end = self.end_of_drops
        if self.stream_time is not None:
            end = max(end or self.stream_time.date(), self.stream_time.date())
        return {day: inputs for day, inputs in self.built_inputs.items() if not end or day < end}

    def days_of_other_tiles(self, first: date, end: date) -> list[date]:
        """Return the built days of [first, end) whose tile declaration differs from today's."""
        now = DECLARATION.tiles_signature()
        return [
            day
            for day, built in sorted(self.built.items())
            if first <= day < end and built.tiles_signature != now
        ]

    def days_of_other_features(self, first: date, end: date) -> list[date]:
        """Return the built days of [first, end) whose feature declaration differs from today's."""
        now = feature_signature()
        return [
            day
            for day, built in sorted(self.built.items())
            if first <= day < end and built.feature_signature != now
        ]


def read_state(lake: Lake, settings: Settings, *, with_stream: bool = True) -> PlatformState:
    """Read how far the data is, each of its tables once.

    Args:
        with_stream: also the days that the stream has completed, for which the rows are read that
            were scored since the last drop.
    """
    drop_days, scored_version = read_drop_days(lake), lake.version(SCORED)
    now = None if scored_version is None else stream_time(lake)
    of_stream = stream_days(lake, drop_days, now) if with_stream else []
    return PlatformState(
        date.fromisoformat(settings.first_day),
        tuple(drop_days),
        tuple(of_stream),
        _read_built(lake),
        now,
        scored_version,
    )


def built_inputs(built: Mapping[date, BuiltDay]) -> dict[date, str]:
    """Return the built days, each with what it was built from.

    For a day that another declaration of features built, its name is added. So the day equals
    nothing that it is to be built from now, and is built again.
    """
    now = feature_signature()
    return {
        day: one.inputs
        if one.feature_signature == now
        else f"{one.inputs} by the declaration {one.feature_signature[:16]}"
        for day, one in built.items()
    }


def _read_built(lake: Lake) -> dict[date, BuiltDay]:
    before = first_tiles_signature()
    return {
        row["tx_date"]: BuiltDay(
            row["inputs"],
            row["feature_signature"] or FIRST_DECLARATION,
            row["tiles_signature"] or before,
        )
        for row in lake.read_arrow(FEATURE_DAYS).to_pylist()
    }


def read_drop_days(lake: Lake) -> list[DropDay]:
    """Return the days of every published drop, with their latest counts."""
    return [
        DropDay(r["drop"], r["tx_date"], r["rows"], r["content"], r["labels"])
        for r in lake.read_arrow(DROP_DAYS).to_pylist()
    ]


def read_labels(
    spark: SparkSession, lake: Lake, first_day: date, version: int | None = None
) -> DataFrame:
    """Return the labels of drops, at a table version if one is given, and those of the topic.

    If a transaction has both, `labels.rule.holds_over` decides which one counts.

    Args:
        first_day: first day of the transactions whose labels are needed. A drop's labels are
            known a label delay after their transactions, so older years need not be read.
    """
    from pyspark.sql import functions as F

    columns = [name for name in STREAM_LABELS.column_names if name != "tx_date"]
    from_day = F.lit(first_day).cast("timestamp")
    drops = (
        lake.read(spark, DROP_LABELS, version)
        .where((F.col("known_at") >= from_day) | (F.col("source") != "drop"))
        .select(*columns)
    )
    labels = drops
    if lake.has_rows(TOPIC_LABELS):
        labels = labels.unionByName(later_labels(drops, lake.read(spark, TOPIC_LABELS)))
    if lake.has_rows(STREAM_LABELS):
        known = drops.select("transaction_id")
        stream = lake.read(spark, STREAM_LABELS).join(known, "transaction_id", "left_anti")
        labels = labels.unionByName(stream.select(*map(F.col, columns)))
    return labels


def write_drop_days(spark: SparkSession, lake: Lake) -> None:
    """Update `drop_days` from the ledger, for the drops published since the last update."""
    from pyspark.sql import functions as F

    ledger = lake.read_arrow(CLEANING_LEDGER).to_pylist()
    published = {r["drop"]: r["publication"] for r in ledger if r["published_sha256"]}
    counted = {(r["drop"], r["publication"]) for r in lake.read_arrow(DROP_DAYS).to_pylist()}
    changed = sorted(drop for drop, name in published.items() if (drop, name) not in counted)
    if not changed:
        return
    label = ("is_fraud", "fraud_scenario")
    rows = [name for name in TRANSACTIONS.column_names if name not in (*label, "drop")]
    days = (
        lake.read(spark, TRANSACTIONS)
        .where(F.col("drop").isin(changed))
        .groupBy("drop", "tx_date")
        .agg(
            F.count("*").alias("rows"),
            F.sum(F.col("is_fraud").cast("long")).alias("frauds"),
            _checksum(rows).alias("content"),
            _checksum(["transaction_id", *label]).alias("labels"),
        )
        .orderBy("drop", "tx_date")
        .toArrow()
    )
    names = pa.array([published[drop] for drop in days["drop"].to_pylist()], pa.string())
    table = days.add_column(1, "publication", names).cast(DROP_DAYS.arrow_schema)
    quoted = ", ".join(f"'{drop}'" for drop in changed)
    lake.replace_arrow(DROP_DAYS, table, f"drop IN ({quoted})")


def _checksum(columns: list[str]) -> Column:
    """Return an aggregate that is equal for equal rows in any order."""
    from pyspark.sql import functions as F

    return F.sum(F.xxhash64(*columns).cast("decimal(20,0)")).cast("string")


def write_built_days(lake: Lake, inputs: Mapping[date, str], run_id: str) -> None:
    """Mark a contiguous range of days as built from these inputs."""
    now = datetime.now(UTC)
    rows = pa.Table.from_pylist(
        [
            {
                "tx_date": day,
                "inputs": fingerprint,
                "run_id": run_id,
                "built_at": now,
                "feature_signature": feature_signature(),
                "tiles_signature": DECLARATION.tiles_signature(),
            }
            for day, fingerprint in sorted(inputs.items())
        ],
        schema=FEATURE_DAYS.arrow_schema,
    )
    if inputs:
        first, last = min(inputs), max(inputs)
        lake.replace_arrow(FEATURE_DAYS, rows, f"tx_date >= '{first}' AND tx_date <= '{last}'")
