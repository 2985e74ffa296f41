"""The Spark engine: tiles and features of a range of days, in two passes over entities.

Here: the plan: labels joined to their transactions, everything stacked and hash-partitioned by
terminal, then by customer; and the tasks' manifests collected.
Not here: what a task does (`features.tasks`), the lake and its commits (`features.materialize`).

A range of days is one job, of the same tables as its days one by one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from functools import reduce
from typing import TYPE_CHECKING

from fraud_platform.contracts.tables import DataFile
from fraud_platform.contracts.time import TILE_SECONDS
from fraud_platform.features.declarables import Declaration
from fraud_platform.features.declaration import DECLARATION
from fraud_platform.features.files import read_manifest
from fraud_platform.features.stacked import (
    BETWEEN_PASSES,
    CUSTOMER_LABEL,
    LABEL,
    LABEL_TILE,
    ROW,
    TILE,
)
from fraud_platform.features.tasks import (
    MANIFEST_SCHEMA,
    Folders,
    Layouts,
    customer_layouts,
    customer_task,
    terminal_layouts,
    terminal_task,
)
from fraud_platform.features.terms import LABEL_LOOKBACK_HOURS, MAX_WINDOW_DAYS

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

ROWS_PER_TASK = 1_000_000
INPUTS_PER_TASK = 4_000_000
ROWS_WORTH_TWO_TASKS = 100_000
LABEL_LOOKBACK_DAYS = LABEL_LOOKBACK_HOURS // 24 + 1
"""Whole days before a day in which a transaction may lie whose label still changes a feature."""


@dataclass(frozen=True)
class DayInputs:
    """What a range of days is made from; rows outside of the lookback are left out.

    Attributes:
        transactions: clean transactions, from the first labelled day or first_day on.
        labels: versions of labels: transaction_id, fraud_scenario, counts_from, version.
        customer_tiles, terminal_tiles, label_tiles: the tables, of the days before.
        tasks: how many tasks a pass is divided into.
    """

    first_day: date
    last_day: date
    transactions: DataFrame
    labels: DataFrame
    customer_tiles: DataFrame
    terminal_tiles: DataFrame
    label_tiles: DataFrame
    tasks: int


def count_tasks(rows: int, history: int) -> int:
    """Return how many tasks give each about a million rows, and bounded history."""
    least = 2 if rows > ROWS_WORTH_TWO_TASKS else 1
    return max(least, -(-rows // ROWS_PER_TASK), -(-(rows + history) // INPUTS_PER_TASK))


def build_days(
    inputs: DayInputs, folders: Folders, declaration: Declaration = DECLARATION
) -> list[tuple[str, DataFile]]:
    """Write label tiles, terminal tiles, features and customer tiles of a range of days.

    Args:
        folders: where each table's files go, by table name.

    Returns:
        Table name and file of all that was written; they await their commit.
    """
    terminals = _terminal_inputs(inputs, declaration)
    between = terminals.repartition(inputs.tasks, "key").mapInArrow(
        terminal_task(declaration, folders), BETWEEN_PASSES
    )
    customers = _customer_inputs(inputs, between, declaration)
    manifests = (
        customers.repartition(inputs.tasks, "key")
        .mapInArrow(customer_task(declaration, folders), MANIFEST_SCHEMA)
        .collect()
    )
    return [file for row in manifests for file in read_manifest(row.manifest)]


def _terminal_inputs(inputs: DayInputs, declaration: Declaration) -> DataFrame:
    from pyspark.sql import functions as F

    layouts = terminal_layouts(declaration)
    rows = inputs.transactions.where(
        F.col("tx_date").between(inputs.first_day, inputs.last_day)
    ).withColumn("second", F.unix_seconds("tx_datetime"))
    tiles = _days_before(inputs.terminal_tiles, "tile_date", inputs, LABEL_LOOKBACK_DAYS)
    label_tiles = _label_history(inputs, "terminal")
    return _union(
        _stack(rows, ROW, "terminal_id", layouts),
        _stack(tiles, TILE, "terminal_id", layouts),
        _stack(label_tiles, LABEL_TILE, "entity_id", layouts),
        _stack(signed_labels(inputs), LABEL, "terminal_id", layouts),
    )


def _customer_inputs(inputs: DayInputs, between: DataFrame, declaration: Declaration) -> DataFrame:
    from pyspark.sql import functions as F

    layouts = customer_layouts(declaration)
    width = _width(layouts)
    zeros = [_zero().alias(f"v{i}") for i in range(len(CUSTOMER_LABEL), width)]
    longs = [f"v{i}" for i in range(len(CUSTOMER_LABEL))]
    empty = F.lit(b"").alias("packed")
    tiles = _days_before(inputs.customer_tiles, "tile_date", inputs, MAX_WINDOW_DAYS)
    label_tiles = _label_history(inputs, "customer")
    return _union(
        between.select("kind", "key", *longs, *zeros, "packed"),
        _stack(tiles, TILE, "customer_id", layouts).select("*", empty),
        _stack(label_tiles, LABEL_TILE, "entity_id", layouts).select("*", empty),
    )


def signed_labels(inputs: DayInputs) -> DataFrame:
    """Return the label versions that enter in the days, and those that leave with sign -1.

    A version above 1 enters as the version before it leaves. Columns: customer_id, terminal_id,
    event_hour, counts_from_hour, amount_cents, scenario, sign. A label of a transaction older
    than every window is left out.
    """
    from pyspark.sql import functions as F

    day = F.to_date("counts_from")
    entering = inputs.labels.where(day.between(inputs.first_day, inputs.last_day)).select(
        "transaction_id",
        F.col("fraud_scenario").cast("long").alias("scenario"),
        "version",
        F.expr(f"unix_seconds(counts_from) div {TILE_SECONDS}").alias("counts_from_hour"),
        F.lit(1).cast("long").alias("sign"),
    )
    earlier = inputs.labels.select(
        "transaction_id",
        (F.col("version") + 1).alias("version"),
        F.col("fraud_scenario").cast("long").alias("scenario"),
    )
    leaving = (
        entering.where("version > 1")
        .select("transaction_id", "version", "counts_from_hour")
        .join(earlier, ["transaction_id", "version"])
        .withColumn("sign", F.lit(-1).cast("long"))
    )
    signed = entering.unionByName(leaving).drop("version")
    oldest = inputs.first_day - timedelta(days=LABEL_LOOKBACK_DAYS)
    transactions = inputs.transactions.where(
        F.col("tx_date").between(oldest, inputs.last_day)
    ).select(
        "transaction_id",
        "customer_id",
        "terminal_id",
        "amount_cents",
        F.expr(f"unix_seconds(tx_datetime) div {TILE_SECONDS}").alias("event_hour"),
    )
    return transactions.join(
        signed.repartition(inputs.tasks, "transaction_id").hint("shuffle_hash"), "transaction_id"
    )


def _label_history(inputs: DayInputs, entity: str) -> DataFrame:
    from pyspark.sql import functions as F

    days = _days_before(inputs.label_tiles, "counts_from_date", inputs, LABEL_LOOKBACK_DAYS)
    return days.where(F.col("entity") == entity)


def _days_before(frame: DataFrame, column: str, inputs: DayInputs, days: int) -> DataFrame:
    from pyspark.sql import functions as F

    first, last = (inputs.first_day - timedelta(days=n) for n in (days, 1))
    return frame.where(F.col(column).between(first, last))


def _stack(frame: DataFrame, kind: int, key: str, layouts: Layouts) -> DataFrame:
    """Return kind, key, v0, v1, ..; zeros where this kind has fewer columns than another."""
    from pyspark.sql import functions as F

    columns = [F.col(name) for name in layouts[kind]]
    columns += [_zero()] * (_width(layouts) - len(columns))
    return frame.select(
        F.lit(kind).cast("byte").alias("kind"),
        F.col(key).alias("key"),
        *(column.alias(f"v{i}") for i, column in enumerate(columns)),
    )


def _width(layouts: Layouts) -> int:
    return max(len(names) for names in layouts.values())


def _union(*frames: DataFrame) -> DataFrame:
    return reduce(lambda a, b: a.unionAll(b), frames)


def _zero() -> Column:
    from pyspark.sql import functions as F

    return F.lit(0).cast("long")
