"""What travels through Kafka: topics, the fields of messages, the headers of dead letters.

Here: names and limits, and how each topic is created.
Not here: reading or writing them (`fraud_platform.adapters.kafka`), judging a message
(`fraud_platform.scoring`), why a message is dead (`contracts.reasons`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fraud_platform.contracts.drops import MISSPELT_TRANSACTION_ID

if TYPE_CHECKING:
    from fraud_platform.settings import Settings

SCORER_GROUP = "fraud-platform-scorer"
"""Consumer group under which the scorer's published offsets are kept."""

TRANSACTION_FIELDS: tuple[str, ...] = (
    "transaction_id",
    "tx_datetime",
    "customer_id",
    "terminal_id",
    "tx_amount",
)
"""Fields of a transaction's JSON, in order; a label is never among them."""

TRANSACTION_ID_ALIAS = MISSPELT_TRANSACTION_ID
"""Spelling of transaction_id that is taken as well."""

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
"""Headers that a dead letter carries beside the bytes as received."""

MAX_MESSAGE_BYTES = 8 * 1024 * 1024
"""Largest message that the topics take; what is too large to be a transaction still arrives."""

_DAY_MS = 24 * 3600 * 1000


@dataclass(frozen=True)
class TopicSpec:
    """How a topic is created: its name, its partitions, its configuration."""

    name: str
    partitions: int
    config: Mapping[str, str] = field(default_factory=dict)


def topic_specs(settings: Settings) -> tuple[TopicSpec, ...]:
    """Return the contract's topics under the names and partitions of these settings."""
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
                "retention.ms": str(days * _DAY_MS),
                # A dead letter is its message with headers around it.
                "max.message.bytes": str(
                    MAX_MESSAGE_BYTES * (2 if name == settings.dead_letters_topic else 1)
                ),
            },
        )
        for name, days in retention_days.items()
    )
