"""A scoring plan starts although builds have every place of batch work, and more are queued."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.run_coordinator import SubmitRunContext
from dagster._core.storage.tags import PRIORITY_TAG
from dagster._core.test_utils import create_run_for_test, in_process_test_workspace
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._core.workspace.context import WorkspaceRequestContext
from dagster._daemon.run_coordinator import QueuedRunCoordinatorDaemon

from fraud_platform.operations.services.dagster_home import dagster_variables, write_dagster_yaml
from fraud_platform.settings import Settings


@pytest.fixture(params=["laptop", "server"])
def instance(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dg.DagsterInstance]:
    """Dagster as the platform configures it; a server's queue, on SQLite here."""
    settings = Settings(home=tmp_path)
    path = write_dagster_yaml(settings)
    if request.param == "server":
        from fraud_platform.operations.services import dagster_home

        text = (dagster_home._INSTANCES / "server.yaml").read_text()
        head, tail = text.split("storage:\n  postgres:\n", 1)
        path.write_text(head + tail.split("\n", 1)[1])
    for name, value in dagster_variables(settings).items():
        monkeypatch.setenv(name, value)
    with dg.DagsterInstance.get() as made:
        yield made


@dg.op
def work() -> None:
    """Do nothing: what a run does is not what its queue looks at."""


@dg.job
def build_days() -> None:
    work()


@dg.job
def score_transactions() -> None:
    work()


def submit(
    instance: dg.DagsterInstance,
    job: dg.JobDefinition,
    workspace: WorkspaceRequestContext,
    **tags: str,
) -> str:
    """Submit a run as the UI, a backfill or a sensor's tick does."""
    (location,) = workspace.code_locations
    (repository,) = location.get_repositories().values()
    remote = repository.get_full_job(job.name)
    run = create_run_for_test(
        instance,
        job_name=job.name,
        remote_job_origin=remote.get_remote_origin(),
        job_code_origin=remote.get_python_origin(),
        tags=tags,
    )
    instance.run_coordinator.submit_run(SubmitRunContext(run, workspace))
    return run.run_id


def test_a_scoring_plan_never_waits_for_builds(instance: dg.DagsterInstance) -> None:
    origin = LoadableTargetOrigin(python_file=__file__, attribute="repository")
    with in_process_test_workspace(instance, origin) as workspace:
        builds = [submit(instance, build_days, workspace) for _ in range(10)]
        first = start_what_may_start(instance)
        assert 0 < len(first) < 7
        assert set(first) < set(builds)
        assert start_what_may_start(instance) == []
        plan = submit(instance, score_transactions, workspace, **{PRIORITY_TAG: "10"})
        assert start_what_may_start(instance) == [plan]
        assert start_what_may_start(instance) == []


def start_what_may_start(instance: dg.DagsterInstance) -> list[str]:
    """Let the daemon's queue decide, and mark what it starts as under way."""
    daemon = QueuedRunCoordinatorDaemon(interval_seconds=5)
    runs = daemon._get_runs_to_dequeue(instance, instance.get_concurrency_config(), time.time())
    for run in runs:
        _mark_started(instance, run)
    return [run.run_id for run in runs]


def _mark_started(instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    for event in (dg.DagsterEventType.PIPELINE_STARTING, dg.DagsterEventType.PIPELINE_START):
        instance.report_dagster_event(dg.DagsterEvent(event.value, run.job_name), run_id=run.run_id)


@dg.repository
def repository() -> list[dg.JobDefinition]:
    return [build_days, score_transactions]
