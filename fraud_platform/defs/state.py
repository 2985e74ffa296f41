"""What the lake says has been done: the input of every question about what is due.

Here: reading and writing the two tables of the data's clock as values.
Not here: the conclusions (`fraud_platform.clock`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import pyarrow as pa

from fraud_platform.adapters.lake import Lake
from fraud_platform.clock import DropDay
from fraud_platform.contracts.clock_tables import DROP_DAYS, FEATURE_DAYS
from fraud_platform.contracts.tables import CLEANING_LEDGER, TRANSACTIONS

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def read_drop_days(lake: Lake) -> list[DropDay]:
    """Return the days of every published drop."""
    published = published_contents(lake)
    rows = lake.read_arrow(DROP_DAYS).to_pylist()
    return [
        DropDay(r["drop"], r["content"], r["tx_date"], r["rows"])
        for r in rows
        if published.get(r["drop"]) == r["content"]
    ]


def published_contents(lake: Lake) -> dict[str, str]:
    """Return a fingerprint of what is published of each drop, from the cleaning ledger."""
    return {
        row["drop"]: content_of(row)
        for row in lake.read_arrow(CLEANING_LEDGER).to_pylist()
        if row["status"] == "published"
    }


def content_of(ledger_row: Mapping[str, object]) -> str:
    """Return a fingerprint of one published drop: its bytes and what was kept of them."""
    return "{content_sha256}:{rows_clean}:{rows_quarantined}".format(**ledger_row)


def write_drop_days(spark: SparkSession, lake: Lake) -> None:
    """Bring `drop_days` up to date with the ledger, for the drops whose content changed."""
    contents = published_contents(lake)
    known = {(r["drop"], r["content"]) for r in lake.read_arrow(DROP_DAYS).to_pylist()}
    changed = sorted(d for d, content in contents.items() if (d, content) not in known)
    if not changed:
        return
    from pyspark.sql import functions as F

    counted = (
        lake.read(spark, TRANSACTIONS)
        .where(F.col("drop").isin(changed))
        .groupBy("drop", "tx_date")
        .agg(F.count("*").alias("rows"), F.sum(F.col("is_fraud").cast("long")).alias("frauds"))
        .orderBy("drop", "tx_date")
        .toPandas()
    )
    counted.insert(1, "content", [contents[drop] for drop in counted["drop"]])
    rows = pa.Table.from_pandas(counted, schema=DROP_DAYS.arrow_schema, preserve_index=False)
    quoted = ", ".join(f"'{drop}'" for drop in changed)
    lake.replace_arrow(DROP_DAYS, rows, f"drop IN ({quoted})")


def read_built_days(lake: Lake) -> dict[date, str]:
    """Return the days whose features are built, with what they were built from."""
    return {r["tx_date"]: r["inputs"] for r in lake.read_arrow(FEATURE_DAYS).to_pylist()}


def write_built_days(lake: Lake, inputs: Mapping[date, str], run_id: str) -> None:
    """Mark a contiguous range of days as built from these inputs."""
    now = datetime.now(UTC)
    rows = pa.Table.from_pylist(
        [
            {"tx_date": day, "inputs": fingerprint, "run_id": run_id, "built_at": now}
            for day, fingerprint in sorted(inputs.items())
        ],
        schema=FEATURE_DAYS.arrow_schema,
    )
    if inputs:
        first, last = min(inputs), max(inputs)
        lake.replace_arrow(FEATURE_DAYS, rows, f"tx_date >= '{first}' AND tx_date <= '{last}'")
