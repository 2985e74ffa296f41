"""Runs on clusters of their own: however a run ends, none is left and the ledger knows all."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import psutil
import pytest

from fraud_platform.adapters.services.processes import TOKEN_VARIABLE, environment_of
from fraud_platform.adapters.spark.clusters.ephemeral import ClusterOptions, EphemeralCluster
from fraud_platform.adapters.spark.clusters.ledger import ClusterLedger, ClusterRow
from fraud_platform.adapters.spark.clusters.provider import PREFIX, ClusterSize
from fraud_platform.adapters.spark.clusters.standalone import StandaloneProvider
from fraud_platform.adapters.spark.clusters.yarn import YarnProvider
from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.defs.automation.clusters import cluster_reaper
from fraud_platform.errors import ClusterError
from fraud_platform.settings import Settings, load_settings
from fraud_platform_tests.testing.home import STATE
from fraud_platform_tests.testing.servers.hadoop import Hadoop, yarn_variables
from fraud_platform_tests.testing.worlds.automation import skip_message
from fraud_platform_tests.testing.worlds.spark import ROOT

pytestmark = pytest.mark.systems
PRICE = 0.5
KILL_POINTS = ("cluster_requested", "cluster_created", "cluster_ready", "")
OUTCOMES = {"success": "success", "failure": "failure", "cancel": "cancelled", "kill": "killed"}


@dataclass
class Place:
    """A home with a Dagster instance, whose runs get standalone clusters."""

    settings: Settings
    instance: dg.DagsterInstance

    @property
    def clusters(self) -> list[ClusterRow]:
        return ClusterLedger(Lake(self.settings.lake)).clusters()

    def start(
        self, mode: str, provider: str = "standalone", **variables: str
    ) -> subprocess.Popen[str]:
        module = "fraud_platform_tests.testing.programs.ephemeral"
        return subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", module, mode, provider],
            cwd=ROOT,
            env={**os.environ, **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, kind: str, kill_at: str = "") -> str:
        """Let a run go as `kind` says and return what it printed."""
        mode = kind if kind in ("success", "failure") else "wait"
        process = self.start(mode, FRAUD_KILL_AT=kill_at)
        assert process.stdout is not None
        output = ""
        for line in process.stdout:
            output += line
            if line.startswith("worked ") and mode == "wait" and not kill_at:
                if kind == "kill":
                    process.kill()
                else:
                    self.cancel(process, line.split()[1])
        code = process.wait(timeout=120)
        codes = {"success": (0,), "kill": (-signal.SIGKILL,), "failure": (1,)}
        assert code in codes.get(kind, (1, 130, -signal.SIGINT)), output[-3000:]
        return output

    def cancel(self, process: subprocess.Popen[str], run_id: str) -> None:
        """Do what Dagster's launcher does when a run is canceled."""
        run = self.instance.get_run_by_id(run_id)
        assert run is not None
        self.instance.report_run_canceling(run)
        process.send_signal(signal.SIGINT)

    def reap(self) -> str:
        """Let the sensor do its work once."""
        with dg.build_sensor_context(
            instance=self.instance, resources={"settings": self.settings}
        ) as context:
            return skip_message(cluster_reaper(context))

    def left_over(self) -> list[psutil.Process]:
        """Processes of clusters of this home: those that the ledger names, and any others."""
        names = {row.cluster_id for row in self.clusters}
        names |= {path.name for path in (self.settings.home / "clusters").glob(f"{PREFIX}*")}
        return [p for p in psutil.process_iter() if environment_of(p).get(TOKEN_VARIABLE) in names]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    home = tmp_path / "home"
    home.mkdir()
    (home / "jars").symlink_to(STATE / "jars")
    chosen = {
        "HOME": home, "SPARK_MEMORY": "1g", "SPARK_EXECUTOR_MEMORY": "512m",
        "CLUSTER_CORE_HOUR_PRICE": PRICE,
    }  # fmt: skip
    for name, value in chosen.items():
        monkeypatch.setenv(f"FRAUD_{name}", str(value))
    settings = load_settings()
    settings.dagster_home.mkdir()
    monkeypatch.setenv("DAGSTER_HOME", str(settings.dagster_home))
    with dg.DagsterInstance.get() as instance:
        yield Place(settings, instance)
    provider = StandaloneProvider(settings.home / "clusters")
    for name in provider.living():
        provider.delete(name)


def judge(place: Place, kinds: list[str]) -> None:
    """After the runs and one look of the reaper: nothing left, every cluster paid for."""
    output = place.reap()
    assert place.left_over() == [], output
    rows = place.clusters
    assert len(rows) == len(kinds), [(row.run_id, row.outcome) for row in rows]
    assert {row.step for row in rows} == {"ended"}
    outcomes = Counter(str(row.outcome).split(":")[0] for row in rows)
    assert outcomes == Counter(OUTCOMES[kind] for kind in kinds), output
    for row in rows:
        assert row.seconds is not None
        assert row.ended_at is not None
        assert row.seconds == (row.ended_at - row.requested_at).total_seconds()
        assert row.core_hours is not None
        assert row.core_hours == pytest.approx(row.seconds / 3600 * 2)
        assert row.cost == pytest.approx(row.core_hours * PRICE)
        assert place.instance.get_run_by_id(row.run_id) is not None
    assert "no cluster outlived its run" in place.reap()


def test_success_failure_cancellation_and_a_killed_run_leave_no_cluster(place: Place) -> None:
    kinds = ["success", "failure", "cancel", "kill"]
    for kind in kinds:
        place.run(kind)
    judge(place, kinds)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_twenty_clusters_with_every_end_mixed_leave_none(place: Place) -> None:
    kinds = ["success", "failure", "cancel", "kill", "kill"] * 4
    points = iter(KILL_POINTS * 2)

    def run(kind: str) -> None:
        place.run(kind, next(points) if kind == "kill" else "")

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(run, kinds))
    judge(place, kinds)


@pytest.mark.slow
def test_a_killed_run_leaves_no_application_on_yarn(
    place: Place, yarn: Hadoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {**yarn_variables(yarn), "FRAUD_YARN_URL": yarn.url}.items():
        monkeypatch.setenv(name, value)
    place.settings = load_settings()
    provider = YarnProvider(yarn.url)
    process = place.start("wait", "yarn")
    assert process.stdout is not None
    assert any(line.startswith("worked ") for line in process.stdout)
    (row,) = place.clusters
    assert provider.living() == {row.cluster_id}
    process.kill()
    process.wait(timeout=10)
    # the driver's JVM notices the end of its Python itself, too; either may be first
    assert "killed" in place.reap()
    assert provider.living() == set()
    assert [r.step for r in place.clusters] == ["ended"]


@pytest.mark.slow
def test_a_cluster_without_room_is_said_within_its_limit(place: Place, yarn: Hadoop) -> None:
    size = ClusterSize(64, 1, "1g")
    options = ClusterOptions(size, ready_seconds=3, price_per_core_hour=0)
    ledger = ClusterLedger(Lake(place.settings.lake))
    begun = time.monotonic()
    with pytest.raises(ClusterError, match=r"within 3 s, found: \d+ of \d+ MB .* cores free"):
        EphemeralCluster(YarnProvider(yarn.url), ledger, options).open("run-1")
    assert time.monotonic() - begun < 20
    assert [row.outcome for row in ledger.clusters()] == ["not ready"]
