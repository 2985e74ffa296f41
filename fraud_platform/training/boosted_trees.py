"""XGBoost: gradient boosted trees, fitted deterministically.

Here: parameters, the base margin, the choice of tree method by data size, scoring, files.
Not here: calibration or thresholds (`training.calibration`, `training.thresholds`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fraud_platform.contracts.active import DATA_SET
from fraud_platform.training.calibration import BetaCalibrator, fit_calibrator
from fraud_platform.training.fitting import Features, FitContext, FittedModel, Floats
from fraud_platform.training.levels import CategoryLevels
from fraud_platform.training.sizing import MAX_ROUNDS, SEARCH, STEP, TreeSize, choose_size

if TYPE_CHECKING:
    import xgboost as xgb

ROUNDS = 100
PARAMETERS: dict[str, Any] = {
    "objective": "binary:logistic",
    "max_depth": 3,
    "learning_rate": 0.05,
    "gamma": 1.0,
    "base_score": 0.5,
}

EXACT_MAX_ROWS = 400_000
"""Up to this many rows the exact method tries every distinct value as a split. Above it the
histogram method is used, which takes a tenth of the time."""

HISTOGRAM_BINS = 2_048
"""Most frauds lie in the top percent of a feature; 256 bins would cover that with two or three."""

_FILE = "xgboost.ubj"


class BoostedTrees:
    """The XGBoost estimator.

    If the features contain the data set's prior (`DataSet.prior`), the base margin is the
    calibrated log-odds of that feature instead of a constant, and the trees correct it. A week
    holds only about 550 frauds, which support few trees, and few trees alone would reduce a
    fine-grained probability to coarse steps. Measured on earlier folds with the same features:
    average precision .773 with the prior as base margin, .767 without.

    Args:
        context: the names of the feature columns.
    """

    def __init__(self, context: FitContext) -> None:
        self._context = context
        self._names = tuple(context.feature_names)

    def fit(
        self, features: Features, is_fraud: npt.NDArray[np.bool_], weights: Floats, seed: int
    ) -> FittedModel:
        """Fit trees on top of the base margin, of the size that the context asks for."""
        levels = CategoryLevels.fit(features, self._names, self._context.categories)
        base_margin = BaseMargin.fit(features, is_fraud, weights, self._names)
        rows = _Rows(
            levels.applied(features), is_fraud, weights,
            None if base_margin is None else base_margin.log_odds(features),
            levels.types(features.shape[1]),
        )  # fmt: skip
        monotone = [
            int(name in DATA_SET.rising and column not in levels.codes)
            for column, name in enumerate(self._names)
        ]
        given = {"seed": seed, "monotone_constraints": monotone}
        size, like = TreeSize(ROUNDS), self._context.like
        if isinstance(like, BoostedModel):
            size = like.size
        elif self._context.days is not None:
            size = choose_size(
                self._context.days, is_fraud, weights,
                lambda shape, fitted_on: _staged(rows, {**given, **shape}, fitted_on),
            )  # fmt: skip
        booster, parameters = _boosted(rows, {**given, **size.parameters}, size.rounds)
        return BoostedModel(booster, base_margin, parameters, levels, size)

    def load(self, folder: Path) -> FittedModel:
        """Read a model that `BoostedModel.save` wrote."""
        import xgboost as xgb

        booster = xgb.Booster({"nthread": 1})
        booster.load_model(folder / _FILE)
        described = json.loads(booster.attr("described") or "{}")
        start = described["start"]
        return BoostedModel(
            booster,
            None
            if start is None
            else BaseMargin(start["column"], BetaCalibrator(**start["law"]), start["mean"]),
            described["parameters"],
            CategoryLevels.from_lists(described.get("levels", {})),
        )


@dataclass(frozen=True)
class _Rows:
    """Rows to fit on, with levels in place of codes."""

    features: Features
    is_fraud: npt.NDArray[np.bool_]
    weights: Floats
    margin: Floats | None
    types: list[str] | None

    def take(self, rows: npt.NDArray[np.bool_]) -> _Rows:
        margin = None if self.margin is None else self.margin[rows]
        return _Rows(
            np.ascontiguousarray(self.features[rows]), self.is_fraud[rows], self.weights[rows],
            margin, self.types,
        )  # fmt: skip

    def matrix(self) -> xgb.DMatrix:
        import xgboost as xgb

        data = xgb.DMatrix(
            self.features, label=self.is_fraud, weight=self.weights, nthread=1,
            feature_types=self.types, enable_categorical=self.types is not None,
        )  # fmt: skip
        if self.margin is not None:
            data.set_base_margin(self.margin)
        return data


def _boosted(
    rows: _Rows, shape: Mapping[str, Any], rounds: int
) -> tuple[xgb.Booster, dict[str, Any]]:
    """Return fitted trees and their parameters."""
    import xgboost as xgb

    search = split_search(len(rows.features)) if rows.types is None else SEARCH
    parameters = {**PARAMETERS, **search, **shape}
    monotone = tuple(parameters["monotone_constraints"])
    own = {**parameters, "monotone_constraints": monotone}
    return xgb.train(own, rows.matrix(), num_boost_round=rounds), parameters


def _staged(
    rows: _Rows, shape: Mapping[str, Any], fitted_on: npt.NDArray[np.bool_]
) -> list[Floats]:
    """Fit a shape on some rows and score the others after each `STEP` trees."""
    booster, _ = _boosted(rows.take(fitted_on), shape, MAX_ROUNDS)
    data = rows.take(~fitted_on).matrix()
    return [
        booster.predict(data, iteration_range=(0, end)).astype(np.float64)
        for end in range(STEP, MAX_ROUNDS + 1, STEP)
    ]


class BaseMargin:
    """The log-odds that boosting starts from: one feature, calibrated on the training rows.

    Attributes:
        column: index of the feature.
        calibrator: maps the feature to log-odds.
        mean: weighted mean of these log-odds over the training rows.
    """

    def __init__(self, column: int, calibrator: BetaCalibrator, mean: float = 0.0) -> None:
        self.column = column
        self.calibrator = calibrator
        self.mean = mean

    @classmethod
    def fit(
        cls,
        features: Features,
        is_fraud: npt.NDArray[np.bool_],
        weights: Floats,
        names: Sequence[str],
    ) -> BaseMargin | None:
        """Calibrate the prior feature; return None if `names` does not contain it."""
        if DATA_SET.prior is None or DATA_SET.prior not in names:
            return None
        column = names.index(DATA_SET.prior)
        prior = features[:, column].astype(np.float64)
        calibrator = fit_calibrator(prior, is_fraud, weights)
        log_odds = calibrator.log_odds(prior)
        return cls(column, calibrator, float(np.average(log_odds, weights=weights)))

    def log_odds(self, features: Features) -> Floats:
        """Return each row's base margin, shape (n,)."""
        return self.calibrator.log_odds(features[:, self.column].astype(np.float64))


