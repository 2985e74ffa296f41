"""The promotion group: the decision that follows from the verdict.

Here: the asset `promotion` and its metadata.
Not here: the decision (`fraud_platform.promotion`), writing it (`operations.models.decisions`).
"""

from datetime import UTC, date, datetime
from typing import Any

import dagster as dg

from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.contracts.model_tables import AB_REPORT, PROMOTION_HISTORY
from fraud_platform.defs.automation.at_work import require_only_run
from fraud_platform.defs.deployment import SettingsResource
from fraud_platform.defs.failures import stop_or_retry
from fraud_platform.defs.pages.opening import page
from fraud_platform.defs.pages.tables import small_table, table_spec, written
from fraud_platform.defs.partitions import WEEKS
from fraud_platform.defs.resources import LakeResource, ModelRegistryResource
from fraud_platform.operations.models.decisions import read_history, settle
from fraud_platform.operations.models.weeks import read_evidence
from fraud_platform.operations.platform_state import read_state
from fraud_platform.operations.reach import require_week
from fraud_platform.promotion.decision import PromotionDecision, decide
from fraud_platform.promotion.guardrails import Guardrails
from fraud_platform.promotion.history import champion_periods

_LINEAGE = {
    name: [(AB_REPORT.name, source)]
    for name, source in {
        "report_id": "report_id",
        "verdict": "verdict",
        "reason": "verdict_reason",
        "model_name": "candidate_name",
        "model_version": "candidate_version",
        "champion_before": "champion_version",
    }.items()
}


@dg.multi_asset(
    name="promotion",
    partitions_def=WEEKS,
    pool="promotion",
    specs=[
        table_spec(
            PROMOTION_HISTORY,
            "promotion",
            [AB_REPORT.name],
            {"mlflow", "deltalake"},
            _LINEAGE,
            name="promotion",
        )
    ],
)
@stop_or_retry
def promotion(
    context: dg.AssetExecutionContext,
    lake: LakeResource,
    registry: ModelRegistryResource,
    settings: SettingsResource,
) -> dg.MaterializeResult[None]:
    """Promote the candidate, keep the champion, refuse by guardrail, or wait for a person."""
    require_only_run(context)
    day = date.fromisoformat(context.partition_key)
    tables, models = lake.open(), registry.open()
    require_week(day, read_state(tables, settings).inputs)
    evidence = read_evidence(tables, models, day)
    decision = settle(
        tables,
        models,
        lambda history: decide(
            history,
            evidence,
            Guardrails.from_settings(settings),
            settings.promotion_mode,
            f"run {context.run.run_id}",
            datetime.now(UTC),
        ),
        context.log.warning,
    )
    return dg.MaterializeResult(asset_key="promotion", metadata=_metadata(tables, decision))


def _metadata(lake: Lake, decision: PromotionDecision) -> dict[str, Any]:
    """Return the decision, and the champions with their periods."""
    periods = [
        {"version": p.version, "since": p.since, "until": p.until or "now", "report": p.report_id}
        for p in champion_periods(read_history(lake))
    ]
    champion = decision.alias_target
    now = f"version {champion} is champion" if champion else "there is no champion"
    return page(
        f"{str(decision.action).capitalize()}; {now}. {decision.row.reason}",
        {"action": str(decision.action), "champion": champion, "reason": decision.row.reason},
        {
            "champions": small_table(periods),
            "action": str(decision.action),
            "champion_version": int(champion or 0),
            "reason": decision.row.reason,
            **written(lake, PROMOTION_HISTORY),
        },
    )
