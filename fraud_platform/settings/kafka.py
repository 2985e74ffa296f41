"""Kafka: the cluster, or the embedded broker, and the topics.

Here: where it is, how to get in, and what its topics are called.
Not here: clients (`fraud_platform.adapters.kafka`), what messages hold (`contracts.messages`).
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr

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
    kafka_security: Literal["plaintext", "sasl_ssl"] | None = Field(
        default=None,
        description="plaintext, or sasl_ssl with SCRAM-SHA-512; without it, what `up` started.",
    )
    kafka_user: str | None = Field(default=None, min_length=1, description="User of sasl_ssl.")
    kafka_password: SecretStr | None = Field(default=None, description="That user's password.")
    kafka_ca_file: Path | None = Field(
        default=None, description="PEM file of the CA that vouches for the brokers' certificates."
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

    @property
    def kafka_secrets(self) -> Path:
        """Folder of the embedded broker's certificates and its users' passwords."""
        return self.home / "kafka" / "secrets"

    @property
    def is_kafka_secured(self) -> bool:
        """Whether clients speak SASL_SSL: as it is set, else as the embedded broker was started."""
        if self.kafka_security is None and self.kafka_bootstrap is None:
            return self.kafka_secrets.is_dir()
        return self.kafka_security == "sasl_ssl"

    @cached_property
    def kafka(self) -> str:
        """Kafka's bootstrap servers: the cluster that is set, else the embedded broker."""
        return self.kafka_bootstrap or f"127.0.0.1:{self.kafka_port}"
