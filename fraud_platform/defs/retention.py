"""How long Dagster remembers: old runs and their events are forgotten, each night.

Here: which runs may go, their job and schedule. Kept whatever their age: runs under way, the run
that last wrote an asset's partition (the UI would call the partition missing), and the last run of
each subject that was asked for and is not done (sensors would forget what failed, and since when).
Not here: ticks of sensors and schedules (`retention` in `adapters/services/instance/*.yaml`), files
of the lake (`defs.maintenance`).
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg
from dagster._core.storage.dagster_run import FINISHED_STATUSES

from fraud_platform.defs.requests import SCHEDULE_STATUS, SUBJECT_TAG
from fraud_platform.settings import load_settings

_BATCH = 500


def forget_runs(instance: dg.DagsterInstance, before: datetime) -> int:
    """Delete the finished runs that were asked for before a time; return how many went."""
    finished = dg.RunsFilter(statuses=FINISHED_STATUSES, created_before=before)
    kept = {*_last_writers(instance), *_last_failures(instance)}
    going = [run for run in instance.get_run_ids(filters=finished) if run not in kept]
    for run in going:
        # the run last: killed in between, it is found again tomorrow
        instance.compute_log_manager.delete_logs(prefix=[run])
        instance.delete_run(run)
    return len(going)


def _last_writers(instance: dg.DagsterInstance) -> Iterator[str]:
    """Yield the runs that last materialized an asset, or one of its partitions."""
    written = dg.DagsterEventType.ASSET_MATERIALIZATION
    for key in instance.all_asset_keys():
        newest = instance.get_latest_materialization_event(key)
        if newest is not None:
            yield newest.run_id
        by_partition = instance.event_log_storage.get_latest_storage_id_by_partition(key, written)
        ids = sorted(by_partition.values())
        for start in range(0, len(ids), _BATCH):
            chunk = ids[start : start + _BATCH]
            asked = dg.AssetRecordsFilter(asset_key=key, storage_ids=chunk)
            for record in instance.fetch_materializations(asked, limit=len(chunk)).records:
                yield record.run_id


def _last_failures(instance: dg.DagsterInstance) -> Iterator[str]:
    """Yield the last run of each subject that was asked for, if it did not succeed."""
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


@dg.op(description="Forget finished runs older than FRAUD_RUN_RETENTION_DAYS, with their events.")
def forget_old_runs(context: dg.OpExecutionContext) -> None:
    """Forget what is older than the settings say."""
    days = load_settings().run_retention_days
    gone = forget_runs(context.instance, datetime.now(UTC) - timedelta(days=days))
    context.log.info(f"{gone} runs older than {days} days forgotten")


@dg.job(executor_def=dg.in_process_executor, description="Forget old runs and their events.")
def retention() -> None:
    """One op: forget old runs."""
    forget_old_runs()


nightly_retention = dg.ScheduleDefinition(
    name="nightly_retention",
    job=retention,
    cron_schedule="0 4 * * *",
    default_status=SCHEDULE_STATUS,
    description="Forget runs older than FRAUD_RUN_RETENTION_DAYS; last writers are kept.",
)