class BoostedModel:
    """Fitted trees with their base margin; the score is the logistic of the sum of both."""

    def __init__(
        self,
        booster: xgb.Booster,
        base_margin: BaseMargin | None,
        parameters: Mapping[str, Any],
        levels: CategoryLevels,
        size: TreeSize | None = None,
    ) -> None:
        self._booster = booster
        self._base_margin = base_margin
        self._parameters = dict(parameters)
        self._levels = levels
        self.size = size or TreeSize(booster.num_boosted_rounds())
        """The size that was chosen; of a loaded model, its number of trees alone."""

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The parameters of the fit, the number of trees and the source of the base margin."""
        start = "constant" if self._base_margin is None else DATA_SET.prior
        return {**self._parameters, "rounds": self._booster.num_boosted_rounds(), "start": start}

    def predict_score(self, features: Features) -> Floats:
        """Return scores in [0, 1], shape (n,); float64 keeps tied scores rare."""
        levelled = self._levels.applied(features)
        margin = self._booster.inplace_predict(levelled, predict_type="margin").astype(np.float64)
        if self._base_margin is not None:
            margin += self._base_margin.log_odds(features)
        return 1.0 / (1.0 + np.exp(-margin))

    def explain(self, features: Features) -> Floats:
        """Return exact SHAP values in log-odds, shape (n, k).

        The base margin's deviation from its mean is added to the prior feature.
        """
        import xgboost as xgb

        types = self._levels.types(features.shape[1])
        data = xgb.DMatrix(
            self._levels.applied(features), nthread=1, feature_types=types,
            enable_categorical=types is not None,
        )  # fmt: skip
        shap: Floats = self._booster.predict(data, pred_contribs=True)[:, :-1].astype(np.float64)
        if self._base_margin is not None:
            deviation = self._base_margin.log_odds(features) - self._base_margin.mean
            shap[:, self._base_margin.column] += deviation
        return shap

    def feature_importance(self) -> Floats:
        """Return each feature's share of the trees' total gain; the base margin has no gain."""
        gains = self._booster.get_score(importance_type="total_gain")
        total = np.zeros(self._booster.num_features())
        for name, gain in gains.items():
            total[int(name.removeprefix("f"))] = gain
        return total / total.sum() if total.sum() > 0 else total

    def save(self, folder: Path) -> None:
        """Write the booster in XGBoost's own format; its attributes hold the base margin."""
        base = self._base_margin
        # The keys "start" and "law" belong to the file format of stored models.
        described: dict[str, Any] = {
            "parameters": self._parameters,
            "start": None
            if base is None
            else {"column": base.column, "law": asdict(base.calibrator), "mean": base.mean},
        }
        if self._levels.codes:
            described["levels"] = self._levels.as_lists()
        self._booster.set_attr(described=json.dumps(described, sort_keys=True))
        self._booster.save_model(folder / _FILE)


def split_search(rows: int) -> dict[str, Any]:
    """Return XGBoost's tree method and number of threads for this many rows.

    The number of threads is fixed, because the histogram method's sums depend on it. The exact
    method divides features, not rows, among threads: two threads give the same bytes in two
    thirds of the time.
    """
    if rows <= EXACT_MAX_ROWS:
        return {"tree_method": "exact", "nthread": 2}
    return {"tree_method": "hist", "max_bin": HISTOGRAM_BINS, "nthread": 1}
