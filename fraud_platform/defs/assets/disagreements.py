"""Differences between the stream and drops that land after the stream scored their days.

Here: the asset, its job and its schedule on the data's clock.
Not here: comparing (`fraud_platform.monitoring.disagreements`), building the days again
(`defs.assets.features`).
"""

from collections import Counter
from datetime import date, datetime
from functools import cache

import dagster as dg

from fraud_platform.adapters.models.registry import ModelRegistry
from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.calendar.due import fingerprint
from fraud_platform.contracts.tables import CLEANING_LEDGER
from fraud_platform.defs.automation.requests import SCHEDULE_STATUS, ask
from fraud_platform.defs.deployment import SettingsResource
from fraud_platform.defs.failures import stop_or_retry
from fraud_platform.defs.pages.tables import small_table, table_spec, written
from fraud_platform.defs.resources import LakeResource, ModelRegistryResource
from fraud_platform.errors import SchemaMismatchError
from fraud_platform.monitoring.disagreements import (
    DayComparison,
    ModelOf,
    compare_day,
    days_to_compare,
    record,
)
from fraud_platform.operations.live.session import load_model
from fraud_platform.operations.platform_state import PlatformState, read_state
from fraud_platform.scoring.engines.micro_batch import PinnedModel
from fraud_platform.tables.scoring import STREAM_DISAGREEMENTS

_ALL = dg.AllPartitionMapping()
_MAX_SHOWN = 200


@dg.multi_asset(
    name="compare_stream_with_drops",
    pool="stream_disagreements",
    specs=[
        table_spec(
            STREAM_DISAGREEMENTS,
            "inference",
            [
                dg.AssetDep("transaction_features", partition_mapping=_ALL),
                dg.AssetDep("inference_batches", partition_mapping=_ALL),
                "topic_labels",
            ],
            {"deltalake"},
            {"tx_date": [("transaction_features", "tx_date")]},
        )
    ],
)
@stop_or_retry
def compare_stream_with_drops(
    context: dg.AssetExecutionContext,
    lake: LakeResource,
    registry: ModelRegistryResource,
    settings: SettingsResource,
) -> dg.MaterializeResult[None]:
    """Compare the days whose drop came after the stream, and record the differences."""
    tables = lake.open()
    state = read_state(tables, settings, with_stream=False)
    due, landed = _due(tables, state), _landed_at(tables, state)
    models = _models(context, registry.open())
    compared = [compare_day(tables, day, landed[day], models) for day in due]
    record(tables, compared, due)
    return dg.MaterializeResult(
        asset_key=STREAM_DISAGREEMENTS.name,
        metadata=written(tables, STREAM_DISAGREEMENTS, **_counts(compared)),
    )


def _counts(compared: list[DayComparison]) -> dict[str, object]:
    """Return the asset's page: rows by kind of difference, and each day's with examples."""
    total: Counter[str] = Counter()
    for one in compared:
        total.update(one.rows)
    lines = [
        {
            "day": str(one.day),
            "kind": kind,
            "rows": rows,
            "for example": "; ".join(one.examples[kind]),
        }
        for one in compared
        for kind, rows in one.rows.items()
        if rows
    ]
    count, different = sum(one.compared for one in compared), sum(total.values())
    sentence = (
        f"Of {count:,} transactions of {len(compared)} days that were scored live and came with a "
        f"drop later, {different:,} differ."
    )
    return {
        "headline": sentence,
        "summary": small_table([{"what": k, "value": f"{v:,}"} for k, v in total.items()]),
        "days": len(compared),
        "compared": sum(one.compared for one in compared),
        **total,
        "disagreements": small_table(lines[:_MAX_SHOWN]),
    }


def _models(context: dg.AssetExecutionContext, registry: ModelRegistry) -> ModelOf:
    @cache
    def model_of(version: int) -> PinnedModel | None:
        try:
            return load_model(registry, version)
        except SchemaMismatchError as error:
            context.log.warning(f"scores are not compared: {error}")
            return None

    return model_of


def _due(lake: Lake, state: PlatformState) -> dict[date, str]:
    end = state.end_of_drops
    if end is None or state.scored_version is None:
        return {}
    days = {one.day for one in state.drop_days if one.day < end}
    return days_to_compare(lake, days, state.inputs, state.built_inputs)


def _landed_at(lake: Lake, state: PlatformState) -> dict[date, datetime]:
    """Return when the last of the drops that hold a day was published."""
    columns = ["drop", "cleaned_at"]
    published = {
        r["drop"]: r["cleaned_at"]
        for r in lake.read_arrow(CLEANING_LEDGER, None, columns).to_pylist()
    }
    found: dict[date, datetime] = {}
    for one in state.drop_days:
        found[one.day] = max(found.get(one.day, published[one.drop]), published[one.drop])
    return found


compare_days = dg.define_asset_job(
    "compare_days",
    selection=dg.AssetSelection.assets(STREAM_DISAGREEMENTS.name),
    executor_def=dg.in_process_executor,
    description="List the differences between a drop and the stream that was scored before it.",
)


@dg.schedule(
    job=compare_days,
    cron_schedule="* * * * *",
    default_status=SCHEDULE_STATUS,
    description="Late drops: the days that were scored live before their drop was built.",
)
def late_drops(
    context: dg.ScheduleEvaluationContext, lake: LakeResource, settings: SettingsResource
) -> dg.RunRequest | dg.SkipReason:
    """Request one comparison of all days that are due."""
    tables = lake.open()
    due = _due(tables, read_state(tables, settings, with_stream=False))
    if not due:
        return dg.SkipReason("every day that was scored before its drop came is compared")
    request = f"disagreements:{fingerprint(sorted(due.items()))}"
    return ask(context.instance, request, "the comparison of the days that are due")
