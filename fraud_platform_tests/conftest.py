"""Fixtures that more than one folder of tests uses."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fraud_platform.adapters.lake import Lake
from fraud_platform.settings import Settings, load_settings

STATE = Path(os.environ.get("FRAUD_HOME", ".fraud_platform")).absolute()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the tests on the real drops where those are not at hand."""
    if os.environ.get("FRAUD_REAL_DROPS"):
        return
    real = [item for item in items if item.get_closest_marker("real_drops")]
    config.hook.pytest_deselected(items=real)
    items[:] = [item for item in items if item not in real]


@pytest.fixture(scope="session")
def spark():
    """One embedded Spark session for all tests of a process."""
    from fraud_platform.adapters.spark import open_session

    session = open_session(Settings(home=STATE, spark_memory="3g"))
    yield session
    session.stop()


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """An empty lake of the test's own."""
    return Lake(str(tmp_path / "lake"))


@pytest.fixture(scope="session")
def real_drops() -> Path:
    """The folder with the four Handbook drops."""
    return Path(os.environ["FRAUD_REAL_DROPS"])


@pytest.fixture
def platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A platform of the test's own: a home, its settings, a Dagster instance."""
    import dagster as dg

    from fraud_platform_tests.platform_fixture import Platform

    home = tmp_path / "home"
    home.mkdir()
    (home / "jars").symlink_to(STATE / "jars")
    monkeypatch.setenv("FRAUD_HOME", str(home))
    monkeypatch.setenv("FRAUD_DROP_SETTLE_SECONDS", "0")
    load_settings.cache_clear()
    (tmp_path / "dagster").mkdir()
    with dg.DagsterInstance.local_temp(str(tmp_path / "dagster")) as instance:
        yield Platform(load_settings(), instance)
    load_settings.cache_clear()
