"""Clusters for single runs: which runs get one, and the sensor that deletes leftover ones.

Here: the tag that requests one, providers from settings, a run's outcome, the reaper, the ledger
as an asset.
Not here: clusters themselves (`fraud_platform.adapters.spark.clusters`), sessions
(`defs.resources`).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import dagster as dg

from fraud_platform.adapters.spark.clusters.emr import EmrProvider
from fraud_platform.adapters.spark.clusters.ephemeral import ClusterOptions
from fraud_platform.adapters.spark.clusters.ledger import ClusterLedger
from fraud_platform.adapters.spark.clusters.provider import ClusterSize, Provider
from fraud_platform.adapters.spark.clusters.reaper import reap
from fraud_platform.adapters.spark.clusters.standalone import StandaloneProvider
from fraud_platform.adapters.spark.clusters.yarn import YarnProvider
from fraud_platform.adapters.spark.connect import release_dead_sessions
from fraud_platform.adapters.spark.session import session_records
from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.contracts.cluster_tables import CLUSTERS
from fraud_platform.defs.deployment import SettingsResource
from fraud_platform.defs.pages.tables import table_spec
from fraud_platform.errors import SettingsError
from fraud_platform.settings import Settings

CLUSTER_TAG = "fraud_platform/cluster"
"""A run with this tag gets a cluster from the provider in the tag's value."""

clusters = table_spec(CLUSTERS, "operations", [], {"spark", "deltalake"}, {})
"""Written by the runs that make clusters, and by the reaper."""


def cluster_tags(settings: Settings) -> dict[str, str]:
    """Return the tags that give a schedule's run a cluster, if one is configured."""
    provider = settings.cluster_provider
    return {} if provider == "none" else {CLUSTER_TAG: provider}


def provider_named(name: str, settings: Settings) -> Provider:
    """Return a provider.

    Raises:
        SettingsError: there is no provider of that name, or its settings are missing.
    """
    if name == "standalone":
        return StandaloneProvider(settings.home / "clusters")
    if name == "yarn" and settings.yarn_url is not None:
        return YarnProvider(settings.yarn_url)
    if name == "emr":
        from dagster_aws.emr import EmrJobRunner

        return EmrProvider(EmrJobRunner(settings.emr_region).make_emr_client(), settings)
    raise SettingsError(
        f"{CLUSTER_TAG}: expected standalone, yarn (with FRAUD_YARN_URL set) or emr, found {name}."
    )


def cluster_options(settings: Settings) -> ClusterOptions:
    """Return the size, time limits and price from the settings."""
    size = ClusterSize(
        settings.spark_executors, settings.spark_executor_cores, settings.spark_executor_memory
    )
    return ClusterOptions(size, settings.cluster_ready_seconds, settings.cluster_core_hour_price)


def outcome_of(instance: dg.DagsterInstance, run_id: str) -> str:
    """Return the outcome of a run that is about to end."""
    run = instance.get_run_by_id(run_id)
    if run is not None and run.status in (
        dg.DagsterRunStatus.CANCELING,
        dg.DagsterRunStatus.CANCELED,
    ):
        return "cancelled"
    failed = instance.all_logs(run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
    return "failure" if failed else "success"


def run_end(instance: dg.DagsterInstance, run_id: str) -> str | None:
    """Return how a run ended; None while it may still be active."""
    run = instance.get_run_by_id(run_id)
    if run is None:
        return "its run was deleted"
    return f"its run ended: {run.status.value.lower()}" if run.is_finished else None


def reap_clusters(settings: Settings, instance: dg.DagsterInstance | None) -> list[str]:
    """Delete clusters that outlived their run or their limit, drop sessions of dead processes.

    Args:
        instance: has the runs; with None only processes and the limit decide.
    """
    lines = reap(
        ClusterLedger(Lake(settings.lake)),
        lambda name: provider_named(name, settings),
        lambda run_id: None if instance is None else run_end(instance, run_id),
        timedelta(minutes=settings.cluster_limit_minutes),
        datetime.now(UTC),
    )
    dropped = release_dead_sessions(session_records(settings), settings.spark_token)
    return lines + [f"Spark session {session} dropped: its process ended" for session in dropped]


def cluster_lines(settings: Settings) -> list[str]:
    """Return a line for each cluster in the ledger, and the total cost."""
    rows = ClusterLedger(Lake(settings.lake)).clusters()
    lines = [
        f"{row.cluster_id}  {row.provider}, {row.workers} workers, {row.cores} cores, run "
        f"{row.run_id[:8]}: {row.step}"
        + ("" if row.outcome is None else f" ({row.outcome})")
        + ("" if row.seconds is None else f", {row.seconds:.0f} s, cost {row.cost:.4f}")
        for row in rows
    ]
    total = sum(row.cost or 0.0 for row in rows)
    hours = sum(row.core_hours or 0.0 for row in rows)
    return [*lines, f"{len(rows)} clusters, {hours:.2f} core-hours, cost {total:.2f} in all"]


@dg.sensor(
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Deletes clusters whose run has ended or that outlived their limit.",
)
def cluster_reaper(
    context: dg.SensorEvaluationContext, settings: SettingsResource
) -> dg.SkipReason:
    """Delete and report leftover clusters; this requests no run."""
    lines = reap_clusters(settings, context.instance)
    for line in lines:
        context.log.warning(line)
    return dg.SkipReason("; ".join(lines) or "no cluster outlived its run")
