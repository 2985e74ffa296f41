"""Tiles by Spark: labels, terminals and customers, each summed by the hour.

Here: pure functions from DataFrames to DataFrames with the columns of `contracts.feature_tables`.
Not here: features (`features.engine`), reading and writing the lake (`features.materialize`).

A range of days gives the rows that its days give one by one.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

from fraud_platform.contracts.feature_tables import CUSTOMER_TILES, LABEL_TILES, TERMINAL_TILES
from fraud_platform.contracts.time import TILE_SECONDS
from fraud_platform.features.declarables import Declaration, LabelMeasure
from fraud_platform.features.declaration import DECLARATION
from fraud_platform.features.terms import LABEL_LOOKBACK_HOURS

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

LABEL_LOOKBACK_DAYS = LABEL_LOOKBACK_HOURS // 24 + 1
"""Whole days before a day in which a transaction may lie whose label still changes a feature."""


def build_terminal_tiles(transactions: DataFrame, first_day: date, last_day: date) -> DataFrame:
    """Return `terminal_tiles` of the days [first_day, last_day].

    Args:
        transactions: columns tx_datetime, tx_date, terminal_id, amount_cents.
    """
    from pyspark.sql import functions as F

    return (
        transactions.where(F.col("tx_date").between(first_day, last_day))
        .groupBy("terminal_id", _hour("tx_datetime").alias("tile_hour"))
        .agg(F.count("*").alias("n_transactions"), F.sum("amount_cents").alias("amount_cents"))
        .withColumn("tile_date", _date("tile_hour"))
        .select(*TERMINAL_TILES.column_names)
    )


def build_customer_tiles(
    features: DataFrame, first_day: date, last_day: date, declaration: Declaration = DECLARATION
) -> DataFrame:
    """Return `customer_tiles` of the days [first_day, last_day].

    Args:
        features: `transaction_features`, which hold the flags that tiles sum.
    """
    from pyspark.sql import functions as F

    second = F.unix_seconds("tx_datetime")
    return (
        features.where(F.col("tx_date").between(first_day, last_day))
        .groupBy("customer_id", "terminal_id", _hour("tx_datetime").alias("tile_hour"))
        .agg(
            F.count("*").alias("n_transactions"),
            F.sum("amount_cents").alias("amount_cents"),
            *(F.sum(flag.name).alias(flag.name) for flag in declaration.flags),
            *(
                F.max(second if m.flag is None else second * F.col(m.flag)).alias(m.name)
                for m in declaration.last_times
            ),
        )
        .withColumn("tile_date", _date("tile_hour"))
        .select(*CUSTOMER_TILES.column_names)
    )


def build_label_tiles(
    transactions: DataFrame,
    labels: DataFrame,
    first_day: date,
    last_day: date,
    declaration: Declaration = DECLARATION,
) -> DataFrame:
    """Return `label_tiles` of the labels that count from an hour of [first_day, last_day].

    Where a version above 1 enters, the version before it leaves in the same hour, as a row of
    negative numbers. A label of a transaction older than every window is left out.

    Args:
        transactions: columns transaction_id, tx_datetime, tx_date, customer_id, terminal_id,
            amount_cents, of the days from `LABEL_LOOKBACK_DAYS` before first_day on.
        labels: columns transaction_id, is_fraud, fraud_scenario, counts_from, version, of the
            same span.
    """
    from pyspark.sql import functions as F

    labelled = _signed_labels(labels, first_day, last_day).join(
        transactions.where(
            F.col("tx_date").between(first_day - timedelta(days=LABEL_LOOKBACK_DAYS), last_day)
        ).select(
            "transaction_id",
            "customer_id",
            "terminal_id",
            "amount_cents",
            _hour("tx_datetime").alias("event_hour"),
        ),
        "transaction_id",
    )
    by_entity = [
        labelled.groupBy(F.col(f"{entity}_id").alias("entity_id"), "event_hour", "counts_from_hour")
        .agg(*(F.sum(_contribution(m)).alias(m.name) for m in declaration.label_measures))
        .withColumn("entity", F.lit(entity))
        for entity in ("customer", "terminal")
    ]
    return (
        by_entity[0]
        .unionByName(by_entity[1])
        .withColumn("counts_from_date", _date("counts_from_hour"))
        .select(*LABEL_TILES.column_names)
    )


def _signed_labels(labels: DataFrame, first_day: date, last_day: date) -> DataFrame:
    """Return the versions that enter in the days, and those that leave with a sign of -1."""
    from pyspark.sql import functions as F

    day = F.to_date("counts_from")
    entering = labels.where(day.between(first_day, last_day)).select(
        "transaction_id",
        "fraud_scenario",
        "version",
        _hour("counts_from").alias("counts_from_hour"),
        F.lit(1).cast("long").alias("sign"),
    )
    earlier = labels.select(
        "transaction_id", (F.col("version") + 1).alias("version"), "fraud_scenario"
    )
    leaving = (
        entering.where("version > 1")
        .select("transaction_id", "version", "counts_from_hour")
        .join(earlier, ["transaction_id", "version"])
        .withColumn("sign", F.lit(-1).cast("long"))
    )
    return entering.unionByName(leaving).drop("version")


def _contribution(measure: LabelMeasure) -> Column:
    """Return what one signed label adds to a measure, as long."""
    from pyspark.sql import functions as F

    amount = F.col("amount_cents")
    whole_units = F.expr("(amount_cents + 50) div 100")
    value = {
        "count": F.lit(1).cast("long"),
        "cents": amount,
        "squares": whole_units * whole_units,
    }[measure.value]
    counted = F.col("fraud_scenario").isin(sorted(measure.scenarios))
    return F.when(counted, value * F.col("sign")).otherwise(F.lit(0).cast("long"))


def _hour(timestamp: str) -> Column:
    from pyspark.sql import functions as F

    return F.expr(f"unix_seconds({timestamp}) div {TILE_SECONDS}")


def _date(hour: str) -> Column:
    from pyspark.sql import functions as F

    return F.expr(f"date_from_unix_date(cast({hour} div 24 as int))")
