"""What a provider of clusters is asked for.

Here: the interface, and the values that pass through it.
Not here: providers (the modules beside this one).

A cluster is named by whoever asks for it, before it exists; so one whose maker was killed at any
moment can still be found by its name, and asking a provider twice changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

PREFIX = "fraud-cluster-"
"""What every cluster's name begins with."""


@dataclass(frozen=True)
class ClusterSize:
    """How large a cluster is."""

    workers: int
    cores_per_worker: int
    worker_memory: str

    @property
    def cores(self) -> int:
        """Cores of all workers."""
        return self.workers * self.cores_per_worker

    @property
    def worker_memory_mb(self) -> int:
        """Memory of one worker's executor in MiB."""
        return int(self.worker_memory[:-1]) * (1024 if self.worker_memory[-1] == "g" else 1)


@dataclass(frozen=True)
class Cluster:
    """A cluster that can be worked on.

    Attributes:
        url: its Spark URL.
        conf: what a session on it needs beside.
    """

    cluster_id: str
    url: str
    conf: Mapping[str, str] = field(default_factory=dict)


class Provider(Protocol):
    """Makes and deletes clusters by their names."""

    name: str

    def create(self, cluster_id: str, size: ClusterSize) -> None:
        """Ask for a cluster; returns before it is ready.

        Raises:
            Outage: the provider does not answer, or refuses.
        """

    def look(self, cluster_id: str, size: ClusterSize) -> Cluster | str:
        """Return the cluster once it is ready, until then what it waits for, in words.

        Raises:
            ClusterError: it will never be ready.
        """

    def delete(self, cluster_id: str) -> None:
        """Delete a cluster and wait until it is gone; one that is not there is fine.

        Raises:
            Outage: it could not be deleted now.
        """

    def living(self) -> set[str]:
        """Return the names of all clusters of this platform that are there."""
