"""The files of the cleaned tables as they stand: whose they are, and which ids they hold.

Here: one value a file, and reading such files with Spark. A table's log is read without a JVM, and
the files by their paths, so that drops which share no ids cost nothing.
Not here: what is done with the rows.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fraud_platform.cleaning.parquet_files import WrittenFile

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from fraud_platform.adapters.tables.lake import Lake
    from fraud_platform.contracts.tables import TableContract


@dataclass(frozen=True)
class StoredFile:
    """A file of a drop; `low` and `high` bound its transaction ids, None where none is known."""

    drop: str
    url: str
    low: int | None
    high: int | None

    def meets(self, low: int | None, high: int | None) -> bool:
        """Whether the file may hold an id of [low, high]."""
        if self.low is None or self.high is None or low is None or high is None:
            return False
        return self.low <= high and low <= self.high


def stored_files(lake: Lake, table: TableContract) -> list[StoredFile]:
    """Return the files of a table's current version, making the table where it lacks."""
    lake.ensure(table)
    return [
        StoredFile(
            row["partition.drop"],
            f"{lake.uri(table)}/{row['path']}",
            row.get("min.transaction_id"),
            row.get("max.transaction_id"),
        )
        for row in lake.data_files(table).to_pylist()
    ]


def waiting_file(drop: str, file: WrittenFile) -> StoredFile:
    """Return a file that no commit names yet, as if it were stored."""
    stats = json.loads(file.stats)
    low, high = (stats[bound]["transaction_id"] for bound in ("minValues", "maxValues"))
    return StoredFile(drop, file.url, low, high)


def read_files(spark: SparkSession, files: Iterable[StoredFile], ddl: str) -> DataFrame | None:
    """Return the files' rows with their `drop`, or None where there is no file.

    Args:
        ddl: the columns to read; the partition column `drop` is not in the files.
    """
    from pyspark.sql import functions as F

    urls: dict[str, list[str]] = defaultdict(list)
    for file in files:
        urls[file.drop].append(file.url)
    parts = [
        spark.read.schema(ddl).parquet(*urls[drop]).withColumn("drop", F.lit(drop))
        for drop in sorted(urls)
    ]
    return _union(parts) if parts else None


def _union(parts: list[DataFrame]) -> DataFrame:
    """Return the rows of all parts, by pairs: the plan's depth grows with log2 of their number.

    A union of one part after another is as deep as there are parts, and a plan for Spark Connect
    may be nested only so far.
    """
    while len(parts) > 1:
        pairs = [parts[i : i + 2] for i in range(0, len(parts), 2)]
        parts = [pair[0].unionByName(pair[1]) if len(pair) > 1 else pair[0] for pair in pairs]
    return parts[0]
