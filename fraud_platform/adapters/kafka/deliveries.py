"""Delivery of produced messages, counted by the client's callbacks.

Here: the counts and what they say.
Not here: producing (`adapters.kafka.producers`).
"""

from __future__ import annotations

from dataclasses import dataclass

from confluent_kafka import KafkaError, Message


@dataclass(frozen=True)
class Delivered:
    """What became of messages: handed over, acknowledged by the broker, failed."""

    sent: int
    acked: int
    errors: int


class Deliveries:
    """Counts delivery callbacks; it is the callback."""

    def __init__(self) -> None:
        self.sent = self.acked = self.errors = 0
        self.first_error: KafkaError | None = None

    def __call__(self, error: KafkaError | None, message: Message) -> None:
        """Count one answer of the broker."""
        if error is None:
            self.acked += 1
        else:
            self.errors += 1
            self.first_error = self.first_error or error

    @property
    def counts(self) -> Delivered:
        """What became of the messages so far."""
        return Delivered(self.sent, self.acked, self.errors)

    def problem(self, what: str) -> str | None:
        """Return what is wrong with the counts, or None when every message is acknowledged."""
        if self.acked == self.sent and self.errors == 0:
            return None
        why = self.first_error.str() if self.first_error else "no answer from the broker in time"
        return (
            f"{what}: expected {self.sent} acknowledged, found {self.acked} and {self.errors} "
            f"failed ({why})"
        )
