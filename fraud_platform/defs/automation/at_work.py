"""Which runs are active on which assets and partitions, regardless of who started them.

Here: finding queued and running runs, by job or by the assets that they make; refusing a second
run of the same week.
Not here: requesting runs (`defs.automation.requests`), the pools that serialize writers of one
table.
"""

from __future__ import annotations

from collections.abc import Collection

import dagster as dg

from fraud_platform.defs.automation.requests import UNDER_WAY
from fraud_platform.defs.dagster_internals import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    PARTITION_NAME_TAG,
)
from fraud_platform.errors import DataError

DROP_ASSETS = frozenset({"raw_drops", "transactions", "quarantine", "labels", "cleaning_ledger"})
DAY_ASSETS = frozenset({"label_tiles", "terminal_tiles", "transaction_features", "customer_tiles"})
WEEK_ASSETS = frozenset({"training_set", "candidate_model", "ab_report", "promotion"})


def runs_at_work(
    instance: dg.DagsterInstance, job: str, assets: Collection[str]
) -> list[dg.RunRecord]:
    """Return the queued and running runs that make one of these assets, oldest first.

    Args:
        job: the job whose runs make all of them; other runs name their assets.
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
    """Return a run's partition or partition range as text; empty without one."""
    first = run.tags.get(ASSET_PARTITION_RANGE_START_TAG) or run.tags.get(PARTITION_NAME_TAG, "")
    last = run.tags.get(ASSET_PARTITION_RANGE_END_TAG, first)
    return first if first == last else f"{first} to {last}"


def require_only_run(context: dg.AssetExecutionContext) -> None:
    """Refuse to decide a week that an older queued or active run decides.

    Raises:
        DataError: there is an older run, which the error names.
    """
    instance, day = context.instance, context.partition_key
    for record in runs_at_work(instance, "decide_week", WEEK_ASSETS):
        run = record.dagster_run
        if run.run_id == context.run.run_id:
            return
        if partitions_of(run) == day:
            raise DataError(
                f"knowledge date {day}: expected no other run to decide it, found run "
                f"{run.run_id[:8]} ({str(run.status.value).lower()}). Wait until that ends; if the "
                "week must be decided again then, materialize it again."
            )
