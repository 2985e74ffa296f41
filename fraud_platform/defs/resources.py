"""Resources: the adapters as Dagster knows them.

Here: thin configurable wrappers; each gives the adapter's own class.
Not here: what an adapter does (`fraud_platform.adapters`).
"""

from __future__ import annotations

from typing import Any

import dagster as dg
from dagster_aws.s3 import S3Resource
from dagster_pyspark import LazyPySparkResource
from pydantic import Field, PrivateAttr

from fraud_platform.adapters.access import S3Access, is_s3
from fraud_platform.adapters.lake import Lake
from fraud_platform.adapters.model_registry import ModelRegistry
from fraud_platform.adapters.s3_zone import s3_client
from fraud_platform.adapters.storage import open_zone
from fraud_platform.ingest.zone import Zone
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
    artifacts_url: str | None = None

    def open(self) -> ModelRegistry:
        """Return the registry."""
        return ModelRegistry(self.url, self.artifacts_url)


class BoundedS3Resource(S3Resource):
    """Dagster's S3 resource, with short patience, and paths that servers of one's own take."""

    def get_client(self) -> Any:
        """Return a boto3 client."""
        return s3_client(
            S3Access(endpoint_url=self.endpoint_url, region=self.region_name or S3Access.region)
        )


class ZonesResource(dg.ConfigurableResource):
    """The landing and the raw zone, by URL; on S3, through Dagster's own S3 resource."""

    landing_url: str
    raw_url: str
    s3: S3Resource

    def open(self, url: str) -> Zone:
        """Return the zone behind a URL, its folder made where there is none."""
        return open_zone(url, create=True, s3=self.s3.get_client() if is_s3(url) else None)


def _s3() -> S3Resource:
    """Return the S3 resource as AWS's variables say; keys it finds itself, so none is shown."""
    access = S3Access.from_variables()
    return BoundedS3Resource(endpoint_url=access.endpoint_url, region_name=access.region)


def registry_of(settings: Settings) -> ModelRegistry:
    """Return the registry that the settings name."""
    resource = resources_of(settings)["registry"]
    assert isinstance(resource, ModelRegistryResource)
    return resource.open()


def resources_of(settings: Settings) -> dict[str, Any]:
    """Return the resources that the settings describe."""
    # a server knows where its artifacts are, unless the settings say where they go
    is_served = not settings.mlflow.startswith("sqlite:") and settings.artifacts_url is None
    return {
        "spark": SparkResource(url=settings.spark_url),
        "lake": LakeResource(url=settings.lake),
        "zones": ZonesResource(landing_url=settings.landing, raw_url=settings.raw, s3=_s3()),
        "registry": ModelRegistryResource(
            url=settings.mlflow, artifacts_url=None if is_served else settings.artifacts
        ),
    }
