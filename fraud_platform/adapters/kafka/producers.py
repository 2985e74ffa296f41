"""Producing, with every delivery counted: in transactions under a lease, and plainly.

Here: two producers and what they report.
Not here: what is produced and when (`fraud_platform.scoring`, `operations.live.produce`).
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import repeat
from typing import Any, NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from fraud_platform.adapters.kafka.connection import ClientErrors, KafkaConnection
from fraud_platform.adapters.kafka.deliveries import Delivered, Deliveries
from fraud_platform.contracts.messages import MAX_MESSAGE_BYTES
from fraud_platform.errors import DeliveryError, FencedError, FraudPlatformError

Headers = list[tuple[str, str | bytes | None]]
_SILENT = logging.getLogger(f"{__name__}.silent")
_SILENT.disabled = True
_POLL_EVERY = 10_000
_FULL_QUEUE_SECONDS = 0.05
_TRIES, _RETRY_SECONDS = 5, 0.2
_SPARE_SECONDS = 2.0
"""The client looks for messages whose time is over once a second, and then says what became of
them."""
_ABORT_SECONDS = 5.0
"""A broker that answers aborts at once; of one that does not, nothing more is asked."""
_TUNING = {
    # The same key goes to the same partition as with the Java client.
    "partitioner": "murmur2_random",
    "enable.idempotence": True,
    "linger.ms": 5,
    "batch.size": 256 * 1024,
    "batch.num.messages": 10_000,
    "queue.buffering.max.messages": 500_000,
    "queue.buffering.max.kbytes": 512 * 1024,
    # Twice what topics take, so that it is the broker that judges.
    "message.max.bytes": 2 * MAX_MESSAGE_BYTES + 1024 * 1024,
}


class Record(NamedTuple):
    """One message to produce."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers | None = None


