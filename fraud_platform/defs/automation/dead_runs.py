"""Runs whose process was killed together with the code server that watched it.

Here: finding them by their process and marking them as failed, so that they are requested again.
Not here: runs whose code server is alive, which marks them itself; repeating requests
(`defs.automation.requests`).

After a power failure, or a kill of all of Dagster, no other part notices: the runs would count as
active forever, occupy their pools, and block every run queued after them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import dagster as dg
import psutil

from fraud_platform.defs.dagster_internals import GRPC_INFO_TAG

_LOCAL = ("localhost", "127.0.0.1")
_CLOCK_SECONDS = 1.0
_UNDER_WAY = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]


def end_dead_runs(instance: dg.DagsterInstance) -> Iterator[str]:
    """Mark runs of this machine as failed if their process is gone; yield a line for each."""
    for run in instance.get_runs(filters=dg.RunsFilter(statuses=_UNDER_WAY)):
        process = _process_of(instance, run)
        if process is None or _lives(*process):
            continue
        # a run that ended well records that before its process ends
        now = instance.get_run_by_id(run.run_id)
        if now is not None and not now.is_finished:
            line = f"run {run.run_id[:8]} of {run.job_name}: its process {process[0]} was killed"
            instance.report_run_failed(now, f"{line}; it is requested again if needed.")
            yield line


def _process_of(instance: dg.DagsterInstance, run: dg.DagsterRun) -> tuple[int, float] | None:
    """Return the process that a local code server started for a run, and the start time."""
    server = json.loads(run.tags.get(GRPC_INFO_TAG, "{}"))
    if server.get("host") not in _LOCAL:
        return None
    events = instance.get_records_for_run(
        run.run_id, of_type=dg.DagsterEventType.ENGINE_EVENT, limit=5
    )
    for record in events.records:
        event = record.event_log_entry.dagster_event
        pid = None if event is None else event.engine_event_data.metadata.get("pid")
        if pid is not None:
            return int(str(pid.value)), record.event_log_entry.timestamp
    return None


def _lives(pid: int, noted_at: float) -> bool:
    """Return whether a process is alive, and not a later one with the same pid."""
    try:
        process = psutil.Process(pid)
        is_same = process.create_time() <= noted_at + _CLOCK_SECONDS
        return is_same and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@dg.sensor(
    minimum_interval_seconds=15,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Marks runs as failed that were killed together with Dagster.",
)
def dead_runs(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Mark and report dead runs; this requests no run."""
    lines = list(end_dead_runs(context.instance))
    for line in lines:
        context.log.warning(line)
    return dg.SkipReason("; ".join(lines) or "every run under way has its process")
