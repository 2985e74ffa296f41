"""A candidate: a fitted model with its calibrator, alert threshold and metrics.

Here: training a candidate from a training set, scoring with it, saving and loading it.
Not here: the components (the other modules of this package), logging to MLflow
(`adapters.models.registry`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fraud_platform.contracts.active import DATA_SET, DECLARATION, feature_signature
from fraud_platform.errors import NotEnoughDataError
from fraud_platform.tables.training import CALIBRATION, FIT, THRESHOLD
from fraud_platform.training.calibration import BetaCalibrator, fit_calibrator
from fraud_platform.training.choosing import choose_features
from fraud_platform.training.curves import Curves, describe
from fraud_platform.training.estimators import Imbalance, balance, estimator_named
from fraud_platform.training.fitting import Features, FitContext, FittedModel, Floats
from fraud_platform.training.thresholds import Constraints, Threshold, choose_threshold

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from pyspark.sql import SparkSession

    from fraud_platform.settings import Settings

_FILE = "candidate.json"
_FORMAT = 1


@dataclass(frozen=True)
class TrainingOptions:
    """The operator's choices for training a candidate.

    Attributes:
        estimator: name of an estimator in `training.estimators.ESTIMATORS`.
        seed: seed of every random choice in fitting.
        constraints: the fraud team's limits, used to choose the threshold.
        chooses: whether to choose among the given features, see `training.choosing`.
        imbalance: `none` or `balanced`, see `training.estimators.balance`.
        sizes: whether the estimator chooses its size, and is fitted on all training days at last.
        scratch_url: temporary folder to which Spark saves a fitted forest; None uses a local one.
    """

    estimator: str
    seed: int
    constraints: Constraints
    chooses: bool
    imbalance: Imbalance = "none"
    sizes: bool = False
    scratch_url: str | None = None

    @classmethod
    def from_settings(cls, settings: Settings) -> TrainingOptions:
        """Return the options that the settings define; `imbalance` keeps its default."""
        return cls(
            settings.estimator,
            settings.seed,
            Constraints.from_settings(settings),
            chooses=settings.model_features == "auto"
            or (settings.model_features == "chosen" and DATA_SET.chooses),
            sizes=DATA_SET.sizes_trees,
            scratch_url=None if settings.is_spark_here else f"{settings.lake}/_scratch",
        )


@dataclass(frozen=True)
class Candidate:
    """A calibrated model with its alert threshold.

    Attributes:
        estimator: name of the estimator.
        feature_names: the columns of `predict_probability`'s input, in order.
        model: the fitted model.
        calibrator: maps the model's score to the probability of fraud.
        threshold: a row alerts if its probability is at least `threshold.value`.
        parameters: all options, fitted parameters and row counts, as a flat mapping for MLflow.
        metrics: metrics on the threshold days, which neither the model nor the calibrator saw.
        curves: points of the plots, on the same days.
        importance: feature name to its share of the total gain.
    """

    estimator: str
    feature_names: tuple[str, ...]
    model: FittedModel
    calibrator: BetaCalibrator
    threshold: Threshold
    parameters: Mapping[str, Any]
    metrics: Mapping[str, float]
    curves: Curves
    importance: Mapping[str, float]

    def predict_probability(self, features: Features) -> Floats:
        """Return the probability of fraud, float64 (n,), for float32 features (n, k)."""
        return self.calibrator.probability(self.model.predict_score(features))

    def save(self, folder: Path) -> None:
        """Write the candidate into `folder`, created if missing; deterministic, byte for byte."""
        folder.mkdir(parents=True, exist_ok=True)
        self.model.save(folder)
        described = {
            "format": _FORMAT,
            "estimator": self.estimator,
            "feature_names": self.feature_names,
            "calibrator": asdict(self.calibrator),
            "threshold": asdict(self.threshold),
            "parameters": self.parameters,
            "metrics": self.metrics,
            "curves": self.curves.as_lists(),
            "importance": self.importance,
        }
        text = json.dumps(described, indent=1, sort_keys=True) + "\n"
        (folder / _FILE).write_text(text, encoding="utf-8")

    @classmethod
    def load(cls, folder: Path | str) -> Candidate:
        """Read a candidate that `save` wrote; needs no Spark session."""
        folder = Path(folder)
        described = json.loads((folder / _FILE).read_text(encoding="utf-8"))
        names = tuple(described["feature_names"])
        return cls(
            estimator=described["estimator"],
            feature_names=names,
            model=estimator_named(described["estimator"]).open(FitContext(names)).load(folder),
            calibrator=BetaCalibrator(**described["calibrator"]),
            threshold=Threshold(**described["threshold"]),
            parameters=described["parameters"],
            metrics=described["metrics"],
            curves=Curves.from_lists(described["curves"]),
            importance=described["importance"],
        )


@dataclass(frozen=True)
class _Part:
    features: Features
    is_fraud: npt.NDArray[np.bool_]
    amount_cents: npt.NDArray[np.int64]
    weights: Floats
    day: npt.NDArray[np.int64]

    @property
    def days(self) -> int:
        """Number of days."""
        return len(np.unique(self.day))


def train_candidate(
    training_rows: pd.DataFrame | pa.Table,
    feature_names: Sequence[str],
    options: TrainingOptions,
    spark: SparkSession | None = None,
) -> Candidate:
    """Fit the model, calibrate it and choose its threshold, each on separate days.

    If the options say so, features and the size of trees are chosen within the fit days, and trees
    of that size are fitted on all training days in the end. The calibrator, the threshold and the
    metrics are those of the model of the fit days alone, on days that it did not see.

    Rows are first sorted by transaction_id, so that the candidate does not depend on their order,
    bit for bit.

    Args:
        training_rows: rows of `training_set` of one knowledge date.
        feature_names: the model's input columns, in order.
        options: the operator's choices.
        spark: session that fits the model; needed by estimators that declare it.

    Raises:
        NotEnoughDataError: the rows of one part contain no fraud or no genuine row.
    """
    parts = _parts(training_rows, feature_names)
    fitter = _Fitter(options, spark)
    if options.chooses:
        feature_names = fitter.chosen(feature_names, parts[FIT])
        parts = _parts(training_rows, feature_names)
    fit, calibration, threshold_days = (parts[name] for name in (FIT, CALIBRATION, THRESHOLD))
    model = fitter.fit(feature_names, fit)
    calibrator = fit_calibrator(
        model.predict_score(calibration.features), calibration.is_fraud, calibration.weights
    )
    probability = calibrator.probability(model.predict_score(threshold_days.features))
    threshold = choose_threshold(
        probability,
        threshold_days.is_fraud,
        threshold_days.amount_cents,
        threshold_days.weights,
        threshold_days.days,
        options.constraints,
    )
    metrics, curves = describe(
        threshold_days.is_fraud, probability, threshold_days.weights, threshold
    )
    if options.sizes:
        model = fitter.fit(feature_names, _joined(parts), model)
    shares = model.feature_importance()
    return Candidate(
        estimator=options.estimator,
        feature_names=tuple(feature_names),
        model=model,
        calibrator=calibrator,
        threshold=threshold,
        parameters=_parameters(options, model, calibrator, parts)
        | {"feature_signature": feature_signature(feature_names)},
        metrics=metrics,
        curves=curves,
        importance={n: float(s) for n, s in zip(feature_names, shares, strict=True)},
    )


class _Fitter:
    """Fits the estimator of these options."""

    def __init__(self, options: TrainingOptions, spark: SparkSession | None) -> None:
        self._options, self._spark = options, spark

    def fit(
        self, names: Sequence[str], rows: _Part, like: FittedModel | None = None
    ) -> FittedModel:
        """Fit on rows; of the size of another model, or of one that the estimator chooses."""
        sizes = self._options.sizes and like is None
        return self._fit(
            names, rows.features, rows.is_fraud, rows.weights, rows.day if sizes else None, like
        )

    def chosen(self, names: Sequence[str], rows: _Part) -> tuple[str, ...]:
        """Choose among features on rows of the fit days."""
        return choose_features(
            names, rows.features, rows.is_fraud, rows.weights, rows.day,
            lambda own, given, is_fraud, weights: self._fit(
                own, given, is_fraud, weights, None, None
            ),
        )  # fmt: skip

    def _fit(
        self,
        names: Sequence[str],
        features: Features,
        is_fraud: npt.NDArray[np.bool_],
        weights: Floats,
        days: npt.NDArray[np.int64] | None,
        like: FittedModel | None,
    ) -> FittedModel:
        options = self._options
        keep = {f.name: f.keep for f in DECLARATION.features if f.keep and f.name in names}
        context = FitContext(names, self._spark, options.scratch_url, keep, days, like)
        estimator = estimator_named(options.estimator).open(context)
        balanced = balance(weights, is_fraud, options.imbalance)
        return estimator.fit(features, is_fraud, balanced, options.seed)


def _joined(parts: Mapping[str, _Part]) -> _Part:
    """Return the rows of all parts."""
    fields = ("features", "is_fraud", "amount_cents", "weights", "day")
    return _Part(*(np.concatenate([getattr(p, f) for p in parts.values()]) for f in fields))


def _parts(rows: pd.DataFrame | pa.Table, feature_names: Sequence[str]) -> dict[str, _Part]:
    import pandas as pd

    frame = rows if isinstance(rows, pd.DataFrame) else rows.to_pandas()
    frame = frame.sort_values("transaction_id", ignore_index=True)
    parts = {}
    for name in (FIT, CALIBRATION, THRESHOLD):
        part_rows = frame[frame["part"] == name]
        is_fraud = part_rows["is_fraud"].to_numpy(dtype=bool)
        if is_fraud.all() or not is_fraud.any():
            raise NotEnoughDataError(
                f"the {name} rows need frauds and genuine ones, found {int(is_fraud.sum())} frauds "
                f"in {len(part_rows)} rows. Take more training days (FRAUD_TRAINING_DAYS) or a "
                "later knowledge date."
            )
        features = np.ascontiguousarray(part_rows[list(feature_names)].to_numpy(dtype=np.float32))
        _require_values(name, features, feature_names)
        parts[name] = _Part(
            features,
            is_fraud,
            part_rows["amount_cents"].to_numpy(dtype=np.int64),
            part_rows["sample_weight"].to_numpy(dtype=np.float64),
            part_rows["tx_datetime"].to_numpy("datetime64[D]").astype(np.int64),
        )
    return parts


def _require_values(part: str, features: Features, names: Sequence[str]) -> None:
    """Require that every feature has a value in every row: declared features always do.

    Raises:
        NotEnoughDataError: rows are of days that were built before a feature was declared.
    """
    missing = np.isnan(features).sum(axis=0)
    if not missing.any():
        return
    words = ", ".join(f"{n} in {m} rows" for n, m in zip(names, missing, strict=True) if m)
    raise NotEnoughDataError(
        f"the {part} rows: expected a value of each feature, found none of {words} of "
        f"{len(features)}: their days were built before it was declared. Wait until the schedule "
        "daily_features has built them again, then materialize training_set and candidate_model."
    )


def _parameters(
    options: TrainingOptions,
    model: FittedModel,
    calibrator: BetaCalibrator,
    parts: Mapping[str, _Part],
) -> dict[str, Any]:
    counts = {
        f"{name}_{what}": value
        for name, part in parts.items()
        for what, value in (
            ("rows", len(part.is_fraud)),
            ("frauds", int(part.is_fraud.sum())),
            ("days", part.days),
        )
    }
    return {
        "estimator": options.estimator,
        "seed": options.seed,
        "imbalance": options.imbalance,
        **{f"constraint_{name}": value for name, value in asdict(options.constraints).items()},
        **{f"model_{name}": value for name, value in model.parameters.items()},
        **{f"calibration_{name}": value for name, value in asdict(calibrator).items()},
        **counts,
    }
