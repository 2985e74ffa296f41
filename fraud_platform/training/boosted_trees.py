"""XGBoost: gradient boosted trees, fitted the same way every time.

Here: parameters, the choice of split search by size, scoring, files.
Not here: calibration or thresholds (`training.calibration`, `training.thresholds`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fraud_platform.training.estimators import Features, FittedModel, Floats

if TYPE_CHECKING:
    import xgboost as xgb

ROUNDS = 200
PARAMETERS: dict[str, Any] = {
    "objective": "binary:logistic",
    "max_depth": 3,
    "learning_rate": 0.05,
    "base_score": 0.5,
    "nthread": 2,
}
"""Threads are fixed: sums over more of them would round otherwise and give another model."""

EXACT_MAX_ROWS = 100_000
"""Up to here every distinct value is a possible split; above, histograms, for a tenth the time."""

_FILE = "xgboost.ubj"


class BoostedTrees:
    """The XGBoost estimator."""

    name = "xgboost"

    def fit(
        self, features: Features, is_fraud: npt.NDArray[np.bool_], weights: Floats, seed: int
    ) -> FittedModel:
        """Fit `ROUNDS` trees."""
        import xgboost as xgb

        parameters = {**PARAMETERS, "seed": seed, "tree_method": tree_method(len(features))}
        data = xgb.DMatrix(features, label=is_fraud, weight=weights, nthread=PARAMETERS["nthread"])
        return BoostedModel(xgb.train(parameters, data, num_boost_round=ROUNDS), parameters)

    def load(self, folder: Path) -> FittedModel:
        """Read a model that `BoostedModel.save` wrote."""
        import json

        import xgboost as xgb

        booster = xgb.Booster({"nthread": 1})
        booster.load_model(folder / _FILE)
        return BoostedModel(booster, json.loads(booster.attr("parameters") or "{}"))


class BoostedModel:
    """Fitted trees; the score is the probability that the trees themselves give."""

    def __init__(self, booster: xgb.Booster, parameters: Mapping[str, Any]) -> None:
        self._booster = booster
        self._parameters = dict(parameters)

    @property
    def parameters(self) -> Mapping[str, Any]:
        """What it was fitted with."""
        return {**self._parameters, "rounds": self._booster.num_boosted_rounds()}

    def predict_score(self, features: Features) -> Floats:
        """Return the logistic of the trees' sum, in float64 so that equal scores stay rare."""
        margin = self._booster.inplace_predict(features, predict_type="margin")
        return 1.0 / (1.0 + np.exp(-margin.astype(np.float64)))

    def feature_importance(self) -> Floats:
        """Return each feature's share of the total gain."""
        gains = self._booster.get_score(importance_type="total_gain")
        total = np.zeros(self._booster.num_features())
        for name, gain in gains.items():
            total[int(name.removeprefix("f"))] = gain
        return total / total.sum() if total.sum() > 0 else total

    def save(self, folder: Path) -> None:
        """Write the booster in XGBoost's own format."""
        import json

        self._booster.set_attr(parameters=json.dumps(self._parameters, sort_keys=True))
        self._booster.save_model(folder / _FILE)


def tree_method(rows: int) -> str:
    """Return `exact` for up to `EXACT_MAX_ROWS` rows, else `hist`."""
    return "exact" if rows <= EXACT_MAX_ROWS else "hist"