class TransactionalProducer:
    """Produces under a lease: one transactional id, of which the latest `fence` alone may write.

    Guarantee: `transaction` returned means that readers with `read_committed` will see all of its
    messages (milliseconds later, once the broker has marked them) and the group all its offsets;
    raised means that they see none, but for a commit whose answer was lost: that one Kafka
    finishes either way, and the next `fence` waits until it has.
    """

    def __init__(
        self, connection: KafkaConnection, transactional_id: str, timeout_seconds: float = 30.0
    ) -> None:
        self._connection, self._seconds = connection, timeout_seconds
        self._given_up_seconds = max(60.0, 2 * timeout_seconds)
        self._what = f"transaction of {transactional_id}"
        self._errors = ClientErrors()
        self._producer = Producer(
            {
                **connection.config(
                    self._errors,
                    transactional_id=transactional_id,
                    transaction_timeout_ms=int(1_000 * self._given_up_seconds),
                ),
                **_TUNING,
                "delivery.timeout.ms": int(1_000 * timeout_seconds),
                # An abandoned producer may log errors that its successor caused.
                "logger": _SILENT,
            }
        )
        self._groups: dict[str, Consumer] = {}

    def fence(self) -> None:
        """Take the lease; an older holder's next transaction raises `FencedError`.

        Raises:
            Outage: the broker does not answer within the timeout.
        """
        self._retried(lambda: self._producer.init_transactions(self._seconds))

    def transaction(
        self,
        records: Iterable[tuple[str, bytes | None, bytes | None, Headers | None]],
        group: str,
        offsets: Mapping[tuple[str, int], int],
        note: str = "",
    ) -> Delivered:
        """Produce records to any topics and commit a group's next offsets, all or nothing.

        Args:
            records: `Record` or tuples (topic, key, value, headers).
            group: the consumer group whose offsets move.
            offsets: (topic, partition) to the next offset to read; may be empty.
            note: kept with the offsets.

        Raises:
            FencedError: another producer holds the lease now.
            DeliveryError: not every message was acknowledged; nothing of it is visible.
            Outage: the broker did not answer in time, or aborted the transaction.
        """
        began = time.monotonic()
        try:
            return self._transaction(records, group, offsets, note)
        except FencedError as error:
            # to give a transaction up, the broker fences its producer as a successor would
            if time.monotonic() - began < self._given_up_seconds:
                raise
            raise self._connection.outage(self._what, self._errors, str(error)) from None

    def _transaction(
        self,
        records: Iterable[tuple[str, bytes | None, bytes | None, Headers | None]],
        group: str,
        offsets: Mapping[tuple[str, int], int],
        note: str,
    ) -> Delivered:
        deliveries = Deliveries()
        try:
            self._producer.begin_transaction()
            _produce_all(self._producer, records, deliveries, self._seconds)
            self._await_deliveries(deliveries)
            if offsets:
                positions = [TopicPartition(t, p, o, note) for (t, p), o in offsets.items()]
                metadata = self._group(group).consumer_group_metadata()
                self._retried(
                    lambda: self._bounded(
                        lambda: self._producer.send_offsets_to_transaction(
                            positions, metadata, self._seconds
                        )
                    )
                )
            self._retried(lambda: self._producer.commit_transaction(self._seconds))
        except (KafkaException, SystemError) as error:
            refused = self._abort()
            raise self._translated(_client_error(error, refused)) from None
        except BaseException:
            self._abort()
            raise
        return deliveries.counts

    def close(self) -> None:
        """Leave the broker; an open transaction is given up."""
        for consumer in self._groups.values():
            consumer.close()
        self._groups.clear()
        # a fatal error is raised here again after the call that met it has raised it
        with suppress(KafkaException, SystemError):
            self._producer.purge()
            self._producer.flush(0)

    def _await_deliveries(self, deliveries: Deliveries) -> None:
        self._producer.flush(self._seconds + _SPARE_SECONDS)
        if problem := self._connection.undelivered(self._what, deliveries, self._errors):
            raise problem

    def _bounded(self, call: Callable[[], Any]) -> None:
        """Make a call that may never return, though it was given a timeout.

        librdkafka (2.16) waits forever in send_offsets_to_transaction if the broker was killed at
        the wrong moment. The thread is abandoned; the next `fence` aborts the transaction.
        """
        failures: list[BaseException] = []

        def work() -> None:
            try:
                call()
            except BaseException as error:  # noqa: BLE001 - raised again by the caller
                failures.append(error)

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        thread.join(self._seconds + _SPARE_SECONDS)
        if thread.is_alive():
            raise self._connection.outage(self._what, self._errors, "no answer about offsets")
        if failures:
            raise failures[0]

    def _retried(self, call: Callable[[], Any]) -> None:
        """Call, and again where the broker asks for it, a few times."""
        for attempt in range(1, _TRIES + 1):
            try:
                call()
                return
            except KafkaException as error:
                cause: KafkaError = error.args[0]
                if not cause.retriable() or attempt == _TRIES or _is_timeout(cause):
                    raise self._translated(error) from None
                time.sleep(_RETRY_SECONDS * attempt)

    def _translated(self, error: KafkaException) -> FraudPlatformError:
        return self._connection.translate(self._what, error, self._errors)

    def _abort(self) -> KafkaException | None:
        """Abort the open transaction; if that fails, the next `fence` does it.

        Returns:
            Why it failed.
        """
        try:
            # It drops what is not sent yet; a concurrent purge would reach the next transaction.
            self._producer.abort_transaction(min(_ABORT_SECONDS, self._seconds))
        except (KafkaException, SystemError) as error:
            refused = _client_error(error)
            self._errors(refused.args[0])
            return refused
        return None

    def _group(self, group: str) -> Consumer:
        if group not in self._groups:
            self._groups[group] = Consumer(
                self._connection.config(self._errors, group_id=group, enable_auto_commit=False)
            )
        return self._groups[group]


