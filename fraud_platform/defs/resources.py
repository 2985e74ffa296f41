"""Resources: the adapters in Dagster.

Here: thin configurable wrappers; each returns the adapter's own class.
Not here: the adapters (`fraud_platform.adapters`).
"""

# Dagster reads the types of these fields: no `from __future__ import annotations` here
from collections.abc import Mapping
from typing import Any

import dagster as dg
from dagster_aws.s3 import S3Resource
from dagster_pyspark import LazyPySparkResource
from pydantic import Field, PrivateAttr

from fraud_platform.adapters.models.registry import ModelRegistry
from fraud_platform.adapters.models.server import login_of
from fraud_platform.adapters.spark.clusters.ephemeral import EphemeralCluster
from fraud_platform.adapters.spark.clusters.ledger import ClusterLedger
from fraud_platform.adapters.storage.access import S3Access, is_s3, s3_client
from fraud_platform.adapters.storage.zones import open_zone
from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.contracts.zones import Zone
from fraud_platform.defs.automation.clusters import (
    CLUSTER_TAG,
    cluster_options,
    outcome_of,
    provider_named,
)
from fraud_platform.operations.models.registry import artifacts_of
from fraud_platform.settings import Settings


class SparkResource(LazyPySparkResource):
    """A Spark session addressed by one URL, started on first use, stopped after the run.

    A run with the cluster tag gets its own cluster, made on first use and deleted after the run. An
    existing session (a warm one, shared by several runs of one process) is used and left running. A
    session that died is replaced.
    """

    url: str
    spark_config: dict[str, Any] = Field(default_factory=dict)
    settings: dg.ResourceDependency[Settings]
    _is_ours: bool = PrivateAttr(default=False)
    _context: dg.InitResourceContext | None = PrivateAttr(default=None)
    _cluster: EphemeralCluster | None = PrivateAttr(default=None)

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Store the run; nothing is started yet."""
        self._context = context

    def _init_session(self) -> None:
        from fraud_platform.adapters.spark.session import is_alive, open_session

        if self._spark_session is not None and is_alive(self._spark_session):
            return
        self._close("its session was lost")
        from pyspark.sql import SparkSession

        settings = self.settings
        provider = self._run_tags().get(CLUSTER_TAG)
        if provider is None:
            self._is_ours = SparkSession.getActiveSession() is None
            self._spark_session = open_session(settings, self.url, self.spark_config)
            return
        context = self._context
        assert context is not None
        assert context.run_id is not None
        self._is_ours = True
        self._cluster = EphemeralCluster(
            provider_named(provider, settings),
            ClusterLedger(Lake(settings.lake)),
            cluster_options(settings),
            context.log.info if context.log else print,
        )
        made = self._cluster.open(context.run_id)
        self._spark_session = open_session(settings, made.url, {**self.spark_config, **made.conf})

    def _run_tags(self) -> Mapping[str, str]:
        run = None if self._context is None else self._context.run
        return {} if run is None else run.tags

    def _close(self, outcome: str) -> None:
        """Stop the session if this resource started it, and delete its cluster."""
        session, self._spark_session = self._spark_session, None
        cluster, self._cluster = self._cluster, None
        try:
            if self._is_ours and session is not None:
                session.stop()
        finally:
            if cluster is not None:
                cluster.close(outcome)

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:
        """Stop the session if this resource started it, and delete its cluster."""
        outcome = "run ended"
        if self._cluster is not None and context.instance and context.run_id:
            outcome = outcome_of(context.instance, context.run_id)
        self._close(outcome)


class LakeResource(dg.ConfigurableResource[Any]):
    """The Delta tables under one URL."""

    url: str

    def open(self) -> Lake:
        """Return the lake."""
        return Lake(self.url)


class ModelRegistryResource(dg.ConfigurableResource[Any]):
    """MLflow's tracking store and registry."""

    url: str
    artifacts_url: str | None = None
    settings: dg.ResourceDependency[Settings]

    def open(self) -> ModelRegistry:
        """Return the registry."""
        # the login is no field of this resource, since Dagster shows those
        return ModelRegistry(self.url, self.artifacts_url, login_of(self.settings))


class BoundedS3Resource(S3Resource):
    """Dagster's S3 resource, with short timeouts, and paths that private servers accept."""

    def get_client(self) -> Any:
        """Return a boto3 client."""
        return s3_client(
            S3Access(endpoint_url=self.endpoint_url, region=self.region_name or S3Access.region)
        )


class ZonesResource(dg.ConfigurableResource[Any]):
    """The landing and the raw zone, by URL; on S3, through Dagster's own S3 resource."""

    landing_url: str
    raw_url: str
    s3: S3Resource

    def open(self, url: str) -> Zone:
        """Return the zone at a URL; its folder is created if it is missing."""
        return open_zone(url, create=True, s3=self.s3.get_client() if is_s3(url) else None)


def _s3() -> S3Resource:
    """Return the S3 resource from AWS's variables; it finds keys itself, so none is shown."""
    access = S3Access.from_variables()
    return BoundedS3Resource(endpoint_url=access.endpoint_url, region_name=access.region)


def resources_of(settings: Settings) -> dict[str, Any]:
    """Return the resources from the settings."""
    return {
        "settings": settings,
        "spark": SparkResource(url=settings.spark, settings=settings),
        "lake": LakeResource(url=settings.lake),
        "zones": ZonesResource(landing_url=settings.landing, raw_url=settings.raw, s3=_s3()),
        "registry": ModelRegistryResource(
            url=settings.mlflow, artifacts_url=artifacts_of(settings), settings=settings
        ),
    }
