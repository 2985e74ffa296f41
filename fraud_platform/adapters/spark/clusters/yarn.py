"""Clusters on an existing Hadoop: executors that YARN gives to a tagged application.

Here: whether the resource manager has room, and ending what carries a cluster's tag, through its
web services.
Not here: the session that becomes the application (`adapters.spark.session`).

The application begins with the session and ends with it; what a killed driver leaves ends through
its tag.
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
"""What YARN gives to each executor beside its heap, and to the application's master."""


class YarnProvider:
    """Clusters on the Hadoop whose resource manager serves `url`."""

    name = "yarn"

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")

    def create(self, cluster_id: str, size: ClusterSize) -> None:
        """Look that the resource manager works; containers are given to the session."""
        self.require_started()

    def require_started(self) -> None:
        """Raise unless the resource manager works.

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
        """Compare what is free with what the session will ask for."""
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
                    f"going on. Look at {self._url}/cluster/apps."
                )
            time.sleep(_POLL_SECONDS)

    def living(self) -> set[str]:
        """Return the tags of applications that are clusters of this platform."""
        tags = {tag for application in self._applications() for tag in _tags(application)}
        return {tag for tag in tags if tag.startswith(PREFIX)}

    def _applications(self) -> list[dict[str, Any]]:
        found = self._ask(f"apps?states={_LIVING}")["apps"]
        return list(found["app"]) if found else []

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
                "Start it, or mend FRAUD_YARN_URL."
            ) from error


def _tags(application: dict[str, Any]) -> list[str]:
    return str(application.get("applicationTags") or "").split(",")
