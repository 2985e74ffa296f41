"""Retention in Dagster: old runs and their events are deleted each night.

Here: which runs are deleted, their job and schedule. Kept at any age: active runs, the run that
last wrote an asset's partition (otherwise the UI calls the partition missing), and the last run of
each subject that failed (otherwise sensors lose the failure and its time).
Not here: ticks of sensors and schedules (`retention` in `operations/services/instance/*.yaml`),
files of the lake (`defs.automation.maintenance`).
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import dagster as dg

from fraud_platform.adapters.services.cleanup import bound_logs, clear_leftovers, remove_old
from fraud_platform.defs.automation.requests import (
    FINISHED,
    SCHEDULE_STATUS,
    SUBJECT_TAG,
    ask_daily,
)
from fraud_platform.defs.automation.run_queue import LIVE_JOBS
from fraud_platform.defs.dagster_internals import (
    AssetCheckExecutionsTable,
    LocalComputeLogManager,
    SqlEventLogStorage,
    SqliteEventLogStorage,
)
from fraud_platform.defs.deployment import SettingsResource
from fraud_platform.defs.failures import noting_failures
from fraud_platform.settings import Settings

_BATCH = 500
_OF_LIVE_RUNS = frozenset({"inference_batches", "dead_letters"})
"""Assets with hourly partitions: keeping the last run of each partition would keep all runs."""
_TICK_LOG_DAYS = 7.0


def forget_runs(
    instance: dg.DagsterInstance, before: datetime, live_before: datetime | None = None
) -> int:
    """Delete finished runs that were requested before a time; return their number.

    Args:
        live_before: the time for runs that scored a plan; there may be thousands a day.
    """
    finished = dg.RunsFilter(statuses=FINISHED, created_before=before)
    kept = {*_last_writers(instance), *_last_failures(instance)}
    going = [run for run in instance.get_run_ids(filters=finished) if run not in kept]
    if live_before is not None:
        for job in sorted(LIVE_JOBS):
            live = dg.RunsFilter(job_name=job, statuses=FINISHED, created_before=live_before)
            going += [run for run in instance.get_run_ids(filters=live) if run not in kept]
    for run in dict.fromkeys(going):
        # delete the run last: after a kill in between, it is found again tomorrow
        instance.compute_log_manager.delete_logs(prefix=[run])
        instance.delete_run(run)
        _remove_files_of_run(instance, run)
    return len(set(going))


def _remove_files_of_run(instance: dg.DagsterInstance, run_id: str) -> None:
    """Remove the database of a run's events, because Dagster does not shrink it."""
    storage = instance.event_log_storage
    if isinstance(storage, SqliteEventLogStorage):
        path = Path(storage.path_for_shard(run_id))
        for suffix in ("", "-wal", "-shm", "-journal"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)


def remove_orphaned_files(instance: dg.DagsterInstance) -> int:
    """Remove databases of runs that were deleted earlier; return their number."""
    storage = instance.event_log_storage
    if not isinstance(storage, SqliteEventLogStorage):
        return 0
    gone = 0
    for path in Path(storage.path_for_shard("x")).parent.glob("*.db"):
        if _is_run_id(path.stem) and not instance.has_run(path.stem):
            _remove_files_of_run(instance, path.stem)
            gone += 1
    return gone


def forget_check_results(instance: dg.DagsterInstance) -> int:
    """Delete results of asset checks of runs that were deleted; return the number of runs.

    Dagster keeps them when it deletes a run: a month of scoring leaves a quarter of a million.
    """
    storage = instance.event_log_storage
    if not isinstance(storage, SqlEventLogStorage):
        return 0
    run_id = AssetCheckExecutionsTable.c.run_id
    runs_with_results = AssetCheckExecutionsTable.select().with_only_columns(run_id).distinct()
    with storage.index_connection() as connection:
        # a run is older than its results, so read these first
        found = {row[0] for row in connection.execute(runs_with_results)}
    gone = sorted(found - set(instance.get_run_ids()))
    for start in range(0, len(gone), _BATCH):
        some = gone[start : start + _BATCH]
        with storage.index_connection() as connection:
            connection.execute(AssetCheckExecutionsTable.delete().where(run_id.in_(some)))
    return len(gone)


