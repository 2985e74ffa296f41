"""Which estimators there are.

Here: the choice by name, imbalance of classes.
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
