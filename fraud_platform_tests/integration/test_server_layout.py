"""A server started as documented, on a real Postgres: its units, a run, a kill, a restart."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from fraud_platform.adapters.models.registry import ModelRegistry
from fraud_platform_tests.testing.home import STATE
from fraud_platform_tests.testing.servers.postgres import running_postgres
from fraud_platform_tests.testing.worlds.server import Server, is_idle, is_whole, launch

pytestmark = [pytest.mark.systems, pytest.mark.slow]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with running_postgres() as postgres:
        server = Server(tmp_path / "server", postgres)
        (server.home / "jars").symlink_to(STATE / "jars")
        try:
            yield server
        finally:
            server.stop()


@pytest.mark.timeout(900)
def test_the_units_start_as_documented_run_a_job_and_end_when_asked(server: Server) -> None:
    for name in ("code-server", "webserver", "daemon", "mlflow"):
        server.start(name)
    server.until(lambda: server.is_up("3000", "/server_info"), 120, "up: the web server")
    server.until(lambda: is_whole(server), 120, "whole: definitions and daemons")
    server.until(lambda: server.is_up("5000", "/health"), 120, "up: MLflow")

    assert launch(server, "retention") == "SUCCESS"
    runs = server.postgres.ask("SELECT pipeline_name, status FROM runs", "dagster")
    assert ("retention", "SUCCESS") in runs
    assert ModelRegistry(server.url("5000")).versions() == []
    experiments = server.postgres.ask("SELECT name, artifact_location FROM experiments", "mlflow")
    locations = {name: str(location) for name, location in experiments}
    assert locations["fraud_platform"].startswith("mlflow-artifacts:/")
    assert not list(server.home.rglob("*.db"))

    _the_database_dies_and_comes_back(server)
    # a launch that was answered by an error may have queued its run all the same
    server.until(lambda: is_idle(server), 120, "idle")
    assert set(server.stop().values()) <= {0, -signal.SIGTERM}
    left = [p.pid for p in psutil.process_iter() if _is_of(p, str(server.home))]
    assert left == []


def _the_database_dies_and_comes_back(server: Server) -> None:
    """What runs goes on by itself, or is started again, when Postgres is back."""
    server.restarts = True
    server.postgres.stop()
    output = server.call("serve", "daemon", code=1)
    assert output.startswith("Outage: Postgres at postgresql://fraud@127.0.0.1:")
    assert len(output.splitlines()) == 1
    server.postgres.start()
    server.until(lambda: is_whole(server), 120, "whole after the database came back")
    # the web server's first answers may still be an error: it finds its connections gone
    assert server.until(lambda: launch(server, "retention"), 60, "launched again") == "SUCCESS"
    assert ModelRegistry(server.url("5000")).versions() == []


def _is_of(process: psutil.Process, home: str) -> bool:
    try:
        return process.pid != os.getpid() and process.environ().get("FRAUD_HOME") == home
    except psutil.Error:
        return False
