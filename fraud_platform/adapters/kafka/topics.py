"""Topics as the broker has them: creating, describing, watermarks, a group's offsets.

Here: what an administrator asks, each answer in bounded time.
Not here: messages (`adapters.kafka.reader`, `adapters.kafka.producers`), which topics there are
(`contracts.messages`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass
from typing import Any

from confluent_kafka import (
    Consumer,
    IsolationLevel,
    KafkaError,
    KafkaException,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, OffsetSpec

from fraud_platform.adapters.kafka.connection import ClientErrors, KafkaConnection
from fraud_platform.contracts.messages import LOG_APPEND_TIME, TIMESTAMP_TYPE, TopicSpec
from fraud_platform.errors import FraudPlatformError
from fraud_platform.settings import Settings

ANSWER_SECONDS = 10.0
_SPARE_SECONDS = 2.0
_RETRY_SECONDS = 0.1
_SOON = {
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.NOT_COORDINATOR,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.FENCED_LEADER_EPOCH,
    KafkaError.UNKNOWN_LEADER_EPOCH,
}
"""Errors of a broker about a topic or group that it has just created or taken over."""


_NOT_SHOWN = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
}


@dataclass(frozen=True)
class TopicState:
    """A topic as it is now.

    Attributes:
        topic_id: changes when a topic is deleted and recreated.
        partitions: partition numbers, ascending.
    """

    topic_id: str
    partitions: tuple[int, ...]


class Topics:
    """The broker's topics.

    Raises of every method:
        Outage: no answer within `answer_seconds`.
        TopicChangedError: the topic is missing.
    """

    def __init__(self, connection: KafkaConnection, answer_seconds: float = ANSWER_SECONDS) -> None:
        self._connection = connection
        self._seconds = answer_seconds
        self._errors = ClientErrors()
        # Kept as long as this object: its futures end with it.
        self._admin = AdminClient(connection.config(self._errors))
        self._groups: dict[str, Consumer] = {}

    def ensure(self, specs: Iterable[TopicSpec]) -> list[str]:
        """Create the topics that are missing and return their names; others stay as they are.

        Guarantee: a broker that is asked for them afterwards knows them.
        """
        wanted = [NewTopic(s.name, s.partitions, config=dict(s.config)) for s in specs]
        futures = self._admin.create_topics(
            wanted, request_timeout=self._seconds, operation_timeout=self._seconds
        )
        created = []
        for name, future in futures.items():
            try:
                future.result(timeout=self._seconds + _SPARE_SECONDS)
                created.append(name)
            except FutureTimeout:
                raise self._silent(f"creating topic {name}") from None
            except KafkaException as error:
                if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                    raise self._translated(f"creating topic {name}", error) from None
        for name in created:
            # brokers hear of it later than the controller that made it
            self._described(name, _SOON | {KafkaError.UNKNOWN_TOPIC_OR_PART})
        return created

    def describe(self, topic: str) -> TopicState:
        """Return a topic's identity and partitions."""
        return self._described(topic, _SOON)

    def _described(self, topic: str, soon: set[int]) -> TopicState:
        found = self._answer(
            f"topic {topic}",
            lambda: self._admin.describe_topics(
                TopicCollection([topic]), request_timeout=self._seconds
            ),
            soon,
        )[topic]
        return TopicState(str(found.topic_id), tuple(sorted(p.id for p in found.partitions)))

    def topic_id(self, topic: str) -> str:
        """Return the topic's id, which changes when a topic is deleted and recreated."""
        return self.describe(topic).topic_id

    def offsets(self, topic: str) -> dict[int, tuple[int, int]]:
        """Return each partition's lowest offset and the end of what is committed."""
        partitions = self.describe(topic).partitions
        low = self._offsets(topic, partitions, OffsetSpec.earliest())
        high = self._offsets(topic, partitions, OffsetSpec.latest())
        return {p: (low[p], high[p]) for p in partitions}

    def ends(self, topic: str, partitions: Iterable[int]) -> dict[int, int]:
        """Return the end of what is committed of known partitions: one question, not three."""
        return self._offsets(topic, partitions, OffsetSpec.latest())

    def high_watermarks(self, topic: str, partitions: Iterable[int]) -> dict[int, int]:
        """Return the end of all messages of known partitions, of open transactions too."""
        return self._offsets(
            topic, partitions, OffsetSpec.latest(), IsolationLevel.READ_UNCOMMITTED
        )

    def group_offsets(self, group: str, topic: str, note: str | None = None) -> dict[int, int]:
        """Return the next offset of each partition for which the group committed one.

        Args:
            note: only what was committed with this note.
        """
        partitions = [TopicPartition(topic, p) for p in self.describe(topic).partitions]
        deadline = time.monotonic() + self._seconds
        while True:
            try:
                found = self._group(group).committed(partitions, self._seconds)
                if failed := next((p.error for p in found if p.error), None):
                    raise KafkaException(failed)
                wanted = (p for p in found if note is None or p.metadata == note)
                return {p.partition: p.offset for p in wanted if p.offset >= 0}
            except KafkaException as error:
                if error.args[0].code() not in _SOON or time.monotonic() > deadline:
                    # a consumer reports the reason for a missing answer only when polled
                    if (said := self._group(group).poll(0)) and (reason := said.error()):
                        self._errors(reason)
                    raise self._translated(f"offsets of group {group}", error) from None
                time.sleep(_RETRY_SECONDS)

    def broker_setting(self, name: str) -> str | None:
        """Return what a broker's setting is; None if the user may not look."""
        try:
            brokers = self._admin.list_topics(timeout=self._seconds).brokers
            resource = ConfigResource(ConfigResource.Type.BROKER, str(min(brokers)))
            asked = self._admin.describe_configs([resource], request_timeout=self._seconds)
            return str(asked[resource].result(self._seconds + _SPARE_SECONDS)[name].value)
        except FutureTimeout:
            raise self._silent(f"setting {name}") from None
        except KafkaException as error:
            if error.args[0].code() == KafkaError.CLUSTER_AUTHORIZATION_FAILED:
                return None
            raise self._translated(f"setting {name}", error) from None

    def topic_setting(self, topic: str, name: str) -> str | None:
        """Return what a topic's setting is; None if the user may not look or there is no topic."""
        try:
            resource = ConfigResource(ConfigResource.Type.TOPIC, topic)
            asked = self._admin.describe_configs([resource], request_timeout=self._seconds)
            return str(asked[resource].result(self._seconds + _SPARE_SECONDS)[name].value)
        except FutureTimeout:
            raise self._silent(f"setting {name} of topic {topic}") from None
        except KafkaException as error:
            if error.args[0].code() in _NOT_SHOWN:
                return None
            raise self._translated(f"setting {name} of topic {topic}", error) from None

    def group_members(self, group: str) -> list[str]:
        """Return the client ids of a group's members.

        librdkafka's newer question (describe_consumer_groups) aborts the process where its answer
        comes after its time: a coordinator that is being elected gives it that (2.16.1).
        """
        try:
            found = self._admin.list_groups(group, timeout=self._seconds)
            if failed := next((one.error for one in found if one.error), None):
                raise KafkaException(failed)
        except KafkaException as error:
            raise self._translated(f"members of group {group}", error) from None
        return [str(member.client_id) for one in found for member in one.members]

    def close(self) -> None:
        """Leave the broker."""
        for consumer in self._groups.values():
            consumer.close()
        self._groups.clear()

    def _group(self, group: str) -> Consumer:
        """Return a consumer that never joins its group.

        librdkafka's administrator can be asked for a group's offsets too, but it crashes the
        process where the group's coordinator is being elected (2.16.0, in rd_kafka_cgrp_op).
        """
        if group not in self._groups:
            self._groups[group] = Consumer(
                self._connection.config(
                    self._errors,
                    group_id=group,
                    enable_auto_commit=False,
                    # Offsets of a transaction that is being committed are waited for.
                    isolation_level="read_committed",
                )
            )
        return self._groups[group]

    def is_ready(self, timeout_seconds: float) -> bool:
        """Return whether a broker answers."""
        try:
            return bool(self._admin.list_topics(timeout=timeout_seconds).brokers)
        except KafkaException:
            return False

    def _offsets(
        self,
        topic: str,
        partitions: Iterable[int],
        spec: OffsetSpec,
        isolation: IsolationLevel = IsolationLevel.READ_COMMITTED,
    ) -> dict[int, int]:
        wanted = {TopicPartition(topic, p): spec for p in partitions}
        found = self._answer(
            f"offsets of topic {topic}",
            lambda: self._admin.list_offsets(
                wanted,
                isolation_level=isolation,
                request_timeout=self._seconds,
            ),
        )
        offsets = {tp.partition: result.offset for tp, result in found.items()}
        # of a broker that dies while it is asked, librdkafka (2.16) gives -1001 and no error
        if any(offset < 0 for offset in offsets.values()):
            raise self._silent(f"offsets of topic {topic}")
        return offsets

    def _answer(
        self,
        what: str,
        ask: Callable[[], dict[Any, Future[Any]]],
        soon: set[int] = _SOON,
    ) -> dict[Any, Any]:
        """Return every future's result; asked again while the broker says what passes `soon`."""
        deadline = time.monotonic() + self._seconds
        while True:
            try:
                return {
                    key: future.result(timeout=self._seconds + _SPARE_SECONDS)
                    for key, future in ask().items()
                }
            except FutureTimeout:
                raise self._silent(what) from None
            except KafkaException as error:
                if error.args[0].code() not in soon or time.monotonic() > deadline:
                    raise self._translated(what, error) from None
                time.sleep(_RETRY_SECONDS)

    def _silent(self, what: str) -> FraudPlatformError:
        self._admin.poll(0)
        return self._connection.outage(what, self._errors, "no answer in time")

    def _translated(self, what: str, error: KafkaException) -> FraudPlatformError:
        # The error callback is served by polling alone, and it has the reason.
        self._admin.poll(0)
        return self._connection.translate(what, error, self._errors)


def topics_dated_by_producers(settings: Settings, topics: Topics) -> list[str]:
    """Return a warning for each topic to read whose messages have their producers' timestamps."""
    names = (settings.transactions_topic, settings.labels_topic)
    return [
        f"topic {name}: expected {TIMESTAMP_TYPE}={LOG_APPEND_TIME}, found {found}. Retention "
        "deletes new messages with old timestamps, and one that is more than an hour ahead has its "
        "producer's whole batch refused: set it on the topic (docs/event_time.md)."
        for name in names
        if (found := topics.topic_setting(name, TIMESTAMP_TYPE)) not in (None, LOG_APPEND_TIME)
    ]
