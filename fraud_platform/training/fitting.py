"""One interface for every estimator: what fitting takes and gives.

Here: the types.
Not here: which estimators there are (`training.estimators`), or any of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Features = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]


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
