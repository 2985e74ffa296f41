"""Clusters on an existing Hadoop: one YARN application, tagged with the cluster's name.

Here: checking the free capacity and killing tagged applications, with the resource manager's REST
API.
Not here: the session, which starts the application (`adapters.spark.session`).

The application starts and ends with the session. If a killed driver leaves one, its tag identifies
it.
"""

from __future__ import annotations

import getpass
import json
import time
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import quote

from fraud_platform.adapters.spark.clusters.provider import PREFIX, Cluster, ClusterSize
from fraud_platform.errors import ClusterError, Outage

_ANSWER_SECONDS, GONE_SECONDS, _POLL_SECONDS = 10.0, 30.0, 0.3
_LIVING = "NEW,NEW_SAVING,SUBMITTED,ACCEPTED,RUNNING"
_OVERHEAD_MB, _MASTER_MB = 384, 1024
"""Memory in MiB of each executor in addition to its heap, and of the application master."""


class YarnProvider:
    """Clusters on the Hadoop whose resource manager serves `url`."""

    name = "yarn"

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")

    def create(self, cluster_id: str, size: ClusterSize) -> None:
        """Check that the resource manager works; the session itself requests the containers."""
        self.require_started()

    def require_started(self) -> None:
        """Check that the resource manager is started and active.

        Raises:
            Outage: it does not answer, or is not the active one.
        """
        state = self._ask("info")["clusterInfo"]["state"]
        if state != "STARTED":
            raise Outage(
                f"yarn: expected the resource manager on {self._url} to work, found {state}. "
                "Start it, or wait until it has taken over."
            )

    def look(self, cluster_id: str, size: ClusterSize) -> Cluster | str:
        """Return the cluster once YARN has enough free memory and cores, until then the numbers."""
        free = self._ask("metrics")["clusterMetrics"]
        memory = _MASTER_MB + size.workers * (size.worker_memory_mb + _OVERHEAD_MB)
        cores = 1 + size.cores
        if free["availableMB"] < memory or free["availableVirtualCores"] < cores:
            return (
                f"{free['availableMB']} of {memory} MB and {free['availableVirtualCores']} of "
                f"{cores} cores free on {free['activeNodes']} nodes ({self._url})"
            )
        return Cluster(cluster_id, "yarn", {"spark.yarn.tags": cluster_id})

    def delete(self, cluster_id: str) -> None:
        """Kill the applications with the cluster's tag and wait until they are gone."""
        deadline = time.monotonic() + GONE_SECONDS
        asked: set[str] = set()
        while living := [app for app in self._applications() if cluster_id in _tags(app)]:
            for application in living:
                if application["id"] not in asked:
                    asked.add(application["id"])
                    self._kill(application["id"])
            if time.monotonic() > deadline:
                ids = ", ".join(application["id"] for application in living)
                raise ClusterError(
                    f"{cluster_id}: expected {ids} to end within {GONE_SECONDS:.0f} s, found it "
                    f"running. See {self._url}/cluster/apps."
                )
            time.sleep(_POLL_SECONDS)

    def living(self) -> set[str]:
        """Return the names of this platform's clusters, from the tags of active applications."""
        tags = {tag for application in self._applications() for tag in _tags(application)}
        return {tag for tag in tags if tag.startswith(PREFIX)}

    def _applications(self) -> list[dict[str, Any]]:
        apps = self._ask(f"apps?states={_LIVING}")["apps"]
        return list(apps["app"]) if apps else []

    def _kill(self, application_id: str) -> None:
        path = f"apps/{application_id}/state?user.name={quote(getpass.getuser())}"
        self._ask(path, {"state": "KILLED"})

    def _ask(self, path: str, body: dict[str, str] | None = None) -> Any:
        request = urllib.request.Request(
            f"{self._url}/ws/v1/cluster/{path}",
            None if body is None else json.dumps(body).encode(),
            {"Content-Type": "application/json", "Accept": "application/json"},
            method="GET" if body is None else "PUT",
        )
        try:
            with urllib.request.urlopen(request, timeout=_ANSWER_SECONDS) as answer:
                return json.load(answer)
        except (OSError, ValueError) as error:
            raise Outage(
                f"yarn: expected an answer of the resource manager on {self._url}, found {error}. "
                "Start it, or fix FRAUD_YARN_URL."
            ) from error


def _tags(application: dict[str, Any]) -> list[str]:
    return str(application.get("applicationTags") or "").split(",")
