"""Duplicates: finding ids that occur more than once, and deciding which of their rows is kept.

Here: DataFrames over groups of ids and the rows of earlier drops; judging sorted suspects.
Not here: reading ids from text, writing judged rows (`tasks`).

The kept row of an id is in the drop that is first by name; within that drop it has the smallest
contents, and among equal contents the smallest raw line. Every other valid row of the id is a
`duplicate_id` if its contents equal those of the kept row, else a `conflicting_duplicate_id`. Where
ids are texts, surrogates are compared, and a row with another text is an `id_collision`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from fraud_platform.contracts.active import SOURCE
from fraud_platform.contracts.quarantine_reasons import Reason
from fraud_platform.contracts.tables import ID_TEXT
from fraud_platform.rows.judge import REASON_BITS

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_CONTENTS = [
    *("seconds", "customer_id", "terminal_id", "amount_cents", "scenario"),
    *SOURCE.fact_names,
]
"""The columns of a row's contents; `scenario` also determines and orders `is_fraud`."""

_TEXT = "transaction_key" if ID_TEXT else None
"""The column of the id's text, if ids are texts."""
_COMPARED = [*_CONTENTS, *([_TEXT] if _TEXT else [])]
SUSPECT_ORDER = ["transaction_id", *([_TEXT] if _TEXT else []), *_CONTENTS, "raw_line"]
_EARLIER = "earlier_"
TAKER = f"{_EARLIER}drop"
"""Of a suspect: the drop before its own that holds its id; null if none does."""
_DUPLICATE = REASON_BITS[Reason.DUPLICATE_ID]
_CONFLICTING = REASON_BITS[Reason.CONFLICTING_DUPLICATE_ID]
_COLLISION = REASON_BITS[Reason.ID_COLLISION]


def group_stored_ids(transactions: DataFrame) -> DataFrame:
    """Return the ids of clean rows as bit sets, one row (id_group, id_bits) for each group."""
    from pyspark.sql import functions as F

    bit = F.expr("shiftleft(1L, CAST(transaction_id & 63 AS INT))")
    return transactions.groupBy(F.shiftright("transaction_id", 6).alias("id_group")).agg(
        F.bit_or(bit).alias("id_bits")
    )


def find_repeated_ids(id_groups: DataFrame) -> DataFrame:
    """Return the ids (transaction_id) that are in more than one row of `id_groups`.

    Only groups with more bits in total than in their union are unpacked; there are few of these.
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
    """Return the ids that are in both, once for each row of `id_groups` that contains it."""
    from pyspark.sql import functions as F

    stored = stored_groups.withColumnRenamed("id_bits", "stored_bits")
    both = id_groups.join(stored, "id_group").withColumn(
        "id_bits", F.col("id_bits").bitwiseAND(F.col("stored_bits"))
    )
    return _unpack(both.where("id_bits <> 0"))


def order_suspects(suspects: DataFrame, earlier: DataFrame | None) -> DataFrame:
    """Return the suspects in the order that `SuspectJudge` needs; an id's rows share a partition.

    Args:
        suspects: valid rows of one drop (`parquet_files.SUSPECT_SCHEMA`).
        earlier: clean rows of earlier drops that may share ids, with `drop`; or None. The kept
            contents of a shared id are added in columns with the prefix `earlier_`.
    """
    from pyspark.sql import functions as F

    if earlier is not None:
        stored = _kept_contents(earlier, suspects)
        columns = [F.col("earlier")[n].alias(_EARLIER + n) for n in (*_COMPARED, "drop")]
        joined = suspects.join(stored, "transaction_id", "left")
        suspects = joined.select(*suspects.columns, *columns)
    return suspects.repartition("transaction_id").sortWithinPartitions(*SUSPECT_ORDER)


class SuspectJudge:
    """Judges suspects batch by batch; the batches must be sorted by `SUSPECT_ORDER`."""

    def __init__(self) -> None:
        self._last_first: pa.RecordBatch | None = None

    def judge(self, suspects: pa.RecordBatch) -> npt.NDArray[np.int64]:
        """Return the bit of each row's reason, or 0 if the row is kept.

        An id's rows may continue in the next batch, so the first row of the last id is remembered.
        """
        if not suspects.num_rows:
            return np.empty(0, np.int64)
        remembered = 0
        if self._last_first is not None:
            remembered = 1
            suspects = pa.concat_batches([self._last_first, suspects])
        ids = suspects["transaction_id"].to_numpy()
        is_first = np.concatenate(([True], ids[1:] != ids[:-1]))
        firsts = np.maximum.accumulate(np.where(is_first, np.arange(len(ids)), 0))
        self._last_first = suspects.slice(int(firsts[-1]), 1)
        is_equal = np.ones(len(ids), np.bool_)
        has_earlier = np.zeros(len(ids), np.bool_)
        for name in _CONTENTS:
            values = suspects[name].to_numpy()
            kept = values[firsts]
            if _EARLIER + name in suspects.schema.names:
                stored = suspects[_EARLIER + name]
                has_earlier = stored.is_valid().to_numpy(zero_copy_only=False)
                kept = np.where(has_earlier, stored.fill_null(0).to_numpy(), kept)
            is_equal &= values == kept
        bits = np.where(is_equal, _DUPLICATE, _CONFLICTING)
        if _TEXT is not None:
            bits[_have_other_texts(suspects, _TEXT, firsts)] = _COLLISION
        bits[is_first & ~has_earlier] = 0
        return bits[remembered:]


def _have_other_texts(
    suspects: pa.RecordBatch, name: str, firsts: npt.NDArray[np.int64]
) -> npt.NDArray[np.bool_]:
    """Return whether each row's id is another text than that of the row that is kept."""
    texts = suspects[name]
    kept = texts.take(pa.array(firsts))
    if _EARLIER + name in suspects.schema.names:
        kept = pc.coalesce(suspects[_EARLIER + name], kept)
    return pc.not_equal(texts, kept).to_numpy(zero_copy_only=False)


def _kept_contents(earlier: DataFrame, suspects: DataFrame) -> DataFrame:
    """Return (transaction_id, earlier): the contents of the suspects' ids in the first drop."""
    from pyspark.sql import functions as F

    contents = F.struct(
        F.unix_seconds("tx_datetime").alias("seconds"),
        "customer_id",
        "terminal_id",
        "amount_cents",
        F.col("fraud_scenario").alias("scenario"),
        *SOURCE.fact_names,
        *([_TEXT] if _TEXT else []),
        "drop",
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
