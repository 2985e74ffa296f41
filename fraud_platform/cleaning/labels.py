"""Labels that come with drops, and the hour from which each counts.

Here: first landings (written by tasks, straight from the drop's files, as nothing has to be looked
up), corrections and withdrawals (joined in Spark).
Not here: labels from the `labels` topic, or their union (`fraud_platform.features`).

A version of a label never changes: a correction adds the next version. It counts from the next
midnight of the clock, but not before its own hour nor before the version that it corrects, so
that the versions of a label begin in their order.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from fraud_platform.cleaning.canonical import MICROS_PER_SECOND, SECONDS_PER_DAY
from fraud_platform.cleaning.parquet_files import LabelFile, Seconds, WrittenFile
from fraud_platform.cleaning.tasks import MANIFEST_SCHEMA, Task
from fraud_platform.contracts.tables import DROP_LABELS, TRANSACTIONS
from fraud_platform.contracts.time import LABEL_DELAY_DAYS

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

    from fraud_platform.adapters.files import ByteFiles
    from fraud_platform.adapters.lake import Lake
    from fraud_platform.cleaning.drop import CleanedDrop

_BATCH_ROWS = 1 << 16
_HOUR_SECONDS = 3600
_DELAY_SECONDS = LABEL_DELAY_DAYS * SECONDS_PER_DAY
_READ = ["transaction_id", "tx_datetime", "is_fraud", "fraud_scenario"]
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
    landed: CleanedDrop,
    clock: LabelClock,
    metadata: Mapping[str, Any],
) -> int:
    """Bring the labels of these drops up to date with their clean rows, in one commit.

    Args:
        drops: the drops whose rows changed, among them the one that landed.
        landed: the files of that one, committed.
        metadata: what the commit says about itself; `publication` starts the files' names.

    Returns:
        The version of the table `drop_labels`.
    """
    lake.ensure(DROP_LABELS)
    stored = lake.data_files(DROP_LABELS)["partition.drop"].to_pylist()
    if list(drops) == [landed.drop] and landed.drop not in stored:
        return _write_first_versions(spark, lake, landed, clock, metadata)
    return _write_merged(spark, lake, sorted(drops), clock, metadata)


def _write_first_versions(
    spark: SparkSession,
    lake: Lake,
    landed: CleanedDrop,
    clock: LabelClock,
    metadata: Mapping[str, Any],
) -> int:
    table_url = lake.uri(DROP_LABELS)
    folder = f"{table_url}/drop={landed.drop}"
    urls = [file.url for file in landed.clean]
    task = label_files(lake.files, urls, folder, metadata["publication"], clock)
    written: list[WrittenFile] = []
    if urls:
        rows = spark.range(0, len(urls), 1, len(urls)).mapInArrow(task, MANIFEST_SCHEMA)
        written = [WrittenFile(**json.loads(row.manifest)) for row in rows.collect()]
    files = [file.in_table(table_url, landed.drop) for file in written]
    return lake.commit_files(DROP_LABELS, files, "drop", [landed.drop], metadata)


def label_files(
    files: ByteFiles, urls: Sequence[str], folder: str, publication: str, clock: LabelClock
) -> Task:
    """Return the task that writes the first labels of files of clean rows, one for one."""

    def label(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for number in batch.column(0).to_pylist():
                output = LabelFile(files, folder, publication)
                with output, files.open_input(urls[number]) as file:
                    for rows in pq.ParquetFile(file).iter_batches(_BATCH_ROWS, columns=_READ):
                        micros = rows["tx_datetime"].view(pa.int64()).to_numpy()
                        known_at = micros // MICROS_PER_SECOND + _DELAY_SECONDS
                        counts_from = first_counts_from(known_at, clock)
                        output.write_first_versions(rows, known_at, counts_from, _SOURCE)
                written = output.written()
                manifests = [] if written is None else [json.dumps(asdict(written))]
                yield pa.RecordBatch.from_arrays([pa.array(manifests, pa.string())], ["manifest"])

    return label


def first_counts_from(known_at: Seconds, clock: LabelClock) -> Seconds:
    """Return the hour after `known_at`, or the next midnight where the stream has passed it."""
    on_time = (known_at // _HOUR_SECONDS + 1) * _HOUR_SECONDS
    if clock.stream_time is None or clock.next_midnight is None:
        return on_time
    is_late = on_time <= clock.stream_time.timestamp()
    return np.where(is_late, int(clock.next_midnight.timestamp()), on_time)


def _write_merged(
    spark: SparkSession,
    lake: Lake,
    drops: Sequence[str],
    clock: LabelClock,
    metadata: Mapping[str, Any],
) -> int:
    from pyspark.sql import functions as F

    rows = lake.read(spark, TRANSACTIONS).where(F.col("drop").isin(*drops))
    landed = rows.select(
        "transaction_id",
        "is_fraud",
        "fraud_scenario",
        (F.col("tx_datetime") + F.expr(f"INTERVAL {LABEL_DELAY_DAYS} DAYS")).alias("known_at"),
        "drop",
    )
    known = lake.read(spark, DROP_LABELS).where(F.col("drop").isin(*drops)).select(*_KEPT)
    labels = _merge(landed, known, clock).withColumn("source", F.lit(_SOURCE))
    predicate = f"drop IN ({', '.join(repr(drop) for drop in drops)})"
    labels = labels.select(*DROP_LABELS.column_names)
    return lake.replace(DROP_LABELS, labels, predicate, metadata)


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
