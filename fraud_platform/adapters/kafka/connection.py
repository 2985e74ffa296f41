"""The connection to Kafka, and the translation of its errors.

Here: one connection, the reasons that a client gives in its error callback, one translation of
`KafkaException`.
Not here: getting in (`adapters.kafka.access`), topics, reading, producing (`topics`, `reader`,
`producers` in this package).
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, replace
from typing import Any

from confluent_kafka import KafkaError, KafkaException

from fraud_platform.adapters.kafka.access import PLAINTEXT, Access, access_of
from fraud_platform.adapters.kafka.deliveries import Deliveries
from fraud_platform.contracts.access import Role
from fraud_platform.errors import (
    AccessError,
    DeliveryError,
    FencedError,
    FraudPlatformError,
    Outage,
    TopicChangedError,
)
from fraud_platform.settings import Settings

_KEPT_REASONS = 4
_CIRCUMSTANCE = re.compile(r" \(after \d+ms in state [^)]*(\(s\)[^)]*)?\)")
_MISSING = {
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError._UNKNOWN_TOPIC,
    KafkaError._UNKNOWN_PARTITION,
}
_FORBIDDEN = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
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
        self.last = ""
        self.is_forbidden = False
        """Whether the last reason is a right that is missing."""

    def __call__(self, error: KafkaError) -> None:
        """Store a reason once; the error that all brokers are down is ignored."""
        if error.code() == KafkaError._ALL_BROKERS_DOWN:
            return
        self.last = _CIRCUMSTANCE.sub("", str(error.str()))
        self.is_forbidden = error.code() in _FORBIDDEN
        if self.last not in self._reasons:
            self._reasons.append(self.last)

    def __str__(self) -> str:
        return "; ".join(self._reasons)


@dataclass(frozen=True)
class KafkaConnection:
    """Where Kafka is and how to get in.

    Args:
        bootstrap: `host:port`, comma-separated.
        access: how a client proves itself and whom it trusts.
    """

    bootstrap: str
    access: Access = PLAINTEXT

    @classmethod
    def from_settings(cls, settings: Settings, role: Role = Role.SCORER) -> KafkaConnection:
        """Return the connection that the settings ask for.

        Args:
            role: on the embedded broker, whose user's rights are enough for the work.

        Raises:
            SettingsError: the embedded broker's secrets are not there.
        """
        return cls(settings.kafka, access_of(settings, role))

    def config(self, errors: ClientErrors, **properties: Any) -> dict[str, Any]:
        """Return a client's configuration; `a_b` in a property's name stands for `a.b`.

        Args:
            errors: stores errors that the client reports outside of its calls.
        """
        return {
            "bootstrap.servers": self.bootstrap,
            "client.id": "fraud-platform",
            # What librdkafka would print goes to `errors`, hence into exceptions.
            "log_level": 0,
            "error_cb": errors,
            "reconnect.backoff.max.ms": 2_000,
            **self.access.client_options(),
            **{name.replace("_", "."): value for name, value in properties.items()},
        }

    def portable(self) -> KafkaConnection:
        """Return the connection for a process on another machine: it holds all and no path."""
        return replace(self, access=self.access.portable())

    def outage(
        self, what: str, errors: ClientErrors | None, detail: str = ""
    ) -> Outage | AccessError:
        """Return the error for an unreachable Kafka or a refused login, with the reason."""
        reasons = "; ".join(filter(None, (detail, str(errors or ""))))
        found = f"{what}: Kafka at {self.bootstrap}"
        if errors and errors.is_forbidden:
            return self._forbidden(what, errors.last)
        if remedy := self.access.remedy(errors.last if errors else "", self.bootstrap):
            return AccessError(f"{found} does not let {self.access} in ({reasons}). {remedy}")
        return Outage(
            f"{found} did not answer as expected"
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
        if cause.code() in _FORBIDDEN:
            return self._forbidden(what, cause.str())
        if cause.code() in (KafkaError.MSG_SIZE_TOO_LARGE, KafkaError._MSG_TIMED_OUT):
            return DeliveryError(f"{what}: {cause.str()} {errors or ''}".strip())
        return self.outage(what, errors, f"{cause.name()}: {cause.str()}")

    def _forbidden(self, what: str, detail: str) -> AccessError:
        return AccessError(
            f"{what}: Kafka at {self.bootstrap} refuses {self.access} the right to it ({detail}). "
            "Grant the rights of its role (fraud_platform/contracts/access.py; `fraud-platform up "
            "--secure` does on the embedded broker)."
        )

    def undelivered(
        self, what: str, deliveries: Deliveries, errors: ClientErrors
    ) -> FraudPlatformError | None:
        """Return what is wrong with deliveries; None when every message is acknowledged."""
        problem, first = deliveries.problem(what), deliveries.first_error
        if problem is None:
            return None
        if first is not None and (is_fenced(first) or first.code() in _FORBIDDEN):
            return self.translate(what, KafkaException(first), errors)
        if self.access.remedy(errors.last, self.bootstrap):
            return self.outage(what, errors, problem)
        return DeliveryError(f"{problem} {errors}".strip())


def is_fenced(error: KafkaError) -> bool:
    """Return whether another producer of the same transactional id took over."""
    return error.code() in _FENCED


def missing_topic(what: str, detail: str) -> TopicChangedError:
    """Return the error for a missing topic."""
    return TopicChangedError(
        f"{what}: expected the topic to exist, found none ({detail}). `fraud-platform up` creates "
        "the topics of the contract; on a cluster of your own, create it or set its "
        "FRAUD_*_TOPIC."
    )
