"""Days of the lake: read what a range of days needs, write its tiles and features.

Here: `materialize_days`, for one day or a backfill of many, and what it reports.
Not here: the computation (`features.tiles`, `features.engine`), when days are due
(`fraud_platform.clock`), Dagster assets (`defs`).
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from fraud_platform.contracts.feature_tables import (
    CUSTOMER_TILES,
    LABEL_TILES,
    TERMINAL_TILES,
    TRANSACTION_FEATURES,
)
from fraud_platform.contracts.tables import DROP_LABELS, TRANSACTIONS, TableContract
from fraud_platform.contracts.time import LABEL_DELAY_DAYS
from fraud_platform.errors import SchemaMismatchError
from fraud_platform.faults import kill_point
from fraud_platform.features.declaration import feature_signature
from fraud_platform.features.engine import build_features
from fraud_platform.features.tiles import (
    LABEL_LOOKBACK_DAYS,
    build_customer_tiles,
    build_label_tiles,
    build_terminal_tiles,
)

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from fraud_platform.adapters.lake import Lake


@dataclass(frozen=True)
class WrittenTable:
    """One table's part of a run: rows in the days, version after the commit, seconds it took."""

    rows: int
    version: int
    seconds: float


@dataclass(frozen=True)
class DaysOutcome:
    """What `materialize_days` did.

    Attributes:
        tables: by table name, in the order of writing.
        read_versions: versions of `transactions` and `drop_labels` that were read.
        signature: hash of the feature declaration.
        frauds_known: fraud labels that began to count in these days.
    """

    first_day: date
    last_day: date
    tables: dict[str, WrittenTable] = field(default_factory=dict)
    read_versions: dict[str, int] = field(default_factory=dict)
    signature: str = ""

    @property
    def seconds(self) -> float:
        """Seconds of all writes together."""
        return sum(table.seconds for table in self.tables.values())


def materialize_days(
    spark: SparkSession, lake: Lake, first_day: date, last_day: date
) -> DaysOutcome:
    """Build label tiles, terminal tiles, features and customer tiles of [first_day, last_day].

    Each table's days are replaced in one commit. Later tables are made from earlier ones, and
    every one from tables of days before or of these days, so a run that was killed is mended by
    running it again. The 30 days before first_day must be built, where they hold transactions.

    Raises:
        SchemaMismatchError: a stored table has other columns than the declaration gives now.
    """
    outcome = DaysOutcome(first_day, last_day, signature=feature_signature())
    for table in (TRANSACTIONS, DROP_LABELS):
        lake.ensure(table)
        outcome.read_versions[table.name] = lake.version(table) or 0
    _check_stored_columns(lake)
    inputs = _Inputs(spark, lake, outcome)

    labels = inputs.labels()
    labelled = inputs.transactions(_first_labelled_day(labels, first_day, last_day), last_day)
    tiles = build_label_tiles(labelled, labels, first_day, last_day)
    _write(lake, LABEL_TILES, tiles, outcome)

    rows = inputs.transactions(first_day, last_day)
    _write(lake, TERMINAL_TILES, build_terminal_tiles(rows, first_day, last_day), outcome)

    features = build_features(
        rows,
        lake.read(spark, CUSTOMER_TILES),
        lake.read(spark, TERMINAL_TILES),
        lake.read(spark, LABEL_TILES),
        first_day,
        last_day,
    )
    _write(lake, TRANSACTION_FEATURES, features, outcome)

    built = lake.read(spark, TRANSACTION_FEATURES)
    _write(lake, CUSTOMER_TILES, build_customer_tiles(built, first_day, last_day), outcome)
    return outcome


class _Inputs:
    """The clean tables at the versions that the outcome names."""

    def __init__(self, spark: SparkSession, lake: Lake, outcome: DaysOutcome) -> None:
        self._spark, self._lake, self._outcome = spark, lake, outcome

    def transactions(self, first_day: date, last_day: date) -> DataFrame:
        """Return the clean transactions of some days."""
        from pyspark.sql import functions as F

        return self._read(TRANSACTIONS).where(F.col("tx_date").between(first_day, last_day))

    def labels(self) -> DataFrame:
        """Return the labels that count from the days or from the lookback before them."""
        from pyspark.sql import functions as F

        first = self._outcome.first_day - timedelta(days=LABEL_LOOKBACK_DAYS)
        last = self._outcome.last_day + timedelta(days=1)
        return self._read(DROP_LABELS).where(
            (F.col("counts_from") >= _midnight(first)) & (F.col("counts_from") < _midnight(last))
        )

    def _read(self, table: TableContract) -> DataFrame:
        return self._lake.read(self._spark, table, version=self._outcome.read_versions[table.name])


def _first_labelled_day(labels: DataFrame, first_day: date, last_day: date) -> date:
    """Return the earliest day whose transactions get a label that counts from these days.

    Eight days back where all are on time; as far as the lookback where some are late.
    """
    from pyspark.sql import functions as F

    entering = labels.where(F.to_date("counts_from").between(first_day, last_day))
    earliest = entering.agg(F.to_date(F.min("known_at"))).collect()[0][0]
    if earliest is None:
        return last_day
    lookback = first_day - timedelta(days=LABEL_LOOKBACK_DAYS)
    return max(earliest - timedelta(days=LABEL_DELAY_DAYS), lookback)


def _write(lake: Lake, table: TableContract, rows: DataFrame, outcome: DaysOutcome) -> None:
    """Replace the days of a table, and note rows, version and seconds."""
    started = time.perf_counter()
    column = table.partition_by[0]
    days = f"{column} >= '{outcome.first_day}' AND {column} <= '{outcome.last_day}'"
    version = lake.replace(
        table,
        rows,
        days,
        {
            "first_day": outcome.first_day,
            "last_day": outcome.last_day,
            "feature_signature": outcome.signature,
        },
    )
    kill_point(f"features.{table.name}_written")
    outcome.tables[table.name] = WrittenTable(
        rows=_rows_of_days(lake, table, outcome),
        version=version,
        seconds=round(time.perf_counter() - started, 2),
    )


def _rows_of_days(lake: Lake, table: TableContract, outcome: DaysOutcome) -> int:
    """Return the rows of the days from the table's log, without reading data."""
    handle = lake.open(table)
    assert handle is not None
    column = table.partition_by[0]
    actions = handle.get_add_actions(flatten=True)
    days = actions.column(f"partition.{column}").to_pylist()
    counts = actions.column("num_records").to_pylist()
    return sum(
        rows
        for day, rows in zip(days, counts, strict=True)
        if outcome.first_day <= day <= outcome.last_day
    )


def _check_stored_columns(lake: Lake) -> None:
    """Refuse to write days into tables that another declaration has made."""
    for table in (LABEL_TILES, TERMINAL_TILES, TRANSACTION_FEATURES, CUSTOMER_TILES):
        handle = lake.open(table)
        stored = [] if handle is None else [field.name for field in handle.schema().fields]
        if stored and stored != table.column_names:
            missing = sorted(set(table.column_names) - set(stored))
            gone = sorted(set(stored) - set(table.column_names))
            raise SchemaMismatchError(
                f"table {table.name} was built from another feature declaration: "
                f"columns missing {missing}, no longer declared {gone}. "
                "Remove the four feature tables and build all days again."
            )


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
