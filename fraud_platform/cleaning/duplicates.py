"""Ids that stand more than once: which they are, and which of their rows is kept.

Here: DataFrames over groups of ids, over suspects, over the rows of earlier drops.
Not here: reading ids from text (`tasks`).

For an id, the kept row is that of the drop first by name, there the smallest by contents, and of
equal contents the one with the smallest raw line. Every other valid row is a copy of it
(`duplicate_id`) or differs from it (`conflicting_duplicate_id`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fraud_platform.cleaning.judge import REASON_BITS
from fraud_platform.contracts.reasons import Reason

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_CONTENTS = ["seconds", "customer_id", "terminal_id", "amount_cents", "scenario"]
"""The six contents: that a row is a fraud says the same as its scenario, in the same order."""


def group_stored_ids(transactions: DataFrame) -> DataFrame:
    """Return the ids of clean rows in groups (id_group, id_bits), one row a group."""
    from pyspark.sql import functions as F

    bit = F.expr("shiftleft(1L, CAST(transaction_id & 63 AS INT))")
    return transactions.groupBy(F.shiftright("transaction_id", 6).alias("id_group")).agg(
        F.bit_or(bit).alias("id_bits")
    )


def find_repeated_ids(id_groups: DataFrame) -> DataFrame:
    """Return the ids (transaction_id) that stand in more than one row of `id_groups`.

    Groups whose bits add up to more than their union are few; only these are looked into.
    """
    from pyspark.sql import functions as F

    crowded = (
        id_groups.groupBy("id_group")
        .agg(
            F.sum(F.expr("bit_count(id_bits)")).alias("ids"),
            F.bit_or("id_bits").alias("union_bits"),
        )
        .where("ids <> bit_count(union_bits)")
    )
    return (
        _unpack(id_groups.join(crowded, "id_group", "left_semi"))
        .groupBy("transaction_id")
        .count()
        .where("count > 1")
        .select("transaction_id")
    )


def find_common_ids(id_groups: DataFrame, stored_groups: DataFrame) -> DataFrame:
    """Return the ids that stand in both; each once for every row of `id_groups` it is in."""
    from pyspark.sql import functions as F

    stored = stored_groups.withColumnRenamed("id_bits", "stored_bits")
    both = id_groups.join(stored, "id_group").withColumn(
        "id_bits", F.col("id_bits").bitwiseAND(F.col("stored_bits"))
    )
    return _unpack(both.where("id_bits <> 0"))


def judge_suspects(suspects: DataFrame, earlier: DataFrame | None) -> DataFrame:
    """Return the suspects with `reason_bits`: 0 where the row is kept.

    Args:
        suspects: valid rows of one drop (`parquet_files.SUSPECT_SCHEMA`), all copies of an id.
        earlier: clean rows of the drops before it that may share ids, with `drop`; or None.
    """
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    contents = F.struct(*_CONTENTS)
    copies = Window.partitionBy("transaction_id").orderBy(*_CONTENTS, "raw_line")
    ranked = suspects.withColumns(
        {
            "copy": F.row_number().over(copies),
            "kept": F.first(contents).over(copies),
            "earlier": F.lit(None).cast("boolean"),
        }
    )
    if earlier is not None:
        stored = _kept_contents(earlier, suspects)
        ranked = (
            ranked.drop("earlier")
            .join(stored, "transaction_id", "left")
            .withColumn("kept", F.coalesce("earlier", "kept"))
        )
    is_kept = F.col("earlier").isNull() & (F.col("copy") == 1)
    reason_bits = (
        F.when(is_kept, 0)
        .when(contents == F.col("kept"), REASON_BITS[Reason.DUPLICATE_ID])
        .otherwise(REASON_BITS[Reason.CONFLICTING_DUPLICATE_ID])
    )
    return ranked.select(*suspects.columns, reason_bits.alias("reason_bits"))


def _kept_contents(earlier: DataFrame, suspects: DataFrame) -> DataFrame:
    """Return (transaction_id, earlier): the contents kept for the suspects' ids before."""
    from pyspark.sql import functions as F

    contents = F.struct(
        F.unix_seconds("tx_datetime").alias("seconds"),
        "customer_id",
        "terminal_id",
        "amount_cents",
        F.col("fraud_scenario").alias("scenario"),
    )
    return (
        earlier.join(suspects.select("transaction_id"), "transaction_id", "left_semi")
        .groupBy("transaction_id")
        .agg(F.min_by(contents, "drop").alias("earlier"))
    )


def _unpack(id_groups: DataFrame) -> DataFrame:
    from pyspark.sql import functions as F

    places = F.expr("filter(sequence(0, 63), place -> getbit(id_bits, place) = 1)")
    return id_groups.select("id_group", F.explode(places).alias("place")).selectExpr(
        "id_group * 64 + place AS transaction_id"
    )
