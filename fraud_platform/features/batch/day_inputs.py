"""The inputs of a range of days, and joining labels to their transactions.

Here: `DayInputs`; `survey`, which counts the inputs and compares labels with transactions; first
labels with their transactions; corrected labels.
Not here: which tables and versions are read (`features.batch.materialize`), the passes over
entities (`features.batch.engine`).

A row of a drop contains its label, known on time. If there are no other labels, the labels that
begin to count in the days equal those in the transactions. Joining the two tables shuffles both by
transaction and would be the most expensive step in the JVM. Therefore `survey` compares hashes of
both, and equal labels are not joined.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

from fraud_platform.contracts.active import LABEL_LOOKBACK_DAYS
from fraud_platform.contracts.time import HOURS_PER_DAY, day_number
from fraud_platform.features.batch.stacked import LABEL_CODE, NO_LABEL
from fraud_platform.labels.rule import begins_in_days, begins_within, hour_of, on_time_hour

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

_HASH = "bit_xor(xxhash64(transaction_id, scenario, counts_from_hour))"
"""SQL hash of a set of labels, independent of order; different sets collide once in 2^64."""


@dataclass(frozen=True)
class Survey:
    """The size of the inputs of a range of days.

    Attributes:
        labelled_from: the earliest day with a transaction whose label begins to count in the days:
            eight days back if all labels are on time, at most the lookback if some are late.
        rows: number of transactions in the days.
        labels: number of label versions that begin to count in the days.
        corrections: number of these with a version above 1.
        rows_say_labels: whether the first versions equal the labels in the transactions.
    """

    labelled_from: date
    rows: int
    labels: int
    corrections: int
    rows_say_labels: bool


@dataclass(frozen=True)
class DayInputs:
    """The inputs of a range of days; rows outside the lookback are ignored.

    Attributes:
        first_day, last_day: the range, both inclusive.
        transactions: clean transactions, at least from the first labelled day on;
            `fraud_scenario` is null for a transaction that is in no drop.
        label_versions: transaction_id, fraud_scenario, counts_from, version, tx_date.
        customer_tiles, terminal_tiles, label_tiles: tiles of earlier days.
        tasks: number of tasks of a pass.
        has_corrections: whether a version above 1 begins to count in the days.
        rows_say_labels: see `Survey`.
    """

    first_day: date
    last_day: date
    transactions: DataFrame
    label_versions: DataFrame
    customer_tiles: DataFrame
    terminal_tiles: DataFrame
    label_tiles: DataFrame
    tasks: int
    has_corrections: bool
    rows_say_labels: bool


def survey(
    transactions: DataFrame, label_versions: DataFrame, first_day: date, last_day: date
) -> Survey:
    """Count the inputs of a range of days, and compare its labels with those in transactions.

    Args:
        transactions, label_versions: as in `DayInputs`, of any days.
        first_day, last_day: the range, both inclusive.
    """
    from pyspark.sql import functions as F

    entering = _entering(label_versions, first_day, last_day)
    earliest, n_labels, corrections, label_hash = entering.agg(
        F.min("tx_date"),
        F.count("*"),
        F.count_if(F.col("version") > 1),
        F.expr(f"{_HASH} filter (where version = 1)"),
    ).collect()[0]
    oldest = first_day - timedelta(days=LABEL_LOOKBACK_DAYS)
    labelled_from = min(max(earliest or first_day, oldest), first_day)
    rows, n_row_labels, row_label_hash = (
        transactions.where(F.col("tx_date").between(labelled_from, last_day))
        .withColumns(_row_label())
        .withColumn("enters", _enters(first_day, last_day))
        .agg(
            F.count_if(F.col("tx_date") >= first_day),
            F.count_if(F.col("enters")),
            F.expr(f"{_HASH} filter (where enters)"),
        )
        .collect()[0]
    )
    is_same = (n_labels - corrections, label_hash) == (n_row_labels, row_label_hash)
    return Survey(labelled_from, rows, n_labels, corrections, rows_say_labels=is_same)


def labelled_rows(inputs: DayInputs) -> DataFrame:
    """Return the transactions of the days, and earlier ones whose label begins to count in them.

    Columns: transaction_id, customer_id, terminal_id, second, amount_cents, and label: the first
    version of the label as one integer (`LABEL_CODE`), or `NO_LABEL` if it does not begin to count
    in the days.
    """
    from pyspark.sql import functions as F

    rows = _rows_with_row_labels(inputs) if inputs.rows_say_labels else _rows_joined(inputs)
    is_needed = (F.col("tx_date") >= inputs.first_day) | F.col("label").isNotNull()
    return rows.where(is_needed).withColumns(
        {
            "second": F.unix_seconds("tx_datetime"),
            "label": F.coalesce("label", F.lit(NO_LABEL).cast("long")),
        }
    )


def _rows_with_row_labels(inputs: DayInputs) -> DataFrame:
    from pyspark.sql import functions as F

    enters = _enters(inputs.first_day, inputs.last_day)
    return (
        _lookback_rows(inputs)
        .withColumns(_row_label())
        .withColumn("label", F.when(enters, F.expr(LABEL_CODE)))
    )


def _rows_joined(inputs: DayInputs) -> DataFrame:
    from pyspark.sql import functions as F

    first_labels = (
        _entering(inputs.label_versions, inputs.first_day, inputs.last_day)
        .where("version = 1")
        .select("transaction_id", F.expr(LABEL_CODE).alias("label"))
    )
    return _lookback_rows(inputs).join(
        first_labels.repartition(inputs.tasks, "transaction_id").hint("shuffle_hash"),
        "transaction_id",
        "left",
    )


def corrected_labels(inputs: DayInputs) -> DataFrame:
    """Return label versions above 1 that begin to count in the days, and those they replace.

    A new version has sign 1; the version that it replaces stops counting in the same hour and has
    sign -1. Columns: customer_id, terminal_id, event_hour, counts_from_hour, amount_cents,
    scenario, sign.
    """
    from pyspark.sql import functions as F

    entering = _entering(inputs.label_versions, inputs.first_day, inputs.last_day)
    entering = entering.where("version > 1").drop("tx_date")
    versions = inputs.label_versions.select(
        "transaction_id", "version", _scenario().alias("scenario")
    )
    leaving = (
        entering.drop("scenario")
        .withColumn("version", F.col("version") - 1)
        .join(versions, ["transaction_id", "version"])
    )
    signed = entering.withColumn("sign", F.lit(1).cast("long")).unionByName(
        leaving.withColumn("sign", F.lit(-1).cast("long"))
    )
    rows = _lookback_rows(inputs).withColumn("event_hour", hour_of("tx_datetime"))
    return rows.join(signed, "transaction_id")


def _entering(label_versions: DataFrame, first_day: date, last_day: date) -> DataFrame:
    """Return the label versions that begin to count in the days."""
    is_entering = begins_in_days(first_day, last_day + timedelta(days=1))
    return label_versions.where(is_entering).select(
        "transaction_id",
        "tx_date",
        "version",
        _scenario().alias("scenario"),
        hour_of("counts_from").alias("counts_from_hour"),
    )


def _lookback_rows(inputs: DayInputs) -> DataFrame:
    """Return the transactions of the days and of the label lookback before them."""
    from pyspark.sql import functions as F

    oldest = inputs.first_day - timedelta(days=LABEL_LOOKBACK_DAYS)
    return inputs.transactions.where(F.col("tx_date").between(oldest, inputs.last_day))


def _row_label() -> dict[str, Column]:
    """Return scenario and counts_from_hour of the label in a transaction, as known on time."""
    return {"scenario": _scenario(), "counts_from_hour": on_time_hour(hour_of("tx_datetime"))}


def _enters(first_day: date, last_day: date) -> Column:
    """Return whether a row with `_row_label` has a label that begins to count in the days."""
    from pyspark.sql import functions as F

    first, last = (day_number(day) * HOURS_PER_DAY for day in (first_day, last_day))
    enters = begins_within(F.col("counts_from_hour"), first, last + HOURS_PER_DAY)
    return F.col("scenario").isNotNull() & enters


def _scenario() -> Column:
    from pyspark.sql import functions as F

    return F.col("fraud_scenario").cast("long")
