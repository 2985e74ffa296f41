"""Data of the weekly assets: a week's rows, its candidate, and the models to compare.

Here: reading a week's rows from the lake and its models from the registry, and a model's tags about
its training data.
Not here: training, comparing, deciding (the stages).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from fraud_platform.adapters.models.registry import ModelRegistry, ModelVersion
from fraud_platform.adapters.models.storing import MODEL_NAME
from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.adapters.tables.row_counts import rows_by_partition
from fraud_platform.calendar.due import inputs_of
from fraud_platform.comparison.inputs import ScoredModel
from fraud_platform.contracts.active import DATA_SET, FEATURE_NAMES, feature_signature
from fraud_platform.contracts.knowledge_week import KnowledgeWeek
from fraud_platform.contracts.model_tables import AB_REPORT
from fraud_platform.contracts.tables import DROP_LABELS
from fraud_platform.errors import ChampionMismatchError, NotEnoughDataError
from fraud_platform.features.documentation import features_markdown
from fraud_platform.operations.models.champion import find_champion
from fraud_platform.operations.models.decisions import read_history
from fraud_platform.operations.platform_state import PlatformState, read_labels
from fraud_platform.promotion.evidence import Evidence, evidence_from_report, models_tested
from fraud_platform.promotion.history import champion_before, digest_of
from fraud_platform.settings import Settings
from fraud_platform.tables.features import TRANSACTION_FEATURES
from fraud_platform.tables.training import THRESHOLD, TRAINING_SET
from fraud_platform.training.amount_rule import learn_amount_rule
from fraud_platform.training.thresholds import Constraints
from fraud_platform.training.training_set import build_training_set, evaluation_rows

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession

    from fraud_platform.training.candidate import Candidate

VERSION_TAG = "table_version."
"""Prefix of the parts of a model's lineage that name the table versions a model was made from."""

_START_TAG, _END_TAG, _INPUTS_TAG = "training_start", "training_end", "training_inputs"


def build_rows(
    spark: SparkSession,
    lake: Lake,
    knowledge_date: date,
    versions: Mapping[str, int],
    settings: Settings,
    state: PlatformState,
) -> DataFrame:
    """Return the training set of a knowledge date from the given versions of its two tables."""
    first_day = _oldest_training_day(knowledge_date, settings)
    read = versions[TRANSACTION_FEATURES.name]
    end = KnowledgeWeek(knowledge_date).train_end
    if read == lake.version(TRANSACTION_FEATURES):
        _require_built(state, first_day, end)
    features = _with_all_features(lake.read(spark, TRANSACTION_FEATURES, read))
    rows = rows_by_partition(lake, TRANSACTION_FEATURES, "tx_date", read)
    most = sum(count for day, count in rows.items() if first_day <= day < end)
    return build_training_set(
        features,
        read_labels(spark, lake, first_day, versions[DROP_LABELS.name]),
        knowledge_date,
        settings.training_days,
        settings.max_training_rows if most > settings.max_training_rows else None,
        settings.seed,
    )


def _require_built(state: PlatformState, first: date, end: date) -> None:
    """Require that the days of [first, end) have every currently declared feature.

    Raises:
        NotEnoughDataError: some days were built before a feature was declared.
    """
    other = state.days_of_other_features(first, end)
    if other:
        raise NotEnoughDataError(
            f"days {first} to {end}: expected all built with the currently declared features, "
            f"found {len(other)} from {other[0]} to {other[-1]} that were built before one "
            "was added or changed. Wait until the schedule daily_features has built them again."
        )


def _with_all_features(features: DataFrame) -> DataFrame:
    """Return rows of an old table version, with null in the features declared later."""
    from pyspark.sql import functions as F

    later = [name for name in FEATURE_NAMES if name not in features.columns]
    if not later:
        # Spark Connect refuses an empty list of columns
        return features
    return features.withColumns({name: F.lit(None).cast("float") for name in later})


def _oldest_training_day(knowledge_date: date, settings: Settings) -> date:
    return KnowledgeWeek(knowledge_date).train_end - timedelta(days=settings.training_days)


