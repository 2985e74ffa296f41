"""The ledger of clusters: one row for each step of a cluster's life.

Here: appending each step exactly once, the current state of every cluster, costs.
Not here: the table's columns (`contracts.cluster_tables`), clusters (`adapters.spark.clusters`).

Guarantee: every cluster that a provider has is in the ledger, because its row is committed before
the request. Each step has a number in its commit, so that only one row is written if a run and the
reaper end the same cluster.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime

import psutil
import pyarrow as pa

from fraud_platform.adapters.spark.clusters.provider import ClusterSize
from fraud_platform.adapters.spark.connect import is_running
from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.contracts.cluster_tables import CLUSTERS
from fraud_platform.contracts.time import SECONDS_PER_HOUR

REQUESTED, READY, ENDED = "requested", "ready", "ended"
_NUMBERS = {REQUESTED: 1, READY: 2, ENDED: 3}


@dataclass(frozen=True)
class ClusterRow:
    """A row of the ledger; see `contracts.cluster_tables`."""

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
        """Whether the run's process ran on this host and has ended."""
        is_here = self.host == socket.gethostname()
        return is_here and not is_running(self.pid, self.process_started)


class ClusterLedger:
    """The ledger, as a table of the lake."""

    def __init__(self, lake: Lake, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._lake, self._now = lake, now

    def request(
        self, cluster_id: str, run_id: str, provider: str, size: ClusterSize, price: float
    ) -> ClusterRow:
        """Record that this process is about to request a cluster; return the row."""
        row = ClusterRow(
            cluster_id, REQUESTED, run_id, provider, size.workers, size.cores, size.worker_memory,
            socket.gethostname(), os.getpid(), psutil.Process().create_time(), self._now(),
            None, None, None, None, None, price, None,
        )  # fmt: skip
        self._append(row)
        return row

    def ready(self, row: ClusterRow) -> ClusterRow:
        """Record that a cluster is ready; return the new row."""
        ready_row = replace(row, step=READY, ready_at=self._now())
        self._append(ready_row)
        return ready_row

    def end(self, row: ClusterRow, outcome: str) -> ClusterRow:
        """Record that a cluster is deleted, with its duration and cost; return the new row."""
        now = self._now()
        seconds = (now - row.requested_at).total_seconds()
        core_hours = seconds / SECONDS_PER_HOUR * row.cores
        ended_row = replace(
            row, step=ENDED, ended_at=now, outcome=outcome, seconds=seconds,
            core_hours=core_hours, cost=core_hours * row.price_per_core_hour,
        )  # fmt: skip
        self._append(ended_row)
        return ended_row

    def clusters(self) -> list[ClusterRow]:
        """Return the latest row of every cluster, oldest cluster first."""
        rows = [ClusterRow(**row) for row in self._lake.read_arrow(CLUSTERS).to_pylist()]
        latest: dict[str, ClusterRow] = {}
        for row in sorted(rows, key=lambda row: _NUMBERS[row.step]):
            latest[row.cluster_id] = row
        return sorted(latest.values(), key=lambda row: (row.requested_at, row.cluster_id))

    def _append(self, row: ClusterRow) -> None:
        table = pa.Table.from_pylist([asdict(row)], schema=CLUSTERS.arrow_schema)
        self._lake.numbered(CLUSTERS, row.cluster_id).append_rows(table, _NUMBERS[row.step])
