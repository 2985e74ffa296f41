"""Dagster and MLflow: where they serve and keep their state.

Here: ports, MLflow's URI, Dagster's home.
Not here: starting them (`fraud_platform.adapters.services`).
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from pydantic import Field

from fraud_platform.settings.base import HomeSettings


class ServiceSettings(HomeSettings):
    """Dagster and MLflow."""

    mlflow_url: str | None = Field(default=None, description="MLflow tracking and registry URI.")
    dagster_port: int = Field(default=3000, ge=1024, le=65535, description="Dagster UI port.")
    mlflow_port: int = Field(default=5000, ge=1024, le=65535, description="MLflow UI port.")

    @cached_property
    def mlflow(self) -> str:
        """MLflow tracking and registry URI."""
        return self.mlflow_url or f"sqlite:///{self.home / 'mlflow' / 'mlflow.db'}"

    @cached_property
    def dagster_home(self) -> Path:
        """Folder of the Dagster instance."""
        return self.home / "dagster"
