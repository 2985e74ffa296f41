"""Jobs, the new-drops sensor, and the schedules on the data's clock.

Here: when runs are asked for. A schedule ticks often and asks for what the data has completed;
it never looks at today's date.
Not here: the arithmetic of what is due (`fraud_platform.clock`), the memory of what was asked
(`defs.requests`).
"""

from datetime import date

import dagster as dg
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
)

from fraud_platform.clock import days_to_build, due_weeks, inputs_by_day, watermark
from fraud_platform.contracts.time import MIN_TRAINING_DAYS
from fraud_platform.defs.clusters import cluster_tags
from fraud_platform.defs.partitions import DAYS, DROPS, WEEKS
from fraud_platform.defs.requests import SCHEDULE_STATUS, ask, runs_of
from fraud_platform.defs.resources import LakeResource
from fraud_platform.defs.state import read_built_days, read_days
from fraud_platform.settings import load_settings

load_drop = dg.define_asset_job(
    "load_drop",
    selection=dg.AssetSelection.groups("raw", "cleaned"),
    partitions_def=DROPS,
    executor_def=dg.in_process_executor,
    description="Copy one drop to the raw zone, clean it, publish or hold it.",
)
build_days = dg.define_asset_job(
    "build_days",
    selection=dg.AssetSelection.groups("features"),
    partitions_def=DAYS,
    executor_def=dg.in_process_executor,
    description="Build the tiles and features of a range of days.",
)
decide_week = dg.define_asset_job(
    "decide_week",
    selection=dg.AssetSelection.groups("model", "comparison", "promotion"),
    partitions_def=WEEKS,
    executor_def=dg.in_process_executor,
    description="Train the candidate of one knowledge date, compare it, promote it or not.",
)


@dg.schedule(
    job=build_days,
    cron_schedule="* * * * *",
    default_status=SCHEDULE_STATUS,
    description="Daily features: the days that the drops have completed and nobody has built.",
)
def daily_features(
    context: dg.ScheduleEvaluationContext, lake: LakeResource
) -> dg.RunRequest | dg.SkipReason:
    """Ask for one run over the days that are complete and not built from the present drops."""
    days = read_days(lake.open())
    inputs = inputs_by_day(days, _first_day())
    rows: dict[date, int] = {}
    for day in days:
        rows[day.day] = rows.get(day.day, 0) + day.rows
    stale = days_to_build(
        inputs, read_built_days(lake.open()), rows, load_settings().max_rows_per_run
    )
    if stale is None:
        return dg.SkipReason(f"every day before the watermark ({watermark(days)}) is built")
    first, last = stale
    return ask(
        context.instance,
        f"days:{first}:{last}:{inputs[last]}",
        f"{first} to {last}",
        tags={
            **cluster_tags(load_settings()),
            ASSET_PARTITION_RANGE_START_TAG: first.isoformat(),
            ASSET_PARTITION_RANGE_END_TAG: last.isoformat(),
        },
    )


@dg.schedule(
    job=decide_week,
    cron_schedule="* * * * *",
    default_status=SCHEDULE_STATUS,
    description="Weekly retrain, compare, promote: the knowledge dates that the data has reached.",
)
def weekly_decision(
    context: dg.ScheduleEvaluationContext, lake: LakeResource
) -> dg.RunRequest | dg.SkipReason:
    """Ask for the oldest knowledge date that is due; one at a time, since D+7 builds on D."""
    from fraud_platform.defs.decisions import decided_dates

    settings = load_settings()
    days = read_days(lake.open())
    inputs = inputs_by_day(days, _first_day())
    due = due_weeks(
        inputs,
        read_built_days(lake.open()),
        decided_dates(lake.open()),
        MIN_TRAINING_DAYS,
        settings.catch_up_weeks,
    )
    for knowledge_date in due:
        request = f"week:{knowledge_date}:{inputs[max(inputs)]}"
        day, tags = str(knowledge_date), cluster_tags(settings)
        asked = ask(context.instance, request, day, day, tags)
        if isinstance(asked, dg.RunRequest):
            return asked
        if any(not run.is_finished for run in runs_of(context.instance, request)):
            return dg.SkipReason(f"knowledge date {knowledge_date} is being decided")
    return dg.SkipReason(f"no knowledge date is due at the watermark {watermark(days)}")


def _first_day() -> date:
    return date.fromisoformat(load_settings().first_day)
