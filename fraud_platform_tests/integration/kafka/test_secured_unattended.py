"""`up --secure` whole: a daemon's sensor has a secured stream scored, and shows no secret."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fraud_platform.adapters.kafka import broker
from fraud_platform.adapters.kafka.access import read_password
from fraud_platform.adapters.kafka.broker_security import set_up_access
from fraud_platform.adapters.kafka.broker_settings import Node
from fraud_platform.adapters.models.registry import CHAMPION
from fraud_platform.contracts.access import Role
from fraud_platform.operations.models.registry import registry_of
from fraud_platform.operations.services import laptop
from fraud_platform.settings import Settings
from fraud_platform_tests.oracles.scoring import judge
from fraud_platform_tests.testing.home import STATE
from fraud_platform_tests.testing.ports import free_port
from fraud_platform_tests.testing.servers.secured_kafka import oracle_grants
from fraud_platform_tests.testing.worlds.scoring import (
    MODEL_FEATURES,
    World,
    mixed_stream,
    stream_rows,
    train_small,
)
from fraud_platform_tests.testing.worlds.unattended import committed, run_workers, wait_long

pytestmark = [pytest.mark.systems, pytest.mark.slow]

SENT = mixed_stream(stream_rows(2_000, seed=51))


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """A home with a champion, its secured broker and its Dagster running."""
    (tmp_path / "jars").symlink_to(STATE / "jars")
    made = Settings(
        home=tmp_path, kafka_port=free_port(), kafka_partitions=3,
        kafka_security="sasl_ssl", dagster_port=free_port(), mlflow_port=free_port(),
        scoring_engine="inprocess",
    )  # fmt: skip
    registry = registry_of(made)
    model = train_small(tmp_path / "model")
    registry.register("2018-07-23", model, MODEL_FEATURES, {}, {}, {}, {})
    registry.set_alias(CHAMPION, 1)
    chosen = [s for s in laptop.services(made) if s.name in (broker.NAME, "dagster")]
    monkeypatch.setattr(laptop, "services", lambda settings: chosen)
    try:
        list(laptop.up(made))
        yield made
    finally:
        list(laptop.down(made))


def test_a_daemon_scores_a_secured_stream(settings: Settings) -> None:
    World(settings, settings.home / "model").produce(SENT)
    wait_long(lambda: committed(settings) == len(SENT), "every message scored")
    wait_long(lambda: not run_workers(settings.home), "the last run to end")
    secrets = settings.kafka_secrets
    administrator = broker.administrator_of(
        Node(settings.home / broker.NAME, settings.kafka_port, secrets)
    )
    set_up_access(administrator, secrets, oracle_grants(settings))
    reader = settings.model_copy(
        update={"kafka_user": "reader", "kafka_password": read_password(secrets, Role.READER)}
    )
    assert judge(reader, SENT).problems == []
    _no_secret_was_written(settings)


def _no_secret_was_written(settings: Settings) -> None:
    """Require that passwords are nowhere but in their files: not in logs, runs, tables, events."""
    canaries = [
        read_password(settings.kafka_secrets, role).get_secret_value().encode() for role in Role
    ]
    found = [
        path
        for path in settings.home.rglob("*")
        if path.is_file()
        and settings.kafka_secrets not in path.parents
        and not path.is_relative_to(settings.home / "jars")
        and any(canary in path.read_bytes() for canary in canaries)
    ]
    assert found == []