def read_training_rows(lake: Lake, knowledge_date: date, version: int | None = None) -> pa.Table:
    """Return the stored training set of a knowledge date."""
    return lake.read_arrow(
        TRAINING_SET, filters=[("knowledge_date", "=", knowledge_date)], version=version
    )


def part_counts(lake: Lake, knowledge_date: date) -> list[dict[str, Any]]:
    """Return rows, frauds and days of each part of a training set."""
    columns = ["part", "is_fraud", "tx_datetime", "sample_weight"]
    filters = [("knowledge_date", "=", knowledge_date)]
    frame = lake.read_arrow(TRAINING_SET, filters, columns).to_pandas()
    return [
        {
            "part": part,
            "rows": len(own),
            "frauds": int(own["is_fraud"].sum()),
            "stands for": round(float(own["sample_weight"].sum())),
            "from": own["tx_datetime"].min().date(),
            "to": own["tx_datetime"].max().date(),
        }
        for part, own in frame.groupby("part")
    ]


def fit(rows: pa.Table, settings: Settings, session: Callable[[], SparkSession]) -> Candidate:
    """Train a candidate on rows of a training set; a session is started only if needed."""
    from fraud_platform.adapters.storage.schemes import table_url
    from fraud_platform.training.candidate import TrainingOptions, train_candidate
    from fraud_platform.training.estimators import estimator_named

    options = TrainingOptions.from_settings(settings)
    if options.scratch_url is not None:
        options = replace(options, scratch_url=table_url(options.scratch_url))

    return train_candidate(
        rows,
        DATA_SET.chosen if settings.model_features == "chosen" else FEATURE_NAMES,
        options,
        session() if estimator_named(settings.estimator).needs_spark else None,
    )


def candidate_artifacts(candidate: Candidate) -> dict[str, bytes]:
    """Return the files that are logged with a candidate: its plots and feature descriptions."""
    from fraud_platform.training.plots import (
        calibration_plot,
        feature_importance_plot,
        pr_curve_plot,
    )

    return {
        "pr_curve.png": pr_curve_plot(candidate),
        "calibration.png": calibration_plot(candidate),
        "feature_importance.png": feature_importance_plot(candidate),
        "features.md": features_markdown().encode(),
    }


def candidate_tags(
    lake: Lake, state: PlatformState, knowledge_date: date, run_id: str
) -> dict[str, str]:
    """Return a model's tags about its origin: table versions, days, drops, run."""
    rows = read_training_rows(lake, knowledge_date).column("tx_datetime").to_pandas()
    first, last = rows.min().date(), rows.max().date()
    commit = lake.last_commit(TRAINING_SET, "knowledge_date", knowledge_date.isoformat())
    if commit is None:
        raise NotEnoughDataError(
            f"knowledge date {knowledge_date} has no training set. Materialize training_set first."
        )
    version, read = commit
    return {
        f"{VERSION_TAG}{TRAINING_SET.name}": str(version),
        **{
            f"{VERSION_TAG}{table.name}": read[table.name]
            for table in (TRANSACTION_FEATURES, DROP_LABELS)
        },
        _START_TAG: first.isoformat(),
        _END_TAG: KnowledgeWeek(knowledge_date).train_end.isoformat(),
        _INPUTS_TAG: inputs_of(state.days, first, last),
        "feature_signature": feature_signature(),
        "dagster_run_id": run_id,
    }


def trained_on(registry: ModelRegistry) -> dict[int, tuple[date, date, str]]:
    """Return the first and last training day and the drops' fingerprint by model version."""
    return {
        model.version: (
            date.fromisoformat(model.tags[_START_TAG]),
            training_end(model) - timedelta(days=1),
            model.tags[_INPUTS_TAG],
        )
        for model in registry.versions()
    }


def contenders(
    lake: Lake, registry: ModelRegistry, knowledge_date: date
) -> tuple[ModelVersion, ModelVersion | None]:
    """Return the candidate of a knowledge date and the champion as it was before that date.

    Raises:
        NotEnoughDataError: the date has no candidate yet.
        ChampionMismatchError, RegistryLostError: registry and history disagree.
    """
    made = [v for v in registry.versions() if v.knowledge_date == knowledge_date.isoformat()]
    if not made:
        raise NotEnoughDataError(
            f"knowledge date {knowledge_date} has no candidate. Materialize candidate_model first."
        )
    find_champion(lake, registry).require()
    champion = champion_before(read_history(lake), knowledge_date)
    return made[-1], registered(lake, registry, champion) if champion else None


