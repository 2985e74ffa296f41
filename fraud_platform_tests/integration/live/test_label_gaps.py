"""Gaps on the labels topic: intake halts with the gap named, goes on once it is accepted."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
from confluent_kafka import TopicPartition

from fraud_platform.adapters.kafka.topics import Topics
from fraud_platform.defs.automation.requests import ask_plan_again
from fraud_platform.errors import DataError
from fraud_platform.operations.live.gaps import accept_label_gap
from fraud_platform.tables.scoring import TOPIC_LABELS
from fraud_platform_tests.oracles.scoring import judge
from fraud_platform_tests.testing.servers.kafka_admin import administrator
from fraud_platform_tests.testing.worlds.live import Live
from fraud_platform_tests.testing.worlds.scoring import World, mixed_stream, stream_rows

ROWS = stream_rows(300, seed=21)
SENT = mixed_stream(ROWS)
HALVES = SENT[: len(SENT) // 2], SENT[len(SENT) // 2 :]


def _halt_and_accept(live: Live, named: str) -> None:
    """Require a run that fails with the gap named, and one that scores once it is accepted."""
    run = live.run(live.asked())
    assert not run.success
    assert named in str(run.error)
    assert "accept-gap --labels" in str(run.error)
    skipped = live.skipped()
    assert named in skipped
    assert "accept-gap --labels" in skipped
    output = accept_label_gap(
        live.settings, "drill", partial(ask_plan_again, live.platform.instance)
    )
    assert "because: drill" in output
    with pytest.raises(DataError, match="no gap"):
        accept_label_gap(live.settings, "twice", partial(ask_plan_again, live.platform.instance))
    live.score()
    assert judge(live.settings, SENT).problems == []


def _landed(live: Live) -> list[int]:
    rows = live.platform.lake.read_arrow(TOPIC_LABELS, columns=["transaction_id"])
    return sorted(rows["transaction_id"].to_pylist())


@pytest.mark.slow
def test_a_labels_topic_made_anew_halts_until_a_person_accepts(live: Live) -> None:
    world = World(live.settings, Path())
    live.produce(HALVES[0])
    world.produce_labels(ROWS[:100])
    live.score()
    topic = live.settings.labels_topic
    before = live.recreate(topic)
    live.produce(HALVES[1])
    world.produce_labels(ROWS[100:])
    _halt_and_accept(live, f"topic {topic}: expected the topic {before}")
    assert _landed(live) == sorted(ROWS["transaction_id"].to_list())


def test_a_retention_gap_on_the_labels_topic_halts_until_a_person_accepts(live: Live) -> None:
    world = World(live.settings, Path())
    live.produce(HALVES[0])
    world.produce_labels(ROWS[:150])
    live.score()
    topic = live.settings.labels_topic
    landed = {p: high for p, (_, high) in Topics(live.connection).offsets(topic).items()}
    live.produce(HALVES[1])
    world.produce_labels(ROWS[150:])
    gone = [TopicPartition(topic, p, at + 5) for p, at in landed.items()]
    admin = administrator(live.connection)
    for future in admin.delete_records(gone).values():
        future.result(10)
    _halt_and_accept(live, f"partition 0: {landed[0]} to {landed[0] + 5}")
    assert len(_landed(live)) == ROWS.height - 5 * len(landed)
