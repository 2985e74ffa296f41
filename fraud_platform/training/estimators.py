"""The available estimators, by name.

Here: choosing an estimator by its name, and class weights.
Not here: their interface (`training.fitting`), the estimators themselves (`training.boosted_trees`,
`training.forest`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from fraud_platform.errors import SettingsError
from fraud_platform.training.fitting import Estimator, Floats

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

Imbalance = Literal["none", "balanced"]


def estimator_named(
    name: str,
    feature_names: Sequence[str],
    spark: SparkSession | None = None,
    scratch_url: str | None = None,
) -> Estimator:
    """Return the estimator with this name.

    Args:
        name: `xgboost` or `random_forest`.
        feature_names: names of the feature columns, in order.
        spark: session that fits a random forest; not needed to load one.
        scratch_url: temporary folder that all executors can reach; needed if they run on other
            machines.

    Raises:
        SettingsError: no estimator has this name.
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
    """Return the row weights for fitting, shape (n,).

    `none` returns `weights` unchanged, which ranks best on folds of the development data.
    `balanced` scales the weights of frauds, so that their sum equals that of genuine rows. The
    calibrator is fitted with the original weights, so probabilities are unbiased in both cases.
    """
    if imbalance == "none":
        return weights
    fraud, genuine = weights[is_fraud].sum(), weights[~is_fraud].sum()
    return np.where(is_fraud, weights * (genuine / fraud), weights)
