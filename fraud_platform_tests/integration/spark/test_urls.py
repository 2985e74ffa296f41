"""One URL after another: Connect, a standalone cluster and YARN give what `local[*]` gives."""

from __future__ import annotations

import secrets
from pathlib import Path

import pandas as pd
import pytest

from fraud_platform.adapters.kafka.connection import KafkaConnection
from fraud_platform.adapters.kafka.topics import Topics
from fraud_platform.adapters.spark.clusters.provider import ClusterSize
from fraud_platform.adapters.spark.clusters.standalone import StandaloneProvider
from fraud_platform.contracts.messages import topic_specs
from fraud_platform.settings import Settings
from fraud_platform_tests.testing.connect_plans import DEEPEST
from fraud_platform_tests.testing.home import STATE
from fraud_platform_tests.testing.ports import free_port
from fraud_platform_tests.testing.servers.clusters import ready
from fraud_platform_tests.testing.servers.hadoop import Hadoop, yarn_variables
from fraud_platform_tests.testing.servers.spark_process import running_server
from fraud_platform_tests.testing.worlds.scoring import small_settings, train_small
from fraud_platform_tests.testing.worlds.spark import (
    OF_WHOLE_RUN,
    SparkWorld,
    assert_equal,
    bare_python,
    places,
    real_world,
    simulated_world,
    tables_of,
    whole_world,
)

pytestmark = pytest.mark.systems
SIZE = ClusterSize(2, 1, "1g")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> SparkWorld:
    model = train_small(tmp_path_factory.mktemp("model"))
    return simulated_world(tmp_path_factory.mktemp("world"), model)


def settings_for(home: Path, kafka: KafkaConnection, **chosen: object) -> Settings:
    """Settings with a lake and topics of their own."""
    home.mkdir(parents=True, exist_ok=True)
    (home / "jars").symlink_to(STATE / "jars")
    settings = small_settings(
        home, kafka.bootstrap, secrets.token_hex(4), batch=50_000, spark_memory="2g", **chosen
    )
    Topics(kafka).ensure(topic_specs(settings))
    return settings


@pytest.fixture(scope="module")
def expected(
    world: SparkWorld, kafka: KafkaConnection, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, pd.DataFrame]:
    """The tables that `local[*]` gives."""
    home = tmp_path_factory.mktemp("local") / "home"
    return world.carry_out(settings_for(home, kafka, spark_url="local[*]"))


def test_a_warm_connect_server_gives_the_same_tables(
    world: SparkWorld, expected: dict[str, pd.DataFrame], kafka: KafkaConnection, tmp_path: Path
) -> None:
    settings = settings_for(
        tmp_path / "home", kafka, spark_server=True, spark_server_port=free_port()
    )
    with running_server(settings):
        assert_equal(world.carry_out(settings), expected)
        assert [".zip/" in code for code, _ in places(settings)] == [True]


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> SparkWorld:
    return whole_world(tmp_path_factory.mktemp("everything"))


def settings_of_everything(home: Path, kafka: KafkaConnection, **chosen: object) -> Settings:
    """Settings with which a small world has a champion, and its stream is one plan."""
    return settings_for(
        home,
        kafka,
        drop_settle_seconds=0,
        catch_up_weeks=1,
        bootstrap_resamples=200,
        expected_loss_margin=0.5,
        **chosen,
    )


@pytest.fixture(scope="module")
def whole_run(
    everything: SparkWorld, kafka: KafkaConnection, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, pd.DataFrame]:
    """The tables of all assets, run by Dagster on `local[*]`."""
    settings = settings_of_everything(
        tmp_path_factory.mktemp("whole") / "home", kafka, spark_url="local[*]"
    )
    everything.run_everything(settings).require_success()
    return tables_of(settings, OF_WHOLE_RUN)


