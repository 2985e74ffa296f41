"""Messages that wait because their producer has not ended its transaction.

Here: how many there are and since when: the last stable offset against the high watermark.
Not here: the end of what is committed, up to which scoring reads (`adapters.kafka.topics`).
"""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime

from confluent_kafka import TIMESTAMP_NOT_AVAILABLE, Consumer, TopicPartition

from fraud_platform.adapters.kafka.connection import ClientErrors, KafkaConnection
from fraud_platform.adapters.kafka.topics import Topics
from fraud_platform.contracts.messages import SCORER_GROUP

_LOOK_SECONDS = 3.0
_POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Uncommitted:
    """The messages after the last stable offset of a topic.

    Attributes:
        offsets: how many there are.
        partitions: those that have some, ascending.
        since: the time of the oldest message among them, None if none could be read.
    """

    offsets: int
    partitions: tuple[int, ...]
    since: datetime | None

    @property
    def seconds(self) -> float:
        """How long the oldest one waits; 0 if that is not known."""
        return 0.0 if self.since is None else (datetime.now(UTC) - self.since).total_seconds()

    def __str__(self) -> str:
        where = ", ".join(map(str, self.partitions))
        since = ""
        if self.since is not None:
            since = f" since {self.since:%Y-%m-%d %H:%M:%S} UTC ({self.seconds:.0f} s)"
        return (
            f"{self.offsets:,} offsets in partitions {where} wait{since} for a producer to commit "
            "or abort its transaction"
        )


def uncommitted(connection: KafkaConnection, topics: Topics, topic: str) -> Uncommitted | None:
    """Return what waits on a topic for the end of a transaction, None if nothing does.

    Raises:
        Outage: Kafka does not answer.
    """
    partitions = topics.describe(topic).partitions
    # in this order: what is committed in between must not look as if it waited
    highs = topics.high_watermarks(topic, partitions)
    stable = topics.ends(topic, partitions)
    waiting = {p: (stable[p], high) for p, high in highs.items() if high > stable[p]}
    if not waiting:
        return None
    count = sum(high - low for low, high in waiting.values())
    since = _oldest(connection, topic, {p: low for p, (low, _) in waiting.items()})
    return Uncommitted(count, tuple(sorted(waiting)), since)


def _oldest(connection: KafkaConnection, topic: str, starts: dict[int, int]) -> datetime | None:
    """Return the time of the oldest first message of some partitions, in bounded time."""
    errors = ClientErrors()
    config = connection.config(
        errors,
        group_id=SCORER_GROUP,
        enable_auto_commit=False,
        isolation_level="read_uncommitted",
        auto_offset_reset="latest",
    )
    times: dict[int, int] = {}
    deadline = time.monotonic() + _LOOK_SECONDS
    # it is assigned its partitions, so it never joins the group
    with closing(Consumer(config)) as consumer:
        consumer.assign([TopicPartition(topic, p, start) for p, start in starts.items()])
        while len(times) < len(starts) and time.monotonic() < deadline:
            message = consumer.poll(_POLL_SECONDS)
            if message is None or message.error():
                continue
            kind, milliseconds = message.timestamp()
            is_known = kind != TIMESTAMP_NOT_AVAILABLE
            times.setdefault(message.partition() or 0, milliseconds if is_known else 0)
    now = datetime.now(UTC)
    known = [ms for ms in times.values() if 0 < ms <= now.timestamp() * 1000]
    return datetime.fromtimestamp(min(known) / 1000, tz=UTC) if known else None
