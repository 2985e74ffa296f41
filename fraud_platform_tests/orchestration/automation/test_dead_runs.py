"""A run that was killed together with its code server is marked failed; no other is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import dagster as dg
import pytest
from dagster._core.events import EngineEventData

from fraud_platform.defs.automation.dead_runs import end_dead_runs

SERVER = {".dagster/grpc_info": json.dumps({"host": "localhost", "socket": "/tmp/gone"})}


def ended_process() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def add_run(instance: dg.DagsterInstance, pid: int, tags: dict[str, str]) -> str:
    run = instance.add_run(
        dg.DagsterRun("job", tags=tags, status=dg.DagsterRunStatus.STARTED)
    )  # fmt: skip
    data = EngineEventData(metadata={"pid": dg.MetadataValue.text(str(pid))})
    instance.report_engine_event("Started process for run", run, data)
    return run.run_id


def test_only_runs_whose_process_is_gone_are_ended() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        dead = add_run(instance, ended_process(), SERVER)
        alive = add_run(instance, os.getpid(), SERVER)
        elsewhere = add_run(
            instance, ended_process(), {".dagster/grpc_info": '{"host": "10.0.0.7", "port": 4000}'}
        )
        (line,) = end_dead_runs(instance)
        assert line.startswith(f"run {dead[:8]} of job: its process ")
        assert list(end_dead_runs(instance)) == []
        statuses = {run.run_id: run.status for run in instance.get_runs()}
    assert statuses == {
        dead: dg.DagsterRunStatus.FAILURE,
        alive: dg.DagsterRunStatus.STARTED,
        elsewhere: dg.DagsterRunStatus.STARTED,
    }


def test_a_later_process_with_the_same_number_is_not_the_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(time, "time", lambda: 1_600_000_000.0)
    with dg.DagsterInstance.ephemeral() as instance:
        dead = add_run(instance, os.getpid(), SERVER)
        assert len(list(end_dead_runs(instance))) == 1
        run = instance.get_run_by_id(dead)
    assert run is not None
    assert run.status == dg.DagsterRunStatus.FAILURE
