"""Links between the two user interfaces: from Dagster to MLflow, and back.

Here: addresses of a model version, a run of Dagster and an asset's partition, for a browser.
Not here: what the pages show (`fraud_platform.defs`, `adapters.models`).
"""

from __future__ import annotations

from urllib.parse import quote, urlencode

from fraud_platform.adapters.models.storing import MODEL_NAME
from fraud_platform.adapters.services.processes import HOST
from fraud_platform.settings import Settings

_MODEL_TRAINING = urlencode({"workflowType": "machine_learning"})
"""Without it MLflow opens its GenAI view, or the view that the browser showed last."""
EXPERIMENTS = f"/#/experiments?{_MODEL_TRAINING}"
"""Path of MLflow's list of experiments."""


def mlflow_root(settings: Settings) -> str:
    """Return the address of MLflow's UI."""
    if (settings.mlflow_url or "").startswith(("http://", "https://")):
        return str(settings.mlflow_url).rstrip("/")
    return f"http://{HOST}:{settings.mlflow_port}"


def experiments_page(settings: Settings) -> str:
    """Return the page of MLflow that lists the experiments."""
    return f"{mlflow_root(settings)}{EXPERIMENTS}"


def model_page(settings: Settings, version: int) -> str:
    """Return the page of a model version in MLflow."""
    return f"{mlflow_root(settings)}/#/models/{MODEL_NAME}/versions/{version}?{_MODEL_TRAINING}"


def dagster_run_page(settings: Settings, run_id: str) -> str:
    """Return the page of a run in Dagster."""
    return f"http://{HOST}:{settings.dagster_port}/runs/{run_id}"


def asset_page(settings: Settings, asset: str, partition: str) -> str:
    """Return the page of an asset's partition in Dagster."""
    query = urlencode({"view": "partitions", "partition": partition})
    return f"http://{HOST}:{settings.dagster_port}/assets/{quote(asset)}?{query}"
