"""Running due jobs in this process until nothing is due.

Here: ticking the platform's sensors and schedules against a real Dagster instance, and executing
the requested runs in this process, one after another, with one warm Spark session. The demo and the
tests use it; a daemon does the same work with a process for each run.
Not here: what is due (the sensors and schedules).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import dagster as dg

from fraud_platform.defs.dagster_internals import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
)

MAX_ROUNDS = 1_000
_INTERRUPTIONS = ("DagsterExecutionInterruptedError", "KeyboardInterrupt")
"""Errors of an interrupted step: Dagster's own, and those of other signal handlers."""
DUE_SENSORS = ("new_drops",)
"""The sensors of the batch half; runs of a daemon score live transactions."""
DUE_SCHEDULES = ("daily_features", "weekly_decision", "daily_state", "late_drops")
"""The schedules that request what the data has completed; the others depend on the clock."""


@dataclass(frozen=True)
class FinishedRun:
    """One run that was requested and executed."""

    run_id: str
    job_name: str
    partition: str
    success: bool
    error: str | None


def run_due_jobs(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    on_run: Callable[[str, str], None] | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> list[FinishedRun]:
    """Tick every sensor and schedule and run their requests, until there are none.

    Args:
        on_run: called before each run with its job name and partition.
    """
    runs: list[FinishedRun] = []
    cursors: dict[str, str | None] = {}
    for _ in range(MAX_ROUNDS):
        requests = _tick_sensors(definitions, instance, cursors) or _tick_schedules(
            definitions, instance
        )
        if not requests or should_stop():
            return runs
        for job_name, request in requests:
            if on_run is not None:
                on_run(job_name, partition_of(request))
            runs.append(execute(definitions, instance, job_name, request))
    raise RuntimeError(f"after {MAX_ROUNDS} rounds the sensors still request runs")


def partition_of(request: dg.RunRequest) -> str:
    """Return the partition or partition range of a request as text."""
    if request.partition_key:
        return request.partition_key
    first = request.tags.get(ASSET_PARTITION_RANGE_START_TAG, "")
    last = request.tags.get(ASSET_PARTITION_RANGE_END_TAG, "")
    return first if first == last else f"{first}..{last}"


def _tick_sensors(
    definitions: dg.Definitions, instance: dg.DagsterInstance, cursors: dict[str, str | None]
) -> list[tuple[str, dg.RunRequest]]:
    found = []
    for sensor in definitions.sensors or []:
        if sensor.name not in DUE_SENSORS:
            continue
        with dg.build_sensor_context(
            instance=instance,
            cursor=cursors.get(sensor.name),
            resources=definitions.resources,
        ) as context:
            result = sensor(context)
        assert isinstance(result, dg.SensorResult)
        cursors[sensor.name] = result.cursor
        for partitions in result.dynamic_partitions_requests or []:
            if isinstance(partitions, dg.AddDynamicPartitionsRequest):
                instance.add_dynamic_partitions(
                    partitions.partitions_def_name, partitions.partition_keys
                )
        found += [(str(r.job_name or sensor.job_name), r) for r in result.run_requests or []]
    return found


def _tick_schedules(
    definitions: dg.Definitions, instance: dg.DagsterInstance
) -> list[tuple[str, dg.RunRequest]]:
    found = []
    for schedule in definitions.schedules or []:
        assert isinstance(schedule, dg.ScheduleDefinition)
        if schedule.name not in DUE_SCHEDULES:
            continue
        with dg.build_schedule_context(
            instance=instance, resources=definitions.resources
        ) as context:
            result = schedule(context)
        if isinstance(result, dg.RunRequest):
            found.append((result.job_name or schedule.job_name, result))
    return found


def execute(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    job_name: str,
    request: dg.RunRequest,
) -> FinishedRun:
    """Execute a requested run in this process; its log goes to the instance, not the terminal."""
    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    result = definitions.resolve_job_def(job_name).execute_in_process(
        run_config={**quiet, **(request.run_config or {})},
        instance=instance,
        partition_key=request.partition_key,
        asset_selection=request.asset_selection,
        tags=request.tags,
        raise_on_error=False,
    )
    failures = [event for event in result.all_events if event.is_step_failure]
    if any(_was_interrupted(event) for event in failures):
        raise KeyboardInterrupt
    errors = [_words(event) for event in failures]
    return FinishedRun(
        result.run_id,
        job_name,
        partition_of(request),
        result.success,
        errors[0] if errors else None,
    )


def _words(event: dg.DagsterEvent) -> str:
    """Return the message of a step failure, without the stack."""
    data = event.step_failure_data
    if data.user_failure_data and data.user_failure_data.description:
        return data.user_failure_data.description
    return data.error_display_string


def _was_interrupted(event: dg.DagsterEvent) -> bool:
    """Return whether a step ended because the process was stopped."""
    error = event.step_failure_data.error
    return error is not None and error.cls_name in _INTERRUPTIONS
