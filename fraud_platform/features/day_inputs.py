"""What a range of days is made from, and how labels get to their transactions.

Here: `DayInputs`; `survey`, which counts it and asks whether the transactions say the labels
themselves; first labels beside their transactions, and corrections.
Not here: which tables and versions they are read from (`features.materialize`), the passes over
entities (`features.engine`).

A drop brings every transaction with its label, on time. Where nothing else was told, the labels
that begin to count in the days are just what their transactions say, and joining both, shuffled
by transaction, would be the dearest part of the JVM's work: so both sides are hashed first.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

from fraud_platform.contracts.time import HOURS_PER_DAY, LABEL_DELAY_HOURS, TILE_SECONDS
from fraud_platform.features.stacked import LABEL_CODE, NO_LABEL
from fraud_platform.features.terms import LABEL_LOOKBACK_HOURS

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

LABEL_LOOKBACK_DAYS = LABEL_LOOKBACK_HOURS // 24 + 1
"""Whole days before a day in which a transaction may lie whose label still changes a feature."""

_HASH = "bit_xor(xxhash64(transaction_id, scenario, counts_from_hour))"
"""Of a set of labels without order: equal for equal sets, and by chance once in 2^64 for others."""


@dataclass(frozen=True)
class Survey:
    """How much a range of days is made from.

    Attributes:
        labelled_from: the earliest day with a transaction whose label begins to count in the days;
            eight days back where all are on time, as far as the lookback where some are late.
        rows: transactions of the days.
        labels: versions of labels that begin to count in the days.
        corrections: those of them with a version above 1.
        rows_say_labels: whether their first versions are just those that the transactions say.
    """

    labelled_from: date
    rows: int
    labels: int
    corrections: int
    rows_say_labels: bool


@dataclass(frozen=True)
class DayInputs:
    """What a range of days is made from; rows outside of the lookback are left out.

    Attributes:
        transactions: clean transactions, from the first labelled day or first_day on; the
            `fraud_scenario` of one that no drop has brought is null.
        labels: versions of labels: transaction_id, fraud_scenario, counts_from, version, tx_date.
        customer_tiles, terminal_tiles, label_tiles: the tables, of the days before.
        tasks: how many tasks a pass is divided into.
        has_corrections: whether a version above 1 begins to count in the days.
        rows_say_labels: as `Survey` says.
    """

    first_day: date
    last_day: date
    transactions: DataFrame
    labels: DataFrame
    customer_tiles: DataFrame
    terminal_tiles: DataFrame
    label_tiles: DataFrame
    tasks: int
    has_corrections: bool
    rows_say_labels: bool


def survey(transactions: DataFrame, labels: DataFrame, first_day: date, last_day: date) -> Survey:
    """Count the transactions and labels of a range of days, and compare what both say.

    Args:
        transactions, labels: as in `DayInputs`, of any days.
    """
    from pyspark.sql import functions as F

    entering = _entering(labels, first_day, last_day)
    earliest, n_labels, corrections, told = entering.agg(
        F.min("tx_date"),
        F.count("*"),
        F.count_if(F.col("version") > 1),
        F.expr(f"{_HASH} filter (where version = 1)"),
    ).collect()[0]
    oldest = first_day - timedelta(days=LABEL_LOOKBACK_DAYS)
    labelled_from = min(max(earliest or first_day, oldest), first_day)
    rows, n_said, said = (
        transactions.where(F.col("tx_date").between(labelled_from, last_day))
        .withColumns(_own_label())
        .withColumn("says_label", _says_label(first_day, last_day))
        .agg(
            F.count_if(F.col("tx_date") >= first_day),
            F.count_if(F.col("says_label")),
            F.expr(f"{_HASH} filter (where says_label)"),
        )
        .collect()[0]
    )
    is_same = (n_labels - corrections, told) == (n_said, said)
    return Survey(labelled_from, rows, n_labels, corrections, rows_say_labels=is_same)


def labelled_rows(inputs: DayInputs) -> DataFrame:
    """Return the transactions of the days, and earlier ones whose label begins to count in them.

    Columns: transaction_id, customer_id, terminal_id, second, amount_cents, and label: the first
    version of the label as one integer (`LABEL_CODE`) where it begins to count in the days.
    """
    from pyspark.sql import functions as F

    rows = _rows_with_own_labels(inputs) if inputs.rows_say_labels else _rows_joined(inputs)
    is_wanted = (F.col("tx_date") >= inputs.first_day) | F.col("label").isNotNull()
    return rows.where(is_wanted).withColumns(
        {
            "second": F.unix_seconds("tx_datetime"),
            "label": F.coalesce("label", F.lit(NO_LABEL).cast("long")),
        }
    )


def _rows_with_own_labels(inputs: DayInputs) -> DataFrame:
    from pyspark.sql import functions as F

    says_label = _says_label(inputs.first_day, inputs.last_day)
    return (
        _lookback_rows(inputs)
        .withColumns(_own_label())
        .withColumn("label", F.when(says_label, F.expr(LABEL_CODE)))
    )


def _rows_joined(inputs: DayInputs) -> DataFrame:
    from pyspark.sql import functions as F

    first_labels = (
        _entering(inputs.labels, inputs.first_day, inputs.last_day)
        .where("version = 1")
        .select("transaction_id", F.expr(LABEL_CODE).alias("label"))
    )
    return _lookback_rows(inputs).join(
        first_labels.repartition(inputs.tasks, "transaction_id").hint("shuffle_hash"),
        "transaction_id",
        "left",
    )


def corrected_labels(inputs: DayInputs) -> DataFrame:
    """Return the later versions that enter in the days, and with sign -1 those that leave.

    A version enters in the hour in which the version before it leaves. Columns: customer_id,
    terminal_id, event_hour, counts_from_hour, amount_cents, scenario, sign.
    """
    from pyspark.sql import functions as F

    entering = _entering(inputs.labels, inputs.first_day, inputs.last_day)
    entering = entering.where("version > 1").drop("tx_date")
    leaving = (
        entering.drop("scenario")
        .withColumn("version", F.col("version") - 1)
        .join(
            inputs.labels.select("transaction_id", "version", _scenario().alias("scenario")),
            ["transaction_id", "version"],
        )
    )
    signed = entering.withColumn("sign", F.lit(1).cast("long")).unionByName(
        leaving.withColumn("sign", F.lit(-1).cast("long"))
    )
    hour = F.expr(f"unix_seconds(tx_datetime) div {TILE_SECONDS}")
    return _lookback_rows(inputs).withColumn("event_hour", hour).join(signed, "transaction_id")


def _entering(labels: DataFrame, first_day: date, last_day: date) -> DataFrame:
    """Return the versions of labels that begin to count in the days."""
    from pyspark.sql import functions as F

    first, end = (F.lit(d).cast("timestamp") for d in (first_day, last_day + timedelta(days=1)))
    return labels.where((F.col("counts_from") >= first) & (F.col("counts_from") < end)).select(
        "transaction_id",
        "tx_date",
        "version",
        _scenario().alias("scenario"),
        F.expr(f"unix_seconds(counts_from) div {TILE_SECONDS}").alias("counts_from_hour"),
    )


def _lookback_rows(inputs: DayInputs) -> DataFrame:
    """Return the transactions of the days, and those whose labels can enter a window of them."""
    from pyspark.sql import functions as F

    oldest = inputs.first_day - timedelta(days=LABEL_LOOKBACK_DAYS)
    return inputs.transactions.where(F.col("tx_date").between(oldest, inputs.last_day))


def _own_label() -> dict[str, Column]:
    """Return the label that a transaction says, as a drop's counts that is on time."""
    from pyspark.sql import functions as F

    on_time = f"unix_seconds(tx_datetime) div {TILE_SECONDS} + {LABEL_DELAY_HOURS + 1}"
    return {"scenario": _scenario(), "counts_from_hour": F.expr(on_time)}


def _says_label(first_day: date, last_day: date) -> Column:
    """Return whether a row with `_own_label` has one that begins to count in the days."""
    from pyspark.sql import functions as F

    first, last = ((day - date(1970, 1, 1)).days * HOURS_PER_DAY for day in (first_day, last_day))
    enters = F.col("counts_from_hour").between(first, last + HOURS_PER_DAY - 1)
    return F.col("scenario").isNotNull() & enters


def _scenario() -> Column:
    from pyspark.sql import functions as F

    return F.col("fraud_scenario").cast("long")
