"""Kafka: the cluster, or the embedded broker, and the topics.

Here: where it is and what its topics are called.
Not here: clients (`fraud_platform.adapters.kafka`), what messages hold (`contracts.messages`).
"""

from __future__ import annotations

from functools import cached_property

from pydantic import Field

from fraud_platform.settings.base import HomeSettings

_TOPIC = r"^[a-zA-Z0-9._-]{1,249}$"


class KafkaSettings(HomeSettings):
    """Kafka: a cluster of yours, else the embedded broker."""

    kafka_bootstrap: str | None = Field(
        default=None,
        pattern=r"^[^\s,:/]+:\d+(,[^\s,:/]+:\d+)*$",
        description="host:port of a Kafka cluster, comma-separated; without it, the embedded one.",
    )
    kafka_port: int = Field(
        default=9092, ge=1024, le=65535, description="Port of the embedded Kafka broker."
    )
    kafka_partitions: int = Field(
        default=12, ge=1, description="Partitions of the topics that the platform creates."
    )
    transactions_topic: str = Field(
        default="transactions", pattern=_TOPIC, description="Topic of live transactions."
    )
    labels_topic: str = Field(
        default="labels", pattern=_TOPIC, description="Topic of labels, from investigations."
    )
    predictions_topic: str = Field(
        default="predictions", pattern=_TOPIC, description="Topic of published scores."
    )
    dead_letters_topic: str = Field(
        default="transactions.dlq", pattern=_TOPIC, description="Topic of unusable messages."
    )

    @cached_property
    def kafka(self) -> str:
        """Kafka's bootstrap servers: the cluster that is set, else the embedded broker."""
        return self.kafka_bootstrap or f"127.0.0.1:{self.kafka_port}"
