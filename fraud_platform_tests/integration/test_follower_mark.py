"""The mark of who follows: seen by others, and no reader of the stream."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from confluent_kafka import Consumer

from fraud_platform.adapters.kafka import follower_mark
from fraud_platform.adapters.kafka.connection import KafkaConnection
from fraud_platform.adapters.kafka.follower_mark import FollowerMark, follower
from fraud_platform.adapters.kafka.producers import IdempotentProducer

WHO = "score --follow, process 7 on tester"


def test_a_mark_is_seen_and_takes_no_message(
    kafka: KafkaConnection, new_topic: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[dict[str, Any]] = []

    def counting(config: dict[str, Any]) -> Consumer:
        """Return the mark's consumer, which tells what it received."""
        callback = {"stats_cb": lambda text: told.append(json.loads(text))}
        return Consumer({**config, **callback, "statistics.interval.ms": 500})

    monkeypatch.setattr(follower_mark, "Consumer", counting)
    topic = new_topic(partitions=3)
    assert follower(kafka, topic) is None
    with FollowerMark(kafka, topic, WHO):
        producer = IdempotentProducer(kafka)
        for number in range(300):
            producer.send(topic, b"%d" % number, b"x" * 1_000)
        producer.finish()
        produced = len(told)
        deadline = time.monotonic() + 20
        while len(told) < produced + 3 and time.monotonic() < deadline:
            time.sleep(0.1)
        assert follower(kafka, topic) == WHO
        assert follower(kafka, topic, besides=WHO) is None
    assert len(told) >= produced + 3
    assert told[-1]["rxmsgs"] == 0
    assert all(broker["req"].get("Fetch", 0) == 0 for broker in told[-1]["brokers"].values())
    assert follower(kafka, topic) is None
