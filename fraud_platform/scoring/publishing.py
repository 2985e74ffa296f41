"""Predictions and dead letters as messages, always read back from the tables.

Here: `publish_committed`, which brings the topics up to date with the committed micro-batches.
Not here: committing (`scoring.log`), Kafka transactions (`adapters.kafka`).

Guarantee: a micro-batch's messages and the consumer group's offsets behind it are one Kafka
transaction. Readers with `read_committed` see each prediction once, however often a run dies.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from fraud_platform.contracts.messages import SCORER_GROUP
from fraud_platform.faults import kill_point
from fraud_platform.scoring.log import Offsets, ScoringLog, offsets_in

if TYPE_CHECKING:
    from fraud_platform.adapters.storage.files import ByteFiles
    from fraud_platform.scoring.ports import Publisher

PUBLISHED_COLUMNS = [
    "transaction_id",
    "customer_id",
    "fraud_probability",
    "is_alert",
    "threshold",
    "model_name",
    "model_version",
    "scored_at",
    "source_partition",
    "source_offset",
    "reasons",
    "micro_batch",
    "produced_at",
]


@dataclass(frozen=True)
class Topics:
    """Names of the topics that scoring reads and writes, and the id of the one it reads."""

    transactions: str
    predictions: str
    dead_letters: str
    topic_id: str


def publish_committed(
    log: ScoringLog, publisher: Publisher, group_offsets: Offsets, topics: Topics
) -> int:
    """Publish what is committed and not yet published; return how many predictions."""
    first = log.published(group_offsets, topics.topic_id)
    if first >= log.number:
        return 0
    predictions = log.rows_above(first, PUBLISHED_COLUMNS)
    dead = log.dead_above(first)
    ends = {int(said["number"]): offsets_in(said) for said in log.commits_above(first)}
    for number in sorted(ends):
        publish_batch(
            publisher,
            topics,
            predictions.filter(pc.equal(predictions["micro_batch"], number)),
            dead.filter(pc.equal(dead["micro_batch"], number)),
            ends[number],
        )
    return predictions.num_rows


def read_back(files: ByteFiles, urls: list[str]) -> pa.Table | None:
    """Return what predictions need of files just committed; None without files."""
    tables = []
    for url in urls:
        with files.open_input(url) as file:
            tables.append(pq.read_table(file, columns=PUBLISHED_COLUMNS))
    return pa.concat_tables(tables) if tables else None


def publish_batch(
    publisher: Publisher,
    topics: Topics,
    predictions: pa.Table | None,
    dead: pa.Table | None,
    end_offsets: Offsets,
) -> None:
    """Publish one micro-batch and the offsets behind it, all or nothing."""
    kill_point("scoring.before_publish")

    def records() -> Iterator[tuple[str, Any, Any, Any]]:
        if predictions is not None and predictions.num_rows:
            yield from _predictions(predictions, topics.predictions)
        if dead is not None and dead.num_rows:
            yield from _dead_letters(dead, topics)
        kill_point("scoring.within_publish")

    offsets = {(topics.transactions, p): end for p, end in end_offsets.items()}
    publisher.transaction(records(), SCORER_GROUP, offsets)
    kill_point("scoring.published")


def _predictions(rows: pa.Table, topic: str) -> Iterator[tuple[str, bytes, bytes, None]]:
    columns = {name: rows[name].to_pylist() for name in ("transaction_id", "customer_id")}
    columns |= {name: rows[name].to_pylist() for name in ("source_partition", "source_offset")}
    probability = rows["fraud_probability"].to_pylist()
    is_alert = rows["is_alert"].to_pylist()
    reasons = rows["reasons"].to_pylist()
    tails = _tails(rows)
    for i, (transaction, customer, partition, offset) in enumerate(
        zip(*columns.values(), strict=True)
    ):
        alert = _alert(reasons[i]) if is_alert[i] else '"is_alert": false, "reasons": []'
        yield (
            topic,
            b"%d" % customer,
            (
                f'{{"transaction_id": {transaction}, "fraud_probability": {probability[i]!r}, '
                f'{alert}, "source_partition": {partition}, "source_offset": {offset}, {tails[i]}'
            ).encode(),
            None,
        )


def _alert(reasons: list[str] | None) -> str:
    listed = ", ".join(f'"{reason}"' for reason in reasons or [])
    return f'"is_alert": true, "reasons": [{listed}]'


def _tails(rows: pa.Table) -> list[str]:
    """Return the part of each message that is the same for all rows of one model and moment."""
    common = rows.select(["threshold", "model_name", "model_version", "scored_at"]).combine_chunks()
    begins = np.zeros(rows.num_rows, dtype=bool)
    begins[:1] = True
    for column in common.columns:
        codes = column.combine_chunks().dictionary_encode().indices.to_numpy()
        begins[1:] |= codes[1:] != codes[:-1]
    texts = [
        f'"threshold": {row["threshold"]!r}, "model_name": "{row["model_name"]}", '
        f'"model_version": {row["model_version"]}, "scored_at": "{_time(row["scored_at"])}"}}'
        for row in common.filter(pa.array(begins)).to_pylist()
    ]
    return [texts[i] for i in (np.cumsum(begins) - 1).tolist()]


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")


def _dead_letters(rows: pa.Table, topics: Topics) -> Iterator[tuple[str, Any, Any, Any]]:
    for row in rows.to_pylist():
        headers = {
            "reason": row["reason"],
            "detail": row["detail"],
            "source_topic": topics.transactions,
            "source_partition": str(row["source_partition"]),
            "source_offset": str(row["source_offset"]),
            "failed_at": _time(row["failed_at"]),
        }
        yield (
            topics.dead_letters,
            row["message_key"],
            row["message_value"],
            [(name, text.encode()) for name, text in headers.items()],
        )
