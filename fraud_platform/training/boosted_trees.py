"""XGBoost: gradient boosted trees, fitted the same way every time.

Here: parameters, where boosting starts, the choice of split search by size, scoring, files.
Not here: calibration or thresholds (`training.calibration`, `training.thresholds`).
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fraud_platform.features.declaration import RISING_NAMES
from fraud_platform.features.posterior import PRIOR_NAME
from fraud_platform.training.calibration import BetaCalibrator, fit_calibrator
from fraud_platform.training.fitting import Features, FittedModel, Floats

if TYPE_CHECKING:
    import xgboost as xgb

# Threads that wait for each other sleep: spinning takes twice the time where the machine is shared.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

ROUNDS = 100
PARAMETERS: dict[str, Any] = {
    "objective": "binary:logistic",
    "max_depth": 3,
    "learning_rate": 0.05,
    "gamma": 1.0,
    "base_score": 0.5,
}

EXACT_MAX_ROWS = 400_000
"""Up to here every distinct value is a possible split; above, histograms, for a tenth the time."""

HISTOGRAM_BINS = 2_048
"""Frauds lie in the last percent of most features: 256 bins would leave them two or three."""

_FILE = "xgboost.ubj"


class BoostedTrees:
    """The XGBoost estimator.

    Where the features hold `features.posterior.PRIOR_NAME`, boosting starts from its calibrated
    log-odds instead of a constant, and trees correct it. A week holds about 550 frauds: few trees
    can be learned from them, and trees alone cut a fine probability into coarse steps (measured
    on earlier folds: average precision .773 against .767 with the same features).

    Args:
        feature_names: what the columns are.
    """

    name = "xgboost"

    def __init__(self, feature_names: Sequence[str]) -> None:
        self._names = tuple(feature_names)

    def fit(
        self, features: Features, is_fraud: npt.NDArray[np.bool_], weights: Floats, seed: int
    ) -> FittedModel:
        """Fit `ROUNDS` trees."""
        import xgboost as xgb

        parameters = {
            **PARAMETERS,
            **split_search(len(features)),
            "seed": seed,
            "monotone_constraints": [int(name in RISING_NAMES) for name in self._names],
        }
        start = Start.fit(features, is_fraud, weights, self._names)
        data = xgb.DMatrix(features, label=is_fraud, weight=weights, nthread=1)
        if start is not None:
            data.set_base_margin(start.log_odds(features))
        booster = xgb.train(
            {**parameters, "monotone_constraints": tuple(parameters["monotone_constraints"])},
            data,
            num_boost_round=ROUNDS,
        )
        return BoostedModel(booster, start, parameters)

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
            else Start(start["column"], BetaCalibrator(**start["law"]), start["mean"]),
            described["parameters"],
        )


class Start:
    """Log-odds that boosting starts from: one feature, calibrated on the rows of the fit.

    Attributes:
        mean: of these log-odds over the rows of the fit.
    """

    def __init__(self, column: int, law: BetaCalibrator, mean: float = 0.0) -> None:
        self.column = column
        self.law = law
        self.mean = mean

    @classmethod
    def fit(
        cls,
        features: Features,
        is_fraud: npt.NDArray[np.bool_],
        weights: Floats,
        names: Sequence[str],
    ) -> Start | None:
        """Calibrate the prior feature; None where the features do not hold it."""
        if PRIOR_NAME not in names:
            return None
        column = names.index(PRIOR_NAME)
        prior = features[:, column].astype(np.float64)
        law = fit_calibrator(prior, is_fraud, weights)
        return cls(column, law, float(np.average(law.log_odds(prior), weights=weights)))

    def log_odds(self, features: Features) -> Floats:
        """Return where each row starts, shape (n,)."""
        return self.law.log_odds(features[:, self.column].astype(np.float64))


class BoostedModel:
    """Fitted trees and their start; the score is the probability that both give."""

    def __init__(
        self, booster: xgb.Booster, start: Start | None, parameters: Mapping[str, Any]
    ) -> None:
        self._booster = booster
        self._start = start
        self._parameters = dict(parameters)

    @property
    def parameters(self) -> Mapping[str, Any]:
        """What it was fitted with."""
        start = "constant" if self._start is None else PRIOR_NAME
        return {**self._parameters, "rounds": self._booster.num_boosted_rounds(), "start": start}

    def predict_score(self, features: Features) -> Floats:
        """Return the logistic of start and trees, in float64 so that equal scores stay rare."""
        margin = self._booster.inplace_predict(features, predict_type="margin").astype(np.float64)
        if self._start is not None:
            margin += self._start.log_odds(features)
        return 1.0 / (1.0 + np.exp(-margin))

    def explain(self, features: Features) -> Floats:
        """Return exact SHAP values of the trees, those of the start with the prior's."""
        import xgboost as xgb

        data = xgb.DMatrix(features, nthread=1)
        shares: Floats = self._booster.predict(data, pred_contribs=True)[:, :-1].astype(np.float64)
        if self._start is not None:
            own = self._start.log_odds(features) - self._start.mean
            shares[:, self._start.column] += own
        return shares

    def feature_importance(self) -> Floats:
        """Return each feature's share of the trees' total gain; what the start gives is not in."""
        gains = self._booster.get_score(importance_type="total_gain")
        total = np.zeros(self._booster.num_features())
        for name, gain in gains.items():
            total[int(name.removeprefix("f"))] = gain
        return total / total.sum() if total.sum() > 0 else total

    def save(self, folder: Path) -> None:
        """Write the booster in XGBoost's own format, the start among its attributes."""
        start = self._start
        described = {
            "parameters": self._parameters,
            "start": None
            if start is None
            else {"column": start.column, "law": asdict(start.law), "mean": start.mean},
        }
        self._booster.set_attr(described=json.dumps(described, sort_keys=True))
        self._booster.save_model(folder / _FILE)


def split_search(rows: int) -> dict[str, Any]:
    """Return XGBoost's parameters for up to `EXACT_MAX_ROWS` rows, or for more.

    The number of threads is part of the result's making, since sums have an order. The exact search
    gives each thread features of its own: two take two thirds of the time, for the same bytes.
    """
    if rows <= EXACT_MAX_ROWS:
        return {"tree_method": "exact", "nthread": 2}
    return {"tree_method": "hist", "max_bin": HISTOGRAM_BINS, "nthread": 1}