# Two drops, their days, a week with its decision, states, a plan: minutes on a busy machine.
@pytest.mark.timeout(1800)
def test_every_asset_gives_the_same_on_a_connect_server(
    everything: SparkWorld,
    whole_run: dict[str, pd.DataFrame],
    kafka: KafkaConnection,
    tmp_path: Path,
) -> None:
    settings = settings_of_everything(
        tmp_path / "home", kafka, spark_server=True, spark_server_port=free_port()
    )
    with running_server(settings):
        done = everything.run_everything(settings)
    done.require_success()
    assert 0 < done.deepest <= DEEPEST
    assert_equal(tables_of(settings, OF_WHOLE_RUN), whole_run)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_every_asset_gives_the_same_on_a_standalone_cluster(
    everything: SparkWorld,
    whole_run: dict[str, pd.DataFrame],
    kafka: KafkaConnection,
    tmp_path: Path,
) -> None:
    with ready(StandaloneProvider(tmp_path / "clusters"), SIZE) as cluster:
        settings = settings_of_everything(tmp_path / "home", kafka, spark_url=cluster.url)
        everything.run_everything(settings).require_success()
    assert_equal(tables_of(settings, OF_WHOLE_RUN), whole_run)


@pytest.mark.slow
def test_a_standalone_cluster_gives_the_same_tables_without_the_platform_installed(
    world: SparkWorld, expected: dict[str, pd.DataFrame], kafka: KafkaConnection, tmp_path: Path
) -> None:
    python = bare_python(tmp_path / "bare")
    provider = StandaloneProvider(tmp_path / "clusters")
    with ready(provider, SIZE) as cluster:
        settings = settings_for(
            tmp_path / "home", kafka, spark_url=cluster.url, spark_python=str(python)
        )
        assert_equal(world.carry_out(settings), expected)
        found = places(settings)
        assert {prefix for _, prefix in found} == {str(tmp_path / "bare")}
        assert all(".zip/" in code for code, _ in found)
    assert provider.living() == set()


# With the start of a Hadoop, 464 s on a machine whose neighbours are busy.
@pytest.mark.timeout(1200)
def test_yarn_gives_the_same_tables_without_the_platform_installed(
    world: SparkWorld,
    expected: dict[str, pd.DataFrame],
    kafka: KafkaConnection,
    yarn: Hadoop,
    tmp_path: Path,
) -> None:
    python = bare_python(tmp_path / "bare")
    settings = settings_for(
        tmp_path / "home", kafka, spark_url="yarn", spark_python=str(python),
        spark_executor_memory="512m",
    )  # fmt: skip
    variables = yarn_variables(yarn)
    assert_equal(world.carry_out(settings, **variables), expected)
    found = places(settings, **variables)
    assert {prefix for _, prefix in found} == {str(tmp_path / "bare")}
    assert all(".zip/" in code for code, _ in found)


@pytest.mark.slow
@pytest.mark.real_drops
@pytest.mark.timeout(3600)
def test_a_real_drop_is_the_same_everywhere(
    real_drops: Path, world: SparkWorld, kafka: KafkaConnection, yarn: Hadoop, tmp_path: Path
) -> None:
    world = real_world(real_drops, tmp_path / "landing", world.model)
    local = settings_for(tmp_path / "local", kafka, spark_url="local[*]")
    expected = world.carry_out(local)
    # four rows have an amount of 0.00
    assert [len(expected[name]) for name in ("transactions", "quarantine")] == [288_058, 4]
    warm = settings_for(tmp_path / "warm", kafka, spark_server=True, spark_server_port=free_port())
    with running_server(warm):
        assert_equal(world.carry_out(warm), expected)
    with ready(StandaloneProvider(tmp_path / "clusters"), SIZE) as cluster:
        alone = settings_for(tmp_path / "alone", kafka, spark_url=cluster.url)
        assert_equal(world.carry_out(alone), expected)
    on_yarn = settings_for(tmp_path / "yarn", kafka, spark_url="yarn")
    assert_equal(world.carry_out(on_yarn, **yarn_variables(yarn)), expected)
