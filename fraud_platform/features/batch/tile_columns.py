"""Summing rows to tiles with Spark.

Here: what transactions and label versions add to the measures of a tile, as Spark columns.
Not here: which tiles and measures there are (`contracts.feature_language.tiles`), the same with
numpy (`features.compute.tiles`), which rows are summed (`scoring.state.snapshot`,
`scoring.state.snapshot_stream`).
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from fraud_platform.contracts.feature_language.expressions import (
    Constant,
    Expression,
    Operation,
)
from fraud_platform.contracts.feature_language.terms import RowTerm
from fraud_platform.contracts.feature_language.tiles import Measure, Tile
from fraud_platform.contracts.time import HOURS_PER_DAY, SECONDS_PER_HOUR

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame


def transaction_tiles(rows: DataFrame, tile: Tile) -> DataFrame:
    """Return the tiles of transactions: the tile's key, tile_date and its measures.

    Args:
        rows: the tile's key, tx_datetime, amount_cents, and the facts and flags that measures read.
    """
    from pyspark.sql import functions as F

    combine = {"sum": F.sum, "max": F.max}
    summed = [m for m in tile.measures if m.name not in tile.split_by]
    measures = [combine[m.combine](_transaction_value(m)).alias(m.name) for m in summed]
    day = F.to_date(F.min("tx_datetime")).alias("tile_date")
    return rows.groupBy(*tile.key, *tile.split_by).agg(day, *measures)


def label_tiles(versions: DataFrame, tile: Tile) -> DataFrame:
    """Return the tiles of label versions: the tile's key and its measures.

    A version adds, and the version that it corrects ceases to count in the same hour.

    Args:
        versions: the tile's key, amount_cents, fraud_scenario, and corrected_scenario, which is
            null for a first version.
    """
    from pyspark.sql import functions as F

    measures = [F.sum(_label_value(m)).alias(m.name) for m in tile.measures]
    return versions.groupBy(*tile.key).agg(*measures)


def _transaction_value(measure: Measure) -> Column:
    from pyspark.sql import functions as F

    if measure.value == "flag":
        return F.col(str(measure.flag)).cast("long")
    if measure.formula is not None:
        return integer_column(measure.formula)
    second = measure.value == "second"
    value = F.unix_seconds("tx_datetime") if second else _amount_value(measure)
    return value if measure.flag is None else _where(F.col(measure.flag) > 0, value)


def _label_value(measure: Measure) -> Column:
    from pyspark.sql import functions as F

    value, scenarios = _amount_value(measure), sorted(measure.scenarios)
    enters, leaves = (
        _where(F.col(name).isin(scenarios), value)
        for name in ("fraud_scenario", "corrected_scenario")
    )
    return enters - leaves


def _amount_value(measure: Measure) -> Column:
    from pyspark.sql import functions as F

    if measure.value == "count":
        return F.lit(1).cast("long")
    units = F.expr("(amount_cents + 50) div 100")
    return units * units if measure.value == "squares" else F.col("amount_cents")


def _where(condition: Column, value: Column) -> Column:
    """Return the value if the condition is true; 0 if it is false or null."""
    from pyspark.sql import functions as F

    return F.when(condition, value).otherwise(F.lit(0).cast("long"))


def integer_column(formula: Expression) -> Column:
    """Return a formula over integers of a row as a Spark column, equal to its numpy value.

    Raises:
        TypeError: it holds a term or an operation that is not of integers.
    """
    from pyspark.sql import functions as F

    if isinstance(formula, Constant):
        return F.lit(formula.value).cast("long")
    if isinstance(formula, RowTerm):
        return _row_column(formula.name)
    if not isinstance(formula, Operation) or formula.name not in _INTEGER_OPERATIONS:
        raise TypeError(f"expected a formula over integers of a row, found {formula}")
    arguments = [integer_column(argument) for argument in formula.arguments]
    if formula.name in _COMPARED_BY:
        return cast("Column", _COMPARED_BY[formula.name](*arguments)).cast("long")
    if formula.name == "where":
        return F.when(arguments[0] != 0, arguments[1]).otherwise(arguments[2])
    if formula.name in ("least", "greatest"):
        return F.least(*arguments) if formula.name == "least" else F.greatest(*arguments)
    return cast("Column", _COMPUTED_BY[formula.name](*arguments))


def _row_column(name: str) -> Column:
    from pyspark.sql import functions as F

    second = F.unix_seconds("tx_datetime")
    hour = F.floor(second / SECONDS_PER_HOUR).cast("long")
    of_time = {
        "second": second,
        "hour_of_day": F.pmod(hour, F.lit(HOURS_PER_DAY)).cast("long"),
        "day_of_week": F.weekday("tx_datetime").cast("long"),
    }
    return of_time.get(name, F.col(name).cast("long"))


_COMPARED_BY: dict[str, Callable[..., Any]] = {
    ">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le, "==": operator.eq,
}  # fmt: skip
_COMPUTED_BY: dict[str, Callable[..., Any]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul,
}  # fmt: skip
_INTEGER_OPERATIONS = {*_COMPARED_BY, *_COMPUTED_BY, "where", "least", "greatest"}
