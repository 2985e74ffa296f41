"""The file that MLflow executes to load a logged candidate as a pyfunc model.

Here: the bridge from MLflow's pyfunc interface to a saved candidate, whose files are first checked
against the digest in the tags of its MLflow run.
Not here: training, saving and scoring a candidate (`fraud_platform.training`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.pyfunc import PythonModel


class FraudModel(PythonModel):
    """Maps feature rows to calibrated fraud probabilities."""

    def load_context(self, context: Any) -> None:
        """Load the model's `candidate` artifact, if its files are those that were logged.

        Raises:
            ModelDamagedError: its files are not those that its run names.
        """
        from fraud_platform.contracts.model_files import folder_digest, require_digest
        from fraud_platform.training.candidate import Candidate

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