def remove_tick_logs(instance: dg.DagsterInstance) -> int:
    """Remove logs of old ticks of sensors and schedules; return their number."""
    manager = instance.compute_log_manager
    if not isinstance(manager, LocalComputeLogManager):
        return 0
    folder = Path(manager.get_captured_local_path(["x"], "out")).parent
    others = [p for p in folder.glob("*") if p.is_dir() and not _is_run_id(p.name)]
    return sum(remove_old(path, _TICK_LOG_DAYS) for path in others)


def _is_run_id(name: str) -> bool:
    try:
        return str(UUID(name)) == name
    except ValueError:
        return False


def _last_writers(instance: dg.DagsterInstance) -> Iterator[str]:
    """Yield the runs that last materialized an asset, or one of its partitions."""
    written = dg.DagsterEventType.ASSET_MATERIALIZATION
    for key in instance.all_asset_keys():
        newest = instance.get_latest_materialization_event(key)
        if newest is not None:
            yield newest.run_id
        if key.to_user_string() in _OF_LIVE_RUNS:
            continue
        by_partition = instance.event_log_storage.get_latest_storage_id_by_partition(key, written)
        ids = sorted(by_partition.values())
        for start in range(0, len(ids), _BATCH):
            chunk = ids[start : start + _BATCH]
            asked = dg.AssetRecordsFilter(asset_key=key, storage_ids=chunk)
            for record in instance.fetch_materializations(asked, limit=len(chunk)).records:
                yield record.run_id


def _last_failures(instance: dg.DagsterInstance) -> Iterator[str]:
    """Yield the last requested run of each subject, if it did not succeed."""
    seen: set[str] = set()
    cursor: str | None = None
    while runs := instance.get_runs(cursor=cursor, limit=_BATCH):
        cursor = runs[-1].run_id
        for run in runs:
            subject = run.tags.get(SUBJECT_TAG)
            if subject is not None and subject not in seen:
                seen.add(subject)
                if not run.is_success:
                    yield run.run_id


@dg.op(description="Delete finished runs older than FRAUD_RUN_RETENTION_DAYS, with their files.")
def forget_old_runs(context: dg.OpExecutionContext, settings: SettingsResource) -> None:
    """Delete runs older than the settings allow, and leftovers of deleted runs."""
    now, instance = datetime.now(UTC), context.instance
    before, live = (
        now - timedelta(days=days)
        for days in (settings.run_retention_days, settings.live_run_retention_days)
    )
    with noting_failures(context):
        context.log.info(f"{forget_runs(instance, before, live)} runs deleted")
        checked, orphaned = forget_check_results(instance), remove_orphaned_files(instance)
        logs = remove_tick_logs(instance)
    context.log.info(
        f"check results of {checked} deleted runs, {orphaned} databases of deleted runs and {logs} "
        "logs of ticks removed"
    )


@dg.job(executor_def=dg.in_process_executor, description="Delete old runs, their events and files.")
def retention() -> None:
    """One op: delete old runs."""
    forget_old_runs()


@dg.schedule(
    job=retention,
    cron_schedule="*/10 * * * *",
    default_status=SCHEDULE_STATUS,
    description="Delete runs older than FRAUD_RUN_RETENTION_DAYS; last writers are kept.",
)
def nightly_retention(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Ask for it once a night, and again until it succeeded."""
    return ask_daily(context.instance, "retention", 4, 0)


def bound_home(settings: Settings) -> list[str]:
    """Bound the logs and scratch folders of this machine; return what was emptied or removed."""
    return [*bound_logs(settings.home / "logs"), *clear_leftovers(settings.home)]


@dg.sensor(
    minimum_interval_seconds=300,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Bounds logs, and removes files of ended processes from FRAUD_HOME.",
)
def machine_cleanup(
    context: dg.SensorEvaluationContext,  # noqa: ARG001 - Dagster passes it
    settings: SettingsResource,
) -> dg.SkipReason:
    """Bound the home folder and report it; this requests no run."""
    return dg.SkipReason(", ".join(bound_home(settings)) or "nothing grew too long")
