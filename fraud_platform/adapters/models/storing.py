"""The experiment, the registered model and a candidate's files, as MLflow stores them.

Here: functions over MLflow's client: making what is missing, looking for what may be gone.
Not here: versions, aliases and their checks (`adapters.models.registry`).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from fraud_platform.adapters.models.connecting import is_missing
from fraud_platform.errors import ModelDamagedError

if TYPE_CHECKING:
    from mlflow import MlflowClient

MODEL_NAME, EXPERIMENT = "fraud", "fraud_platform"
_MODEL_TRAINING = {"mlflow.experimentKind": "custom_model_development"}
"""Without it, MLflow's UI opens the experiment in its view for GenAI, without runs or metrics."""


def is_deleted(client: MlflowClient) -> bool:
    """Return whether the experiment was deleted; one that never was is not deleted."""
    experiment = client.get_experiment_by_name(EXPERIMENT)
    return experiment is not None and experiment.lifecycle_stage != "active"


def restore_experiment(client: MlflowClient, artifacts_url: str | None) -> None:
    """Restore the experiment if it was deleted, make it if it is not there."""
    experiment = client.get_experiment_by_name(EXPERIMENT)
    if experiment is not None and experiment.lifecycle_stage != "active":
        client.restore_experiment(experiment.experiment_id)
    make_experiment(client, artifacts_url)


def make_experiment(client: MlflowClient, artifacts_url: str | None) -> None:
    """Make the experiment if it is not there, with the place of its artifacts."""
    known = client.get_experiment_by_name(EXPERIMENT)
    if known is not None:
        for name in _MODEL_TRAINING.keys() - known.tags.keys():
            client.set_experiment_tag(known.experiment_id, name, _MODEL_TRAINING[name])
        return
    root = artifacts_url
    if root is not None and "://" not in root:
        root = Path(root).absolute().as_uri()
    client.create_experiment(EXPERIMENT, artifact_location=root, tags=_MODEL_TRAINING)


def make_model(client: MlflowClient) -> None:
    """Make the registered model if it is not there."""
    if registered(client) is None:
        client.create_registered_model(MODEL_NAME, description="Card fraud probability.")


def registered(client: MlflowClient) -> Any:
    """Return the registered model; None if there is none."""
    try:
        return client.get_registered_model(MODEL_NAME)
    except Exception as error:
        if not is_missing(error):
            raise
        return None


def has_run(client: MlflowClient, run_id: str) -> bool:
    """Return whether a run is there."""
    try:
        return bool(client.get_run(run_id))
    except Exception as error:
        if not is_missing(error):
            raise
        return False


def download_candidate(name: str, source: str | None, scratch: str) -> Path:
    """Copy a version's artifacts and return the folder of its candidate.

    Raises:
        ModelDamagedError: there are none, or another set of folders than was logged.
    """
    import mlflow

    wrong: object = "no place of its files"
    if source:
        try:
            local = mlflow.artifacts.download_artifacts(source, dst_path=scratch)
            folders = list(Path(local).glob("artifacts/*"))
            if len(folders) == 1 and folders[0].is_dir():
                return folders[0]
            wrong = f"{len(folders)} folders under artifacts/"
        except Exception as error:
            if not is_missing(error) and not isinstance(error, FileNotFoundError):
                raise
            wrong = str(error).split("\n", maxsplit=1)[0]
    raise ModelDamagedError(
        f"model {name}: expected one folder with its files at {source}, found {wrong}. Restore the "
        "artifacts from a backup, or go back to the champion before it "
        '(`fraud-platform rollback --why ".."`).'
    )


def signature_of(feature_names: tuple[str, ...]) -> Any:
    """Return the signature of a model of these features, as MLflow wants it."""
    from mlflow.models.signature import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema

    return ModelSignature(
        inputs=Schema([ColSpec(DataType.float, name) for name in feature_names]),
        outputs=Schema([ColSpec(DataType.double, "fraud_probability")]),
    )
