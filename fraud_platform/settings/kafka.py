"""Kafka: the cluster or the embedded broker, and the topics.

Here: its address, authentication, and the names of the topics.
Not here: clients (`fraud_platform.adapters.kafka`), message formats (`contracts.messages`).
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr

from fraud_platform.settings.base import HomeSettings

_TOPIC = r"^[a-zA-Z0-9._-]{1,249}$"


class KafkaSettings(HomeSettings):
    """Kafka: your cluster, or the embedded broker."""

    kafka_bootstrap: str | None = Field(
        default=None,
        pattern=r"^[^\s,:/]+:\d+(,[^\s,:/]+:\d+)*$",
        description="host:port of a cluster, comma-separated; if unset, the embedded broker.",
    )
    kafka_port: int = Field(
        default=9092, ge=1024, le=65535, description="Port of the embedded Kafka broker."
    )
    kafka_security: Literal["plaintext", "sasl_ssl"] | None = Field(
        default=None,
        description="plaintext, or sasl_ssl with SCRAM-SHA-512; if unset, what `up` started.",
    )
    kafka_user: str | None = Field(default=None, min_length=1, description="User for sasl_ssl.")
    kafka_password: SecretStr | None = Field(default=None, description="Password of that user.")
    kafka_ca_file: Path | None = Field(
        default=None, description="PEM file of the CA that signed the brokers' certificates."
    )
    kafka_partitions: int = Field(
        default=12, ge=1, description="Partitions of the topics that the platform creates."
    )
    transactions_topic: str = Field(
        default="transactions", pattern=_TOPIC, description="Topic of live transactions."
    )
    labels_topic: str = Field(
        default="labels", pattern=_TOPIC, description="Topic of fraud labels."
    )
    predictions_topic: str = Field(
        default="predictions", pattern=_TOPIC, description="Topic of published scores."
    )
    dead_letters_topic: str = Field(
        default="transactions.dlq", pattern=_TOPIC, description="Topic of dead letters."
    )

    @property
    def kafka_secrets(self) -> Path:
        """Folder with the embedded broker's certificates and the passwords of its users."""
        return self.home / "kafka" / "secrets"

    @property
    def is_kafka_secured(self) -> bool:
        """Whether clients use SASL_SSL: as set, else as the embedded broker was started."""
        if self.kafka_security is None and self.kafka_bootstrap is None:
            return self.kafka_secrets.is_dir()
        return self.kafka_security == "sasl_ssl"

    @cached_property
    def kafka(self) -> str:
        """Bootstrap servers of the configured cluster, or of the embedded broker."""
        return self.kafka_bootstrap or f"127.0.0.1:{self.kafka_port}"
