"""Exact ranges of offsets from a real broker: nothing skipped, nothing twice, gaps said."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest
from confluent_kafka import Message, Producer, TopicPartition

from fraud_platform.adapters.kafka import reader as kafka_reader
from fraud_platform.adapters.kafka.connection import ClientErrors, KafkaConnection
from fraud_platform.adapters.kafka.producers import (
    IdempotentProducer,
    Record,
    TransactionalProducer,
)
from fraud_platform.adapters.kafka.reader import RangeReader
from fraud_platform.adapters.kafka.topics import Topics
from fraud_platform.contracts.messages import Messages, TopicSpec
from fraud_platform.errors import OffsetGapError, Outage, TopicChangedError
from fraud_platform_tests.testing.ports import free_port
from fraud_platform_tests.testing.servers.kafka_admin import administrator
from fraud_platform_tests.testing.waiting import wait_for

Ranges = dict[int, tuple[int, int]]


def fill(kafka: KafkaConnection, topic: str, counts: dict[int, int], size: int = 0) -> None:
    """Produce so many messages to each partition; a value names its place."""
    producer = IdempotentProducer(kafka)
    for partition, count in counts.items():
        for offset in range(count):
            value = f"{partition}/{offset}/".encode().ljust(size, b"x")
            producer.send(topic, b"%d" % offset, value, partition=partition)
    assert producer.finish().acked == sum(counts.values())


def places(chunks: list[Messages]) -> list[tuple[int, int]]:
    """Return partition and offset of every message, as its own value says them."""
    found = []
    for chunk in chunks:
        for partition, offset, key, value in zip(
            chunk.partition.tolist(), chunk.offset.tolist(), chunk.keys, chunk.values, strict=True
        ):
            assert value is not None
            assert value.split(b"/")[:2] == [b"%d" % partition, b"%d" % offset]
            assert key == b"%d" % offset
            found.append((partition, offset))
    return found


def wanted(ranges: Ranges) -> list[tuple[int, int]]:
    return [(p, offset) for p, (start, end) in ranges.items() for offset in range(start, end)]


def test_ranges_that_follow_or_jump_give_exactly_their_messages(
    kafka: KafkaConnection, new_topic: Callable[..., str]
) -> None:
    """Random cuts with one reader, most of them continuing, some going back or left halfway."""
    topic, random = new_topic(4), np.random.default_rng(4)
    counts = {0: 3000, 1: 1700, 2: 0, 3: 9}
    fill(kafka, topic, counts)
    at = dict.fromkeys(counts, 0)
    with RangeReader(kafka, topic) as reader:
        for step in range(40):
            if step % 9 == 8:
                at = {p: int(random.integers(0, count + 1)) for p, count in counts.items()}
            chosen = [p for p in counts if random.random() < 0.8]
            ranges: Ranges = {}
            for p in chosen:
                end = min(counts[p], at[p] + int(random.integers(0, 400)))
                ranges[p] = (at[p], end)
            if step % 7 == 6:
                next(reader.read(ranges), None)
            if step % 5 == 4:
                reader.go_to(at)
            chunks = list(reader.read(ranges))
            assert sorted(places(chunks)) == wanted(ranges), (step, ranges)
            for chunk in chunks:
                for p in chosen:
                    assert (np.diff(chunk.offset[chunk.partition == p]) > 0).all()
            at.update({p: end for p, (_, end) in ranges.items()})


def test_partitions_far_ahead_are_paused_and_lose_nothing(
    kafka: KafkaConnection, new_topic: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka_reader, "_AHEAD_MESSAGES", 50)
    topic, counts = new_topic(3), {0: 4000, 1: 4000, 2: 4000}
    fill(kafka, topic, counts)
    found: list[tuple[int, int]] = []
    paused: set[int] = set()
    at = dict.fromkeys(counts, 0)
    with RangeReader(kafka, topic) as reader:
        for number in range(24):
            p = number % 3
            ranges = {q: (start, start + 500 * (q == p)) for q, start in at.items()}
            found += places(list(reader.read(ranges)))
            paused |= reader._paused
            at[p] += 500
    assert sorted(found) == wanted(dict.fromkeys(counts, (0, 4000)))
    assert paused == set(counts)


def test_a_paused_partition_is_read_again_after_a_jump(
    kafka: KafkaConnection, new_topic: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka_reader, "_AHEAD_MESSAGES", 50)
    topic, counts = new_topic(2), {0: 4000, 1: 4000}
    fill(kafka, topic, counts)
    with RangeReader(kafka, topic) as reader:
        for start in range(0, 4000, 10):
            list(reader.read({0: (start, start + 10), 1: (0, 0)}))
            if 1 in reader._paused:
                break
        assert 1 in reader._paused
        for ranges in ({1: (100, 900)}, {0: (7, 9), 1: (0, 4000)}):
            assert sorted(places(list(reader.read(ranges)))) == wanted(ranges)


def test_positions_of_the_assignment_before_end_no_range(
    kafka: KafkaConnection, new_topic: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client leaves an assignment a moment after it took the next; here it is asked at once."""
    monkeypatch.setattr(kafka_reader, "_POLL_SECONDS", 0.0)
    topic, counts = new_topic(12), dict.fromkeys(range(12), 40)
    fill(kafka, topic, counts)
    ranges = {p: (0, count) for p, count in counts.items()}
    with RangeReader(kafka, topic) as reader:
        for _ in range(300):
            assert sum(map(len, reader.read(ranges))) == sum(counts.values())


