"""The batch half with all its data on a real S3 server, or on HDFS: its tables equal the disk's."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from fraud_platform.adapters.storage.zones import open_zone
from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.contracts.tables import TRANSACTIONS
from fraud_platform.ingest.manifests import read_raw_manifests
from fraud_platform.operations.models.registry import registry_of
from fraud_platform.settings import Settings
from fraud_platform.simulation import DirtRates, SimulationConfig, simulate_drops
from fraud_platform_tests.oracles.same_tables import counts, differences
from fraud_platform_tests.testing.home import STATE
from fraud_platform_tests.testing.servers.storage import HdfsCluster, S3Server, urls_under

CONFIG = SimulationConfig(
    customers=400, terminals=300, days=44, drop_days=22, dirt=DirtRates().scaled(200),
    compromised_terminals_per_day=1,
)  # fmt: skip
RUN = """
import sys
from fraud_platform.defs.commands.batch import run_what_is_due
from fraud_platform.settings import load_settings
runs = run_what_is_due(load_settings(), lambda job, part: print(job, part, flush=True))
sys.exit("\\n".join(str(run.error) for run in runs if not run.success) or 0 if runs else "no run")
"""
LIMIT_SECONDS = 500


@pytest.fixture(scope="module")
def drops(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drops")
    simulate_drops(CONFIG, folder, None)
    return folder


def run_platform(home: Path, drops: Path, variables: Mapping[str, str]) -> None:
    """Let drops arrive in landing and everything run that is due, in a process of its own."""
    home.mkdir(parents=True)
    (home / "jars").symlink_to(STATE / "jars")
    landing = open_zone(variables.get("FRAUD_LANDING_URL") or str(home / "landing"), create=True)
    for path in sorted(drops.glob("*.txt")):
        landing.put(path.name, path.read_bytes())
    landing.put("_SUCCESS", b"")
    environment = {
        **os.environ, **variables,
        "FRAUD_HOME": str(home), "FRAUD_DROP_SETTLE_SECONDS": "0", "FRAUD_CATCH_UP_WEEKS": "1",
        "FRAUD_SPARK_MEMORY": "2g",
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", RUN], env=environment, capture_output=True, text=True,
        timeout=LIMIT_SECONDS, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2_000:] + done.stderr[-4_000:]


@pytest.fixture(scope="module")
def on_disk(drops: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose data all lies on the disk, everything run."""
    home = tmp_path_factory.mktemp("on_disk") / "home"
    run_platform(home, drops, {})
    return home


def assert_same_as_on_disk(on_disk: Path, home: Path, urls: Mapping[str, str]) -> None:
    """Assert that the same rows, drops and models are at these URLs, and nothing in the home."""
    lakes = Lake(str(on_disk / "lake")), Lake(urls["FRAUD_LAKE_URL"])
    assert counts(lakes[0])[TRANSACTIONS.name] > 10_000
    assert differences(*lakes) == []
    raw = [open_zone(url) for url in (str(on_disk / "raw"), urls["FRAUD_RAW_URL"])]
    held = [{d: m.sha256 for d, m in read_raw_manifests(zone).items()} for zone in raw]
    assert held[0] == held[1]
    registry = registry_of(Settings(home=home, artifacts_url=urls["FRAUD_ARTIFACTS_URL"]))
    with registry.candidate_folder(registry.versions()[-1].version) as folder:
        assert any(folder.iterdir())
    assert not (home / "lake").exists()
    assert not (home / "raw").exists()
    assert not (home / "mlflow" / "artifacts").exists()


@pytest.mark.slow
@pytest.mark.systems
@pytest.mark.timeout(2 * LIMIT_SECONDS + 60)
def test_the_batch_half_on_s3_gives_the_tables_of_the_disk(
    s3: S3Server, s3_variables: dict[str, str], on_disk: Path, drops: Path, tmp_path: Path
) -> None:
    urls = urls_under(f"s3://{s3.make_bucket()}")
    run_platform(tmp_path / "home", drops, urls)
    assert_same_as_on_disk(on_disk, tmp_path / "home", urls)


@pytest.mark.slow
@pytest.mark.systems
@pytest.mark.timeout(2 * LIMIT_SECONDS + 60)
def test_the_batch_half_on_hdfs_gives_the_tables_of_the_disk(
    hdfs: HdfsCluster, on_disk: Path, drops: Path, tmp_path: Path
) -> None:
    urls = urls_under(f"{hdfs.url}/{tmp_path.name}")
    run_platform(tmp_path / "home", drops, urls)
    assert_same_as_on_disk(on_disk, tmp_path / "home", urls)