class IdempotentProducer:
    """Produces without transactions; retries of the client make no copies.

    Guarantee: `finish` returns when every message sent is acknowledged by the broker, else raises.
    """

    def __init__(
        self, connection: KafkaConnection, timeout_seconds: float = 30.0, linger_ms: int = 5
    ) -> None:
        self._connection, self._seconds = connection, timeout_seconds
        self._errors = ClientErrors()
        self._deliveries = Deliveries()
        self._producer = Producer(
            {
                **connection.config(self._errors),
                **_TUNING,
                "linger.ms": linger_ms,
                "delivery.timeout.ms": int(1_000 * timeout_seconds),
            }
        )

    @property
    def delivered(self) -> Delivered:
        """What is known so far."""
        return self._deliveries.counts

    def send(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        headers: Headers | None = None,
        partition: int | None = None,
        timestamp_ms: int | None = None,
    ) -> None:
        """Hand one message over; waits while the client's queue is full.

        Raises:
            DeliveryError: an earlier message failed, or the queue does not empty in time.
        """
        more: dict[str, Any] = {}
        if headers is not None:
            more["headers"] = headers
        if partition is not None:
            more["partition"] = partition
        if timestamp_ms is not None:
            more["timestamp"] = timestamp_ms
        try:
            _produce(self._producer, topic, key, value, self._deliveries, self._seconds, more)
        except KafkaException as error:
            what = f"producing to {topic}"
            raise self._connection.translate(what, error, self._errors) from None
        if self._deliveries.sent % _POLL_EVERY == 0:
            self.poll()

    def send_many(
        self, topic: str, keys: Sequence[bytes | None], values: Sequence[bytes | None]
    ) -> None:
        """Hand many messages over; raises as `send` does."""
        for start in range(0, len(keys), _POLL_EVERY):
            part = slice(start, start + _POLL_EVERY)
            records = zip(repeat(topic), keys[part], values[part], repeat(None))
            try:
                _produce_all(self._producer, records, self._deliveries, self._seconds)
            except KafkaException as error:
                what = f"producing to {topic}"
                raise self._connection.translate(what, error, self._errors) from None
            self.poll()

    def poll(self) -> None:
        """Take in what the broker acknowledged.

        Raises:
            DeliveryError: a message failed.
        """
        self._served(0.0)
        if self._deliveries.errors:
            self._require_delivered()

    def finish(self) -> Delivered:
        """Wait until every message is acknowledged and return the counts.

        Raises:
            DeliveryError: some message failed or had no answer in time.
        """
        self._served(self._seconds + _SPARE_SECONDS)
        self._require_delivered()
        return self._deliveries.counts

    def _require_delivered(self) -> None:
        if problem := self._connection.undelivered("producing", self._deliveries, self._errors):
            raise problem

    def _served(self, seconds: float) -> None:
        try:
            if seconds:
                self._producer.flush(seconds)
            else:
                self._producer.poll(0)
        except (KafkaException, SystemError) as error:
            cause = _client_error(error)
            raise self._connection.translate("producing", cause, self._errors) from None


def _produce_all(
    producer: Producer,
    records: Iterable[tuple[str, bytes | None, bytes | None, Headers | None]],
    deliveries: Deliveries,
    limit_seconds: float,
) -> None:
    produce = producer.produce
    for topic, key, value, headers in records:
        try:
            if headers is None:
                produce(topic, value, key, on_delivery=deliveries)
            else:
                produce(topic, value, key, on_delivery=deliveries, headers=headers)
            deliveries.sent += 1
        except BufferError:
            more = {} if headers is None else {"headers": headers}
            _produce(producer, topic, key, value, deliveries, limit_seconds, more)


def _produce(
    producer: Producer,
    topic: str,
    key: bytes | None,
    value: bytes | None,
    deliveries: Deliveries,
    limit_seconds: float,
    more: Mapping[str, Any],
) -> None:
    """Hand one message over, waiting while the queue is full."""
    deadline = time.monotonic() + limit_seconds
    while True:
        try:
            producer.produce(topic, value, key, on_delivery=deliveries, **more)
            deliveries.sent += 1
            return
        except BufferError:
            if time.monotonic() > deadline:
                raise DeliveryError(
                    f"producing to {topic}: expected the broker to take messages, found the queue "
                    f"full for {limit_seconds:.0f} s. Check the broker: fraud-platform status"
                ) from None
            producer.poll(_FULL_QUEUE_SECONDS)


def _is_timeout(error: KafkaError) -> bool:
    return error.code() in (KafkaError._TIMED_OUT, KafkaError._TIMED_OUT_QUEUE)


def _client_error(error: Exception, refused: KafkaException | None = None) -> KafkaException:
    """Return the client's error; a fatal one comes inside a SystemError where callbacks waited.

    Args:
        refused: what a later call said; a fatal error may come as a SystemError of no cause, and
            every later call repeats it.

    Raises:
        SystemError: it has another cause.
    """
    cause = error if isinstance(error, KafkaException) else error.__cause__ or refused
    if not isinstance(cause, KafkaException):
        raise error
    return cause