def test_a_partition_that_stands_still_is_told_though_another_gets_messages(
    kafka: KafkaConnection, new_topic: Callable[..., str]
) -> None:
    topic = new_topic(2)
    fill(kafka, topic, {0: 20})
    is_told = threading.Event()

    def trickle() -> None:
        producer = IdempotentProducer(kafka)
        while not is_told.wait(0.05):
            producer.send(topic, b"0", b"1/0/", partition=1)
        producer.finish()

    with RangeReader(kafka, topic, stall_seconds=2) as reader, ThreadPoolExecutor(1) as beside:
        reader.go_to({0: 0, 1: 0})
        beside.submit(trickle)
        try:
            with pytest.raises(OffsetGapError, match=r"partition 0: expected offsets 0 to 21"):
                list(reader.read({0: (0, 21)}))
        finally:
            is_told.set()


def test_a_partition_that_was_asked_for_too_early_is_read_once_it_has_come_so_far(
    kafka: KafkaConnection, new_topic: Callable[..., str]
) -> None:
    topic = new_topic(2)
    fill(kafka, topic, {0: 400})
    with RangeReader(kafka, topic, stall_seconds=5) as reader:
        starts = iter(range(400))

        def reads_and_sees_it_dead() -> bool:
            start = next(starts)
            list(reader.read({0: (start, start + 1), 1: (50, 50)}))
            return bool(reader._dead)

        wait_for(reads_and_sees_it_dead, every=0.02)
        assert reader._dead == {1}
        fill(kafka, topic, {1: 60})
        assert places(list(reader.read({1: (50, 52)}))) == [(1, 50), (1, 51)]


def test_timestamps_tombstones_and_missing_keys_come_as_they_are(
    kafka: KafkaConnection, new_topic: Callable[..., str]
) -> None:
    topic = new_topic(1)
    producer = IdempotentProducer(kafka)
    producer.send(topic, None, b"", timestamp_ms=1_700_000_000_123)
    producer.send(topic, b"", None)
    producer.send(topic, b"\x00", b"\xff\x00")
    producer.finish()
    with RangeReader(kafka, topic) as reader:
        (chunk,) = reader.read({0: (0, 3)})
    assert chunk.keys == [None, b"", b"\x00"]
    assert chunk.values == [b"", None, b"\xff\x00"]
    assert chunk.timestamp_ms[0] == 1_700_000_000_123
    assert abs(chunk.timestamp_ms[1] / 1000 - time.time()) < 60


def test_a_range_over_transaction_marks_and_aborted_messages_ends(
    kafka: KafkaConnection, new_topic: Callable[..., str]
) -> None:
    topic = new_topic(1)
    producer = TransactionalProducer(kafka, topic)
    producer.fence()
    for number in range(3):
        producer.transaction([Record(topic, None, b"%d" % number)], topic, {})
    _abort_after_sending(kafka, topic)
    producer.transaction([Record(topic, None, b"last")], topic, {})
    topics = Topics(kafka)
    wait_for(lambda: topics.offsets(topic)[0][1] >= 10)
    end = topics.offsets(topic)[0][1]
    with RangeReader(kafka, topic, stall_seconds=10) as reader:
        found = [v for chunk in reader.read({0: (0, end)}) for v in chunk.values]
        assert list(reader.read({0: (end, end)})) == []
    assert found == [b"0", b"1", b"2", b"last"]
    assert end > len(found)


def _abort_after_sending(kafka: KafkaConnection, topic: str) -> None:
    aborting = Producer(kafka.config(ClientErrors(), transactional_id=f"{topic}-other"))
    aborting.init_transactions(30)
    aborting.begin_transaction()
    aborting.produce(topic, b"never")
    assert aborting.flush(30) == 0
    aborting.abort_transaction(30)


