"""Summing rows to tiles with Spark.

Here: what transactions and label versions add to the measures of a tile, as Spark columns.
Not here: which tiles and measures there are (`contracts.feature_language.tiles`), the same with
numpy (`features.compute.tiles`), which rows are summed (`scoring.state.snapshot`,
`scoring.state.snapshot_stream`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fraud_platform.contracts.feature_language.tiles import Measure, Tile

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame


def transaction_tiles(rows: DataFrame, tile: Tile) -> DataFrame:
    """Return the tiles of transactions: the tile's key, tile_date and its measures.

    Args:
        rows: the tile's key, tx_datetime, amount_cents and the flags that measures read.
    """
    from pyspark.sql import functions as F

    combine = {"sum": F.sum, "max": F.max}
    measures = [combine[m.combine](_transaction_value(m)).alias(m.name) for m in tile.measures]
    day = F.to_date(F.min("tx_datetime")).alias("tile_date")
    return rows.groupBy(*tile.key).agg(day, *measures)


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
