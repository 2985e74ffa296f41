"""Labels that come with drops, and the hour from which each counts.

Here: first landings (written by tasks, straight from the drop's files, as nothing has to be looked
up), corrections and withdrawals (joined in Spark).
Not here: labels from the `labels` topic, or their union (`fraud_platform.features`).

What the topic told of a transaction before its drop landed stays as it counted while the stream
scored: its versions come first, and the drop's follows where it says something else. A label that
nobody knew counts from the next midnight, where its own hour has passed.

A version of a label never changes: a correction adds the next version. It counts from the midnight
behind all that was scored or came with a drop, but not before its own hour nor before the version
that it corrects, so that the versions of a label begin in their order.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from fraud_platform.cleaning.canonical import MICROS_PER_SECOND, SECONDS_PER_DAY
from fraud_platform.cleaning.parquet_files import (
    CLEAN_DDL,
    LABEL_DDL,
    LabelFile,
    Seconds,
    WrittenFile,
)
from fraud_platform.cleaning.stored import StoredFile, read_files, stored_files, waiting_file
from fraud_platform.cleaning.tasks import MANIFEST_SCHEMA, Task
from fraud_platform.contracts.tables import DROP_LABELS, TRANSACTIONS, DataFile
from fraud_platform.contracts.time import LABEL_DELAY_DAYS

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

    from fraud_platform.adapters.storage.files import ByteFiles
    from fraud_platform.adapters.tables.lake import Lake
    from fraud_platform.cleaning.drop import CleanedDrop

_BATCH_ROWS = 1 << 16
_HOUR_SECONDS = 3600
_DELAY_SECONDS = LABEL_DELAY_DAYS * SECONDS_PER_DAY
_READ = ["transaction_id", "tx_datetime", "is_fraud", "fraud_scenario"]
_SOURCE, _FROM_TOPIC = "drop", "topic"


@dataclass(frozen=True)
class LabelClock:
    """The moments that decide from when a label counts, UTC.

    Args:
        stream_time: how far scoring has come; None where nothing was ever scored.
        watermark: end of the published drops' data.
        told_since: what the topic told of scored transactions from a day on that no drop holds,
            columns of `stream_labels`.
    """

    stream_time: datetime | None = None
    watermark: datetime | None = None
    told_since: Callable[[date], pa.Table] | None = None

    @property
    def late_from(self) -> datetime | None:
        """When labels that landed late begin to count; None where nothing was ever scored."""
        return None if self.stream_time is None else _next_midnight(self.stream_time)

    @property
    def corrected_from(self) -> datetime | None:
        """When corrections begin to count: behind every day scored, or built from a drop."""
        known = [moment for moment in (self.stream_time, self.watermark) if moment is not None]
        return _next_midnight(max(known)) if known else None


def _next_midnight(now: datetime) -> datetime:
    return now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)


def write_labels(
    spark: SparkSession,
    lake: Lake,
    changed: Sequence[CleanedDrop],
    told: Sequence[StoredFile],
    clock: LabelClock,
    metadata: Mapping[str, Any],
) -> int:
    """Bring the labels of these drops up to date with their clean rows, in one commit.

    Args:
        changed: the drops whose rows changed, committed; the one that landed comes first.
        told: what `write_told` wrote before they were committed.
        metadata: what the commit says about itself; `publication` starts the files' names.

    Returns:
        The version of the table `drop_labels`.
    """
    landed, drops = changed[0], {cleaned.drop for cleaned in changed}
    stored = stored_files(lake, DROP_LABELS)
    known = [file for file in stored if file.drop in drops]
    if drops == {landed.drop} and not known and not told:
        written = _write_first_versions(spark, lake, landed, clock, metadata["publication"])
    else:
        rows = [file for file in stored_files(lake, TRANSACTIONS) if file.drop in drops]
        labels = _merge(spark, rows, known, told, clock)
        written = _write_versions(lake, labels, metadata["publication"])
    return lake.commit_files(DROP_LABELS, written, "drop", sorted(drops), metadata)


def write_told(
    lake: Lake, changed: Sequence[CleanedDrop], clock: LabelClock, scratch: str
) -> list[StoredFile]:
    """Write down what the topic told of the days of these drops, before a drop holds their rows.

    Args:
        scratch: URL of a folder for what is gone after the publication.
    """
    days = [cleaned.first_date for cleaned in changed if cleaned.first_date is not None]
    if clock.told_since is None or not days:
        return []
    labels = clock.told_since(min(days))
    output = LabelFile(lake.files, f"{scratch}/told", "labels")
    with output:
        source = pa.repeat(_FROM_TOPIC, labels.num_rows)
        for batch in labels.append_column("source", source).to_batches(_BATCH_ROWS):
            if batch.num_rows:
                output.write_versions(batch)
    written = output.written()
    return [] if written is None else [waiting_file(changed[0].drop, written)]


def _write_first_versions(
    spark: SparkSession, lake: Lake, landed: CleanedDrop, clock: LabelClock, publication: str
) -> list[DataFile]:
    rows = [waiting_file(landed.drop, file) for file in landed.clean]
    task = label_files(lake.files, rows, lake.uri(DROP_LABELS), publication, clock)
    numbers = spark.range(0, len(rows), 1, max(len(rows), 1))
    return _in_table(lake, numbers.mapInArrow(task, MANIFEST_SCHEMA))


def _write_versions(lake: Lake, labels: DataFrame | None, publication: str) -> list[DataFile]:
    if labels is None:
        return []
    task = write_versions(lake.files, lake.uri(DROP_LABELS), publication)
    return _in_table(lake, labels.mapInArrow(task, MANIFEST_SCHEMA))


def _in_table(lake: Lake, manifests: DataFrame) -> list[DataFile]:
    found = [json.loads(row.manifest) for row in manifests.collect()]
    table_url = lake.uri(DROP_LABELS)
    return [WrittenFile(**one["file"]).in_table(table_url, one["drop"]) for one in found]


def label_files(
    files: ByteFiles,
    landed: Sequence[StoredFile],
    table_url: str,
    publication: str,
    clock: LabelClock,
) -> Task:
    """Return the task that writes the first labels of files of clean rows, one for one."""

    def label(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for number in batch.column(0).to_pylist():
                drop, url = landed[number].drop, landed[number].url
                output = LabelFile(files, f"{table_url}/drop={drop}", publication)
                with output, files.open_input(url) as file:
                    for rows in pq.ParquetFile(file).iter_batches(_BATCH_ROWS, columns=_READ):
                        micros = rows["tx_datetime"].view(pa.int64()).to_numpy()
                        known_at = micros // MICROS_PER_SECOND + _DELAY_SECONDS
                        counts_from = first_counts_from(known_at, clock)
                        output.write_first_versions(rows, known_at, counts_from, _SOURCE)
                yield from _manifests([(drop, output)])

    return label


def first_counts_from(known_at: Seconds, clock: LabelClock) -> Seconds:
    """Return the hour after `known_at`, or the next midnight where the stream has passed it."""
    on_time = (known_at // _HOUR_SECONDS + 1) * _HOUR_SECONDS
    if clock.stream_time is None or clock.late_from is None:
        return on_time
    is_late = on_time <= clock.stream_time.timestamp()
    return np.where(is_late, int(clock.late_from.timestamp()), on_time)


def write_versions(files: ByteFiles, table_url: str, publication: str) -> Task:
    """Return the task that writes whole rows of `drop_labels`, a file a drop."""

    def write(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        outputs: dict[str, LabelFile] = {}
        with ExitStack() as stack:
            for batch in batches:
                drops = batch["drop"]
                for drop in pc.unique(drops).to_pylist():
                    if drop not in outputs:
                        output = LabelFile(files, f"{table_url}/drop={drop}", publication)
                        outputs[drop] = stack.enter_context(output)
                    outputs[drop].write_versions(batch.filter(pc.equal(drops, drop)))
        yield from _manifests(outputs.items())

    return write


def _manifests(outputs: Iterable[tuple[str, LabelFile]]) -> Iterator[pa.RecordBatch]:
    for drop, output in outputs:
        written = output.written()
        if written is not None:
            manifest = json.dumps({"drop": drop, "file": asdict(written)})
            yield pa.RecordBatch.from_arrays([pa.array([manifest])], ["manifest"])


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
        F.lit(clock.late_from)
    )


def _merge(
    spark: SparkSession,
    rows: Sequence[StoredFile],
    stored: Sequence[StoredFile],
    told: Sequence[StoredFile],
    clock: LabelClock,
) -> DataFrame | None:
    """Return known versions of the ids that are still there, and new versions where they differ."""
    from pyspark.sql import functions as F

    transactions = read_files(spark, rows, CLEAN_DDL)
    if transactions is None:
        return None
    delay = F.expr(f"INTERVAL {LABEL_DELAY_DAYS} DAYS")
    landed = transactions.withColumn("known_at", F.col("tx_datetime") + delay)
    versions = read_files(spark, stored, LABEL_DDL)
    if versions is None:
        versions = spark.createDataFrame([], f"{LABEL_DDL}, drop string")
    from_topic = read_files(spark, told, LABEL_DDL)
    if from_topic is not None:
        versions = versions.unionByName(_not_known(from_topic, versions, landed))
    content = F.struct("is_fraud", "fraud_scenario", "known_at")
    latest = versions.groupBy("transaction_id").agg(
        F.max("version").alias("latest_version"),
        F.max("counts_from").alias("latest_from"),
        F.max_by(content, "version").alias("latest"),
    )
    compared = landed.join(latest, "transaction_id", "left")
    is_new = F.col("latest").isNull()
    corrected_from = [_on_time(), F.col("latest_from")]
    if clock.corrected_from is not None:
        corrected_from.append(F.lit(clock.corrected_from))
    added = compared.where(is_new | (content != F.col("latest"))).withColumns(
        {
            "source": F.lit(_SOURCE),
            "counts_from": F.when(is_new, _counts_from(clock)).otherwise(
                F.greatest(*corrected_from)
            ),
            "version": (F.coalesce("latest_version", F.lit(0)) + 1).cast("int"),
        }
    )
    owners = landed.select("transaction_id", "drop")
    kept = versions.drop("drop").join(owners, "transaction_id")
    columns = DROP_LABELS.column_names
    return kept.select(columns).unionByName(added.select(columns))


def _not_known(from_topic: DataFrame, versions: DataFrame, landed: DataFrame) -> DataFrame:
    """Return the topic's labels of the landed rows that have no version yet.

    The drop tells them again: they are known after the delay, as all of its labels are.
    """
    known_at = landed.select("transaction_id", "known_at")
    unknown = known_at.join(versions.select("transaction_id"), "transaction_id", "left_anti")
    return from_topic.drop("known_at").join(unknown, "transaction_id")
