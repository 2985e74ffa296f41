"""`fraud-platform dev` with the real Dagster and MLflow."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from fraud_platform.adapters.services.processes import members, read_records
from fraud_platform.operations.services import laptop
from fraud_platform.settings import Settings
from fraud_platform_tests.testing.ports import free_port
from fraud_platform_tests.testing.waiting import wait_for

QUERY = """{
  workspaceOrError { ... on Workspace { locationEntries { name locationOrLoadError {
    __typename ... on PythonError { message } } } } }
  instance { daemonHealth { allDaemonStatuses { daemonType required healthy } }
    runQueuingSupported hasInfo }
}"""


def ask(url: str) -> dict[str, Any]:
    body = json.dumps({"query": QUERY}).encode()
    request = urllib.request.Request(f"{url}/graphql", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as response:
        answer = json.load(response)
    assert "errors" not in answer, answer
    return answer["data"]


@pytest.mark.systems
def test_dev_serves_the_code_location_runs_its_daemons_and_leaves_nothing(tmp_path: Path) -> None:
    settings = Settings(
        home=tmp_path,
        dagster_port=free_port(),
        mlflow_port=free_port(),
        kafka_bootstrap=f"127.0.0.1:{free_port()}",
    )
    log = tmp_path / "dev.log"
    with log.open("w") as output:
        dev = subprocess.Popen(
            [sys.executable, "-c", "from fraud_platform.cli.commands import main; main()", "dev"],
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **settings.environment, "PYTHONUNBUFFERED": "1"},
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),  # noqa: PLW1509 - the child must not share the group
        )
    try:
        wait_for(lambda: "Ctrl-C stops them." in log.read_text() or dev.poll() is not None, 120)
        assert dev.poll() is None, log.read_text()
        dagster, _ = laptop.services(settings)

        def unhealthy() -> list[dict[str, Any]]:
            found = ask(dagster.url)["instance"]["daemonHealth"]["allDaemonStatuses"]
            return [daemon for daemon in found if daemon["required"] and not daemon["healthy"]]

        wait_for(lambda: not unhealthy(), 60)
        answer = ask(dagster.url)
        entries = answer["workspaceOrError"]["locationEntries"]
        assert [entry["name"] for entry in entries] == ["fraud_platform.definitions"]
        assert entries[0]["locationOrLoadError"]["__typename"] == "RepositoryLocation", entries
        assert answer["instance"]["runQueuingSupported"]
        started = [record.token for record in read_records(laptop.run_folder(settings))]
        assert [len(members(token)) > 1 for token in started] == [True, True]
        dev.send_signal(signal.SIGINT)
        assert dev.wait(timeout=60) == 0
        assert [members(token) for token in started] == [[], []]
    finally:
        dev.kill()
        list(laptop.down(settings))
