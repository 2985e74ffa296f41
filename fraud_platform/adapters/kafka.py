"""Kafka, as the rest of the platform sees it: one name for its parts.

Here: the names to import.
Not here: their code (`kafka_connection`, `kafka_topics`, `kafka_reader`, `kafka_producers`).
"""

from __future__ import annotations

from fraud_platform.adapters.kafka_connection import KafkaConnection
from fraud_platform.adapters.kafka_producers import (
    Delivered,
    IdempotentProducer,
    Record,
    TransactionalProducer,
)
from fraud_platform.adapters.kafka_reader import RangeReader
from fraud_platform.adapters.kafka_topics import Topics, TopicState

__all__ = [
    "Delivered",
    "IdempotentProducer",
    "KafkaConnection",
    "RangeReader",
    "Record",
    "TopicState",
    "Topics",
    "TransactionalProducer",
]
