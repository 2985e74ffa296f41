"""The mark that shows others that `score --follow` is active.

Here: membership of a separate Kafka group, which ends by itself when the process dies.
Not here: the lease that keeps results single (`adapters.kafka.producers`): the mark only keeps
the sensor from requesting runs that would take the lease back and forth.
"""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

import psutil
from confluent_kafka import Consumer, TopicPartition

from fraud_platform.adapters.kafka.connection import ClientErrors, KafkaConnection
from fraud_platform.adapters.kafka.topics import Topics
from fraud_platform.contracts.messages import FOLLOWER_GROUP
from fraud_platform.errors import Outage

SESSION_SECONDS = 10
"""After so long without a sign of life Kafka forgets a member that died."""
_SPARE_SECONDS = 5.0
_JOIN_SECONDS = 10.0 + SESSION_SECONDS
"""A group takes a new member in once it has forgotten one that died."""
_ANSWER_SECONDS = 5.0
_POLL_SECONDS = 0.5
_HOLDER = re.compile(r".*, process (\d+) on (\S+)")


def name_of(kind: str, pid: int) -> str:
    """Return how a scorer of this machine is called, for people and for `follower`."""
    return f"{kind}, process {pid} on {socket.gethostname()}"


class FollowerMark:
    """Membership of the followers' group while the block lasts, kept by a thread of its own.

    The block begins once the group has the member, so that every later query finds it.

    Args:
        connection: where Kafka is.
        topic: what is followed; nothing is read from it.
        holder: readable name of the follower.
    """

    def __init__(self, connection: KafkaConnection, topic: str, holder: str) -> None:
        self._errors = ClientErrors()
        self._consumer = Consumer(
            connection.config(
                self._errors,
                group_id=_group(topic),
                client_id=holder,
                enable_auto_commit=False,
                auto_offset_reset="latest",
                session_timeout_ms=SESSION_SECONDS * 1000,
            )
        )
        self._topic = topic
        self._joined, self._ended = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._stay, daemon=True)

    def __enter__(self) -> Self:
        """Join the group.

        Raises:
            Outage: the broker did not take the member in.
        """
        self._consumer.subscribe([self._topic], on_assign=self._on_assign)
        self._thread.start()
        if not self._joined.wait(_JOIN_SECONDS):
            self.__exit__(None, None, None)
            raise Outage(
                f"Kafka: expected to join group {_group(self._topic)}, found no answer within "
                f"{_JOIN_SECONDS:.0f} s. Look whether the brokers are up (fraud-platform status)."
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()
        self._consumer.close()

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        # of what the group gives it nothing: a pause here came before the client took it over
        consumer.assign([])
        self._joined.set()

    def _stay(self) -> None:
        while not self._ended.is_set():
            self._consumer.poll(0.5)


def _group(topic: str) -> str:
    """Return the group of a topic's followers: platforms that share a cluster share none."""
    return f"{FOLLOWER_GROUP}-{topic}"


def follower(connection: KafkaConnection, topic: str, besides: str = "") -> str | None:
    """Return the follower of a topic, or None if there is none.

    A member whose process has ended does not count. Kafka keeps it for `SESSION_SECONDS`; only for
    a process of this machine can its end be checked. If that check is wrong, the lease still lets
    only one of two scorers score.

    Args:
        besides: a holder that does not count.

    Raises:
        Outage: Kafka does not answer.
    """
    topics = Topics(connection, answer_seconds=_ANSWER_SECONDS)
    try:
        members = topics.group_members(_group(topic))
    finally:
        topics.close()
    return next((m for m in members if m != besides and not _has_ended(m)), None)


def living_follower(
    connection: KafkaConnection,
    topic: str,
    besides: str,
    say: Callable[[str], None],
    is_stopped: Callable[[], bool],
) -> str | None:
    """Return the live follower of a topic; None if it has died.

    A follower on this machine is checked at once. One on another machine may just have died: this
    waits, with a message, until Kafka would have removed it.

    Raises:
        Outage: Kafka does not answer.
    """
    deadline, is_said = time.monotonic() + SESSION_SECONDS + _SPARE_SECONDS, False
    while other := follower(connection, topic, besides):
        if _process_here(other) is not None or time.monotonic() > deadline or is_stopped():
            return other
        if not is_said:
            say(
                f"{other} follows, or has died less than {SESSION_SECONDS} s ago: waiting up to "
                f"{SESSION_SECONDS + _SPARE_SECONDS:.0f} s to know which"
            )
            is_said = True
        time.sleep(_POLL_SECONDS)
    return None


def _process_here(member: str) -> int | None:
    """Return the process of a member of this machine."""
    found = _HOLDER.fullmatch(member)
    return int(found[1]) if found and found[2] == socket.gethostname() else None


def _has_ended(member: str) -> bool:
    """Return whether a member is a process of this machine that has ended."""
    pid = _process_here(member)
    if pid is None:
        return False
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True
    except psutil.AccessDenied:
        return False
