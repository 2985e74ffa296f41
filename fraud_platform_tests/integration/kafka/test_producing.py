"""Producing to a real broker: all or nothing under a lease, every delivery counted."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import orjson
import polars as pl
import pytest

from fraud_platform.adapters.kafka.connection import KafkaConnection
from fraud_platform.adapters.kafka.deliveries import Delivered
from fraud_platform.adapters.kafka.producers import (
    IdempotentProducer,
    Record,
    TransactionalProducer,
)
from fraud_platform.adapters.kafka.reader import RangeReader
from fraud_platform.adapters.kafka.topics import Topics, topics_dated_by_producers
from fraud_platform.errors import DeliveryError, FencedError, TopicChangedError
from fraud_platform.operations.live.drop_rows import rows_of_file
from fraud_platform.operations.live.produce import Extras, Pace, produce
from fraud_platform.settings import Settings
from fraud_platform_tests.testing.defaults import unpacking
from fraud_platform_tests.testing.waiting import wait_for

HEADER = "# tranaction_id | tx_datetime | customer_id | terminal_id | tx_amount | "
HEADER += "tx_time_seconds | tx_time_days | tx_fraud | tx_fraud_scenario\n"


def held(
    kafka: KafkaConnection, topic: str, count: int, isolation: str = "read_committed"
) -> list[tuple[bytes | None, bytes | None]]:
    """Return what a topic holds, once `count` messages and their marks are there."""
    with RangeReader(kafka, topic, isolation) as reader:  # type: ignore[arg-type]
        found: list[tuple[bytes | None, bytes | None]] = []

        def is_there() -> bool:
            found.clear()
            for chunk in reader.read(Topics(kafka).offsets(topic)):
                found.extend(zip(chunk.keys, chunk.values, strict=True))
            return len(found) >= count

        wait_for(is_there)
    return found


def test_a_transaction_shows_all_of_its_messages_and_offsets_or_none(
    kafka: KafkaConnection, new_topic: Callable[..., str]
) -> None:
    source, scored, dead = new_topic(2), new_topic(), new_topic()
    producer = TransactionalProducer(kafka, source)
    producer.fence()
    records = [Record(scored, b"%d" % i, b"p%d" % i) for i in range(500)]
    records.append(Record(dead, None, None, [("reason", b"not_json"), ("detail", None)]))
    done = producer.transaction(records, source, {(source, 0): 7, (source, 1): 9})
    assert done == Delivered(501, 501, 0)
    assert sorted(held(kafka, scored, 500)) == sorted((r.key, r.value) for r in records[:500])
    assert held(kafka, dead, 1) == [(None, None)]
    topics = Topics(kafka)
    assert topics.group_offsets(source, source) == {0: 7, 1: 9}

    def broken() -> Iterator[Record]:
        yield from records[:100]
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        producer.transaction(broken(), source, {(source, 0): 8})
    producer.transaction([], source, {(source, 1): 10}, "a note")
    assert topics.group_offsets(source, source) == {0: 7, 1: 10}
    assert topics.group_offsets(source, source, "a note") == {1: 10}
    assert len(held(kafka, scored, 500)) == 500


def test_the_holder_before_is_fenced_and_writes_nothing(
    kafka: KafkaConnection, new_topic: Callable[..., str]
) -> None:
    topic = new_topic(1)
    first, second = (TransactionalProducer(kafka, topic) for _ in range(2))
    first.fence()
    first.transaction([Record(topic, None, b"first")], topic, {(topic, 0): 1})
    second.fence()
    for records in ([Record(topic, None, b"zombie")], []):
        with pytest.raises(FencedError, match="another scorer"):
            first.transaction(records, topic, {(topic, 0): 99})
    second.transaction([Record(topic, None, b"second")], topic, {(topic, 0): 2})
    assert [value for _, value in held(kafka, topic, 2)] == [b"first", b"second"]
    assert Topics(kafka).group_offsets(topic, topic) == {0: 2}


def test_a_transaction_to_a_missing_topic_is_an_error_and_the_producer_goes_on(
    kafka: KafkaConnection, new_topic: Callable[..., str]
) -> None:
    topic = new_topic(1)
    producer = TransactionalProducer(kafka, topic, timeout_seconds=5)
    producer.fence()
    records = [Record(topic, None, b"a"), Record("no-such-topic", None, b"b")]
    with pytest.raises((DeliveryError, TopicChangedError)):
        producer.transaction(records, topic, {(topic, 0): 5})
    producer.transaction([Record(topic, None, b"c")], topic, {})
    assert [value for _, value in held(kafka, topic, 1)] == [b"c"]
    assert Topics(kafka).group_offsets(topic, topic) == {}


def test_messages_that_a_missing_topic_lost_are_counted(kafka: KafkaConnection) -> None:
    producer = IdempotentProducer(kafka, timeout_seconds=2)
    for _ in range(3):
        producer.send("no-such-topic", b"k", b"v")
    with pytest.raises(DeliveryError, match="expected 3 acknowledged, found 0 and 3 failed"):
        producer.finish()
    assert producer.delivered.acked == 0


def test_a_message_larger_than_its_topic_takes_is_a_delivery_error(
    kafka: KafkaConnection, new_topic: Callable[..., str]
) -> None:
    producer = IdempotentProducer(kafka)
    producer.send(new_topic(1, max_message_bytes="1000"), None, b"x" * 5000)
    with pytest.raises(DeliveryError, match="expected 1 acknowledged, found 0 and 1 failed"):
        producer.finish()


def test_a_full_queue_is_waited_for(kafka: KafkaConnection, new_topic: Callable[..., str]) -> None:
    topic = new_topic(1)
    small = KafkaConnection(kafka.bootstrap)
    producer = IdempotentProducer(small)
    count = 600_000
    producer.send_many(topic, [None] * count, [b"v"] * count)
    assert producer.finish() == Delivered(count, count, 0)
    assert Topics(kafka).offsets(topic) == {0: (0, count)}


def drop_rows(count: int, customers: int = 40) -> pl.DataFrame:
    """Rows of `transactions`, one an hour, so that some labels become known on the way."""
    first = datetime(2018, 7, 1, tzinfo=UTC)
    return pl.DataFrame(
        {
            "transaction_id": list(range(count)),
            "tx_datetime": [first + timedelta(hours=i) for i in range(count)],
            "customer_id": [i % customers for i in range(count)],
            "terminal_id": [i % 7 for i in range(count)],
            "amount_cents": [100 + i for i in range(count)],
            "is_fraud": [i % 10 == 0 for i in range(count)],
            "fraud_scenario": [1 if i % 10 == 0 else 0 for i in range(count)],
        },
        schema_overrides={"tx_datetime": pl.Datetime("us", "UTC"), "fraud_scenario": pl.Int32},
    )


def test_a_replay_holds_every_row_once_and_labels_as_stream_time_reaches_them(
    kafka: KafkaConnection, kafka_settings: Settings
) -> None:
    rows = drop_rows(400)
    done = produce(rows, kafka_settings, Pace(), Extras(labels=True))
    known = sum(hour <= 399 - 7 * 24 for hour in range(400))
    assert (done.transactions, done.labels, done.delivered.acked) == (400, known, 400 + known)
    found = held(kafka, kafka_settings.transactions_topic, 400)
    decoded = [orjson.loads(value or b"") for _, value in found]
    assert sorted(d["transaction_id"] for d in decoded) == list(range(400))
    assert all(
        key == str(d["customer_id"]).encode() for (key, _), d in zip(found, decoded, strict=True)
    )
    assert not any("fraud" in name for d in decoded for name in d)
    labels = [orjson.loads(v or b"") for _, v in held(kafka, kafka_settings.labels_topic, known)]
    assert sorted(label["transaction_id"] for label in labels) == list(range(known))


def test_dirt_is_counted_by_reason_and_arrives_beside_every_good_row(
    kafka: KafkaConnection, kafka_settings: Settings
) -> None:
    done = produce(drop_rows(300), kafka_settings, Pace(), Extras(dirty=0.05, all_labels=True))
    total = 300 + done.bad.total()
    assert done.delivered.acked == total + 300
    values = [v for _, v in held(kafka, kafka_settings.transactions_topic, total)]
    assert len(values) == total
    assert max(len(value or b"") for value in values) > 5_000_000
    assert min(Counter(done.bad).values()) >= 1


def test_a_pace_is_kept(kafka_settings: Settings) -> None:
    began = time.monotonic()
    produce(drop_rows(300), kafka_settings, Pace(rate=200), Extras())
    assert 1.4 < time.monotonic() - began < 6
    began = time.monotonic()
    produce(drop_rows(10), kafka_settings, Pace(speedup=6 * 3600), Extras())
    assert 1.4 < time.monotonic() - began < 6


def test_a_paced_replay_sends_what_was_made_ahead_once(
    kafka: KafkaConnection, kafka_settings: Settings
) -> None:
    produce(drop_rows(2_500), kafka_settings, Pace(rate=5_000), Extras())
    found = held(kafka, kafka_settings.transactions_topic, 2_500)
    ids = [orjson.loads(value or b"")["transaction_id"] for _, value in found]
    assert sorted(ids) == list(range(2_500))


def test_ctrl_c_ends_a_replay_with_what_was_acknowledged(kafka_settings: Settings) -> None:
    rows = drop_rows(100_000)
    seen = []

    def interrupt(count: int) -> None:
        seen.append(count)
        if sum(seen) > 200:
            raise KeyboardInterrupt

    done = produce(rows, kafka_settings, Pace(rate=5000), Extras(), interrupt)
    assert done.is_stopped
    assert done.delivered.sent == done.delivered.acked == done.transactions == sum(seen)


def test_a_drop_file_is_replayed_by_the_command_and_what_was_left_out_is_said(
    kafka: KafkaConnection, kafka_settings: Settings, tmp_path: Path
) -> None:
    path = tmp_path / "2018-07-01.txt"
    lines = [
        "2,2018-07-01 24:00:00,5,0,7.005,0,0,1,1",
        "1,2018-07-01 10:00:00,5,0,57.1,0,0,0,0",
        "3,2018-07-01 11:00:00,-999999,0,7.00,0,0,0,0",
        "1,2018-07-01 12:00:00,6,0,8.00,0,0,0,0",
        "garbage",
    ]
    path.write_text(HEADER + "\n".join(lines) + "\n")
    rows, skipped = rows_of_file(path, unpacking())
    assert skipped == {"not clean": 2, "repeated id": 1}
    assert rows["amount_cents"].to_list() == [5710, 701]
    command = [sys.executable, "-c", "from fraud_platform.cli.commands import main; main()"]
    done = subprocess.run(
        [*command, "produce", "--drop", str(path), "--rate", "max", "--all-labels"],
        check=False,
        env={"PATH": "/usr/bin:/bin", **kafka_settings.environment},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert "left out: 1 rows (repeated id)" in done.stdout
    assert "2 transactions and 2 labels sent, 4 acknowledged" in done.stdout
    values = sorted(v or b"" for _, v in held(kafka, kafka_settings.transactions_topic, 2))
    assert values[0].endswith(b'"customer_id": 5, "terminal_id": 0, "tx_amount": 57.10}')
    assert b"2018-07-02 00:00:00" in values[1]


def test_a_producer_s_wrong_clock_has_no_batch_refused_and_decides_no_arrival(
    kafka: KafkaConnection, kafka_settings: Settings
) -> None:
    """With CreateTime, Kafka's default, one message two hours ahead fails its whole batch."""
    topic, now_ms = kafka_settings.transactions_topic, int(time.time() * 1000)
    producer = IdempotentProducer(kafka)
    stamps = [now_ms, now_ms + 2 * 3_600_000, now_ms * 1_000_000, now_ms - 9 * 365 * 86_400_000]
    for number in range(100):
        producer.send(topic, b"1", b"%d" % number, timestamp_ms=stamps[number % 4])
    assert producer.finish().acked == 100
    with RangeReader(kafka, topic) as reader:
        chunks = list(reader.read(Topics(kafka).offsets(topic)))
    found = np.concatenate([chunk.timestamp_ms for chunk in chunks])
    assert found.size == 100
    assert (np.abs(found - now_ms) < 120_000).all()
    assert topics_dated_by_producers(kafka_settings, Topics(kafka)) == []


def test_a_topic_with_its_producers_timestamps_is_named(
    kafka: KafkaConnection, kafka_settings: Settings, new_topic: Callable[..., str]
) -> None:
    settings = kafka_settings.model_copy(update={"transactions_topic": new_topic()})
    (output,) = topics_dated_by_producers(settings, Topics(kafka))
    assert settings.transactions_topic in output
    assert "found CreateTime" in output
