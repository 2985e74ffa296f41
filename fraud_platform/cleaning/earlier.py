"""The clean rows that come before a drop by name, and may hold its ids.

Here: choosing them by the id ranges in file statistics, so that drops which share no ids cost
nothing.
Not here: comparing the rows (`duplicates`).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING

from fraud_platform.cleaning.drop import CleanedDrop
from fraud_platform.cleaning.parquet_files import CLEAN_DDL
from fraud_platform.contracts.tables import TRANSACTIONS

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from fraud_platform.adapters.lake import Lake


@dataclass(frozen=True)
class IdRange:
    """The ids of one file of a drop, both bounds inclusive."""

    drop: str
    low: int
    high: int

    def meets(self, low: int, high: int) -> bool:
        """Whether the two ranges have an id in common."""
        return self.low <= high and low <= self.high


def id_range_of(drop: str, stats: str) -> IdRange:
    """Return the ids of a file that waits to be committed, from its statistics."""
    values = json.loads(stats)
    return IdRange(
        drop, values["minValues"]["transaction_id"], values["maxValues"]["transaction_id"]
    )


@dataclass(frozen=True)
class EarlierRows:
    """Clean rows of the drops before `drop`.

    Args:
        stored: id ranges of the files in the table `transactions`.
        replaced: drops whose stored rows are about to be replaced, and do not count.
        waiting: drops whose new files are not committed yet, in order; these count.
    """

    lake: Lake
    drop: str
    stored: Sequence[IdRange]
    replaced: Collection[str]
    waiting: Sequence[CleanedDrop]

    def between(self, spark: SparkSession, low: int, high: int) -> DataFrame | None:
        """Return the rows whose ids may lie in [low, high], or None where there are none."""
        from pyspark.sql import DataFrame
        from pyspark.sql import functions as F

        parts: list[DataFrame] = []
        drops = {
            part.drop
            for part in self.stored
            if part.drop < self.drop and part.drop not in self.replaced and part.meets(low, high)
        }
        if drops:
            rows = self.lake.read(spark, TRANSACTIONS)
            parts.append(rows.where(F.col("drop").isin(sorted(drops))))
        for cleaned in self.waiting:
            urls = [
                file.url
                for file in cleaned.clean
                if cleaned.drop < self.drop
                and id_range_of(cleaned.drop, file.stats).meets(low, high)
            ]
            if urls:
                rows = spark.read.schema(CLEAN_DDL).parquet(*urls)
                parts.append(rows.withColumn("drop", F.lit(cleaned.drop)))
        if not parts:
            return None
        rows = reduce(DataFrame.unionByName, parts)
        return rows.where(F.col("transaction_id").between(low, high))
