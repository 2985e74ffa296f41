"""How to reach Kafka, and what its errors mean here.

Here: one connection (the only place where security enters), the reasons that a client gives in its
error callback, one translation of `KafkaException`.
Not here: topics, reading, producing (`adapters.kafka_topics`, `kafka_reader`, `kafka_producers`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import KafkaError, KafkaException

from fraud_platform.errors import (
    DeliveryError,
    FencedError,
    FraudPlatformError,
    Outage,
    TopicChangedError,
)
from fraud_platform.settings import Settings

_KEPT_REASONS = 4
_MISSING = {
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError._UNKNOWN_TOPIC,
    KafkaError._UNKNOWN_PARTITION,
}
_FENCED = {
    KafkaError._FENCED,
    KafkaError.PRODUCER_FENCED,
    KafkaError.INVALID_PRODUCER_EPOCH,
}


class ClientErrors:
    """The last reasons that a client gave; a failing call itself only says `_TRANSPORT`."""

    def __init__(self) -> None:
        self._reasons: deque[str] = deque(maxlen=_KEPT_REASONS)

    def __call__(self, error: KafkaError) -> None:
        """Keep a reason, once."""
        reason = str(error.str())
        if reason not in self._reasons:
            self._reasons.append(reason)

    def __str__(self) -> str:
        return "; ".join(self._reasons)


@dataclass(frozen=True)
class KafkaConnection:
    """Where Kafka is and how to get in.

    Args:
        bootstrap: `host:port`, comma-separated.
        options: librdkafka properties that every client gets, security among them.
    """

    bootstrap: str
    options: Mapping[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def from_settings(cls, settings: Settings) -> KafkaConnection:
        """Return the connection that the settings ask for."""
        return cls(settings.kafka)

    def config(self, errors: ClientErrors, **properties: Any) -> dict[str, Any]:
        """Return a client's configuration; `a_b` in a property's name stands for `a.b`.

        Args:
            errors: keeps what the client reports beside its calls.
        """
        return {
            "bootstrap.servers": self.bootstrap,
            "client.id": "fraud-platform",
            # What librdkafka would print goes to `errors`, hence into exceptions.
            "log_level": 0,
            "error_cb": errors,
            "reconnect.backoff.max.ms": 2_000,
            **self.options,
            **{name.replace("_", "."): value for name, value in properties.items()},
        }

    def spark_options(self) -> dict[str, str]:
        """Return what Spark's Kafka source needs to reach the same cluster."""
        return {"kafka.bootstrap.servers": self.bootstrap}

    def outage(self, what: str, errors: ClientErrors | None, detail: str = "") -> Outage:
        """Return the error that says that Kafka is away, with every reason known."""
        reasons = "; ".join(filter(None, (detail, str(errors or ""))))
        return Outage(
            f"{what}: Kafka at {self.bootstrap} did not answer as expected"
            f"{f' ({reasons})' if reasons else ''}. Check that the broker runs (fraud-platform "
            "status) and that FRAUD_KAFKA_BOOTSTRAP names it."
        )

    def translate(
        self, what: str, error: KafkaException, errors: ClientErrors | None = None
    ) -> FraudPlatformError:
        """Return the platform's error for a client's exception."""
        cause: KafkaError = error.args[0]
        if is_fenced(cause):
            return FencedError(
                f"{what}: another scorer took the lease ({cause.str()}). Stop this one; what it "
                "had not committed is done by the other."
            )
        if cause.code() in _MISSING:
            return missing_topic(what, cause.str())
        if cause.code() in (KafkaError.MSG_SIZE_TOO_LARGE, KafkaError._MSG_TIMED_OUT):
            return DeliveryError(f"{what}: {cause.str()} {errors or ''}".strip())
        return self.outage(what, errors, f"{cause.name()}: {cause.str()}")


def is_fenced(error: KafkaError) -> bool:
    """Tell whether another producer of the same transactional id took over."""
    return error.code() in _FENCED


def missing_topic(what: str, detail: str) -> TopicChangedError:
    """Return the error that says that a topic is not there."""
    return TopicChangedError(
        f"{what}: expected the topic to exist, found none ({detail}). `fraud-platform up` creates "
        "the topics of the contract; on a cluster of your own, create it or set its "
        "FRAUD_*_TOPIC."
    )
