"""Fixtures of several tests: publishing a drop, servers, a platform on topics of its own."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from fraud_platform.adapters.kafka.connection import KafkaConnection
from fraud_platform.adapters.kafka.topics import Topics
from fraud_platform.adapters.models.registry import CHAMPION
from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.cleaning import DropOutcome, publish_drop
from fraud_platform.contracts.messages import topic_specs
from fraud_platform.operations.models.registry import registry_of
from fraud_platform.settings import Settings, load_settings
from fraud_platform_tests.oracles.drop_text import Publish
from fraud_platform_tests.testing.defaults import limits, unpacking
from fraud_platform_tests.testing.servers.hadoop import Hadoop, running_yarn
from fraud_platform_tests.testing.servers.storage import (
    HdfsCluster,
    S3Server,
    hdfs_cluster,
    s3_server,
)
from fraud_platform_tests.testing.worlds.live import PARTITIONS, Live
from fraud_platform_tests.testing.worlds.platform import Platform
from fraud_platform_tests.testing.worlds.scoring import train_small


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """One real S3 server for all tests of a process."""
    with s3_server(tmp_path_factory.mktemp("s3") / "buckets") as server:
        yield server


@pytest.fixture
def s3_variables(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """AWS's variables set for that server."""
    for name, value in s3.variables.items():
        monkeypatch.setenv(name, value)
    return s3.variables


@pytest.fixture(scope="session")
def hdfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HdfsCluster]:
    """One real HDFS, of two datanodes, for all tests of a process."""
    with hdfs_cluster(tmp_path_factory.mktemp("hdfs")) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def yarn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hadoop]:
    """A real YARN for all tests of a process, started when the first one asks."""
    with running_yarn(tmp_path_factory.mktemp("hadoop") / "yarn") as hadoop:
        yield hadoop


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> str:
    """URL of a registry with versions 1 and 2."""
    home = tmp_path_factory.mktemp("models")
    registry = registry_of(Settings(home=home))
    folder = train_small(tmp_path_factory.mktemp("model"))
    for day in ("2018-07-16", "2018-07-23"):
        registry.register(day, folder, ("amount",), {}, {}, {}, {})
    return registry.url


@pytest.fixture
def live(
    platform: Platform, kafka: KafkaConnection, models: str, monkeypatch: pytest.MonkeyPatch
) -> Live:
    """Topics of the test's own, few partitions, version 1 the champion."""
    mark = secrets.token_hex(6)
    chosen = {
        "KAFKA_BOOTSTRAP": kafka.bootstrap,
        "KAFKA_PARTITIONS": str(PARTITIONS),
        "TRANSACTIONS_TOPIC": f"transactions-{mark}",
        "LABELS_TOPIC": f"labels-{mark}",
        "PREDICTIONS_TOPIC": f"predictions-{mark}",
        "DEAD_LETTERS_TOPIC": f"dlq-{mark}",
        "MLFLOW_URL": models,
        "SCORING_ENGINE": "inprocess",
        "MAX_BATCH_MESSAGES": "400",
    }
    for name, value in chosen.items():
        monkeypatch.setenv(f"FRAUD_{name}", value)
    settings = load_settings()
    Topics(kafka).ensure(topic_specs(settings))
    registry = registry_of(settings)
    registry.set_alias(CHAMPION, 1)
    return Live(Platform(settings, platform.instance), registry)


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    folder = tmp_path / "raw"
    folder.mkdir()
    return folder


@pytest.fixture
def publish(spark: SparkSession, lake: Lake, raw: Path) -> Publish:
    def run(
        drop: str, content: bytes | None = None, suffix: str = "", **options: Any
    ) -> DropOutcome:
        path = raw / f"{drop}.txt{suffix}"
        if content is not None:
            path.write_bytes(content)
        found = path.read_bytes()
        sha256 = hashlib.sha256(found).hexdigest()
        share = options.pop("max_quarantined_share", 1.0)
        chosen: dict[str, Any] = {
            "lake": lake,
            "content_sha256": sha256,
            "limits": limits(quarantined=share),
            "unpacking": unpacking(),
        } | options
        return publish_drop(
            spark,
            chosen.pop("lake"),
            str(path),
            drop,
            size_bytes=len(found),
            run_id="test",
            **chosen,
        )

    return run
