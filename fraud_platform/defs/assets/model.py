"""The model group: the training set and the candidate of one knowledge date.

Here: two weekly assets.
Not here: which rows, which estimator, which threshold (`fraud_platform.training`), MLflow
(`adapters.models.registry`).
"""

import tempfile
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg

from fraud_platform.adapters.models.registry import ModelVersion
from fraud_platform.contracts.tables import DROP_LABELS
from fraud_platform.defs.automation.at_work import require_only_run
from fraud_platform.defs.deployment import SettingsResource
from fraud_platform.defs.failures import stop_or_retry
from fraud_platform.defs.pages.opening import page
from fraud_platform.defs.pages.tables import (
    OWNERS,
    picture,
    rounded,
    small_table,
    table_spec,
    written,
)
from fraud_platform.defs.partitions import ALL_DROPS, TRAINING_DAYS, WEEKS
from fraud_platform.defs.resources import LakeResource, ModelRegistryResource, SparkResource
from fraud_platform.operations.models.champion import known_models
from fraud_platform.operations.models.weeks import (
    build_rows,
    candidate_artifacts,
    candidate_tags,
    fit,
    part_counts,
    read_training_rows,
)
from fraud_platform.operations.platform_state import read_state
from fraud_platform.operations.reach import require_week
from fraud_platform.operations.services.links import asset_page, dagster_run_page, model_page
from fraud_platform.settings import Settings
from fraud_platform.tables.features import TRANSACTION_FEATURES
from fraud_platform.tables.training import TRAINING_SET
from fraud_platform.training.candidate import Candidate

_LINEAGE = {
    name: [(TRANSACTION_FEATURES.name, name)]
    for name in TRAINING_SET.column_names
    if name in TRANSACTION_FEATURES.column_names
} | {name: [("labels", name)] for name in ("is_fraud", "fraud_scenario")}


@dg.multi_asset(
    name="training_set",
    partitions_def=WEEKS,
    pool="training_set",
    specs=[
        table_spec(
            TRAINING_SET,
            "model",
            [
                dg.AssetDep(TRANSACTION_FEATURES.name, partition_mapping=TRAINING_DAYS),
                dg.AssetDep("labels", partition_mapping=ALL_DROPS),
            ],
            {"spark", "deltalake"},
            _LINEAGE,
        )
    ],
)
@stop_or_retry
def training_set(
    context: dg.AssetExecutionContext,
    spark: SparkResource,
    lake: LakeResource,
    settings: SettingsResource,
) -> dg.MaterializeResult[None]:
    """Choose the labelled rows for training the candidate of a knowledge date."""
    require_only_run(context)
    day, tables = date.fromisoformat(context.partition_key), lake.open()
    state = read_state(tables, settings)
    require_week(day, state.inputs)
    read = {t.name: tables.version(t) or 0 for t in (TRANSACTION_FEATURES, DROP_LABELS)}
    rows = build_rows(spark.spark_session, tables, day, read, settings, state)
    version = tables.replace(
        TRAINING_SET, rows, "knowledge_date", [str(day)], {"knowledge_date": day, **read}
    )
    counts = part_counts(tables, day)
    return dg.MaterializeResult(
        asset_key=TRAINING_SET.name,
        data_version=dg.DataVersion(str(version)),
        metadata=_training_page(
            day,
            counts,
            written(
                tables,
                TRAINING_SET,
                **{"dagster/row_count": sum(int(row["rows"]) for row in counts)},
                **{f"read_{name}_version": number for name, number in read.items()},
            ),
        ),
    )


def _training_page(
    day: date, counts: list[dict[str, Any]], rest: Mapping[str, Any]
) -> dict[str, Any]:
    rows, frauds = (sum(int(row[name]) for row in counts) for name in ("rows", "frauds"))
    return page(
        f"{rows:,} transactions with {frauds:,} frauds, known by {day}, to train on.",
        {
            f"{row['part']}: rows, frauds, days": f"{row['rows']:,}, {row['frauds']:,}, "
            f"{row['from']} to {row['to']}"
            for row in counts
        },
        {"parts": small_table(counts), **rest},
    )


@dg.asset(
    partitions_def=WEEKS,
    group_name="model",
    kinds={"mlflow"},
    owners=OWNERS,
    pool="candidate_model",
    deps=[TRAINING_SET.name],
    description="The week's candidate: fitted, calibrated, with its threshold, in MLflow.",
)
@stop_or_retry
def candidate_model(
    context: dg.AssetExecutionContext,
    spark: SparkResource,
    lake: LakeResource,
    registry: ModelRegistryResource,
    settings: SettingsResource,
) -> dg.MaterializeResult[None]:
    """Train the candidate of a knowledge date and register it."""
    require_only_run(context)
    day, tables = date.fromisoformat(context.partition_key), lake.open()
    state = read_state(tables, settings)
    require_week(day, state.inputs)
    candidate = fit(read_training_rows(tables, day), settings, lambda: spark.spark_session)
    with tempfile.TemporaryDirectory() as folder:
        candidate.save(Path(folder))
        files = candidate_artifacts(candidate)
        model = registry.open().register(
            day.isoformat(),
            Path(folder),
            candidate.feature_names,
            candidate.parameters,
            candidate.metrics,
            files,
            candidate_tags(tables, state, day, context.run.run_id),
            known_models(tables),
        )
    registry.open().describe(
        model.version, _description(settings, day, candidate, context.run.run_id)
    )
    return dg.MaterializeResult(
        data_version=dg.DataVersion(model.tags["content_sha256"]),
        metadata=_metadata(settings, model, candidate, files),
    )


def _description(settings: Settings, day: date, candidate: Candidate, run_id: str) -> str:
    """Return the beginning of the model's page in MLflow, used until it is compared."""
    return (
        f"**Trained for {day}, not compared yet.** Alerts from a probability of "
        f"{candidate.threshold.value:.4f}: {candidate.threshold.reason}\n\n"
        f"In Dagster: [the training run]({dagster_run_page(settings, run_id)}), "
        f"[the candidate]({asset_page(settings, 'candidate_model', str(day))})"
    )


def _metadata(
    settings: Settings, model: ModelVersion, candidate: Candidate, files: Mapping[str, bytes]
) -> dict[str, Any]:
    """Return the model's location, its threshold with the reason, its figures and plots."""
    return page(
        f"Version {model.version} is trained for {model.knowledge_date}; it alerts from a "
        f"probability of {candidate.threshold.value:.4f}.",
        {"threshold": candidate.threshold.reason, **candidate.metrics},
        {
            "mlflow": dg.MetadataValue.url(model_page(settings, model.version)),
            "model_version": model.version,
            "mlflow_run_id": model.run_id,
            "threshold": rounded(candidate.threshold.value, 6),
            "threshold_reason": candidate.threshold.reason,
            **{name: rounded(value) for name, value in candidate.metrics.items()},
            **{k[:-4]: picture(v, k) for k, v in files.items() if k.endswith(".png")},
        },
    )
