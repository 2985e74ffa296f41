"""The interface of cluster providers.

Here: the protocol and its value types.
Not here: the providers (`standalone`, `yarn`, `emr`).

The caller names a cluster before it exists. A cluster whose creator was killed can therefore be
found by its name, and repeating a request has no effect.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

PREFIX = "fraud-cluster-"
"""Prefix of every cluster's name."""


@dataclass(frozen=True)
class ClusterSize:
    """Number of workers, and the cores and memory of each ("1g", "512m")."""

    workers: int
    cores_per_worker: int
    worker_memory: str

    @property
    def cores(self) -> int:
        """Total number of cores."""
        return self.workers * self.cores_per_worker

    @property
    def worker_memory_mb(self) -> int:
        """Memory of one worker's executor in MiB."""
        return int(self.worker_memory[:-1]) * (1024 if self.worker_memory[-1] == "g" else 1)


@dataclass(frozen=True)
class Cluster:
    """A cluster that is ready.

    Attributes:
        cluster_id: its name.
        url: its Spark URL.
        conf: additional configuration of a session on it.
    """

    cluster_id: str
    url: str
    conf: Mapping[str, str] = field(default_factory=dict)


class Provider(Protocol):
    """Creates and deletes clusters by name."""

    name: str

    def create(self, cluster_id: str, size: ClusterSize) -> None:
        """Request a cluster; returns before it is ready.

        Raises:
            Outage: the provider does not answer, or refuses.
        """

    def look(self, cluster_id: str, size: ClusterSize) -> Cluster | str:
        """Return the cluster once it is ready, until then a text that describes its state.

        Raises:
            ClusterError: it will never be ready.
        """

    def delete(self, cluster_id: str) -> None:
        """Delete a cluster and wait until it is gone; does nothing if it does not exist.

        Raises:
            ClusterError: it was not gone in time.
            Outage: the provider does not answer, or refuses.
        """

    def living(self) -> set[str]:
        """Return the names of all existing clusters of this platform."""
