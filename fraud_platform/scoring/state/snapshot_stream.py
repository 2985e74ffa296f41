"""The stream's part of a snapshot: tiles of the days that no drop covers, and their `StreamMark`.

Here: `StreamPart`, all of it at one version of `scored`.
Not here: the snapshot (`scoring.state.snapshot`), reading the mark (`scoring.state.recovery`).
"""

from __future__ import annotations

from dataclasses import astuple
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from fraud_platform.contracts.active import DECLARATION
from fraud_platform.contracts.feature_language.tiles import Tile
from fraud_platform.contracts.tables import TRANSACTIONS
from fraud_platform.contracts.time import TILE_SECONDS, midnight
from fraud_platform.features.batch.tile_columns import transaction_tiles
from fraud_platform.labels.of_drops import READ_COLUMNS
from fraud_platform.scoring.state.recovery import MARKS, StreamMark
from fraud_platform.scoring.state.scorer_state import memory_seconds
from fraud_platform.tables.features import TRANSACTION_FEATURES
from fraud_platform.tables.scoring import LANDING, SCORED, SCORING, TOPIC_LABELS

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from fraud_platform.scoring.ports import SnapshotTables

_FLAGS = [flag.name for flag in DECLARATION.flags]


class StreamPart:
    """The stream's days before a midnight, from scored rows with their frozen flags.

    Args:
        as_of: the midnight.
        first_day: the first day that comes from the stream.
        duplicate_horizon_days: how long scorers remember an id.
    """

    def __init__(
        self,
        spark: SparkSession,
        lake: SnapshotTables,
        as_of: date,
        first_day: date,
        duplicate_horizon_days: int,
    ) -> None:
        from pyspark.sql import functions as F

        self.first_day = first_day
        self._spark, self._lake, self._as_of = spark, lake, as_of
        self._log = lake.numbered(SCORED, SCORING)
        self._said = self._log.metadata()  # read at once, because log cleanup may remove it later
        self._memory = timedelta(seconds=memory_seconds(duplicate_horizon_days))
        lake.require_unique(SCORED)
        self._scored = lake.read(spark, SCORED, version=self._log.version)
        self._rows = self._transactions().withColumn(
            "tile_hour", F.expr(f"unix_seconds(tx_datetime) div {TILE_SECONDS}")
        )

    def tiles(self, tile: Tile) -> DataFrame:
        """Return the tiles of the stream's transactions, as `transaction_tiles` does."""
        return transaction_tiles(self._rows, tile)

    def mark(self) -> DataFrame:
        """Return one row with the fields of `StreamMark`."""
        from pyspark.sql import functions as F

        end = midnight(self._as_of)
        stream_second = self._said.get("stream_second")
        if stream_second is not None:
            end = min(end, datetime.fromtimestamp(stream_second, UTC))
        oldest = end - self._memory
        landed = self._lake.numbered(TOPIC_LABELS, LANDING)
        rows = self._scored.where(F.col("tx_datetime").between(oldest, end))
        labels = self._lake.read(self._spark, TOPIC_LABELS, version=landed.version)
        labels = labels.where(F.col("known_at") >= oldest)
        mark = StreamMark(
            first_second=int(midnight(self.first_day).timestamp()),
            micro_batch=self._log.number,
            first_micro_batch=_least(rows, "micro_batch", self._log.number + 1),
            first_landing=_least(labels, "landing", landed.number + 1),
        )
        schema = ", ".join(f"{name} long" for name in MARKS)
        return self._spark.createDataFrame([astuple(mark)], schema)

    def _transactions(self) -> DataFrame:
        """Return rows of the stream's days; a drop's rows after its days replace the stream's."""
        from pyspark.sql import functions as F

        first, end = midnight(self.first_day), midnight(self._as_of)
        is_due = (F.col("tx_datetime") >= first) & (F.col("tx_datetime") < end)
        columns = [*READ_COLUMNS, *_FLAGS]
        if self.first_day >= self._as_of:
            return self._scored.select(columns).where(F.lit(False))  # which Spark does not read
        beyond = (
            self._lake.read(self._spark, TRANSACTIONS)
            .where((F.col("tx_date") >= self.first_day) & (F.col("tx_date") < self._as_of))
            .select("transaction_id")
        )
        of_drops = self._lake.read(self._spark, TRANSACTION_FEATURES).where(
            (F.col("tx_date") >= self.first_day) & (F.col("tx_date") < self._as_of)
        )
        return (
            self._scored.where(is_due)
            .join(beyond, "transaction_id", "left_anti")
            .select(columns)
            .unionByName(of_drops.join(beyond, "transaction_id", "left_semi").select(columns))
        )


def _least(rows: DataFrame, column: str, otherwise: int) -> int:
    from pyspark.sql import functions as F

    (found,) = rows.agg(F.min(column)).collect()[0]
    return otherwise if found is None else int(found)
