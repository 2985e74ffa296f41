"""The Spark engine: tiles and features of a range of days, in two passes over entities.

Here: the plan: transactions with their labels, tiles of the days before, all stacked and
divided by terminal, then by customer; and the tasks' manifests collected.
Not here: labels joined to their transactions (`features.batch.day_inputs`), what a task does
(`features.batch.tasks`), the lake and its commits (`features.batch.materialize`).

A range of days is one job, of the same tables as its days one by one.
"""

from __future__ import annotations

from datetime import timedelta
from functools import reduce
from typing import TYPE_CHECKING

from fraud_platform.contracts.active import DECLARATION, LABEL_LOOKBACK_DAYS
from fraud_platform.contracts.feature_language.declarables import Declaration
from fraud_platform.contracts.feature_language.terms import MAX_WINDOW_DAYS
from fraud_platform.contracts.tables import DataFile
from fraud_platform.contracts.time import SECONDS_PER_DAY, day_number
from fraud_platform.features.batch.blocks import BETWEEN_PASSES, BLOCK, part_sql
from fraud_platform.features.batch.day_inputs import (
    DayInputs,
    corrected_labels,
    labelled_rows,
)
from fraud_platform.features.batch.files import read_manifest
from fraud_platform.features.batch.stacked import (
    LABEL,
    LABEL_TILE,
    ROW,
    TILE,
)
from fraud_platform.features.batch.tasks import (
    MANIFEST_SCHEMA,
    Folders,
    Layouts,
    customer_layouts,
    customer_task,
    terminal_layouts,
    terminal_task,
)

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

ROWS_PER_TASK = 1_000_000
INPUTS_PER_TASK = 4_000_000
ROWS_WORTH_TWO_TASKS = 300_000
_BATCHES_BY_COUNT = ("spark.sql.execution.arrow.maxBytesPerBatch", str(2**31 - 1))
"""Else Spark measures each batch after each row, a fifth of what it does here."""


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
    inputs.transactions.sparkSession.conf.set(*_BATCHES_BY_COUNT)
    terminals = _terminal_inputs(inputs, declaration)
    first_second = day_number(inputs.first_day) * SECONDS_PER_DAY
    between = terminals.repartition(inputs.tasks, "key").mapInArrow(
        terminal_task(declaration, folders, first_second, inputs.tasks), BETWEEN_PASSES
    )
    customers = _customer_inputs(inputs, between, declaration)
    manifests = (
        customers.repartitionById(inputs.tasks, "part")
        .drop("part")
        .mapInArrow(customer_task(declaration, folders), MANIFEST_SCHEMA)
        .collect()
    )
    return [file for row in manifests for file in read_manifest(row.manifest)]


def _terminal_inputs(inputs: DayInputs, declaration: Declaration) -> DataFrame:
    layouts = terminal_layouts(declaration)
    tiles = _days_before(inputs.terminal_tiles, "tile_date", inputs, LABEL_LOOKBACK_DAYS)
    label_tiles = _label_history(inputs, "terminal")
    frames = [
        _stack(labelled_rows(inputs), ROW, "terminal_id", layouts),
        _stack(tiles, TILE, "terminal_id", layouts),
        _stack(label_tiles, LABEL_TILE, "entity_id", layouts),
    ]
    if inputs.has_corrections:
        frames.append(_stack(corrected_labels(inputs), LABEL, "terminal_id", layouts))
    return _union(*frames)


def _customer_inputs(inputs: DayInputs, between: DataFrame, declaration: Declaration) -> DataFrame:
    from pyspark.sql import functions as F

    layouts = customer_layouts(declaration)
    tiles = _days_before(inputs.customer_tiles, "tile_date", inputs, MAX_WINDOW_DAYS)
    label_tiles = _label_history(inputs, "customer")
    part = F.expr(part_sql("key", inputs.tasks)).alias("part")
    no_block = F.lit(b"").alias(BLOCK)
    nothing = [_zero().alias("key"), *(_zero().alias(f"v{i}") for i in range(_width(layouts)))]
    return _union(
        between.select("part", "kind", *nothing, BLOCK),
        _stack(tiles, TILE, "customer_id", layouts).select(part, "*", no_block),
        _stack(label_tiles, LABEL_TILE, "entity_id", layouts).select(part, "*", no_block),
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
    """Return kind, key, v0, v1, ..; zeros if this kind has fewer columns than another."""
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
