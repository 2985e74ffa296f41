"""Dagster, its daemon, a run's process, the broker: each is killed while a stream is scored."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import psutil
import pytest

from fraud_platform.adapters.kafka import broker
from fraud_platform.adapters.models.registry import CHAMPION
from fraud_platform.adapters.services.processes import members, read_records
from fraud_platform.operations.models.registry import registry_of
from fraud_platform.operations.services import laptop
from fraud_platform.settings import Settings
from fraud_platform_tests.oracles.scoring import Sent, judge
from fraud_platform_tests.testing.home import STATE
from fraud_platform_tests.testing.ports import free_port, quiet_port
from fraud_platform_tests.testing.worlds.scoring import (
    MODEL_FEATURES,
    World,
    mixed_stream,
    small_settings,
    stream_rows,
    train_small,
)
from fraud_platform_tests.testing.worlds.unattended import (
    committed,
    kill_broker,
    run_workers,
    wait_long,
)

MESSAGES, PARTS = 24_000, 6
KILLED = ("run", "dagster", "broker", "run", "dagster", "broker")


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """A home with a champion, a broker and a Dagster of its own."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "jars").symlink_to(STATE / "jars")
    port = quiet_port()
    settings = small_settings(
        home, f"127.0.0.1:{port}", secrets.token_hex(4), kafka_port=port,
        dagster_port=free_port(), mlflow_port=free_port(), scoring_engine="inprocess",
    )  # fmt: skip
    registry = registry_of(settings)
    model = train_small(home / "model")
    registry.register("2018-07-23", model, MODEL_FEATURES, {}, {}, {}, {})
    registry.set_alias(CHAMPION, 1)
    all_services = laptop.services(settings.model_copy(update={"kafka_bootstrap": None}))
    chosen = [
        broker.service(settings) if service.name == broker.NAME else service
        for service in all_services
        if service.name in (broker.NAME, "dagster")
    ]
    monkeypatch.setattr(laptop, "services", lambda settings: chosen)
    list(laptop.up(settings))
    yield settings
    list(laptop.down(settings))


def kill_dagster(settings: Settings) -> None:
    """Kill the UI, the daemon, the code server and every run at once, as a power cut would."""
    records = {r.name: r for r in read_records(laptop.run_folder(settings))}
    if "dagster" in records:
        killed = members(records["dagster"].token)
        for process in killed:
            process.kill()
        psutil.wait_procs(killed, 20)
    list(laptop.up(settings))


def kill_run(settings: Settings) -> None:
    for process in run_workers(settings.home):
        try:
            process.kill()
        except psutil.NoSuchProcess:  # it has ended
            continue


def kill(what: str, settings: Settings) -> None:
    if what == "run":
        kill_run(settings)
    elif what == "dagster":
        kill_dagster(settings)
    else:
        kill_broker(settings)
        list(laptop.up(settings))


def _has_committed(settings: Settings, goal: int) -> bool:
    return committed(settings) >= goal


@pytest.mark.slow
@pytest.mark.timeout(1_800)
def test_a_stream_is_scored_once_whatever_of_the_platform_is_killed(settings: Settings) -> None:
    random = np.random.default_rng(7)
    world = World(settings, settings.home / "model")
    sent = mixed_stream(stream_rows(MESSAGES), bad_share=0.01)
    produced: list[Sent] = []
    for part, what in zip(np.array_split(np.arange(len(sent)), PARTS), KILLED, strict=True):
        messages = [sent[i] for i in part.tolist()]
        world.produce(messages)
        produced += messages
        goal = len(produced) - random.integers(0, len(messages))
        if what == "run":
            wait_long(lambda: run_workers(settings.home), "a run to kill")
        else:
            wait_long(partial(_has_committed, settings, int(goal)), "scoring")
        kill(what, settings)
    wait_long(lambda: committed(settings) == len(sent), "every message scored")
    wait_long(lambda: not run_workers(settings.home), "the last run to end")
    judged = judge(settings, sent)
    assert judged.problems == []
    assert judged.figures["messages"] == len(sent)
