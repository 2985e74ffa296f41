"""Three secured brokers, one killed under load: what was produced is scored, once each."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from confluent_kafka import TopicCollection
from confluent_kafka.admin import AdminClient

from fraud_platform.adapters.kafka.connection import ClientErrors, KafkaConnection
from fraud_platform.adapters.kafka.producers import IdempotentProducer
from fraud_platform.adapters.kafka.topics import Topics
from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.contracts.access import Role
from fraud_platform.settings import Settings
from fraud_platform.tables.scoring import SCORED as SCORED_TABLE
from fraud_platform_tests.oracles.scoring import SCORED, Sent, judge
from fraud_platform_tests.testing.ports import quiet_port
from fraud_platform_tests.testing.programs.scoring import DONE, OUTAGE
from fraud_platform_tests.testing.servers.secured_kafka import SecuredCluster
from fraud_platform_tests.testing.waiting import pace, wait_for
from fraud_platform_tests.testing.worlds.scoring import (
    World,
    mixed_stream,
    small_settings,
    stream_rows,
    train_small,
)

pytestmark = [pytest.mark.systems, pytest.mark.slow, pytest.mark.timeout(1_500)]

MESSAGES, PARTITIONS = 200_000, 12
_MOST_AHEAD = 40_000
LIMIT_SECONDS = 900


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[SecuredCluster]:
    ports: set[int] = set()
    while len(ports) < 3:
        ports.add(quiet_port())
    cluster = SecuredCluster(tmp_path / "cluster", tuple(sorted(ports)))
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.close()


@pytest.fixture
def settings(cluster: SecuredCluster, tmp_path: Path) -> Settings:
    made = small_settings(
        tmp_path / "home", cluster.bootstrap, secrets.token_hex(4), batch=4_000,
        max_plan_messages=40_000,
    ).model_copy(update={"kafka_partitions": PARTITIONS})  # fmt: skip
    cluster.make_topics(made)
    return made


def _require_three_copies(cluster: SecuredCluster, settings: Settings) -> None:
    admin = AdminClient(cluster.administrator.config(ClientErrors()))
    topic = settings.transactions_topic
    found = admin.describe_topics(TopicCollection([topic]))[topic].result(20)
    assert len(found.partitions) == PARTITIONS
    assert all(len(partition.replicas) == 3 for partition in found.partitions)


def _is_near(producer: IdempotentProducer, number: int, scored: list[int]) -> bool:
    producer.poll()
    return number - scored[0] <= _MOST_AHEAD


def _send(settings: Settings, sent: list[Sent], scored: list[int]) -> None:
    """Send messages, never far ahead of what is scored, so that a kill meets both under load."""
    producer = IdempotentProducer(KafkaConnection.from_settings(settings), timeout_seconds=120)
    for number, message in enumerate(sent, 1):
        producer.send(settings.transactions_topic, message.key, message.value)
        wait_for(partial(_is_near, producer, number, scored), LIMIT_SECONDS, "the scorer")
    producer.finish()


# whichever it is: one of them is the active controller, one coordinates the scorer's transactions
@pytest.mark.parametrize("killed", [1, 2, 3])
def test_one_of_three_brokers_killed_under_load_loses_nothing(
    cluster: SecuredCluster, settings: Settings, tmp_path: Path, killed: int
) -> None:
    _require_three_copies(cluster, settings)
    sent = mixed_stream(stream_rows(MESSAGES, customers=5_000, terminals=2_000), 0.002)
    wanted = sum(one.outcome == SCORED for one in sent)
    model = train_small(tmp_path / "model")
    producing, scoring, reading = (
        World(cluster.settings(settings, role), model)
        for role in (Role.PRODUCER, Role.SCORER, Role.READER)
    )
    lake, killed_at, scored = Lake(settings.lake), 0, [0]
    limit = time.monotonic() + LIMIT_SECONDS
    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(_send, producing.settings, sent, scored)
        scorer = scoring.start_scorer()
        ended: list[int | None] = []
        while scored[0] < wanted:
            assert time.monotonic() < limit, (scored[0], ended, scoring.output)
            scored[0] = lake.read_arrow(SCORED_TABLE, columns=["transaction_id"]).num_rows
            if not killed_at and scored[0] > wanted // 4:
                assert not sending.done()
                cluster.kill(killed)
                killed_at = scored[0]
            if not scorer.is_alive():
                ended.append(scorer.exitcode)
                assert scorer.exitcode in (DONE, OUTAGE), scoring.output
                scorer = scoring.start_scorer()
            pace(0.2)
        sending.result(LIMIT_SECONDS)
        assert scoring.ended(scorer, 120) == DONE, scoring.output
    # the killed one comes back and takes its copies up again
    cluster.start(killed)
    Topics(cluster.administrator).offsets(settings.transactions_topic)
    judged = judge(reading.settings, sent)
    assert judged.problems == []
    assert len(judged.scores) == wanted
    print(
        f"{len(sent)} produced, {wanted} to score, {len(judged.scores)} scored once; broker "
        f"{killed} killed after {killed_at}; {ended.count(OUTAGE)} scorers met an outage"
    )
