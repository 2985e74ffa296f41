"""What Spark's machines do to a run: one clear line in time, and the next run is whole."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from fraud_platform.adapters.services.processes import members
from fraud_platform.adapters.spark.clusters.provider import ClusterSize
from fraud_platform.adapters.spark.clusters.standalone import StandaloneProvider
from fraud_platform.settings import Settings
from fraud_platform_tests.testing.home import STATE
from fraud_platform_tests.testing.servers.clusters import ready
from fraud_platform_tests.testing.servers.spark_process import running_server, settings_of
from fraud_platform_tests.testing.waiting import wait_for
from fraud_platform_tests.testing.worlds.spark import client, start_client

pytestmark = [pytest.mark.systems, pytest.mark.slow]
LIMIT = 20.0
_EXECUTOR = "CoarseGrainedExecutorBackend"
TOTAL = "499500"


def begun(process: subprocess.Popen[str]) -> None:
    """Wait until a client's job is asked for."""
    assert process.stdout is not None
    assert any(line.strip() == "begun" for line in process.stdout)


def refused(settings: Settings, *arguments: str) -> str:
    """Run a client that must be refused in time and return the error's line."""
    process = start_client(settings, *(arguments or ("slow", "0", "2")))
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 3, output[-3000:]
    line = next(line for line in output.splitlines() if "Error:" in line or "Outage:" in line)
    seconds = float(line.rsplit("(", 1)[1].split()[0])
    assert seconds < LIMIT, line
    print(f"{line.split('(')[0][:90]} .. said after {seconds:.1f} s")
    return line


def test_a_warm_server_survives_wrong_tokens_dead_clients_and_its_own_end(tmp_path: Path) -> None:
    settings = settings_of(tmp_path / "home", spark_url="local[2]")
    with running_server(settings) as server:
        _a_wrong_token_is_refused(settings, tmp_path)
        _what_a_killed_run_left_is_interrupted(settings, server.record.token)
        process = start_client(settings, "slow", "600", "2")
        begun(process)
        wait_for_tasks(server.record.token)
        killed = time.monotonic()
        for member in members(server.record.token):
            member.kill()
        assert process.stdout is not None
        line = next((line for line in process.stdout if "Outage:" in line), "")
        reported = time.monotonic() - killed
        assert "Outage: spark: the Connect server went away" in line
        process.communicate(timeout=60)
        ended = time.monotonic() - killed
        print(f"server killed mid-job: said after {reported:.1f} s, ended after {ended:.1f} s")
        assert reported < ended < LIMIT
    assert "expected a Connect server on sc://localhost" in refused(settings)
    with running_server(settings):
        assert client(settings, "slow", "0", "2").splitlines()[-1] == TOTAL


def _a_wrong_token_is_refused(settings: Settings, folder: Path) -> None:
    (folder / "expired").write_text("an-old-token")
    line = refused(settings.model_copy(update={"spark_token_file": folder / "expired"}))
    assert "SettingsError" in line
    assert "wrong or expired" in line
    assert "FRAUD_SPARK_TOKEN_FILE" in line
    assert "an-old-token" not in line


def _what_a_killed_run_left_is_interrupted(settings: Settings, token: str) -> None:
    """Its tasks hold all cores for ten minutes: the next run would wait as long for its first."""
    process = start_client(settings, "slow", "600", "4")
    begun(process)
    wait_for_tasks(token)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(timeout=10)
    started = time.monotonic()
    assert client(settings, "slow", "0", "2", limit=100).splitlines()[-1] == TOTAL
    assert time.monotonic() - started < 60


def test_a_worker_killed_mid_job_costs_nothing_but_time(tmp_path: Path) -> None:
    size, provider = ClusterSize(2, 1, "512m"), StandaloneProvider(tmp_path / "clusters")
    with ready(provider, size) as cluster:
        home = tmp_path / "home"
        home.mkdir()
        (home / "jars").symlink_to(STATE / "jars")
        settings = Settings(
            home=home, spark_url=cluster.url, spark_memory="1g", spark_executor_memory="512m"
        )
        process = start_client(settings, "slow", "4", "6")
        begun(process)
        executors = wait_for(lambda: _executors(cluster.cluster_id, 2))
        assert executors is not None
        wait_for_tasks(cluster.cluster_id)
        worker = executors[0].parent()
        assert worker is not None
        worker.kill()
        executors[0].kill()
        output, _ = process.communicate(timeout=150)
        assert process.returncode == 0, output[-3000:]
        assert output.splitlines()[-1] == TOTAL
        _a_lost_master_is_said(settings, cluster.cluster_id)


def _a_lost_master_is_said(settings: Settings, cluster_id: str) -> None:
    """And with all of the cluster gone, the next run says so in time."""
    for member in members(cluster_id):
        member.kill()
    line = refused(settings)
    assert "expected a Spark master on spark://127.0.0.1" in line


def _executors(cluster_id: str, count: int) -> list[psutil.Process] | None:
    """Return a cluster's executors once there are so many."""
    found = _running(cluster_id, "CoarseGrainedExecutorBackend")
    return found if len(found) >= count else None


def wait_for_tasks(token: str) -> None:
    """Wait until Spark's Python workers run, so that a kill meets tasks under way."""
    wait_for(lambda: len(_running(token, "pyspark.daemon")) > 1, what="Python workers")


def _running(token: str, word: str) -> list[psutil.Process]:
    return [p for p in members(token) if word in " ".join(p.cmdline())]
