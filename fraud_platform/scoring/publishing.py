"""Publishing predictions and dead letters, always read back from the tables.

Here: `Publication`, which publishes the committed micro-batches.
Not here: committing (`scoring.log`), Kafka transactions (`adapters.kafka`).

Guarantee: a micro-batch's messages, the consumer group's offsets after it and its number are one
Kafka transaction. Readers with `read_committed` see each prediction once, however often a run dies.
The number is stored as the group's offset on partition 0 of the labels topic. Kafka deletes offsets
with their topic, so the number survives when the transactions topic is deleted and recreated.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from fraud_platform.contracts.active import SOURCE
from fraud_platform.contracts.messages import DEAD_LETTER_HEADERS, SCORER_GROUP
from fraud_platform.kill_points import kill_point
from fraud_platform.scoring.log import ScoringLog, offsets_in

if TYPE_CHECKING:
    from fraud_platform.contracts.ports import Files
    from fraud_platform.scoring.ports import Broker, Publisher

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
    *(
        SOURCE.key_texts[name]
        for name in ("transaction_id", "customer_id")
        if name in SOURCE.key_texts
    ),
]

_NUMBER_PARTITION = 0


@dataclass(frozen=True)
class Topics:
    """Names of the topics that scoring reads and writes, and the id of the one it reads.

    Attributes:
        labels: on its partition 0 the group stores the number of the last published micro-batch.
    """

    transactions: str
    predictions: str
    dead_letters: str
    labels: str
    topic_id: str


def last_published(log: ScoringLog, broker: Broker, topics: Topics) -> int:
    """Return the last micro-batch that is published.

    A long idle group may have lost its number. Then only the last micro-batch is in doubt, because
    each one is published before the next is committed. The group's offsets decide; if they are
    lost too, the micro-batch counts as not published, because twice is better than never.
    """
    numbers = broker.group_offsets(SCORER_GROUP, topics.labels, topics.transactions)
    number = numbers.get(_NUMBER_PARTITION)
    if number is not None:
        # a greater number belongs to another lake
        return min(number, log.number)
    group = broker.group_offsets(SCORER_GROUP, topics.transactions)
    return log.number if offsets_in(log.last()) == group else max(0, log.number - 1)


class Publication:
    """Keeps the topics of results up to date with the log, under the lease.

    Args:
        log: the committed micro-batches.
        publisher: publishes under the lease.
        broker: reports what was published.
        topics: names of the topics.
    """

    def __init__(
        self, log: ScoringLog, publisher: Publisher, broker: Broker, topics: Topics
    ) -> None:
        self.log, self.topics, self.broker = log, topics, broker
        self._publisher = publisher

    def take_lease(self) -> int:
        """Take the lease and publish what another scorer left; return the number of predictions."""
        self._publisher.fence()
        return self.catch_up()

    def catch_up(self) -> int:
        """Publish committed, unpublished micro-batches; return the number of predictions.

        Raises:
            FencedError: another scorer has the lease, even if there is nothing to publish.
        """
        log = self.log
        log.settle()
        first = last_published(log, self.broker, self.topics)
        if first >= log.number:
            self._move([], log.last())
            return 0
        predictions = log.rows_above(first, PUBLISHED_COLUMNS)
        dead = log.dead_above(first)
        for metadata in sorted(log.commits_above(first), key=itemgetter("number")):
            self.publish(
                predictions.filter(pc.equal(predictions["micro_batch"], metadata["number"])),
                dead.filter(pc.equal(dead["micro_batch"], metadata["number"])),
                metadata,
            )
        return predictions.num_rows

    def publish(
        self, predictions: pa.Table | None, dead: pa.Table | None, metadata: Mapping[str, Any]
    ) -> None:
        """Publish one micro-batch, its number and the offsets after it, all or nothing.

        Args:
            metadata: the metadata of its commit.
        """
        kill_point("scoring.before_publish")

        def records() -> Iterator[tuple[str, Any, Any, Any]]:
            if predictions is not None and predictions.num_rows:
                yield from _predictions(predictions, self.topics.predictions)
            if dead is not None and dead.num_rows:
                yield from _dead_letters(dead, self.topics)
            kill_point("scoring.within_publish")

        self._move(records(), metadata)
        kill_point("scoring.published")

    def _move(self, records: Iterable[Any], metadata: Mapping[str, Any]) -> None:
        """Publish records, and move the group's offsets to the end of the commit's micro-batch."""
        is_same = metadata.get("topic_id") == self.topics.topic_id
        ends = offsets_in(metadata) if is_same else {}
        number = {(self.topics.labels, _NUMBER_PARTITION): int(metadata.get("number", 0))}
        offsets = {(self.topics.transactions, p): end for p, end in ends.items()}
        # the note names the number's owner: another platform may use the same labels topic
        note = self.topics.transactions
        self._publisher.transaction(records, SCORER_GROUP, number | offsets, note)


def read_back(files: Files, urls: list[str]) -> pa.Table | None:
    """Return the columns of predictions from files just committed; None without files."""
    tables = []
    for url in urls:
        with files.open_input(url) as file:
            # read_table looks for a dataset first, which takes as long as reading a small file
            tables.append(pq.ParquetFile(file).read(PUBLISHED_COLUMNS))
    return pa.concat_tables(tables) if tables else None


def _predictions(rows: pa.Table, topic: str) -> Iterator[tuple[str, bytes, bytes, None]]:
    ids = [_texts(rows, name) for name in ("transaction_id", "customer_id")]
    places = [rows[name].to_pylist() for name in ("source_partition", "source_offset")]
    probability = rows["fraud_probability"].to_pylist()
    is_alert = rows["is_alert"].to_pylist()
    reasons = rows["reasons"].to_pylist()
    tails = _tails(rows)
    quoted = json.dumps if "transaction_id" in SOURCE.key_texts else str
    for i, (transaction, customer, partition, offset) in enumerate(zip(*ids, *places, strict=True)):
        alert = _alert(reasons[i]) if is_alert[i] else '"is_alert": false, "reasons": []'
        yield (
            topic,
            customer.encode(),
            (
                f'{{"transaction_id": {quoted(transaction)}, '
                f'"fraud_probability": {probability[i]!r}, {alert}, '
                f'"source_partition": {partition}, "source_offset": {offset}, {tails[i]}'
            ).encode(),
            None,
        )


def _texts(rows: pa.Table, name: str) -> list[str]:
    """Return the keys of a column as the sender wrote them."""
    if name in SOURCE.key_texts:
        texts: list[str] = rows[SOURCE.key_texts[name]].to_pylist()
        return texts
    return [*map(str, rows[name].to_pylist())]


def _alert(reasons: list[str] | None) -> str:
    listed = ", ".join(f'"{reason}"' for reason in reasons or [])
    return f'"is_alert": true, "reasons": [{listed}]'


def _tails(rows: pa.Table) -> list[str]:
    """Return the end of each message; it is equal for rows of one model and time."""
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
            [(name, headers[name].encode()) for name in DEAD_LETTER_HEADERS],
        )
