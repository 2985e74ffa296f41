"""The model registry that the settings name.

Here: opening it, and the location of its artifacts.
Not here: the registry itself (`adapters.models.registry`), Dagster's resource
(`fraud_platform.defs.resources`).
"""

from __future__ import annotations

from fraud_platform.adapters.models.registry import ModelRegistry
from fraud_platform.adapters.models.server import login_of
from fraud_platform.settings import Settings


def registry_of(settings: Settings) -> ModelRegistry:
    """Return the registry that the settings name."""
    return ModelRegistry(settings.mlflow, artifacts_of(settings), login_of(settings))


def artifacts_of(settings: Settings) -> str | None:
    """Return where new artifacts are stored; None if the MLflow server decides."""
    # the settings can name the artifacts of an external server
    is_served = settings.mlflow.startswith("http") and (
        settings.artifacts_url is None or settings.mlflow_storage_url is not None
    )
    return None if is_served else settings.artifacts
