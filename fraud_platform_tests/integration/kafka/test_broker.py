"""The embedded broker as a service: up, status, down, killed, and what survives."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fraud_platform.adapters.kafka import broker
from fraud_platform.adapters.kafka.broker_settings import Node
from fraud_platform.adapters.kafka.connection import KafkaConnection
from fraud_platform.adapters.kafka.lag import lag_lines
from fraud_platform.adapters.kafka.producers import (
    IdempotentProducer,
    Record,
    TransactionalProducer,
)
from fraud_platform.adapters.kafka.reader import RangeReader
from fraud_platform.adapters.kafka.topics import Topics
from fraud_platform.adapters.services.processes import members, port_owner, read_records
from fraud_platform.contracts.messages import SCORER_GROUP
from fraud_platform.errors import Outage, ServiceError
from fraud_platform.operations.services import laptop
from fraud_platform.settings import Settings
from fraud_platform_tests.testing.home import STATE
from fraud_platform_tests.testing.ports import free_port
from fraud_platform_tests.testing.waiting import wait_for


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """A home of the test's own, whose only service is Kafka."""
    (tmp_path / "jars").symlink_to(STATE / "jars")
    settings = Settings(home=tmp_path, kafka_port=free_port(), kafka_partitions=2)
    monkeypatch.setattr(laptop, "services", lambda settings: [broker.service(settings)])
    yield settings
    list(laptop.down(settings))


def values_of(settings: Settings, topic: str) -> list[bytes | None]:
    connection = KafkaConnection.from_settings(settings)
    with RangeReader(connection, topic) as reader:
        chunks = reader.read(Topics(connection).offsets(topic))
        return sorted(value for chunk in chunks for value in chunk.values)  # type: ignore[type-var]


def test_messages_survive_down_and_kill_and_up_again_changes_nothing(settings: Settings) -> None:
    topic = settings.transactions_topic
    lines = list(laptop.up(settings))
    assert any(line.startswith(f"kafka    created topics {topic}") for line in lines)
    (record,) = read_records(laptop.run_folder(settings))
    (line, _) = laptop.up(settings)
    assert line.startswith("kafka    is already running on kafka://127.0.0.1:")
    producer = IdempotentProducer(KafkaConnection.from_settings(settings))
    for number in range(50):
        producer.send(topic, b"%d" % number, b"%02d" % number)
    producer.finish()
    wanted = [b"%02d" % number for number in range(50)]
    assert list(laptop.down(settings)) == ["kafka stopped"]
    assert members(record.token) == []

    lines = list(laptop.up(settings))
    assert not any("created" in line or "cleanly" in line for line in lines)
    assert values_of(settings, topic) == wanted
    scorer = TransactionalProducer(
        KafkaConnection.from_settings(settings), "scorer", timeout_seconds=5
    )
    scorer.fence()
    predictions = settings.predictions_topic
    scorer.transaction([Record(predictions, None, b"before")], SCORER_GROUP, {(topic, 0): 3})
    connection = KafkaConnection.from_settings(settings)
    assert Topics(connection).group_offsets(SCORER_GROUP, topic) == {0: 3}
    assert values_of(settings, predictions) == [b"before"]
    (record,) = read_records(laptop.run_folder(settings))
    os.kill(record.pid, signal.SIGKILL)
    wait_for(lambda: not members(record.token))
    assert laptop.status(settings) == ["kafka    is not running"]
    with pytest.raises(Outage):
        Topics(KafkaConnection.from_settings(settings), answer_seconds=1).offsets(topic)
    assert "Connection refused" in lag_lines(settings)[-1]
    began = time.monotonic()
    with pytest.raises(Outage):
        scorer.transaction([Record(predictions, None, b"lost")], SCORER_GROUP, {(topic, 0): 9})
    assert time.monotonic() - began < 15
    scorer.close()

    lines = list(laptop.up(settings))
    assert "kafka    was not stopped cleanly before; it has checked its log" in lines
    assert values_of(settings, topic) == wanted
    lag = "2 partitions, 50 messages so far, fraud-platform-scorer is 47 behind"
    wait_for(lambda: lag_lines(settings)[0] == f"topic transactions: {lag}", 30)
    scorer = TransactionalProducer(KafkaConnection.from_settings(settings), "scorer")
    scorer.fence()
    scorer.transaction([Record(predictions, None, b"after")], SCORER_GROUP, {(topic, 0): 4})
    wait_for(lambda: values_of(settings, predictions) == [b"after", b"before"])
    assert "answers on kafka://" in laptop.status(settings)[0]


def kill(settings: Settings) -> None:
    (record,) = read_records(laptop.run_folder(settings))
    os.kill(record.pid, signal.SIGKILL)
    wait_for(lambda: not members(record.token) and port_owner(record.port) is None)


@pytest.mark.systems
def test_what_was_committed_just_before_a_kill_is_whole_and_once_after_the_next_start(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection, topic = KafkaConnection.from_settings(settings), settings.transactions_topic
    predictions, wanted = settings.predictions_topic, []
    list(laptop.up(settings))
    for number in range(3):
        scorer = TransactionalProducer(connection, "scorer")
        scorer.fence()
        values = [b"%d-%02d" % (number, row) for row in range(20)]
        records = [Record(predictions, value, value) for value in values]
        scorer.transaction(records, SCORER_GROUP, {(topic, 0): number + 1})
        kill(settings)
        scorer.close()
        wanted += values
        if number == 1:
            # As if that start were given up: the next finds nothing left of the killed session.
            broker.prepare(settings.jars, Node(settings.home / "kafka", settings.kafka_port))
        with monkeypatch.context() as patched:
            if number == 1:
                patched.setattr(broker, "_NOTHING_TO_FENCE_SECONDS", 1.0)
            list(laptop.up(settings))
        successor = TransactionalProducer(connection, "scorer")
        successor.fence()
        successor.close()
        assert Topics(connection).group_offsets(SCORER_GROUP, topic) == {0: number + 1}
        assert values_of(settings, predictions) == wanted


def test_a_taken_port_is_said_with_who_has_it_and_the_remedy(settings: Settings) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", settings.kafka_port))
        other.listen()
        with pytest.raises(
            ServiceError,
            match=rf"kafka: expected port .* taken by process {os.getpid()}.*KAFKA_PORT",
        ):
            list(laptop.up(settings))
    assert read_records(laptop.run_folder(settings)) == []


def test_a_data_folder_that_cannot_be_read_stops_the_start_with_the_log(settings: Settings) -> None:
    list(laptop.up(settings))
    list(laptop.down(settings))
    (settings.home / "kafka" / "log" / "meta.properties").write_text("version=1\nnode.id=99\n")
    with pytest.raises(ServiceError, match=r"kafka ended with code 1 while it started:\n"):
        list(laptop.up(settings))
    assert read_records(laptop.run_folder(settings)) == []
