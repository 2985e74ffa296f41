"""What halts the Kafka sensor until a person accepts a gap, on a real broker."""

from __future__ import annotations

import dagster as dg
import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import NewPartitions

from fraud_platform.adapters.kafka.topics import Topics
from fraud_platform.defs.checks.inference import (
    count_problems,
    offset_problems,
    recent_batches,
)
from fraud_platform.defs.failures import FAILURE_TAG
from fraud_platform.errors import DataError, OffsetGapError, TopicChangedError
from fraud_platform.operations.live.gaps import accept_gap
from fraud_platform.tables.scoring import SCORED
from fraud_platform_tests.oracles.scoring import judge
from fraud_platform_tests.testing.servers.kafka_admin import administrator
from fraud_platform_tests.testing.worlds.follower import scored_ids
from fraud_platform_tests.testing.worlds.live import PARTITIONS, Live, until
from fraud_platform_tests.testing.worlds.scoring import mixed_stream, stream_rows

ROWS = stream_rows(900, seed=11)
SENT = mixed_stream(ROWS)
HALVES = SENT[: len(SENT) // 2], SENT[len(SENT) // 2 :]


def _accepted(live: Live, expected: type[DataError], match: str) -> None:
    """Require that the sensor is halted, the gap named, and that a person may accept it."""
    with pytest.raises(expected, match=match) as halted:
        live.tick()
    assert "accept-gap" in str(halted.value)
    assert "because: drill" in accept_gap(live.settings, "drill")
    with pytest.raises(DataError, match="no gap"):
        accept_gap(live.settings, "twice")


def test_a_topic_made_anew_halts_until_a_person_accepts(live: Live) -> None:
    live.produce(HALVES[0])
    live.score()
    topic = live.settings.transactions_topic
    live.recreate(topic)
    live.produce(HALVES[1])
    _accepted(live, TopicChangedError, f"topic {topic}: .* deleted and recreated")
    live.score()
    assert "nothing new" in live.skipped()
    ids = live.platform.lake.read_arrow(SCORED, columns=["transaction_id"])
    scored = ids["transaction_id"].to_pylist()
    assert sorted(scored) == scored_ids(SENT)
    assert list(offset_problems(recent_batches(live.platform.lake))) == []


def test_added_partitions_halt_until_a_person_accepts(live: Live) -> None:
    live.produce(HALVES[0])
    live.score()
    topic = live.settings.transactions_topic
    admin = administrator(live.connection)
    admin.create_partitions([NewPartitions(topic, PARTITIONS + 2)])[topic].result(10)
    until(lambda: len(Topics(live.connection).describe(topic).partitions) == PARTITIONS + 2)
    _accepted(live, TopicChangedError, r"expected partitions \[0, 1, 2\], found \[0, 1, 2, 3, 4\]")
    live.produce(HALVES[1])
    live.score()
    assert judge(live.settings, SENT).problems == []


@pytest.mark.parametrize("planned", [False, True], ids=["before a plan", "within a plan"])
def test_a_retention_gap_halts_until_a_person_accepts(live: Live, planned: bool) -> None:
    live.produce(HALVES[0])
    live.score()
    live.produce(HALVES[1])
    if planned:
        live.record(live.asked(), dg.DagsterRunStatus.FAILURE, **{FAILURE_TAG: "data"})
    topic = live.settings.transactions_topic
    ends = Topics(live.connection).offsets(topic)
    committed = {
        int(p): at
        for p, at in recent_batches(live.platform.lake).commits[-1]["end_offsets"].items()
    }
    gone = {p: committed[p] + 20 for p in ends}
    admin = administrator(live.connection)
    for future in admin.delete_records(
        [TopicPartition(topic, p, at) for p, at in gone.items()]
    ).values():
        future.result(10)
    _accepted(live, OffsetGapError, f"partition 0: {committed[0]} to {gone[0]}")
    live.score()
    assert "nothing new" in live.skipped()
    metadata = recent_batches(live.platform.lake).commits[-1]
    assert {int(p): end for p, end in metadata["end_offsets"].items()} == {
        p: high for p, (_, high) in ends.items()
    }
    recent = recent_batches(live.platform.lake)
    assert list(offset_problems(recent)) + list(count_problems(recent)) == []
    read = sum(commit["counts"]["messages_read"] for commit in recent.commits)
    assert read == len(SENT) - 20 * PARTITIONS
