"""Jobs, the new-drops sensor, and the schedules on the data's clock.

Here: when runs are requested. A schedule ticks often and requests what the data has completed; it
never uses today's date.
Not here: the rules of what is due (`fraud_platform.calendar.due`), the memory of requests
(`defs.automation.requests`).
"""

from collections import Counter
from datetime import date, timedelta

import dagster as dg

from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.calendar.due import (
    days_to_build,
    due_weeks,
    fingerprint,
    inputs_of,
    watermark,
)
from fraud_platform.calendar.span import keep_days, keep_decided
from fraud_platform.contracts.active import feature_signature
from fraud_platform.contracts.knowledge_week import MIN_TRAINING_DAYS
from fraud_platform.defs.automation.at_work import (
    DAY_ASSETS,
    WEEK_ASSETS,
    partitions_of,
    runs_at_work,
)
from fraud_platform.defs.automation.clusters import cluster_tags
from fraud_platform.defs.automation.requests import SCHEDULE_STATUS, ask, run_request, turn_of
from fraud_platform.defs.dagster_internals import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
)
from fraud_platform.defs.deployment import SettingsResource
from fraud_platform.defs.partitions import DAYS, DROPS, WEEKS
from fraud_platform.defs.resources import LakeResource
from fraud_platform.operations.platform_state import PlatformState, read_state
from fraud_platform.operations.services.code_location import reload_definitions
from fraud_platform.settings import Settings

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
    description="Daily features: the completed days that are not built yet.",
)
def daily_features(
    context: dg.ScheduleEvaluationContext, lake: LakeResource, settings: SettingsResource
) -> dg.RunRequest | dg.SkipReason:
    """Request one run over the complete days that are not built from the current drops."""
    state = read_state(lake.open(), settings)
    if keep_days(settings.home, state.days, state.first_day):
        reload_definitions(settings)
    stale = stale_days(settings, state)
    if stale is None:
        return dg.SkipReason(f"every day before the watermark ({watermark(state.days)}) is built")
    first, last, request = stale
    # one at a time: a wider or later range waits for the range that is being built
    if runs := runs_at_work(context.instance, build_days.name, DAY_ASSETS):
        run = runs[0].dagster_run
        return dg.SkipReason(
            f"{first} to {last}: waits for the end of run {run.run_id[:8]}, which builds "
            f"{partitions_of(run)}"
        )
    return ask(
        context.instance,
        request,
        f"days {first} to {last}",
        tags={
            **cluster_tags(settings),
            ASSET_PARTITION_RANGE_START_TAG: first.isoformat(),
            ASSET_PARTITION_RANGE_END_TAG: last.isoformat(),
        },
    )


def stale_days(settings: Settings, state: PlatformState) -> tuple[date, date, str] | None:
    """Return the first range of days to build, and its request; None if all are built."""
    inputs = state.inputs
    rows: Counter[date] = Counter()
    for day in state.days:
        rows[day.day] += day.rows
    stale = days_to_build(inputs, state.built_inputs, rows, settings.max_rows_per_run)
    if stale is None:
        return None
    first, last = stale
    # days that are stale only by their declaration need another request than the first build
    named = [item for item in inputs.items() if first <= item[0] <= last]
    content = fingerprint([*named, ("declaration", feature_signature())])
    return first, last, f"days:{first}_{last}_{content}"


@dg.schedule(
    job=decide_week,
    cron_schedule="* * * * *",
    default_status=SCHEDULE_STATUS,
    description="Weekly retrain, compare, promote: the knowledge dates that the data has reached.",
)
def weekly_decision(
    context: dg.ScheduleEvaluationContext, lake: LakeResource, settings: SettingsResource
) -> dg.RunRequest | dg.SkipReason:
    """Request the oldest due knowledge date; one at a time, because D+7 builds on D."""
    tables, tags = lake.open(), cluster_tags(settings)
    if runs := runs_at_work(context.instance, decide_week.name, WEEK_ASSETS):
        run = runs[0].dagster_run
        return dg.SkipReason(
            f"knowledge date {partitions_of(run)} is being decided by run {run.run_id[:8]}"
        )
    state, reasons = read_state(tables, settings), []
    for knowledge_date, request in week_requests(settings, tables, state).items():
        turn = turn_of(context.instance, request, f"knowledge date {knowledge_date}")
        if turn.attempt is not None:
            return run_request(turn, str(knowledge_date), tags)
        reasons.append(turn.reason)
        if turn.problem and not turn.problem.lets_others_pass:
            break
    none = f"no knowledge date is due at the watermark {watermark(state.days)}"
    return dg.SkipReason("; ".join(reasons) or none)


def week_requests(settings: Settings, lake: Lake, state: PlatformState) -> dict[date, str]:
    """Return the knowledge dates that are due, oldest first, each with its request."""
    from fraud_platform.operations.models.decisions import decided_dates

    inputs = state.inputs
    decided = decided_dates(lake)
    if keep_decided(settings.home, decided):
        reload_definitions(settings)
    due = due_weeks(
        inputs,
        state.built_inputs,
        decided,
        MIN_TRAINING_DAYS,
        settings.catch_up_weeks,
    )
    first = min(inputs, default=date.min)
    return {d: f"week:{d}:{inputs_of(state.days, first, d - timedelta(days=1))}" for d in due}
