"""Fixtures that more than one folder of tests uses."""

from __future__ import annotations

import gc
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.settings import Settings, load_settings
from fraud_platform_tests.testing.home import STATE
from fraud_platform_tests.testing.shared import open_shared_folder
from fraud_platform_tests.testing.temporary import use_memory

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from fraud_platform.adapters.kafka.connection import KafkaConnection
    from fraud_platform_tests.testing.worlds.platform import Platform


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let CI say that a test which is skipped has failed: everything that is needed is there."""
    parser.addoption("--no-skips", action="store_true", help="Count every skip as a failure.")


def pytest_configure(config: pytest.Config) -> None:
    """Choose temporary folders and the shared one; workers get theirs from the main process."""
    use_memory(os.environ)
    if shared := open_shared_folder(os.environ):
        config.add_cleanup(lambda: _close_shared_folder(shared))


def _close_shared_folder(shared: Path) -> None:
    if (shared / "broker").exists():
        from fraud_platform_tests.testing.shared_broker import end_shared_broker

        end_shared_broker(shared)
    shutil.rmtree(shared, ignore_errors=True)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Let `--dist loadfile` choose files by what they need."""
    from fraud_platform_tests.testing.schedule import FileScheduling

    return FileScheduling(config, log) if config.getoption("dist") == "loadfile" else None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report = yield
    return _without_skip(report, item.config)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Iterator[None]:
    report = yield
    return _without_skip(report, collector.config)


def _without_skip(report: Any, config: pytest.Config) -> Any:
    """Turn a skip into a failure that names its reason, where skips are not allowed."""
    is_skip = report.outcome == "skipped" and not hasattr(report, "wasxfail")
    if is_skip and config.getoption("--no-skips"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"{report.nodeid}: {reason}. --no-skips counts that as a failure."
    return report


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the tests on the real drops where those are not at hand."""
    if os.environ.get("FRAUD_REAL_DROPS"):
        return
    real = [item for item in items if item.get_closest_marker("real_drops")]
    config.hook.pytest_deselected(items=real)
    items[:] = [item for item in items if item not in real]


def pytest_collection_finish() -> None:
    """Leave what is imported out of garbage collections, and let those be rarer."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    """One embedded Spark session for all tests of a process."""
    from fraud_platform.adapters.spark.session import open_session

    session = open_session(Settings(home=STATE, spark_memory="3g"))
    yield session
    session.stop()


@pytest.fixture(scope="session")
def kafka() -> KafkaConnection:
    """One real broker for all tests of all workers, started when the first one asks."""
    from fraud_platform_tests.testing.shared_broker import shared_broker

    return shared_broker(STATE / "jars")


@pytest.fixture
def new_topic(kafka: KafkaConnection) -> Callable[..., str]:
    """A function that makes a topic of the test's own, with so many partitions."""
    from fraud_platform.adapters.kafka.topics import Topics
    from fraud_platform.contracts.messages import TopicSpec

    def make(partitions: int = 3, **config: str) -> str:
        name = f"test-{secrets.token_hex(6)}"
        named = {key.replace("_", "."): value for key, value in config.items()}
        Topics(kafka).ensure([TopicSpec(name, partitions, named)])
        return name

    return make


@pytest.fixture
def kafka_settings(kafka: KafkaConnection, tmp_path: Path) -> Settings:
    """Settings with topics of the test's own, made, on the real broker."""
    from fraud_platform.adapters.kafka.topics import Topics
    from fraud_platform.contracts.messages import topic_specs

    mark = secrets.token_hex(6)
    settings = Settings(
        home=tmp_path / "home",
        kafka_bootstrap=kafka.bootstrap,
        transactions_topic=f"transactions-{mark}",
        labels_topic=f"labels-{mark}",
        predictions_topic=f"predictions-{mark}",
        dead_letters_topic=f"transactions.dlq-{mark}",
    )
    Topics(kafka).ensure(topic_specs(settings))
    return settings


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """An empty lake of the test's own."""
    return Lake(str(tmp_path / "lake"))


@pytest.fixture(scope="session")
def real_drops() -> Path:
    """The folder with the four Handbook drops."""
    return Path(os.environ["FRAUD_REAL_DROPS"])


@pytest.fixture
def platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Platform]:
    """A platform of the test's own: a home, its settings, a Dagster instance."""
    import dagster as dg

    from fraud_platform_tests.testing.worlds.platform import (
        Platform,
        copied_output,
        dagster_home,
    )

    home = tmp_path / "home"
    home.mkdir()
    (home / "jars").symlink_to(STATE / "jars")
    monkeypatch.setenv("FRAUD_HOME", str(home))
    monkeypatch.setenv("FRAUD_DROP_SETTLE_SECONDS", "0")
    monkeypatch.setattr("dagster._core.execution.compute_logs.execute_posix_tail", copied_output)
    with dg.DagsterInstance.local_temp(str(dagster_home(tmp_path / "dagster"))) as instance:
        yield Platform(load_settings(), instance)
