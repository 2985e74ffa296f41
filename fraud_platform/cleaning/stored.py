"""The data files of the cleaned tables: the drop and the id range of each.

Here: `StoredFile`, and reading the rows of such files with Spark. A table's log is read without a
JVM, and files are read by path, so that files without shared ids cause no work.
Not here: what is done with the rows (`duplicates`, `labels`, `publish`).
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fraud_platform.tables.data_files import WrittenFile

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from fraud_platform.contracts.ports import PartitionedTables
    from fraud_platform.contracts.tables import TableContract


@dataclass(frozen=True)
class StoredFile:
    """A data file of a drop; `low` and `high` are the bounds of its ids, None if unknown."""

    drop: str
    url: str
    low: int | None
    high: int | None

    def meets(self, low: int | None, high: int | None) -> bool:
        """Return whether the file may contain an id in [low, high]."""
        if self.low is None or self.high is None or low is None or high is None:
            return False
        return self.low <= high and low <= self.high


def stored_files(lake: PartitionedTables, table: TableContract) -> list[StoredFile]:
    """Return the files of a table's current version, creating the table if it is missing."""
    lake.prepare(table)
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
    """Return an uncommitted file in the same form as a stored one."""
    stats = json.loads(file.stats)
    low, high = (stats[bound]["transaction_id"] for bound in ("minValues", "maxValues"))
    return StoredFile(drop, file.url, low, high)


def read_files(spark: SparkSession, files: Iterable[StoredFile], ddl: str) -> DataFrame | None:
    """Return the files' rows with a column `drop`, or None if there are no files.

    Args:
        spark: session that reads.
        files: the files.
        ddl: the columns to read, without `drop`, which is not in the files.
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
    """Return the union of all parts, built pairwise, so that the plan's depth is log2(parts).

    A chain of unions would be as deep as the number of parts, and Spark Connect limits the depth
    of a plan.
    """
    while len(parts) > 1:
        pairs = [parts[i : i + 2] for i in range(0, len(parts), 2)]
        parts = [pair[0].unionByName(pair[1]) if len(pair) > 1 else pair[0] for pair in pairs]
    return parts[0]
