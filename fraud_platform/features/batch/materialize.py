"""Days of the lake: read what a range of days needs, write its tiles and features.

Here: `materialize_days`, for one day or a backfill of many, and what it reports.
Not here: the computation (`features.batch.engine`), when days are due
(`fraud_platform.calendar.due`), Dagster assets (`defs`).
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import TYPE_CHECKING

from fraud_platform.contracts.active import LABEL_LOOKBACK_DAYS, SOURCE, feature_signature
from fraud_platform.contracts.tables import DROP_LABELS, TRANSACTIONS, DataFile, TableContract
from fraud_platform.contracts.time import midnight
from fraud_platform.errors import SchemaMismatchError
from fraud_platform.features.batch.day_inputs import DayInputs, survey
from fraud_platform.features.batch.engine import build_days, count_tasks
from fraud_platform.features.batch.files import TableFolder
from fraud_platform.kill_points import kill_point
from fraud_platform.labels.rule import begins_in_days, labelled_time
from fraud_platform.tables.features import (
    CUSTOMER_TILES,
    LABEL_TILES,
    TERMINAL_TILES,
    TRANSACTION_FEATURES,
)
from fraud_platform.tables.scoring import SCORED, STREAM_LABELS

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from fraud_platform.contracts.ports import ListedTables
    from fraud_platform.features.batch.ports import FeatureTables

WRITTEN_TABLES = (LABEL_TILES, TERMINAL_TILES, TRANSACTION_FEATURES, CUSTOMER_TILES)
"""In the order of their commits."""


@dataclass(frozen=True)
class WrittenTable:
    """One table's part of a run: rows in the days, version after the commit, seconds of the run."""

    rows: int
    version: int
    seconds: float


@dataclass(frozen=True)
class DaysOutcome:
    """What `materialize_days` did.

    Attributes:
        tables: by table name, in the order of their commits.
        read_versions: versions of `transactions` and `drop_labels` that were read.
        signature: hash of the feature declaration.
    """

    first_day: date
    last_day: date
    tables: dict[str, WrittenTable] = field(default_factory=dict)
    read_versions: dict[str, int] = field(default_factory=dict)
    signature: str = ""
    seconds: float = 0.0


def materialize_days(
    spark: SparkSession,
    lake: FeatureTables,
    first_day: date,
    last_day: date,
    stream_from: date | None = None,
) -> DaysOutcome:
    """Build label tiles, terminal tiles, features and customer tiles of [first_day, last_day].

    All files are written first and belong to nothing; then each table's days are replaced in one
    commit. Everything is made from tables of days before and from clean tables, so a run that was
    killed at any point is repaired by running it again. The days before first_day, up to 37 of
    them, must be built where they hold transactions.

    Args:
        stream_from: the day from which scored rows stand in for a drop that has not landed; None
            takes drops alone.

    Raises:
        SchemaMismatchError: a stored table has a column that is declared no longer.
        Outage: another writer has replaced some of these days in the meantime; run again.
    """
    started = time.perf_counter()
    for table in WRITTEN_TABLES:
        lake.prepare(table)  # with the columns of features that were declared since
    _check_stored_columns(lake)
    since = {table.name: lake.prepare(table) for table in WRITTEN_TABLES}
    source = _Source(spark, lake, first_day, last_day, stream_from)
    folders = {t.name: TableFolder(lake.files, lake.uri(t)) for t in WRITTEN_TABLES}
    written = build_days(source.inputs(), folders)
    kill_point("features.files_written")

    days = _days(first_day, last_day)
    signature = feature_signature()
    note = {"first_day": first_day, "last_day": last_day, "feature_signature": signature}
    versions: dict[str, int] = {}
    for table in WRITTEN_TABLES:
        files = _files_of(written, table)
        versions[table.name] = lake.commit_files(
            table, files, table.partition_by[0], days, {**note, **source.read_versions},
            since[table.name],
        )  # fmt: skip
        kill_point(f"features.{table.name}_committed")
    seconds = round(time.perf_counter() - started, 2)
    tables = {
        t.name: WrittenTable(sum(f.rows for f in _files_of(written, t)), versions[t.name], seconds)
        for t in WRITTEN_TABLES
    }
    return DaysOutcome(first_day, last_day, tables, source.read_versions, signature, seconds)


