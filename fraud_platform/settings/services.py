"""Dagster and MLflow: their ports and the storage of their state.

Here: ports, MLflow's URI, the databases of both, Dagster's home, the retention of runs.
Not here: starting them (`fraud_platform.operations.services.laptop`, `operations.services.server`),
database connections (`adapters.services.postgres`).
"""

from __future__ import annotations

import re
from functools import cached_property
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, field_validator

from fraud_platform.settings.base import HomeSettings

_POSTGRES = re.compile(r"postgresql://[^\s:/@?]+@[^\s:/@?]+(:\d+)?/[^\s:/@?]+(\?[^\s@]*)?")


class ServiceSettings(HomeSettings):
    """Dagster and MLflow: SQLite in the home folder, or Postgres."""

    dagster_port: int = Field(default=3000, ge=1024, le=65535, description="Dagster UI port.")
    code_server_port: int = Field(
        default=4000, ge=1024, le=65535, description="Port of the code server in a server layout."
    )
    dagster_storage_url: str | None = Field(
        default=None,
        description="Database of Dagster's runs and events, postgresql://user@host:port/database.",
    )
    dagster_storage_password: SecretStr | None = Field(
        default=None, description="Password of that user."
    )
    run_retention_days: int = Field(
        default=90, ge=1, description="Age in days at which finished Dagster runs are deleted."
    )
    live_run_retention_days: int = Field(
        default=2,
        ge=1,
        description="Age at which Dagster's runs that scored a plan are forgotten.",
    )
    schedules: Literal["running", "stopped"] = Field(
        default="running",
        description="Initial state of Dagster's schedules, until they are switched in the UI.",
    )
    mlflow_url: str | None = Field(
        default=None,
        description="MLflow tracking and registry URI; http:// or https:// means a server.",
    )
    mlflow_username: str | None = Field(
        default=None, description="User name for the proxy in front of the MLflow server."
    )
    mlflow_password: SecretStr | None = Field(
        default=None, description="Password for the proxy in front of the MLflow server."
    )
    mlflow_port: int = Field(default=5000, ge=1024, le=65535, description="MLflow UI port.")
    mlflow_storage_url: str | None = Field(
        default=None,
        description="Database of the platform's MLflow server, "
        "postgresql://user@host:port/database.",
    )
    mlflow_storage_password: SecretStr | None = Field(
        default=None, description="Password of that user."
    )

    @field_validator("dagster_storage_url", "mlflow_storage_url")
    @classmethod
    def _check_database(cls, url: str | None) -> str | None:
        if url is not None and (not _POSTGRES.fullmatch(url) or "password=" in url):
            raise ValueError(
                "expected postgresql://user@host:port/database without a password, "
                "which has its own setting (..._STORAGE_PASSWORD, or its file)"
            )
        return url

    @cached_property
    def mlflow(self) -> str:
        """MLflow tracking and registry URI."""
        if self.mlflow_url is None and self.mlflow_storage_url is not None:
            return f"http://127.0.0.1:{self.mlflow_port}"
        return self.mlflow_url or f"sqlite:///{self.home / 'mlflow' / 'mlflow.db'}"

    @cached_property
    def dagster_home(self) -> Path:
        """Folder of the Dagster instance."""
        return self.home / "dagster"
