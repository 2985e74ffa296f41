"""The interface that every estimator implements.

Here: the protocols of estimators and fitted models, and their array types.
Not here: the list of estimators (`training.estimators`), or their code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

Features = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class FitContext:
    """What an estimator may use.

    Attributes:
        feature_names: names of the feature columns, in order.
        spark: session to fit with; None if the estimator does not need one, or only loads a model.
        scratch_url: temporary folder that all Spark executors can reach; None if this machine's
            folders are such.
        categories: names of the columns that are codes of categories, and how many values of each a
            model may distinguish.
        days: of each row of the fit, from which an estimator may choose its size; None takes the
            size of `like`, or the one that fits the Handbook's weeks.
        like: a model whose size a fit on more rows takes over.
    """

    feature_names: Sequence[str]
    spark: SparkSession | None = None
    scratch_url: str | None = None
    categories: Mapping[str, int] = field(default_factory=dict)
    days: npt.NDArray[np.int64] | None = None
    like: FittedModel | None = None


class FittedModel(Protocol):
    """A fitted model; it scores without a Spark session.

    A row has the same score, bit for bit, alone and among others: both scoring engines use it.
    """

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The parameters of the fit."""

    def predict_score(self, features: Features) -> Floats:
        """Return a score in [0, 1], shape (n,), for features of shape (n, k); not calibrated."""

    def explain(self, features: Features) -> Floats:
        """Return each feature's contribution to each row's output, shape (n, k).

        Exact SHAP values of trees (Lundberg and others, "From local explanations to global
        understanding with explainable AI for trees", 2020), or of another model: a row's values
        plus the model's mean output sum to the row's output. The output is the log-odds of boosted
        trees and the score of a forest.
        """

    def feature_importance(self) -> Floats:
        """Return each feature's share of the model's effect, shape (k,), summing to 1.

        For trees this is the share of the splits' gain; all zeros if the model has no split.
        """

    def save(self, folder: Path) -> None:
        """Write the model into an existing folder; equal models give equal bytes."""


class Estimator(Protocol):
    """Fits a model and loads fitted ones; its class is called with a `FitContext`."""

    def fit(
        self, features: Features, is_fraud: npt.NDArray[np.bool_], weights: Floats, seed: int
    ) -> FittedModel:
        """Fit on features (n, k), labels (n,) and weights (n,); deterministic for equal input."""

    def load(self, folder: Path) -> FittedModel:
        """Read a model that `FittedModel.save` wrote."""
