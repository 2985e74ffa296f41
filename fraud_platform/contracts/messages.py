"""Kafka's contract: topics, the fields of messages, the headers of dead letters.

Here: names and limits, the configuration of each topic, messages as columns.
Not here: reading or writing messages (`fraud_platform.adapters.kafka`), decoding a message
(`fraud_platform.scoring`), dead-letter reasons (`contracts.dead_letter_reasons`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fraud_platform.contracts.drops import MISSPELT_TRANSACTION_ID
from fraud_platform.contracts.time import SECONDS_PER_DAY

if TYPE_CHECKING:
    from fraud_platform.settings import Settings

SCORER_GROUP = "fraud-platform-scorer"
"""Consumer group of the scorer's published offsets."""

READER_GROUP = "fraud-platform-reader"
"""Consumer group of readers that commit no offsets."""

FOLLOWER_GROUP = "fraud-platform-follower"
"""Prefix of the consumer group whose members are the followers of a topic."""

TRANSACTION_FIELDS: tuple[str, ...] = (
    "transaction_id",
    "tx_datetime",
    "customer_id",
    "terminal_id",
    "tx_amount",
)
"""Fields of a transaction's JSON, in order; they never include the label."""

TRANSACTION_ID_ALIAS = MISSPELT_TRANSACTION_ID
"""Alternative spelling of transaction_id that is also accepted."""

LABEL_FIELDS: tuple[str, ...] = ("transaction_id", "is_fraud", "fraud_scenario", "known_at")
"""Fields of a label's JSON, in order."""

DEAD_LETTER_HEADERS: tuple[str, ...] = (
    "reason",
    "detail",
    "source_topic",
    "source_partition",
    "source_offset",
    "failed_at",
)
"""Headers of a dead letter; its key and value are the bytes as received."""

MAX_MESSAGE_BYTES = 8 * 1024 * 1024
"""Largest message of a topic; larger than a transaction, so that oversized messages arrive."""

MAX_TRANSACTION_BYTES = 1024 * 1024
"""A longer value is not a transaction and is not parsed."""

TIMESTAMP_TYPE, LOG_APPEND_TIME = "message.timestamp.type", "LogAppendTime"
"""The broker writes a message's time as it arrives; see `docs/event_time.md`."""

_DAY_MS = SECONDS_PER_DAY * 1000


@dataclass(frozen=True)
class Messages:
    """Messages as parallel columns; the messages of a partition are in offset order."""

    partition: NDArray[np.int32]
    offset: NDArray[np.int64]
    timestamp_ms: NDArray[np.int64]
    keys: list[bytes | None]
    values: list[bytes | None]

    def __len__(self) -> int:
        return len(self.values)

    @cached_property
    def size_bytes(self) -> int:
        """Total size of all values in bytes."""
        return sum(len(value) for value in self.values if value is not None)

    def part(self, start: int, stop: int) -> Messages:
        """Return the messages at positions [start, stop)."""
        part = slice(start, stop)
        return Messages(
            self.partition[part],
            self.offset[part],
            self.timestamp_ms[part],
            self.keys[part],
            self.values[part],
        )

    def take(self, rows: NDArray[np.intp]) -> Messages:
        """Return the messages at these positions."""
        chosen = rows.tolist()
        return Messages(
            self.partition[rows],
            self.offset[rows],
            self.timestamp_ms[rows],
            [self.keys[i] for i in chosen],
            [self.values[i] for i in chosen],
        )

    def stamped(self, timestamp_ms: NDArray[np.int64]) -> Messages:
        """Return the messages with other timestamps."""
        return replace(self, timestamp_ms=timestamp_ms)

    @classmethod
    def join(cls, parts: Sequence[Messages]) -> Messages:
        """Return the concatenated messages of all parts."""
        return cls(
            np.concatenate([np.zeros(0, np.int32), *(part.partition for part in parts)]),
            np.concatenate([np.zeros(0, np.int64), *(part.offset for part in parts)]),
            np.concatenate([np.zeros(0, np.int64), *(part.timestamp_ms for part in parts)]),
            list(chain.from_iterable(part.keys for part in parts)),
            list(chain.from_iterable(part.values for part in parts)),
        )


@dataclass(frozen=True)
class TopicSpec:
    """The name, number of partitions and configuration of a topic."""

    name: str
    partitions: int
    config: Mapping[str, str] = field(default_factory=dict)


def lease_of(topic: str) -> str:
    """Return a topic's transactional id; only the latest producer with this id may write."""
    return f"{SCORER_GROUP}-{topic}"


def topic_specs(settings: Settings) -> tuple[TopicSpec, ...]:
    """Return the contract's topics with the names and partitions from the settings."""
    retention_days = {
        settings.transactions_topic: 14,
        settings.labels_topic: 30,
        settings.predictions_topic: 14,
        settings.dead_letters_topic: 60,
    }
    return tuple(
        TopicSpec(
            name,
            settings.kafka_partitions,
            {
                "cleanup.policy": "delete",
                # Retention counts from arrival, and no producer's clock has a batch refused.
                TIMESTAMP_TYPE: LOG_APPEND_TIME,
                "retention.ms": str(days * _DAY_MS),
                # A dead letter is larger than its message, because it has headers.
                "max.message.bytes": str(
                    MAX_MESSAGE_BYTES * (2 if name == settings.dead_letters_topic else 1)
                ),
            },
        )
        for name, days in retention_days.items()
    )
