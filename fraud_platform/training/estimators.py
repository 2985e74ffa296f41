"""The available estimators, each declared once.

Here: `ESTIMATORS`, opening an estimator by its name, and class weights. To add an estimator, write
a class with the interface of `training.fitting` and add its declaration (docs/extending.md).
Not here: the interface (`training.fitting`), the estimators themselves (`training.boosted_trees`,
`training.forest`).
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Literal

import numpy as np
import numpy.typing as npt

from fraud_platform.errors import SettingsError
from fraud_platform.training.fitting import Estimator, FitContext, Floats

Imbalance = Literal["none", "balanced"]


@dataclass(frozen=True)
class Declaration:
    """One estimator.

    Attributes:
        name: the value of FRAUD_ESTIMATOR, also stored with each model.
        module: the module of its class, imported only when it is used.
        class_name: its class, an `Estimator`, which is called with a `FitContext`.
        needs_spark: whether fitting needs a Spark session.
    """

    name: str
    module: str
    class_name: str
    needs_spark: bool = False

    def open(self, context: FitContext) -> Estimator:
        """Return the estimator."""
        estimator: Estimator = getattr(import_module(self.module), self.class_name)(context)
        return estimator


ESTIMATORS: tuple[Declaration, ...] = (
    Declaration("xgboost", "fraud_platform.training.boosted_trees", "BoostedTrees"),
    Declaration(
        "random_forest", "fraud_platform.training.forest", "RandomForest", needs_spark=True
    ),
)


def estimator_named(name: str) -> Declaration:
    """Return the declaration of the estimator with this name.

    Raises:
        SettingsError: no estimator has this name.
    """
    for declared in ESTIMATORS:
        if declared.name == name:
            return declared
    names = " or ".join(declared.name for declared in ESTIMATORS)
    raise SettingsError(
        f"FRAUD_ESTIMATOR: expected {names}, found {name!r}. Set one of them. If a stored model "
        "has this name, deploy the code that the model was trained with."
    )


def balance(weights: Floats, is_fraud: npt.NDArray[np.bool_], imbalance: Imbalance) -> Floats:
    """Return the row weights for fitting, shape (n,).

    `none` returns `weights` unchanged, which ranks best on folds of the development data.
    `balanced` scales the weights of frauds, so that their sum equals that of genuine rows. The
    calibrator is fitted with the original weights, so probabilities are unbiased in both cases.
    """
    if imbalance == "none":
        return weights
    fraud, genuine = weights[is_fraud].sum(), weights[~is_fraud].sum()
    return np.where(is_fraud, weights * (genuine / fraud), weights)
