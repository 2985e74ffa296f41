"""One interface for every estimator, and which ones there are.

Here: what fitting takes and gives, the choice by name, imbalance of classes.
Not here: the estimators themselves (`training.boosted_trees`, `training.forest`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from fraud_platform.errors import SettingsError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

Features = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]
Imbalance = Literal["none", "balanced"]


class FittedModel(Protocol):
    """A model that scores rows by itself: no session, no cluster."""

    @property
    def parameters(self) -> Mapping[str, Any]:
        """What it was fitted with."""

    def predict_score(self, features: Features) -> Floats:
        """Return a score in [0, 1], shape (n,), for features of shape (n, k); not calibrated."""

    def explain(self, features: Features) -> Floats:
        """Return what each feature adds to each row's log-odds, shape (n, k).

        Exact SHAP values of trees (Lundberg and others, "From local explanations to global
        understanding with explainable AI for trees", 2020): with the model's mean they sum to
        the row's own value.
        """

    def feature_importance(self) -> Floats:
        """Return each feature's share of the splits' total gain, shape (k,), summing to 1."""

    def save(self, folder: Path) -> None:
        """Write the model into an existing folder, the same bytes for the same model."""


class Estimator(Protocol):
    """A way to fit a model."""

    name: str

    def fit(
        self, features: Features, is_fraud: npt.NDArray[np.bool_], weights: Floats, seed: int
    ) -> FittedModel:
        """Fit on features (n, k), labels (n,) and weights (n,); the same rows, the same model."""

    def load(self, folder: Path) -> FittedModel:
        """Read what `FittedModel.save` wrote."""


def estimator_named(
    name: str,
    feature_names: Sequence[str],
    spark: SparkSession | None = None,
    scratch_url: str | None = None,
) -> Estimator:
    """Return the estimator of a name.

    Args:
        name: `xgboost` or `random_forest`.
        feature_names: what the features' columns are.
        spark: the session that fits a random forest; loading one needs none.
        scratch_url: a folder that its executors reach, where they are elsewhere.

    Raises:
        SettingsError: there is no estimator of that name.
    """
    if name == "xgboost":
        from fraud_platform.training.boosted_trees import BoostedTrees

        return BoostedTrees(feature_names)
    if name == "random_forest":
        from fraud_platform.training.forest import RandomForest

        return RandomForest(spark, scratch_url)
    raise SettingsError(
        f"FRAUD_ESTIMATOR: expected xgboost or random_forest, found {name!r}. Set one of them."
    )


def balance(weights: Floats, is_fraud: npt.NDArray[np.bool_], imbalance: Imbalance) -> Floats:
    """Return the weights to fit with.

    `none` keeps them: frauds count as often as they happen, which on folds of the development
    data ranks best. `balanced` lets frauds weigh as much as genuine rows in total. Calibration
    sees the weights as they came, so probabilities are right either way.
    """
    if imbalance == "none":
        return weights
    fraud, genuine = weights[is_fraud].sum(), weights[~is_fraud].sum()
    return np.where(is_fraud, weights * (genuine / fraud), weights)
