"""Labels of drops, and the hour from which each counts.

Here: committing the first labels of a drop, which are written with its rows; corrections and
withdrawals (joined in Spark); labels that the topic delivered before the drop.
Not here: when a label counts (`labels.rule`), writing first labels (`tasks`), labels from the
`labels` topic, or their union (`fraud_platform.features`).

If the topic delivered labels of a transaction before its drop landed, they remain its first
versions, as they counted during scoring; the drop's label follows as a further version if it
differs.

A version of a label never changes; a correction adds the next version, as a label that landed
after everything that was scored or is in a drop. A label's versions begin to count in order.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from fraud_platform.cleaning.drop import CleanedDrop, discard
from fraud_platform.cleaning.parquet_files import (
    CLEAN_DDL,
    FROM_DROP,
    FROM_TOPIC,
    LABEL_DDL,
    LabelFile,
)
from fraud_platform.cleaning.stored import StoredFile, read_files, stored_files, waiting_file
from fraud_platform.cleaning.tasks import MANIFEST_SCHEMA, Task
from fraud_platform.contracts.tables import DROP_LABELS, TRANSACTIONS, DataFile
from fraud_platform.labels.drop_clock import LabelClock
from fraud_platform.labels.rule import counts_from_time, due_time
from fraud_platform.tables.data_files import WrittenFile

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from fraud_platform.cleaning.ports import CleaningTables
    from fraud_platform.contracts.ports import Files

_BATCH_ROWS = 1 << 16


def write_labels(
    spark: SparkSession,
    lake: CleaningTables,
    changed: Sequence[CleanedDrop],
    topic_labels: Sequence[StoredFile],
    clock: LabelClock,
    metadata: Mapping[str, Any],
    since: int | None = None,
) -> int:
    """Update the labels of these drops to match their clean rows, in one commit.

    Args:
        spark: session that merges the labels.
        lake: the lake.
        changed: the drops whose rows changed, already committed; the drop that landed is first.
        topic_labels: the files that `write_topic_labels` wrote before the commit.
        clock: the times that determine from when a label counts.
        metadata: metadata of the commit; file names begin with its `publication`.
        since: the version of `drop_labels` that the run began with.

    Returns:
        The version of the table `drop_labels`.
    """
    landed, drops = changed[0], {cleaned.drop for cleaned in changed}
    known = [file for file in stored_files(lake, DROP_LABELS) if file.drop in drops]
    if landed.labels and drops == {landed.drop} and not known and not topic_labels:
        url = lake.uri(DROP_LABELS)
        written = [file.in_table(url, {"drop": landed.drop}) for file in landed.labels]
    else:
        rows = [file for file in stored_files(lake, TRANSACTIONS) if file.drop in drops]
        drop_labels = _merge(spark, rows, known, topic_labels, clock)
        written = _write_versions(lake, drop_labels, metadata["publication"])
        discard(lake.files, landed, ["labels"])
    return lake.commit_files(DROP_LABELS, written, "drop", sorted(drops), metadata, since)


def write_topic_labels(
    lake: CleaningTables, changed: Sequence[CleanedDrop], clock: LabelClock, scratch: str
) -> list[StoredFile]:
    """Write the topic's labels for the days of these drops, before the drops' rows are committed.

    Args:
        lake: the lake.
        changed: the drops, cleaned but not committed.
        clock: gives the topic's labels.
        scratch: URL of a folder that is removed after the publication.

    Returns:
        At most one file, which is not part of a table.
    """
    days = [cleaned.first_date for cleaned in changed if cleaned.first_date is not None]
    if clock.topic_labels_since is None or not days:
        return []
    labels = clock.topic_labels_since(min(days))
    output = LabelFile(lake.files, f"{scratch}/topic_labels", "labels")
    with output:
        source = pa.repeat(FROM_TOPIC, labels.num_rows)
        for batch in labels.append_column("source", source).to_batches(_BATCH_ROWS):
            if batch.num_rows:
                output.write_versions(batch)
    written = output.written()
    return [] if written is None else [waiting_file(changed[0].drop, written)]


def _write_versions(
    lake: CleaningTables, drop_labels: DataFrame | None, publication: str
) -> list[DataFile]:
    if drop_labels is None:
        return []
    task = write_versions(lake.files, lake.uri(DROP_LABELS), publication)
    manifests = drop_labels.mapInArrow(task, MANIFEST_SCHEMA).collect()
    written = [json.loads(row.manifest) for row in manifests]
    table_url = lake.uri(DROP_LABELS)
    return [
        WrittenFile(**one["file"]).in_table(table_url, {"drop": one["drop"]}) for one in written
    ]


def write_versions(files: Files, table_url: str, publication: str) -> Task:
    """Return the task that writes rows of `drop_labels`, one file for each drop."""

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


def _merge(
    spark: SparkSession,
    rows: Sequence[StoredFile],
    stored: Sequence[StoredFile],
    topic_labels: Sequence[StoredFile],
    clock: LabelClock,
) -> DataFrame | None:
    """Return the stored versions of ids that still exist, and a new version if the row differs."""
    from pyspark.sql import functions as F

    transactions = read_files(spark, rows, CLEAN_DDL)
    if transactions is None:
        return None
    landed = transactions.withColumn("known_at", due_time(F.col("tx_datetime")))
    versions = read_files(spark, stored, LABEL_DDL)
    if versions is None:
        versions = spark.createDataFrame([], f"{LABEL_DDL}, drop string")
    from_topic = read_files(spark, topic_labels, LABEL_DDL)
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
    first_landed, correction_landed = (
        F.lit(moment).cast("timestamp")
        for moment in (clock.stream_time, clock.corrections_landed_at)
    )
    added = compared.where(is_new | (content != F.col("latest"))).withColumns(
        {
            "source": F.lit(FROM_DROP),
            "counts_from": counts_from_time(
                F.col("tx_datetime"),
                landed_at=F.when(is_new, first_landed).otherwise(correction_landed),
                previous=F.col("latest_from"),
            ),
            "version": (F.coalesce("latest_version", F.lit(0)) + 1).cast("int"),
        }
    )
    owners = landed.select("transaction_id", "drop")
    kept = versions.drop("drop").join(owners, "transaction_id")
    columns = DROP_LABELS.column_names
    return kept.select(columns).unionByName(added.select(columns))


def _not_known(from_topic: DataFrame, versions: DataFrame, landed: DataFrame) -> DataFrame:
    """Return the topic's labels of landed rows that have no version yet.

    Their `known_at` is that of the drop's label, the label delay after the transaction.
    """
    known_at = landed.select("transaction_id", "known_at")
    unknown = known_at.join(versions.select("transaction_id"), "transaction_id", "left_anti")
    return from_topic.drop("known_at").join(unknown, "transaction_id")
