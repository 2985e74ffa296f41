"""Which runs are at work on which assets and partitions, whoever started them.

Here: finding runs that are queued or under way, by job or by the assets that they make; refusing
to be the second one on a week.
Not here: asking for runs (`defs.automation.requests`), the pools that keep two from writing one
table.
"""

from __future__ import annotations

from collections.abc import Collection

import dagster as dg
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    PARTITION_NAME_TAG,
)

from fraud_platform.defs.automation.requests import UNDER_WAY
from fraud_platform.errors import DataError

DROP_ASSETS = frozenset({"raw_drops", "transactions", "quarantine", "labels", "cleaning_ledger"})
DAY_ASSETS = frozenset({"label_tiles", "terminal_tiles", "transaction_features", "customer_tiles"})
WEEK_ASSETS = frozenset({"training_set", "candidate_model", "ab_report", "promotion"})


def runs_at_work(
    instance: dg.DagsterInstance, job: str, assets: Collection[str]
) -> list[dg.RunRecord]:
    """Return the runs that are queued or under way and make one of these assets, oldest first.

    Args:
        job: the job whose runs make them all; others name what they make.
    """
    wanted = {dg.AssetKey(name) for name in assets}
    records = instance.get_run_records(dg.RunsFilter(statuses=UNDER_WAY), ascending=True)
    return [
        record
        for record in records
        if record.dagster_run.job_name == job
        or wanted & set(record.dagster_run.asset_selection or ())
    ]


def partitions_of(run: dg.DagsterRun) -> str:
    """Return the partition or the range of partitions of a run, for people; empty without one."""
    first = run.tags.get(ASSET_PARTITION_RANGE_START_TAG) or run.tags.get(PARTITION_NAME_TAG, "")
    last = run.tags.get(ASSET_PARTITION_RANGE_END_TAG, first)
    return first if first == last else f"{first} to {last}"


def require_only_run(context: dg.AssetExecutionContext) -> None:
    """Refuse to decide a week that an older run decides, or is asked to decide.

    Raises:
        DataError: there is an older one; it names it.
    """
    instance, day = context.instance, context.partition_key
    for record in runs_at_work(instance, "decide_week", WEEK_ASSETS):
        run = record.dagster_run
        if run.run_id == context.run_id:
            return
        if partitions_of(run) == day:
            raise DataError(
                f"knowledge date {day}: expected no other run that decides it, found run "
                f"{run.run_id[:8]} ({str(run.status.value).lower()}). Wait until that ends; if the "
                "week must be decided again then, materialize it again."
            )
