"""The ledger of clusters: written before a cluster is asked for, and when it is gone.

Here: appending the steps of a cluster's life, each once; what is open; costs.
Not here: the table's columns (`contracts.cluster_tables`), clusters (`adapters.spark.clusters`).

Guarantee: a cluster that a provider has is in the ledger, since the row comes first. Each step is
numbered in its commit, so of a run and a reaper that end the same cluster one writes.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime

import psutil
import pyarrow as pa

from fraud_platform.adapters.spark.clusters.provider import ClusterSize
from fraud_platform.adapters.spark.connect import is_running
from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.contracts.cluster_tables import CLUSTERS
from fraud_platform.errors import Outage

REQUESTED, READY, ENDED = "requested", "ready", "ended"
_NUMBERS = {REQUESTED: 1, READY: 2, ENDED: 3}
_TRIES = 8


@dataclass(frozen=True)
class ClusterRow:
    """A row of the ledger; see its contract."""

    cluster_id: str
    step: str
    run_id: str
    provider: str
    workers: int
    cores: int
    worker_memory: str
    host: str
    pid: int
    process_started: float
    requested_at: datetime
    ready_at: datetime | None
    ended_at: datetime | None
    outcome: str | None
    seconds: float | None
    core_hours: float | None
    price_per_core_hour: float
    cost: float | None

    @property
    def is_owner_dead(self) -> bool:
        """Whether the run's process, one of this host, has ended."""
        is_here = self.host == socket.gethostname()
        return is_here and not is_running(self.pid, self.process_started)


class ClusterLedger:
    """The ledger in a lake."""

    def __init__(self, lake: Lake, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._lake, self._now = lake, now

    def request(
        self, cluster_id: str, run_id: str, provider: str, size: ClusterSize, price: float
    ) -> ClusterRow:
        """Write down that a cluster is about to be asked for by this process."""
        row = ClusterRow(
            cluster_id, REQUESTED, run_id, provider, size.workers, size.cores, size.worker_memory,
            socket.gethostname(), os.getpid(), psutil.Process().create_time(), self._now(),
            None, None, None, None, None, price, None,
        )  # fmt: skip
        self._append(row)
        return row

    def ready(self, row: ClusterRow) -> ClusterRow:
        """Write down that a cluster can be worked on."""
        after = replace(row, step=READY, ready_at=self._now())
        self._append(after)
        return after

    def end(self, row: ClusterRow, outcome: str) -> ClusterRow:
        """Write down that a cluster is gone, and what it cost."""
        now = self._now()
        seconds = (now - row.requested_at).total_seconds()
        core_hours = seconds / 3600 * row.cores
        after = replace(
            row, step=ENDED, ended_at=now, outcome=outcome, seconds=seconds,
            core_hours=core_hours, cost=core_hours * row.price_per_core_hour,
        )  # fmt: skip
        self._append(after)
        return after

    def clusters(self) -> list[ClusterRow]:
        """Return every cluster as it is now, the oldest first."""
        rows = [ClusterRow(**row) for row in self._lake.read_arrow(CLUSTERS).to_pylist()]
        latest: dict[str, ClusterRow] = {}
        for row in sorted(rows, key=lambda row: _NUMBERS[row.step]):
            latest[row.cluster_id] = row
        return sorted(latest.values(), key=lambda row: (row.requested_at, row.cluster_id))

    def _append(self, row: ClusterRow) -> None:
        table = pa.Table.from_pylist([asdict(row)], schema=CLUSTERS.arrow_schema)
        for left in reversed(range(_TRIES)):
            try:
                self._lake.append_numbered(CLUSTERS, table, row.cluster_id, _NUMBERS[row.step])
                return
            except Outage:
                # another cluster's row came in between
                if not left:
                    raise
                time.sleep(0.1)
