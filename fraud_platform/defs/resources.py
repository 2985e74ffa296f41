"""Resources: the adapters as Dagster knows them.

Here: thin configurable wrappers; each gives the adapter's own class.
Not here: what an adapter does (`fraud_platform.adapters`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dagster as dg
from dagster_pyspark import LazyPySparkResource
from pydantic import Field, PrivateAttr

from fraud_platform.adapters.lake import Lake
from fraud_platform.adapters.mlflow_server import login_of
from fraud_platform.adapters.model_registry import ModelRegistry
from fraud_platform.settings import Settings, load_settings


class SparkResource(LazyPySparkResource):
    """A Spark session addressed by one URL, started on first use, stopped after the run.

    A session that was there before (a warm one, shared by several runs of one process) is used
    and left running.
    """

    url: str
    spark_config: dict[str, Any] = Field(default_factory=dict)
    _is_ours: bool = PrivateAttr(default=False)

    def _init_session(self) -> None:
        if self._spark_session is not None:
            return
        from pyspark.sql import SparkSession

        from fraud_platform.adapters.spark import open_session

        self._is_ours = SparkSession.getActiveSession() is None
        settings = load_settings().model_copy(update={"spark_url": self.url})
        self._spark_session = open_session(settings)

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:
        """Stop the session if this resource started it."""
        if self._is_ours and self._spark_session is not None:
            self._spark_session.stop()
            self._spark_session = None


class LakeResource(dg.ConfigurableResource):
    """The Delta tables under one URL."""

    url: str

    def open(self) -> Lake:
        """Return the lake."""
        return Lake(self.url)


class ModelRegistryResource(dg.ConfigurableResource):
    """MLflow's tracking store and registry."""

    url: str
    artifact_folder: str | None = None

    def open(self) -> ModelRegistry:
        """Return the registry."""
        folder = None if self.artifact_folder is None else Path(self.artifact_folder)
        # no field of this resource, since Dagster shows those
        return ModelRegistry(self.url, folder, login_of(load_settings()))


class ZonesResource(dg.ConfigurableResource):
    """The landing and the raw zone, by URL."""

    landing_url: str
    raw_url: str


def registry_of(settings: Settings) -> ModelRegistry:
    """Return the registry that the settings name; local stores keep artifacts beside them."""
    resource = resources_of(settings)["registry"]
    assert isinstance(resource, ModelRegistryResource)
    return resource.open()


def resources_of(settings: Settings) -> dict[str, Any]:
    """Return the resources that the settings describe."""
    local = settings.mlflow.startswith("sqlite:")
    return {
        "spark": SparkResource(url=settings.spark_url),
        "lake": LakeResource(url=settings.lake),
        "zones": ZonesResource(landing_url=settings.landing, raw_url=settings.raw),
        "registry": ModelRegistryResource(
            url=settings.mlflow,
            artifact_folder=str(settings.home.absolute() / "mlflow" / "artifacts")
            if local
            else None,
        ),
    }
