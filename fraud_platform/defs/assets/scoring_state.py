"""The scoring state: a daily snapshot of the tiles, from which scorers start.

Here: the asset, its job and its schedule on the data's clock.
Not here: making a snapshot (`fraud_platform.scoring.state.snapshot`).
"""

from datetime import date, timedelta

import dagster as dg

from fraud_platform.calendar.due import fingerprint
from fraud_platform.defs.automation.clusters import cluster_tags
from fraud_platform.defs.automation.requests import SCHEDULE_STATUS, ask, runs_of
from fraud_platform.defs.deployment import SettingsResource
from fraud_platform.defs.failures import stop_or_retry
from fraud_platform.defs.pages.opening import page
from fraud_platform.defs.pages.tables import table_spec, written
from fraud_platform.defs.resources import LakeResource, SparkResource
from fraud_platform.errors import NotEnoughDataError
from fraud_platform.operations.platform_state import read_state
from fraud_platform.scoring.state.snapshot import write_snapshot
from fraud_platform.tables.scoring import SCORING_STATE

_TILES = ("customer_tiles", "terminal_tiles", "label_tiles")


@dg.multi_asset(
    name="build_scoring_state",
    pool="scoring_state",
    specs=[
        table_spec(
            SCORING_STATE,
            "inference",
            [dg.AssetDep(name, partition_mapping=dg.AllPartitionMapping()) for name in _TILES],
            {"spark", "deltalake"},
            {"entity_id": [("customer_tiles", "customer_id"), ("terminal_tiles", "terminal_id")]},
        )
    ],
)
@stop_or_retry
def build_scoring_state(
    context: dg.AssetExecutionContext,  # noqa: ARG001 - Dagster passes it
    spark: SparkResource,
    lake: LakeResource,
    settings: SettingsResource,
) -> dg.MaterializeResult[None]:
    """Publish the history up to the last built day as one snapshot."""
    tables = lake.open()
    state = read_state(tables, settings, with_stream=False)
    built = state.reached_days
    if not built:
        raise NotEnoughDataError(
            "scoring_state: expected built days, found none. Build the features of a day first; "
            "without built days, scoring starts with an empty history."
        )
    snapshot = write_snapshot(
        spark.spark_session,
        tables,
        max(built) + timedelta(days=1),
        settings.duplicate_horizon_days,
        state.first_live_day,
    )
    return dg.MaterializeResult(
        asset_key=SCORING_STATE.name,
        metadata=page(
            f"Scoring starts from the history up to {snapshot.as_of}.",
            {"last built day": str(max(built)), "snapshot": str(snapshot)},
            written(tables, SCORING_STATE, as_of=str(snapshot.as_of), state=str(snapshot)),
        ),
    )


build_state = dg.define_asset_job(
    "build_state",
    selection=dg.AssetSelection.assets(SCORING_STATE.name),
    executor_def=dg.in_process_executor,
    description="Publish the scorer's state as of the last built day.",
)


@dg.schedule(
    job=build_state,
    cron_schedule="* * * * *",
    default_status=SCHEDULE_STATUS,
    description="Daily state: a snapshot when days were added or rebuilt.",
)
def daily_state(
    context: dg.ScheduleEvaluationContext, lake: LakeResource, settings: SettingsResource
) -> dg.RunRequest | dg.SkipReason:
    """Request a snapshot if the newest one is of other days than the built ones."""
    built = read_state(lake.open(), settings, with_stream=False).reached_days
    if not built:
        return dg.SkipReason("no day is built")
    as_of: date = max(built) + timedelta(days=1)
    recent = {str(day): inputs for day, inputs in built.items() if (as_of - day).days <= 38}
    request = f"state:{as_of}_{fingerprint(sorted(recent.items()))}"
    if any(run.is_success for run in runs_of(context.instance, request)):
        return dg.SkipReason(f"the state of {as_of} is published")
    return ask(
        context.instance,
        request,
        f"the state of {as_of}",
        tags=cluster_tags(settings),
    )
