"""Labels that come with drops, and the hour from which each counts.

Here: first landings, corrections and withdrawals of labels.
Not here: labels from the `labels` topic, or their union (`fraud_platform.features`).

A version of a label never changes: a correction adds the next version. It counts from the next
midnight of the clock, but not before its own hour nor before the version that it corrects, so
that the versions of a label begin in their order.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from fraud_platform.contracts.tables import DROP_LABELS, TRANSACTIONS
from fraud_platform.contracts.time import LABEL_DELAY_DAYS

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

    from fraud_platform.adapters.lake import Lake

_SOURCE = "drop"
_KEPT = ["transaction_id", "is_fraud", "fraud_scenario", "known_at", "counts_from", "version"]


@dataclass(frozen=True)
class LabelClock:
    """The moments that decide from when a label counts, UTC.

    Args:
        stream_time: how far scoring has come; None where nothing was ever scored.
        watermark: end of the published drops' data, the clock of corrections without a stream.
    """

    stream_time: datetime | None = None
    watermark: datetime | None = None

    @property
    def next_midnight(self) -> datetime | None:
        """The first midnight behind the clock; None where there is no clock."""
        now = self.stream_time or self.watermark
        if now is None:
            return None
        return now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)


def write_labels(
    spark: SparkSession,
    lake: Lake,
    drops: Collection[str],
    clock: LabelClock,
    metadata: Mapping[str, Any],
) -> int:
    """Bring the labels of these drops up to date with their clean rows, in one commit.

    Returns:
        The version of the table `drop_labels`.
    """
    from pyspark.sql import functions as F

    names = sorted(drops)
    rows = lake.read(spark, TRANSACTIONS).where(F.col("drop").isin(names))
    landed = rows.select(
        "transaction_id",
        "is_fraud",
        "fraud_scenario",
        (F.col("tx_datetime") + F.expr(f"INTERVAL {LABEL_DELAY_DAYS} DAYS")).alias("known_at"),
        "drop",
    )
    lake.ensure(DROP_LABELS)
    stored = lake.data_files(DROP_LABELS)["partition.drop"].to_pylist()
    if set(names) & set(stored):
        known = lake.read(spark, DROP_LABELS).where(F.col("drop").isin(names))
        labels = _merge(landed, known.select(*_KEPT), clock)
    else:
        labels = _first_versions(landed, clock)
    labels = labels.withColumn("source", F.lit(_SOURCE)).select(*DROP_LABELS.column_names)
    predicate = f"drop IN ({', '.join(repr(name) for name in names)})"
    return lake.replace(DROP_LABELS, labels, predicate, metadata)


def _first_versions(landed: DataFrame, clock: LabelClock) -> DataFrame:
    from pyspark.sql import functions as F

    return landed.withColumns({"counts_from": _counts_from(clock), "version": F.lit(1).cast("int")})


def _on_time() -> Column:
    """The hour after `known_at`."""
    from pyspark.sql import functions as F

    return F.date_trunc("hour", "known_at") + F.expr("INTERVAL 1 HOUR")


def _counts_from(clock: LabelClock) -> Column:
    """When a first version counts: on time, or from the next midnight where that has passed."""
    from pyspark.sql import functions as F

    if clock.stream_time is None:
        return _on_time()
    return F.when(_on_time() > F.lit(clock.stream_time), _on_time()).otherwise(
        F.lit(clock.next_midnight)
    )


def _merge(landed: DataFrame, known: DataFrame, clock: LabelClock) -> DataFrame:
    """Return known versions of the ids that are still there, and new versions where they differ."""
    from pyspark.sql import functions as F

    content = ["is_fraud", "fraud_scenario", "known_at"]
    latest = known.groupBy("transaction_id").agg(
        F.max("version").alias("latest_version"),
        F.max("counts_from").alias("latest_from"),
        F.max_by(F.struct(*content), "version").alias("latest"),
    )
    compared = landed.join(latest, "transaction_id", "left")
    is_new = F.col("latest").isNull()
    corrected_from = [_on_time(), F.col("latest_from")]
    if clock.next_midnight is not None:
        corrected_from.append(F.lit(clock.next_midnight))
    added = compared.where(is_new | (F.struct(*content) != F.col("latest"))).withColumns(
        {
            "counts_from": F.when(is_new, _counts_from(clock)).otherwise(
                F.greatest(*corrected_from)
            ),
            "version": (F.coalesce("latest_version", F.lit(0)) + 1).cast("int"),
        }
    )
    kept = known.join(landed.select("transaction_id", "drop"), "transaction_id")
    return kept.unionByName(added.select(*kept.columns))
