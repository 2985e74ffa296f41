"""Keys of text that share a surrogate: finding them, and giving one of them another surrogate.

Here: the comparison of a drop's keys with one another and with those of published drops.
Not here: collecting the keys (`tasks`), reading the exceptions (`rows.exceptions`), collisions of
transactions' ids, which are single rows (`duplicates`).

Of two keys with one hash, the key that is stored keeps it; of two new ones the smaller text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import polars as pl
import pyarrow as pa

from fraud_platform.cleaning.parquet_files import TEXT_DDL
from fraud_platform.cleaning.stored import read_files, stored_files
from fraud_platform.rows.exceptions import read_exceptions
from fraud_platform.rows.surrogates import surrogates
from fraud_platform.tables.data_files import WrittenFile
from fraud_platform.tables.texts import TEXT_EXCEPTIONS, TEXTS

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from fraud_platform.cleaning.ports import CleaningTables

KEYS = ("customer_id", "terminal_id")


def part_shared_surrogates(
    spark: SparkSession, lake: CleaningTables, drop: str, files: Sequence[WrittenFile]
) -> bool:
    """Give a key of a drop another surrogate if a different key has its own.

    The drop must then be cleaned again, with the exceptions as they are now.

    Args:
        spark: session that compares the keys.
        lake: holds the keys of published drops, and the exceptions.
        drop: the drop's key.
        files: the texts of the drop's rows.

    Returns:
        Whether there was such a key.
    """
    shared = _shared(spark, lake, drop, [file.url for file in files]) if files else []
    if not shared:
        return False
    rows = lake.read_arrow(TEXT_EXCEPTIONS).to_pylist()
    known = read_exceptions(lake)
    for field, code, texts, stored in shared:
        owner = min(stored) if stored else min(texts)
        for text in sorted(set(texts) - {owner}):
            rows = [row for row in rows if (row["field"], row["text"]) != (field, text)]
            other = _other_surrogate(text, code, known.get(field, {}))
            rows.append({"field": field, "text": text, "code": other, "found_in": drop})
    table = pa.Table.from_pylist(rows, schema=TEXT_EXCEPTIONS.arrow_schema)
    lake.replace_arrow(TEXT_EXCEPTIONS, table, None, {"drop": drop})
    return True


def _shared(
    spark: SparkSession, lake: CleaningTables, drop: str, urls: Sequence[str]
) -> list[tuple[str, int, list[str], list[str]]]:
    """Return column, surrogate, all its keys, and those that other drops have."""
    from pyspark.sql import functions as F

    keys = spark.read.schema(TEXT_DDL).parquet(*urls).where(F.col("field").isin(*KEYS))
    keys = keys.distinct().withColumn("stored", F.lit(None).cast("string"))
    others = read_files(spark, [f for f in stored_files(lake, TEXTS) if f.drop != drop], TEXT_DDL)
    if others is not None:
        others = others.drop("drop").where(F.col("field").isin(*KEYS)).distinct()
        keys = keys.unionByName(others.withColumn("stored", F.col("text")))
    grouped = keys.groupBy("field", "code").agg(
        F.sort_array(F.collect_set("text")).alias("texts"),
        F.sort_array(F.collect_set("stored")).alias("stored"),
    )
    found = grouped.where(F.size("texts") > 1).orderBy("field", "code").collect()
    return [(row.field, row.code, row.texts, row.stored) for row in found]


def _other_surrogate(text: str, code: int, known: Mapping[str, int]) -> int:
    """Return a surrogate for a key that is neither its last one nor another exception's."""
    while True:
        (code,) = surrogates(pl.Series([f"{text}\0{code}"])).tolist()
        if code not in known.values():
            return int(code)
