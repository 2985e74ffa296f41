"""Dagster and MLflow: where they serve and keep their state.

Here: ports, MLflow's URI, the databases of both, Dagster's home, how long runs are remembered.
Not here: starting them (`fraud_platform.adapters.services.laptop`, `adapters.services.server`),
talking to a database (`adapters.services.postgres`).
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
        description="postgresql://user@host:port/database of Dagster's runs and events.",
    )
    dagster_storage_password: SecretStr | None = Field(
        default=None, description="Password of that user."
    )
    run_retention_days: int = Field(
        default=90, ge=1, description="Age at which Dagster's finished runs are forgotten."
    )
    schedules: Literal["running", "stopped"] = Field(
        default="running", description="What Dagster's schedules are until a person switches them."
    )
    mlflow_url: str | None = Field(
        default=None, description="MLflow tracking and registry URI; http(s):// is a server."
    )
    mlflow_username: str | None = Field(
        default=None, description="User name that the proxy before the MLflow server asks for."
    )
    mlflow_password: SecretStr | None = Field(
        default=None, description="Password that the proxy before the MLflow server asks for."
    )
    mlflow_port: int = Field(default=5000, ge=1024, le=65535, description="MLflow UI port.")
    mlflow_storage_url: str | None = Field(
        default=None,
        description="postgresql://user@host:port/database that the MLflow server here keeps.",
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
                "which has a setting of its own (..._STORAGE_PASSWORD, or its file)"
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
