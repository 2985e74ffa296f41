"""The file that MLflow runs to make a logged candidate answer `predict`.

Here: the few lines between MLflow's pyfunc interface and a saved candidate, whose files are checked
first against the digest that its run names in the tracking store.
Not here: how a candidate is trained, saved or scored (`fraud_platform.training`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.pyfunc import PythonModel


class FraudModel(PythonModel):
    """Feature rows in, calibrated fraud probabilities out."""

    def load_context(self, context: Any) -> None:
        """Load the candidate that lies next to this file, if it is the one that was logged.

        Raises:
            ModelDamagedError: its files are not those that its run names.
        """
        from fraud_platform.training.candidate import Candidate
        from fraud_platform.training.integrity import folder_digest, require_digest

        folder = Path(context.artifacts["candidate"])
        run_id = _run_of(folder.parents[1])
        expected = mlflow.MlflowClient().get_run(run_id).data.tags.get("content_sha256")
        require_digest(f"of run {run_id}", expected, folder_digest(folder), "its MLflow run")
        self.candidate = Candidate.load(folder)

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> np.ndarray:
        """Return the probability of fraud for each row, shape (n,), float64."""
        columns = list(self.candidate.feature_names)
        features = model_input[columns].to_numpy(dtype=np.float32)
        return self.candidate.predict_probability(features)


def _run_of(model_folder: Path) -> str:
    """Return the run that logged the model in a folder."""
    from mlflow.models import Model

    return str(Model.load(str(model_folder)).run_id)


mlflow.models.set_model(FraudModel())