class _Source:
    """The lake's tables as a range of days needs them, the clean ones at fixed versions."""

    def __init__(
        self,
        spark: SparkSession,
        lake: FeatureTables,
        first_day: date,
        last_day: date,
        stream_from: date | None,
    ) -> None:
        self._spark, self._lake = spark, lake
        self._first_day, self._last_day = first_day, last_day
        self._stream_from = stream_from
        self.read_versions: dict[str, int] = {}
        for table in (TRANSACTIONS, DROP_LABELS):
            self.read_versions[table.name] = lake.prepare(table)

    def inputs(self) -> DayInputs:
        """Return the inputs, and the number of tasks that their size asks for."""
        from pyspark.sql import functions as F

        transactions, label_versions = self._transactions(), self._label_versions()
        found = survey(transactions, label_versions, self._first_day, self._last_day)
        return DayInputs(
            self._first_day,
            self._last_day,
            transactions.where(F.col("tx_date").between(found.labelled_from, self._last_day)),
            label_versions,
            self._tiles(CUSTOMER_TILES),
            self._tiles(TERMINAL_TILES),
            self._tiles(LABEL_TILES),
            count_tasks(found.rows, found.labels + self._history_rows()),
            has_corrections=found.corrections > 0,
            rows_say_labels=found.rows_say_labels,
        )

    def _tiles(self, table: TableContract) -> DataFrame:
        """Return a table of tiles; of days of before a measure was declared, that is 0."""
        rows = self._lake.read(self._spark, table)
        nullable = [f.name for f in rows.schema.fields if f.nullable and f.name not in table.key]
        return rows.fillna(0, nullable) if nullable else rows

    def _label_versions(self) -> DataFrame:
        """Return the labels that count from the days or from the lookback before them."""
        from pyspark.sql import functions as F

        first = self._first_day - timedelta(days=LABEL_LOOKBACK_DAYS)
        last = self._last_day + timedelta(days=1)
        tx_date = F.to_date(labelled_time(F.col("known_at")))
        versions = self._clean(DROP_LABELS).drop("source", "drop").withColumn("tx_date", tx_date)
        if self._stream_from is not None:
            versions = versions.unionByName(self._lake.read(self._spark, STREAM_LABELS))
        return versions.where(begins_in_days(first, last))

    def _transactions(self) -> DataFrame:
        """Return clean rows, and scored ones of the days that no drop has brought yet."""
        from pyspark.sql import functions as F

        columns = ["transaction_id", "tx_datetime", "customer_id", "terminal_id", "amount_cents"]
        columns += SOURCE.fact_names
        clean = self._clean(TRANSACTIONS).select(*columns, "tx_date", "fraud_scenario")
        if self._stream_from is None:
            return clean
        self._lake.require_unique(SCORED)
        scored = (
            self._lake.read(self._spark, SCORED)
            .where(F.col("tx_datetime") >= F.lit(midnight(self._stream_from)))
            .select(*columns, F.to_date("tx_datetime").alias("tx_date"))
            .withColumn("fraud_scenario", F.lit(None).cast("int"))
        )
        # rows of a drop may lie beyond its days: they are the truth there too
        beyond = clean.where(F.col("tx_date") >= self._stream_from).select("transaction_id")
        return clean.unionByName(
            scored.join(beyond, "transaction_id", "left_anti").select(clean.columns)
        )

    def _history_rows(self) -> int:
        """Return the tiles of the days before, from the tables' logs."""
        first = self._first_day - timedelta(days=LABEL_LOOKBACK_DAYS)
        total = 0
        for table in (CUSTOMER_TILES, TERMINAL_TILES, LABEL_TILES):
            self._lake.prepare(table)
            files = self._lake.data_files(table)
            days = files[f"partition.{table.partition_by[0]}"].to_pylist()
            for day, rows in zip(days, files["num_records"].to_pylist(), strict=True):
                total += rows if first <= day < self._first_day else 0
        return total

    def _clean(self, table: TableContract) -> DataFrame:
        version = self.read_versions[table.name]
        return self._lake.read(self._spark, table, version=version)


def _files_of(written: list[tuple[str, DataFile]], table: TableContract) -> list[DataFile]:
    return [file for name, file in written if name == table.name]


def _days(first_day: date, last_day: date) -> list[str]:
    count = (last_day - first_day).days + 1
    return [(first_day + timedelta(days=n)).isoformat() for n in range(count)]


def _check_stored_columns(lake: ListedTables) -> None:
    """Refuse to write days without a value into a column that must have one.

    A column that was added after the table was created may be null, and so may stay.
    """
    for table in WRITTEN_TABLES:
        gone = sorted(set(lake.required_columns(table)) - set(table.column_names))
        if gone:
            raise SchemaMismatchError(
                f"table {table.name}: expected no column but those of declared features, found "
                f"{gone}, of which every stored row has a value. Declare {', '.join(gone)} again: "
                "a feature that was there when the table was made stays declared, though models "
                "may leave it out (docs/new_feature.md)."
            )