def test_what_retention_deleted_is_a_gap_that_names_partition_and_offsets(
    kafka: KafkaConnection, new_topic: Callable[..., str]
) -> None:
    topic = new_topic(2)
    fill(kafka, topic, {0: 20, 1: 20})
    admin = administrator(kafka)
    for future in admin.delete_records([TopicPartition(topic, 1, 15)]).values():
        future.result(30)
    assert Topics(kafka).offsets(topic) == {0: (0, 20), 1: (15, 20)}
    with RangeReader(kafka, topic) as reader:
        with pytest.raises(
            OffsetGapError, match=r"partition 1: expected offsets 5 to 20, found 15"
        ):
            list(reader.read({0: (0, 20), 1: (5, 20)}))
        with pytest.raises(OffsetGapError, match=r"partition 1: expected offsets 5 to 6, found 15"):
            reader.go_to({0: 0, 1: 5})
        rest = {0: (0, 20), 1: (15, 20)}
        assert sorted(places(list(reader.read(rest)))) == wanted(rest)


def test_going_somewhere_and_failing_on_the_way_loses_nothing(
    kafka: KafkaConnection, new_topic: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = new_topic(1)
    fill(kafka, topic, {0: 50})
    with RangeReader(kafka, topic) as reader:
        consume = reader._consume

        def fails(count: int, ranges: Ranges) -> list[Message]:
            while not consume(count, ranges):
                pass
            raise Outage("on the way")

        monkeypatch.setattr(reader, "_consume", fails)
        monkeypatch.setattr(reader, "_is_fetching", lambda partition: False)
        with pytest.raises(Outage, match="on the way"):
            reader.go_to({0: 0})
        monkeypatch.undo()
        assert sorted(places(list(reader.read({0: (0, 50)})))) == wanted({0: (0, 50)})


def test_a_range_beyond_the_end_is_a_gap(
    kafka: KafkaConnection, new_topic: Callable[..., str]
) -> None:
    topic = new_topic(1)
    fill(kafka, topic, {0: 5})
    with (
        RangeReader(kafka, topic, stall_seconds=0.5) as reader,
        pytest.raises(OffsetGapError, match="expected offsets 0 to 9, found 0 to 5"),
    ):
        list(reader.read({0: (0, 9)}))


def test_a_missing_topic_is_said_with_the_remedy(kafka: KafkaConnection) -> None:
    for ask in (Topics(kafka).describe, Topics(kafka).offsets):
        with pytest.raises(TopicChangedError, match="fraud-platform up"):
            ask("no-such-topic")
    with (
        RangeReader(kafka, "no-such-topic", stall_seconds=1) as reader,
        pytest.raises(TopicChangedError),
    ):
        list(reader.read({0: (0, 1)}))


def test_a_topic_made_anew_has_another_identity_and_topics_are_made_once(
    kafka: KafkaConnection, new_topic: Callable[..., str]
) -> None:
    name, topics = new_topic(2), Topics(kafka)
    before = topics.describe(name)
    assert before.partitions == (0, 1)
    assert topics.ensure([TopicSpec(name, 2)]) == []
    assert topics.describe(name) == before
    admin = administrator(kafka)
    admin.delete_topics([name])[name].result(30)
    wait_for(lambda: topics.ensure([TopicSpec(name, 2)]) == [name])
    assert topics.describe(name).topic_id != before.topic_id


def test_a_topic_is_known_as_soon_as_it_is_made(kafka: KafkaConnection) -> None:
    topics = Topics(kafka)
    for number in range(40):
        name = f"just-made-{number}"
        assert topics.ensure([TopicSpec(name, 3)]) == [name]
        assert topics.describe(name).partitions == (0, 1, 2)


def test_an_absent_broker_is_an_outage_in_bounded_time() -> None:
    nowhere = KafkaConnection(f"127.0.0.1:{free_port()}")
    began = time.monotonic()
    with pytest.raises(Outage, match=r"Connection refused.*FRAUD_KAFKA_BOOTSTRAP"):
        Topics(nowhere, answer_seconds=1).offsets("t")
    with RangeReader(nowhere, "t", stall_seconds=1) as reader, pytest.raises(Outage):
        list(reader.read({0: (0, 1)}))
    with pytest.raises(Outage):
        TransactionalProducer(nowhere, "x", timeout_seconds=1).fence()
    with pytest.raises(Outage):
        Topics(nowhere, answer_seconds=1).group_offsets("g", "t")
    assert time.monotonic() - began < 40


def test_a_brokers_setting_is_reported(kafka: KafkaConnection) -> None:
    minutes = Topics(kafka).broker_setting("offsets.retention.minutes")
    assert minutes == str(366 * 24 * 60)


def test_a_broker_that_dies_while_it_is_asked_for_offsets_is_an_outage(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    topics = Topics(KafkaConnection("127.0.0.1:9"), answer_seconds=1)
    unanswered = {TopicPartition("t", 0): SimpleNamespace(offset=-1001)}
    monkeypatch.setattr(topics, "_answer", lambda what, ask: unanswered)
    with pytest.raises(Outage, match="offsets of topic t"):
        topics.ends("t", [0])
