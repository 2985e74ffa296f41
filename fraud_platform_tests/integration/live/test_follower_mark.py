"""The mark of who follows: seen by others, and no reader of the stream."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from confluent_kafka import Consumer

from fraud_platform.adapters.kafka import follower_mark
from fraud_platform.adapters.kafka.connection import KafkaConnection
from fraud_platform.adapters.kafka.follower_mark import (
    FollowerMark,
    follower,
    living_follower,
    name_of,
)
from fraud_platform.adapters.kafka.producers import IdempotentProducer
from fraud_platform.adapters.kafka.topics import Topics
from fraud_platform_tests.testing.waiting import comes_true

WHO = "score --follow, process 7 on tester"


def test_a_mark_is_seen_and_takes_no_message(
    kafka: KafkaConnection, new_topic: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    messages: list[dict[str, Any]] = []

    def counting(config: dict[str, Any]) -> Consumer:
        """Return the mark's consumer, which tells what it received."""
        callback = {"stats_cb": lambda text: messages.append(json.loads(text))}
        return Consumer({**config, **callback, "statistics.interval.ms": 500})

    monkeypatch.setattr(follower_mark, "Consumer", counting)
    topic = new_topic(partitions=3)
    assert follower(kafka, topic) is None
    with FollowerMark(kafka, topic, WHO):
        producer = IdempotentProducer(kafka)
        for number in range(300):
            producer.send(topic, b"%d" % number, b"x" * 1_000)
        producer.finish()
        produced = len(messages)
        assert comes_true(lambda: len(messages) >= produced + 3, 20)
        assert follower(kafka, topic) == WHO
        assert follower(kafka, topic, besides=WHO) is None
    assert len(messages) >= produced + 3
    assert messages[-1]["rxmsgs"] == 0
    assert all(broker["req"].get("Fetch", 0) == 0 for broker in messages[-1]["brokers"].values())
    assert follower(kafka, topic) is None


DIES = """
import os, sys
from fraud_platform.adapters.kafka.connection import KafkaConnection
from fraud_platform.adapters.kafka.follower_mark import FollowerMark

bootstrap, topic, host = sys.argv[1:]
name = f"score --follow, process {os.getpid()} on {host}"
with FollowerMark(KafkaConnection(bootstrap), topic, name):
    print("marked", flush=True)
    sys.stdin.read()
"""


def killed_follower(kafka: KafkaConnection, topic: str, host: str) -> str:
    """Let a process set up a mark and be killed; return its name, which Kafka still has."""
    process = subprocess.Popen(
        [sys.executable, "-c", DIES, kafka.bootstrap, topic, host],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"marked\n"
    process.kill()
    process.wait()
    return f"score --follow, process {process.pid} on {host}"


def members(kafka: KafkaConnection, topic: str) -> list[str]:
    topics = Topics(kafka)
    try:
        return topics.group_members(follower_mark._group(topic))
    finally:
        topics.close()


def test_a_follower_of_this_machine_that_was_killed_follows_no_more(
    kafka: KafkaConnection, new_topic: Callable[..., str]
) -> None:
    """For ten seconds it seemed to follow still, and a new follower gave up."""
    topic = new_topic(partitions=3)
    messages: list[str] = []
    name = killed_follower(kafka, topic, socket.gethostname())
    assert members(kafka, topic) == [name]
    assert follower(kafka, topic) is None
    assert living_follower(kafka, topic, WHO, messages.append, lambda: False) is None
    assert messages == []
    # the group takes the next one in as soon as it has forgotten the dead one
    with FollowerMark(kafka, topic, WHO):
        assert follower(kafka, topic) == WHO


def test_a_follower_of_another_machine_is_waited_for_in_words_until_it_is_known_to_live_or_not(
    kafka: KafkaConnection, new_topic: Callable[..., str]
) -> None:
    topic = new_topic(partitions=3)
    messages: list[str] = []
    name = killed_follower(kafka, topic, "elsewhere")
    assert follower(kafka, topic) == name
    assert living_follower(kafka, topic, WHO, messages.append, lambda: False) is None
    (words,) = messages
    assert words.startswith(f"{name} follows, or has died less than 10 s ago")
    with FollowerMark(kafka, topic, WHO):
        assert living_follower(kafka, topic, "me", messages.append, lambda: False) == WHO


def test_a_follower_of_this_machine_that_lives_is_known_at_once(
    kafka: KafkaConnection, new_topic: Callable[..., str]
) -> None:
    topic = new_topic(partitions=3)
    messages: list[str] = []
    name = name_of("score --follow", os.getpid())
    with FollowerMark(kafka, topic, name):
        assert living_follower(kafka, topic, "another", messages.append, lambda: False) == name
    assert messages == []
