"""A new drop becomes a decision under real daemons, without any command."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from fraud_platform.adapters.models.registry import CHAMPION
from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.contracts.model_tables import PROMOTION_HISTORY
from fraud_platform.contracts.tables import CLEANING_LEDGER
from fraud_platform.operations.models.decisions import read_history
from fraud_platform.operations.models.registry import registry_of
from fraud_platform.operations.services.laptop import down, run_folder, up
from fraud_platform.promotion.history import alias_target
from fraud_platform.settings import Settings
from fraud_platform.simulation import SimulationConfig, simulate_drops
from fraud_platform_tests.testing.home import STATE
from fraud_platform_tests.testing.ports import free_port
from fraud_platform_tests.testing.worlds.unattended import LIMIT_SECONDS, run_workers, wait_long

CONFIG = SimulationConfig(
    customers=1_000, terminals=1_000, days=44, drop_days=22, compromised_terminals_per_day=1
)


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    home = tmp_path / "home"
    home.mkdir()
    (home / "jars").symlink_to(STATE / "jars")
    for name, value in {
        "FRAUD_HOME": home,
        "FRAUD_DROP_SETTLE_SECONDS": "0",
        "FRAUD_CATCH_UP_WEEKS": "1",
        "FRAUD_DAGSTER_PORT": free_port(),
        "FRAUD_MLFLOW_PORT": free_port(),
    }.items():
        monkeypatch.setenv(name, str(value))
    made = Settings()
    yield made
    list(down(made))


@pytest.mark.slow
@pytest.mark.timeout(2 * LIMIT_SECONDS)
def test_a_new_drop_becomes_a_decision_though_a_run_is_killed_on_the_way(
    settings: Settings,
) -> None:
    lake = Lake(settings.lake)
    list(up(settings))
    simulate_drops(CONFIG, Path(settings.landing), None)
    (Path(settings.landing) / "_SUCCESS").touch()

    wait_long(lambda: run_workers(settings.home), "the first run")
    os.kill(run_workers(settings.home)[0].pid, signal.SIGKILL)

    wait_long(lambda: lake.read_arrow(CLEANING_LEDGER).num_rows == 2, "two cleaned drops")
    wait_long(lambda: lake.read_arrow(PROMOTION_HISTORY).num_rows > 0, "a decision")
    target = alias_target(read_history(lake))
    wait_long(
        lambda: registry_of(settings).alias(CHAMPION) == (int(target) if target else None),
        "the alias",
    )
    list(down(settings))
    assert not list(run_folder(settings).glob("*.json"))
    assert run_workers(settings.home) == []
