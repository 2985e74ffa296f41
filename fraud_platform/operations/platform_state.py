"""The platform's state in the lake, from which everything that is due is derived.

Here: reading and writing the two clock tables (`drop_days`, `feature_days`) as values.
Not here: the conclusions (`fraud_platform.calendar.due`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import pyarrow as pa

from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.calendar.due import DropDay
from fraud_platform.contracts.clock_tables import DROP_DAYS, FEATURE_DAYS
from fraud_platform.contracts.tables import CLEANING_LEDGER, DROP_LABELS, TRANSACTIONS
from fraud_platform.datasets.handbook.features import DECLARATION, feature_signature
from fraud_platform.features.compatibility import FIRST_DECLARATION, first_tiles_signature
from fraud_platform.labels.later import later_labels
from fraud_platform.scoring.state.history import stream_days
from fraud_platform.tables.scoring import STREAM_LABELS, TOPIC_LABELS

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession


def read_drop_days(lake: Lake) -> list[DropDay]:
    """Return the days of every published drop, with their latest counts."""
    return [
        DropDay(r["drop"], r["tx_date"], r["rows"], r["content"], r["labels"])
        for r in lake.read_arrow(DROP_DAYS).to_pylist()
    ]


def read_days(lake: Lake) -> list[DropDay]:
    """Return the days of published drops, and the later days that the stream has completed."""
    days = read_drop_days(lake)
    return [*days, *stream_days(lake, days)]


def read_labels(
    spark: SparkSession, lake: Lake, first_day: date, version: int | None = None
) -> DataFrame:
    """Return the labels of drops, at a table version if one is given, and those of the topic.

    If a transaction has both, the topic's label counts if it was known later.

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
        .toPandas()
    )
    days.insert(1, "publication", [published[drop] for drop in days["drop"]])
    table = pa.Table.from_pandas(days, schema=DROP_DAYS.arrow_schema, preserve_index=False)
    quoted = ", ".join(f"'{drop}'" for drop in changed)
    lake.replace_arrow(DROP_DAYS, table, f"drop IN ({quoted})")


def _checksum(columns: list[str]) -> Column:
    """Return an aggregate that is equal for equal rows in any order."""
    from pyspark.sql import functions as F

    return F.sum(F.xxhash64(*columns).cast("decimal(20,0)")).cast("string")


def read_built_days(lake: Lake) -> dict[date, str]:
    """Return the days whose features are built, each with the fingerprint of its inputs.

    If a day was built with another feature declaration, that declaration is added to the
    fingerprint: it then differs from every current one, and the day is built again.
    """
    now, built = feature_signature(), {}
    for row in lake.read_arrow(FEATURE_DAYS).to_pylist():
        declared = row["feature_signature"] or FIRST_DECLARATION
        other = "" if declared == now else f" by the declaration {declared[:16]}"
        built[row["tx_date"]] = f"{row['inputs']}{other}"
    return built


def days_of_other_tiles(lake: Lake, first: date, end: date) -> list[date]:
    """Return the built days of [first, end) whose tile declaration differs from the current one."""
    now, before = DECLARATION.tiles_signature(), first_tiles_signature()
    return sorted(
        row["tx_date"]
        for row in lake.read_arrow(FEATURE_DAYS).to_pylist()
        if first <= row["tx_date"] < end and (row["tiles_signature"] or before) != now
    )


def days_of_other_features(lake: Lake, first: date, end: date) -> list[date]:
    """Return the built days of [first, end) whose feature declaration differs from today's."""
    now = feature_signature()
    return sorted(
        row["tx_date"]
        for row in lake.read_arrow(FEATURE_DAYS).to_pylist()
        if first <= row["tx_date"] < end and (row["feature_signature"] or FIRST_DECLARATION) != now
    )


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