def registered(
    lake: Lake, registry: ModelRegistry, version: str, tested: str | None = None
) -> ModelVersion:
    """Return a version from the registry, if it is the model that history and report name.

    Args:
        tested: its digest in an A/B report.

    Raises:
        UnknownModelError: there is no such version.
        ChampionMismatchError: the registry has another model under that number.
    """
    model, known = registry.get(int(version)), digest_of(read_history(lake), version)
    for keeper, digest in (("the promotion history", known), ("the A/B report", tested)):
        if digest not in (None, model.sha256):
            raise ChampionMismatchError(
                f"model {MODEL_NAME} {version}: expected SHA-256 {str(digest)[:16]} as {keeper} "
                f"names it, found {str(model.sha256)[:16]}: the registry gave this number to "
                "another model. If it is the champion, run `fraud-platform champion "
                "--from-history`; otherwise materialize ab_report again, then promotion."
            )
    return model


def read_evidence(lake: Lake, registry: ModelRegistry, knowledge_date: date) -> Evidence:
    """Return the evidence of a week's decision: its report and the models that it tested.

    Raises:
        PromotionError: there is no report, or it does not name the files that were tested.
        ChampionMismatchError, RegistryLostError: registry and history disagree, or the registry has
            other models than those tested.
    """
    find_champion(lake, registry).require()
    report = lake.read_arrow(AB_REPORT, filters=[("knowledge_date", "=", knowledge_date)])
    tested = models_tested(report)
    models = [
        registered(lake, registry, version, digest) if version else None
        for version, digest in tested
    ]
    ends = [training_end(model) if model else None for model in models]
    assert ends[0] is not None, "a report has a candidate"
    return evidence_from_report(report, ends[0], ends[1])


def training_end(model: ModelVersion) -> date:
    """Return the first day that a model was not trained on."""
    return date.fromisoformat(model.tags[_END_TAG])


def read_evaluation_rows(
    spark: SparkSession,
    lake: Lake,
    knowledge_date: date,
    settings: Settings,
    state: PlatformState,
) -> pd.DataFrame:
    """Return the test week's labelled rows with their features, sorted by id."""
    week = KnowledgeWeek(knowledge_date)
    _require_built(state, week.test_start, week.test_end)
    rows = evaluation_rows(
        lake.read(spark, TRANSACTION_FEATURES),
        read_labels(spark, lake, _oldest_training_day(knowledge_date, settings)),
        knowledge_date,
        settings.training_days,
    ).toArrow()
    frame = rows.sort_by("transaction_id").to_pandas()
    frame["tx_date"] = frame["tx_datetime"].dt.date
    return frame


def read_amount_rule(lake: Lake, knowledge_date: date, settings: Settings) -> int | None:
    """Return the amount rule learned from the candidate's threshold days under the same limits."""
    rows = lake.read_arrow(
        TRAINING_SET,
        [("knowledge_date", "=", knowledge_date), ("part", "=", THRESHOLD)],
        ["tx_datetime", "amount_cents", "is_fraud", "sample_weight"],
    ).to_pandas()
    return learn_amount_rule(
        rows["amount_cents"].to_numpy(dtype=np.int64),
        rows["is_fraud"].to_numpy(dtype=bool),
        rows["sample_weight"].to_numpy(dtype=np.float64),
        rows["tx_datetime"].dt.date.nunique(),
        Constraints.from_settings(settings),
    )


def scored(registry: ModelRegistry, model: ModelVersion, rows: Any) -> ScoredModel:
    """Return a registered model's probabilities for the rows."""
    from fraud_platform.training.candidate import Candidate

    with registry.candidate_folder(model.version, model.sha256) as folder:
        candidate = Candidate.load(folder)
    features = rows[list(candidate.feature_names)].to_numpy(dtype=np.float32)
    probability = candidate.predict_probability(features)
    return ScoredModel(MODEL_NAME, str(model.version), probability, candidate.threshold.value)
