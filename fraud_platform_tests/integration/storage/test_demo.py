"""The whole demo, its offline and its live half, with all its data elsewhere: the disk's tables."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.simulation import DirtRates, SimulationConfig, simulate_drops
from fraud_platform.tables.scoring import SCORED
from fraud_platform_tests.oracles.same_tables import counts, differences
from fraud_platform_tests.testing.home import STATE
from fraud_platform_tests.testing.ports import free_port
from fraud_platform_tests.testing.servers.hadoop import Hadoop, yarn_variables
from fraud_platform_tests.testing.servers.storage import HdfsCluster, S3Server, urls_under

CONFIG = SimulationConfig(
    customers=1_000, terminals=800, days=81, drop_days=27, dirt=DirtRates().scaled(100),
    compromised_terminals_per_day=1,
)  # fmt: skip
LIMIT_SECONDS = 1_800


@pytest.fixture(scope="module")
def drops(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drops")
    simulate_drops(CONFIG, folder, None)
    return folder


def run_demo(home: Path, drops: Path, variables: Mapping[str, str]) -> None:
    home.mkdir(parents=True)
    (home / "jars").symlink_to(STATE / "jars")
    ports = {f"FRAUD_{name}_PORT": str(free_port()) for name in ("KAFKA", "DAGSTER", "MLFLOW")}
    program = str(Path(sys.executable).with_name("fraud-platform"))
    environment = {
        **os.environ, **variables, **ports, "FRAUD_HOME": str(home),
        # a hundred alerts a day are many for a thousand customers
        "FRAUD_MIN_CARD_PRECISION": "0.05",
    }  # fmt: skip
    try:
        done = subprocess.run(
            [program, "demo", "--drops", str(drops)], env=environment, capture_output=True,
            text=True, timeout=LIMIT_SECONDS, check=False,
        )  # fmt: skip
    finally:
        subprocess.run([program, "down"], env=environment, check=False, timeout=120)
    assert done.returncode == 0, done.stdout[-3_000:] + done.stderr[-3_000:]


@pytest.fixture(scope="module")
def on_disk(drops: Path, tmp_path_factory: pytest.TempPathFactory) -> Lake:
    home = tmp_path_factory.mktemp("on_disk") / "home"
    run_demo(home, drops, {})
    return Lake(str(home / "lake"))


def assert_same_as_on_disk(on_disk: Lake, lake_url: str) -> None:
    assert counts(on_disk)[SCORED.name] > 10_000
    found = differences(on_disk, Lake(lake_url))
    assert not found, "\n".join(found)


@pytest.mark.slow
@pytest.mark.systems
@pytest.mark.timeout(3 * LIMIT_SECONDS)
def test_the_demo_on_s3_gives_the_tables_of_the_disk(
    s3: S3Server, s3_variables: dict[str, str], on_disk: Lake, drops: Path, tmp_path: Path
) -> None:
    urls = urls_under(f"s3://{s3.make_bucket()}")
    run_demo(tmp_path / "home", drops, urls)
    assert_same_as_on_disk(on_disk, urls["FRAUD_LAKE_URL"])


@pytest.mark.slow
@pytest.mark.systems
@pytest.mark.timeout(3 * LIMIT_SECONDS)
def test_the_demo_on_hdfs_with_spark_on_yarn_gives_the_tables_of_the_disk(
    hdfs: HdfsCluster, yarn: Hadoop, on_disk: Lake, drops: Path, tmp_path: Path
) -> None:
    urls = urls_under(f"{hdfs.url}/{tmp_path.name}")
    on_yarn = {**yarn_variables(yarn), "FRAUD_SPARK_URL": "yarn"}
    run_demo(tmp_path / "home", drops, {**urls, **on_yarn})
    assert_same_as_on_disk(on_disk, urls["FRAUD_LAKE_URL"])
