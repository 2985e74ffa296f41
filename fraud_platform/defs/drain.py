"""Running what is due in this process, until nothing is.

Here: the sensors and schedules of the platform, ticked by hand against a real Dagster instance;
what they request runs in process, one run after another, with one warm Spark session. The demo
and the tests use it; a daemon does the same work with a process for each run.
Not here: what is due (the sensors and schedules themselves).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import dagster as dg

MAX_ROUNDS = 1_000


@dataclass(frozen=True)
class DrainedRun:
    """One run that was requested and executed."""

    run_id: str
    job_name: str
    partition: str
    success: bool
    error: str | None


def drain(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    on_run: Callable[[str, str], None] | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> list[DrainedRun]:
    """Tick every sensor and schedule and run what they ask for, until they ask for nothing.

    Args:
        on_run: told of each run before it starts: job name and partition.
    """
    runs: list[DrainedRun] = []
    cursors: dict[str, str | None] = {}
    for _ in range(MAX_ROUNDS):
        requests = [
            *_tick_sensors(definitions, instance, cursors),
            *_tick_schedules(definitions, instance),
        ]
        if not requests or should_stop():
            return runs
        for job_name, request in requests:
            partition = partition_of(request)
            if on_run is not None:
                on_run(job_name, partition)
            runs.append(_run(definitions, instance, job_name, request, partition))
    raise RuntimeError(f"after {MAX_ROUNDS} rounds the sensors still ask for runs")


def partition_of(request: dg.RunRequest) -> str:
    """Return the partition or partition range of a request, for people."""
    if request.partition_key:
        return request.partition_key
    first = request.tags.get("dagster/asset_partition_range_start", "")
    last = request.tags.get("dagster/asset_partition_range_end", "")
    return first if first == last else f"{first}..{last}"


def _tick_sensors(
    definitions: dg.Definitions, instance: dg.DagsterInstance, cursors: dict[str, str | None]
) -> list[tuple[str, dg.RunRequest]]:
    found = []
    for sensor in definitions.sensors or []:
        context = dg.build_sensor_context(
            instance=instance, cursor=cursors.get(sensor.name), definitions=definitions
        )
        tick = sensor.evaluate_tick(context)
        cursors[sensor.name] = tick.cursor
        for partitions in tick.dynamic_partitions_requests or []:
            if isinstance(partitions, dg.AddDynamicPartitionsRequest):
                instance.add_dynamic_partitions(
                    partitions.partitions_def_name, partitions.partition_keys
                )
        found += [(r.job_name or sensor.job_name, r) for r in tick.run_requests or []]
    return found


def _tick_schedules(
    definitions: dg.Definitions, instance: dg.DagsterInstance
) -> list[tuple[str, dg.RunRequest]]:
    found = []
    for schedule in definitions.schedules or []:
        assert isinstance(schedule, dg.ScheduleDefinition)
        context = dg.build_schedule_context(instance=instance, scheduled_execution_time=None)
        tick = schedule.evaluate_tick(context)
        found += [(r.job_name or schedule.job_name, r) for r in tick.run_requests or []]
    return found


def _run(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    job_name: str,
    request: dg.RunRequest,
    partition: str,
) -> DrainedRun:
    result = definitions.resolve_job_def(job_name).execute_in_process(
        run_config=request.run_config or None,
        instance=instance,
        partition_key=request.partition_key,
        tags=request.tags,
        raise_on_error=False,
    )
    errors = [
        event.event_specific_data.error_display_string
        for event in result.all_events
        if event.is_step_failure
    ]
    return DrainedRun(
        result.run_id, job_name, partition, result.success, errors[0] if errors else None
    )
