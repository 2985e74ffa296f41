"""The comparison group: candidate against champion on the same later week.

Here: the asset `ab_report`: which models are compared, on which rows, and storing the report.
Not here: the comparison (`fraud_platform.comparison`), choosing rows (`training.training_set`).
"""

from datetime import date
from typing import Any

import dagster as dg

from fraud_platform.adapters.models.registry import ModelVersion
from fraud_platform.comparison.bootstrap import compare_models
from fraud_platform.comparison.forest_plot import forest_plot
from fraud_platform.comparison.inputs import ComparisonConfig, ComparisonRows
from fraud_platform.comparison.report import (
    ComparisonResult,
    ab_report_table,
    report_id_of,
)
from fraud_platform.contracts.model_tables import AB_REPORT
from fraud_platform.defs.automation.at_work import require_only_run
from fraud_platform.defs.deployment import SettingsResource
from fraud_platform.defs.failures import stop_or_retry
from fraud_platform.defs.pages.opening import page
from fraud_platform.defs.pages.tables import picture, rounded, table_spec, written
from fraud_platform.defs.partitions import ALL_DROPS, TEST_DAYS, WEEKS
from fraud_platform.defs.resources import LakeResource, ModelRegistryResource, SparkResource
from fraud_platform.kill_points import kill_point
from fraud_platform.operations.models.weeks import (
    contenders,
    read_amount_rule,
    read_evaluation_rows,
    scored,
)
from fraud_platform.operations.platform_state import read_state
from fraud_platform.operations.reach import require_week
from fraud_platform.operations.services.links import asset_page, dagster_run_page, model_page
from fraud_platform.settings import Settings
from fraud_platform.tables.features import TRANSACTION_FEATURES


@dg.multi_asset(
    name="ab_report",
    partitions_def=WEEKS,
    pool="ab_report",
    specs=[
        table_spec(
            AB_REPORT,
            "comparison",
            [
                "candidate_model",
                dg.AssetDep(TRANSACTION_FEATURES.name, partition_mapping=TEST_DAYS),
                dg.AssetDep("labels", partition_mapping=ALL_DROPS),
            ],
            {"scipy", "mlflow", "deltalake"},
            {},
        )
    ],
)
@stop_or_retry
def ab_report(
    context: dg.AssetExecutionContext,
    spark: SparkResource,
    lake: LakeResource,
    registry: ModelRegistryResource,
    settings: SettingsResource,
) -> dg.MaterializeResult[None]:
    """Score the same test week with candidate and champion, and compare them."""
    require_only_run(context)
    day = date.fromisoformat(context.partition_key)
    tables, models = lake.open(), registry.open()
    require_week(day, (state := read_state(tables, settings)).inputs)
    candidate, champion = contenders(tables, models, day)
    rows = read_evaluation_rows(spark.spark_session, tables, day, settings, state)
    result = compare_models(
        ComparisonRows.from_columns(rows),
        scored(models, candidate, rows),
        scored(models, champion, rows) if champion else None,
        ComparisonConfig.from_settings(settings, read_amount_rule(tables, day, settings)),
    )
    against = str(champion.version) if champion else None
    report_id = report_id_of(day, str(candidate.version), against)
    digests = (candidate.sha256, champion.sha256 if champion else None)
    table, plot = ab_report_table(result, day, report_id, *digests), forest_plot(result)
    tables.replace_arrow(AB_REPORT, table, f"knowledge_date = '{day}'")
    kill_point("comparison.after_report")
    words = result.as_markdown()
    files = {"ab_report/report.md": words.encode(), "ab_report/forest_plot.png": plot}
    models.log_report(candidate.run_id, result.metrics(), files)
    models.describe(candidate.version, _description(settings, result, day, candidate, against))
    metadata = _metadata(settings, result, words, plot, candidate.version)
    size = written(tables, AB_REPORT, **{"dagster/row_count": table.num_rows})
    return dg.MaterializeResult(asset_key=AB_REPORT.name, metadata={**metadata, **size})


def _description(
    settings: Settings,
    result: ComparisonResult,
    day: date,
    candidate: ModelVersion,
    against: str | None,
) -> str:
    """Return the beginning of the candidate's page in MLflow: the verdict and its origin."""
    verdict = str(result.verdict).replace("_", " ").capitalize()
    rows = [
        f"| {metric.replace('_', ' ')} | {value:.4f} |"
        for metric, value in (
            (name.removeprefix("candidate."), value)
            for name, value in result.metrics().items()
            if name.startswith("candidate.")
        )
    ]
    links = [
        f"[the comparison]({asset_page(settings, AB_REPORT.name, str(day))})",
        f"[the training run]({dagster_run_page(settings, candidate.tags['dagster_run_id'])})",
    ]
    if against is not None:
        links.append(f"[the champion, version {against}]({model_page(settings, int(against))})")
    return (
        f"**{verdict}** on {day}, against {f'version {against}' if against else 'the baselines'}: "
        f"{result.reason}.\n\n"
        + "\n".join(["| on the test week | |", "| --- | --- |", *rows])
        + f"\n\nIn Dagster: {', '.join(links)}"
    )


def _metadata(
    settings: Settings, result: ComparisonResult, words: str, plot: bytes, version: int
) -> dict[str, Any]:
    """Return verdict, report, plot, and the figures that Dagster charts over the weeks."""
    figures = {
        f"{role}_{metric}".replace(".", "_"): rounded(value)
        for name, value in result.metrics().items()
        for role, metric in [name.split(".", 1)]
        if role in ("candidate", "champion")
    }
    shown = ("average_precision", "card_precision", "expected_loss", "recall")
    facts = {
        f"candidate {metric}".replace("_", " "): figures[f"candidate_{metric}"]
        for metric in shown
        if f"candidate_{metric}" in figures
    } | {
        f"champion {metric}".replace("_", " "): figures[f"champion_{metric}"]
        for metric in shown
        if f"champion_{metric}" in figures
    }
    return page(
        f"{str(result.verdict).replace('_', ' ').capitalize()}: {result.reason}.",
        facts,
        {
            "mlflow": dg.MetadataValue.url(model_page(settings, version)),
            "verdict": str(result.verdict),
            "report": dg.MetadataValue.md(words),
            "forest_plot": picture(plot, "Paired differences"),
            **figures,
        },
    )
