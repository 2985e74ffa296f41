"""Live scoring with its lake on S3 or HDFS: killed and started again, every message ends once."""

from __future__ import annotations

import os
import secrets
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from fraud_platform.adapters.kafka.connection import KafkaConnection
from fraud_platform.adapters.kafka.topics import Topics
from fraud_platform.contracts.messages import topic_specs
from fraud_platform_tests.oracles.scoring import judge
from fraud_platform_tests.testing.programs.scoring import DONE
from fraud_platform_tests.testing.servers.storage import S3Server
from fraud_platform_tests.testing.worlds.scoring import (
    World,
    mixed_stream,
    small_settings,
    stream_rows,
    train_small,
)

SENT = mixed_stream(stream_rows(2_000, days=12))
POINTS = ["scoring.scored_written", "scoring.committed", "scoring.within_publish"]


class AwayWorld(World):
    """A world whose scorers know how S3 is reached."""

    def environment(self, kill_at: str = "") -> Mapping[str, str]:
        aws = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
        return {**super().environment(kill_at), **aws}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_small(tmp_path_factory.mktemp("model"))


def new_world(kafka: KafkaConnection, model: Path, home: Path, **chosen: Any) -> World:
    settings = small_settings(home, kafka.bootstrap, secrets.token_hex(6), **chosen)
    Topics(kafka).ensure(topic_specs(settings))
    world = AwayWorld(settings, model)
    world.produce(SENT)
    return world


@pytest.fixture(scope="module")
def on_disk(
    kafka: KafkaConnection, model: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[int, float]:
    """Scores by transaction with the lake on the disk."""
    world = new_world(kafka, model, tmp_path_factory.mktemp("on_disk"))
    assert world.score() == DONE, world.output
    return judge(world.settings, SENT).scores


@pytest.mark.systems
@pytest.mark.parametrize("where", ["s3", pytest.param("hdfs", marks=pytest.mark.slow)])
def test_a_stream_scored_onto_a_lake_elsewhere_ends_as_on_the_disk(
    request: pytest.FixtureRequest, s3: S3Server, s3_variables: dict[str, str],
    kafka: KafkaConnection, model: Path, on_disk: dict[int, float], tmp_path: Path, where: str,
) -> None:  # fmt: skip
    place = {
        "s3": lambda: f"s3://{s3.make_bucket()}",
        "hdfs": lambda: f"{request.getfixturevalue('hdfs').url}/{tmp_path.name}",
    }[where]()
    world = new_world(kafka, model, tmp_path / "home", lake_url=f"{place}/lake")
    for point in POINTS:
        assert world.score(point) == -signal.SIGKILL, world.output
    assert world.score() == DONE, world.output
    judged = judge(world.settings, SENT)
    assert judged.problems == []
    assert judged.scores == on_disk
    assert len(set(on_disk.values())) > 100
    assert not (tmp_path / "home" / "lake").exists()
