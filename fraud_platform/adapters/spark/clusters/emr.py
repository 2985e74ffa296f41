"""Clusters on Amazon EMR, each with one step: a Spark Connect server.

Here: the calls that create, inspect and terminate a cluster, which is found by its name.
Not here: the client and its credentials (`fraud_platform.defs.automation.clusters`, from
dagster-aws).

Tested only against a simulated API, never against AWS. The Connect server accepts connections
without a token: the cluster's security group must admit only the platform's machines.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from fraud_platform.adapters.jvm.jars import SPARK_JARS
from fraud_platform.adapters.spark.clusters.provider import PREFIX, Cluster, ClusterSize
from fraud_platform.adapters.spark.server import MAIN_CLASS
from fraud_platform.errors import ClusterError, Outage
from fraud_platform.settings import Settings

CONNECT_PORT = 15002
GONE_SECONDS, _POLL_SECONDS = 60.0, 5.0
_COMING = ("STARTING", "BOOTSTRAPPING", "RUNNING", "WAITING")
_STEP = "spark-connect"


class EmrProvider:
    """Clusters in one region and account.

    Args:
        client: boto3 client for EMR.
        settings: instance type, release, roles and subnet of the clusters.
        sleep: replaces `time.sleep` in tests.
    """

    name = "emr"

    def __init__(
        self, client: Any, settings: Settings, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._client, self._settings, self._sleep = client, settings, sleep

    def create(self, cluster_id: str, size: ClusterSize) -> None:
        """Request a cluster with this name, unless one exists."""
        if self._flow(cluster_id) is None:
            with _reaching("create a cluster"):
                self._client.run_job_flow(**self.request(cluster_id, size))

    def look(self, cluster_id: str, size: ClusterSize) -> Cluster | str:
        """Return the cluster once its Connect server step runs, until then its state as text."""
        flow = self._flow(cluster_id)
        if flow is None:
            raise ClusterError(f"{cluster_id}: EMR has terminated it, or never had it.")
        with _reaching("describe a cluster"):
            cluster = self._client.describe_cluster(ClusterId=flow)["Cluster"]
            steps = self._client.list_steps(ClusterId=flow)["Steps"]
        state = cluster["Status"]["State"]
        if state not in _COMING:
            why = cluster["Status"].get("StateChangeReason", {}).get("Message", "no reason given")
            raise ClusterError(f"{cluster_id} ({flow}): expected it to start, found {state}: {why}")
        server = next((s["Status"]["State"] for s in steps if s["Name"] == _STEP), "absent")
        if server in ("FAILED", "CANCELLED", "INTERRUPTED", "COMPLETED"):
            raise ClusterError(
                f"{cluster_id} ({flow}): expected its Connect server to run, found the step "
                f"{server}. Its log is in {self._settings.emr_log_url or 'the EMR console'}."
            )
        if server != "RUNNING" or state not in ("RUNNING", "WAITING"):
            return f"EMR {flow} is {state}, its Connect server {server}"
        return Cluster(cluster_id, f"sc://{cluster['MasterPublicDnsName']}:{CONNECT_PORT}")

    def delete(self, cluster_id: str) -> None:
        """Terminate the cluster and wait until EMR reports that it is terminating."""
        deadline = time.monotonic() + GONE_SECONDS
        while flow := self._flow(cluster_id):
            with _reaching("terminate a cluster"):
                self._client.terminate_job_flows(JobFlowIds=[flow])
            if self._flow(cluster_id) is None:
                return
            if time.monotonic() > deadline:
                raise ClusterError(
                    f"{cluster_id} ({flow}): expected EMR to terminate it within "
                    f"{GONE_SECONDS:.0f} s, found it active. Check for termination protection."
                )
            self._sleep(_POLL_SECONDS)

    def living(self) -> set[str]:
        """Return the names of the platform's clusters that are not terminated."""
        return {name for name, _ in self._flows() if name.startswith(PREFIX)}

    def request(self, cluster_id: str, size: ClusterSize) -> dict[str, Any]:
        """Return the request to EMR; its step ends the cluster an hour after the time limit."""
        settings, kind = self._settings, self._settings.emr_instance_type
        instances: dict[str, Any] = {
            "InstanceGroups": [
                {"InstanceRole": "MASTER", "InstanceType": kind, "InstanceCount": 1},
                {"InstanceRole": "CORE", "InstanceType": kind, "InstanceCount": size.workers},
            ],
            "KeepJobFlowAliveWhenNoSteps": False,
            "TerminationProtected": False,
        }
        if settings.emr_subnet is not None:
            instances["Ec2SubnetId"] = settings.emr_subnet
        return {
            "Name": cluster_id,
            "ReleaseLabel": settings.emr_release,
            "Applications": [{"Name": "Spark"}],
            "Instances": instances,
            "ServiceRole": settings.emr_service_role,
            "JobFlowRole": settings.emr_instance_profile,
            "Tags": [{"Key": "fraud_platform", "Value": cluster_id}],
            "Steps": [_connect_step(size, settings.cluster_limit_minutes)],
            **({} if settings.emr_log_url is None else {"LogUri": settings.emr_log_url}),
        }

    def _flow(self, cluster_id: str) -> str | None:
        return next((flow for name, flow in self._flows() if name == cluster_id), None)

    def _flows(self) -> Iterator[tuple[str, str]]:
        with _reaching("list clusters"):
            pages = self._client.get_paginator("list_clusters").paginate(ClusterStates=_COMING)
            for page in pages:
                yield from ((cluster["Name"], cluster["Id"]) for cluster in page["Clusters"])


def _connect_step(size: ClusterSize, limit_minutes: float) -> dict[str, Any]:
    """Return the step that runs the server; when it ends or times out, the cluster terminates."""
    packages = ",".join(coordinate for coordinate, _ in SPARK_JARS.values())
    conf: Mapping[str, str] = {
        "spark.connect.grpc.binding.port": str(CONNECT_PORT),
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        "spark.executor.instances": str(size.workers),
        "spark.executor.cores": str(size.cores_per_worker),
        "spark.executor.memory": size.worker_memory,
    }
    words = [argument for key, value in conf.items() for argument in ("--conf", f"{key}={value}")]
    command = [
        "timeout", f"{limit_minutes + 60:.0f}m", "spark-submit", "--class", MAIN_CLASS,
        "--deploy-mode", "client", "--packages", packages, *words, "spark-internal",
    ]  # fmt: skip
    return {
        "Name": _STEP,
        "ActionOnFailure": "TERMINATE_CLUSTER",
        "HadoopJarStep": {"Jar": "command-runner.jar", "Args": command},
    }


@contextmanager
def _reaching(purpose: str) -> Iterator[None]:
    """Translate errors of AWS calls in the block into an Outage."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise Outage(
            f"emr: expected to {purpose}, found: {error}. Check AWS credentials, the region in "
            "FRAUD_EMR_REGION, and the account's limits."
        ) from error
