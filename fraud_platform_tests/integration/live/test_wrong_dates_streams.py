"""Streams with wrong dates through a real broker: both engines name them and give good rows alike.

The quick cases are one of each engine; the shares and directions run in `make acceptance`.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fraud_platform.adapters.kafka.connection import KafkaConnection
from fraud_platform.adapters.kafka.producers import IdempotentProducer
from fraud_platform.adapters.kafka.topics import Topics
from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.contracts.messages import TopicSpec, topic_specs
from fraud_platform.settings import Settings
from fraud_platform.simulation.stream import transaction_messages
from fraud_platform.tables.scoring import SCORED
from fraud_platform_tests.testing.programs.scoring import score_all
from fraud_platform_tests.testing.worlds.dates import (
    SHARES,
    Dated,
    Topic,
    dated_stream,
    require_named_and_without_effect,
    score_in_process,
)
from fraud_platform_tests.testing.worlds.parity import ENGINES
from fraud_platform_tests.testing.worlds.scoring import train_small

ANY_TIMESTAMP = {
    "message.timestamp.type": "CreateTime",
    "message.timestamp.after.max.ms": str(2**63 - 1),
    "retention.ms": "-1",
}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_small(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def without_wrong(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Lake:
    lake = Lake(str(tmp_path_factory.mktemp("good") / "lake"))
    score_in_process(lake, Topic(dated_stream(0.01, "ahead", "replay").good()), model, 900)
    return lake


@pytest.fixture
def settings(kafka: KafkaConnection, tmp_path: Path) -> Settings:
    mark = secrets.token_hex(6)
    made = Settings(
        home=tmp_path / mark,
        kafka_bootstrap=kafka.bootstrap,
        kafka_partitions=3,
        transactions_topic=f"transactions-{mark}",
        labels_topic=f"labels-{mark}",
        predictions_topic=f"predictions-{mark}",
        dead_letters_topic=f"dlq-{mark}",
        max_batch_messages=2_500,
    )
    Topics(kafka).ensure([TopicSpec(made.transactions_topic, 3, ANY_TIMESTAMP)])
    Topics(kafka).ensure(topic_specs(made))
    return made


def send(settings: Settings, stream: Dated, stamps: np.ndarray | None = None) -> None:
    made = transaction_messages(stream.rows)
    producer = IdempotentProducer(KafkaConnection.from_settings(settings))
    given = [None] * len(made.keys) if stamps is None else stamps.tolist()
    for key, value, stamp in zip(made.keys, made.values, given, strict=True):
        producer.send(settings.transactions_topic, key, value, timestamp_ms=stamp)
    assert producer.finish().acked == len(made.keys)


def session_of(engine: str, request: pytest.FixtureRequest) -> Callable[[], object] | None:
    if engine == "inprocess":
        return None
    spark = request.getfixturevalue("spark")
    return lambda: spark


CASES = [(0.2, "ahead")] + [
    pytest.param(share, direction, marks=pytest.mark.slow)
    for share in SHARES
    for direction in ("ahead", "behind")
    if (share, direction) != (0.2, "ahead")
]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("share", "direction"), CASES)
def test_wrong_dates_are_named_and_change_no_bit_of_a_good_row(
    settings: Settings,
    model: Path,
    without_wrong: Lake,
    share: float,
    direction: str,
    engine: str,
    request: pytest.FixtureRequest,
) -> None:
    stream = dated_stream(share, direction, "replay")
    send(settings, stream)
    score_all(settings, model, session_of(engine, request))
    require_named_and_without_effect(Lake(settings.lake), without_wrong, stream)


@pytest.mark.parametrize("engine", ENGINES)
def test_timestamps_in_ns_us_and_s_are_the_same_moments_in_both_engines(
    settings: Settings, model: Path, engine: str, request: pytest.FixtureRequest
) -> None:
    stream = dated_stream(0.01, "ahead", "live", count=1_500).good()
    stamps = stream.arrival_ms.copy()
    stamps[1::5] *= 1_000
    stamps[2::5] *= 1_000_000
    stamps[3::5] //= 1_000
    send(settings, stream, stamps)
    score_all(settings, model, session_of(engine, request))
    found = Lake(settings.lake).read_arrow(SCORED, columns=["transaction_id", "produced_at"])
    produced = dict(
        zip(found["transaction_id"].to_pylist(), found["produced_at"].to_pylist(), strict=True)
    )
    ids = stream.rows["transaction_id"].to_list()
    assert len(produced) == len(ids)
    wanted = [ms // 1000 for ms in stream.arrival_ms.tolist()]
    assert [int(produced[i].timestamp()) for i in ids] == wanted
