"""The file that MLflow runs to make a logged candidate answer `predict`.

Here: the few lines between MLflow's pyfunc interface and a saved candidate.
Not here: how a candidate is trained, saved or scored (`fraud_platform.training`).
"""

from __future__ import annotations

from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.pyfunc import PythonModel


class FraudModel(PythonModel):
    """Feature rows in, calibrated fraud probabilities out."""

    def load_context(self, context: Any) -> None:
        """Load the candidate that lies beside this file."""
        from fraud_platform.training.candidate import Candidate

        self.candidate = Candidate.load(context.artifacts["candidate"])

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> np.ndarray:
        """Return the probability of fraud for each row, shape (n,), float64."""
        columns = list(self.candidate.feature_names)
        features = model_input[columns].to_numpy(dtype=np.float32)
        return self.candidate.predict_probability(features)


mlflow.models.set_model(FraudModel())
