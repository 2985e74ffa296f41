"""The life cycle of a cluster: requested, ready, deleted.

Here: opening a cluster for a run and closing it, with each step in the ledger.
Not here: providers, the ledger's table, clusters of killed runs
(`adapters.spark.clusters.reaper`).
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

from fraud_platform.adapters.spark.clusters.ledger import ClusterLedger, ClusterRow
from fraud_platform.adapters.spark.clusters.provider import PREFIX, Cluster, ClusterSize, Provider
from fraud_platform.errors import ClusterError, FraudPlatformError, Outage
from fraud_platform.kill_points import kill_point

_POLL_SECONDS = 0.5
DELETE_TRIES, FIRST_WAIT_SECONDS = 3, 1.0


@dataclass(frozen=True)
class ClusterOptions:
    """The size of a cluster, the time limit until it is ready, and its price per core and hour."""

    size: ClusterSize
    ready_seconds: float
    price_per_core_hour: float


class EphemeralCluster:
    """A cluster of one run, from `open` to `close`.

    Args:
        provider: creates and deletes the cluster.
        ledger: records each step.
        options: size, time limit and price.
        say: receives progress lines.
    """

    def __init__(
        self,
        provider: Provider,
        ledger: ClusterLedger,
        options: ClusterOptions,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        self._provider, self._ledger, self._options, self._say = provider, ledger, options, say
        self._row: ClusterRow | None = None

    def open(self, run_id: str) -> Cluster:
        """Create a cluster and wait until it is ready; on any error it is deleted.

        Raises:
            ClusterError: the cluster was not ready in time, or ended.
            Outage: the provider does not answer.
        """
        options = self._options
        cluster_id = f"{PREFIX}{run_id[:8]}-{secrets.token_hex(4)}"
        row = self._ledger.request(
            cluster_id, run_id, self._provider.name, options.size, options.price_per_core_hour
        )
        self._row = row
        try:
            kill_point("cluster_requested")
            self._provider.create(cluster_id, options.size)
            kill_point("cluster_created")
            cluster = self._wait(cluster_id)
        except BaseException as error:
            self.close("not ready" if isinstance(error, FraudPlatformError) else "interrupted")
            raise
        self._row = self._ledger.ready(row)
        kill_point("cluster_ready")
        seconds = (self._row.ready_at - row.requested_at).total_seconds()  # type: ignore[operator]
        self._say(f"cluster {cluster_id} is ready on {cluster.url} after {seconds:.1f} s")
        return cluster

    def close(self, outcome: str) -> None:
        """Delete the cluster, with retries, and record `outcome`; does nothing if none is open.

        Raises:
            ClusterError: every try failed; the reaper will delete it later.
        """
        row, self._row = self._row, None
        if row is None:
            return
        for left in reversed(range(DELETE_TRIES)):
            try:
                self._provider.delete(row.cluster_id)
                break
            except Outage as error:
                if not left:
                    raise ClusterError(
                        f"{row.cluster_id}: expected to delete it, found after {DELETE_TRIES} "
                        f"tries: {error} The sensor cluster_reaper keeps trying; `fraud-platform "
                        "clusters` shows what is left."
                    ) from error
                wait = FIRST_WAIT_SECONDS * 2 ** (DELETE_TRIES - 1 - left)
                self._say(
                    f"cluster {row.cluster_id} could not be deleted, next try in {wait:.0f} s"
                )
                time.sleep(wait)
        kill_point("cluster_deleted")
        ended = self._ledger.end(row, outcome)
        self._say(
            f"cluster {row.cluster_id} is deleted ({outcome}): {ended.seconds:.0f} s, "
            f"{ended.core_hours:.3f} core-hours, cost {ended.cost:.4f}"
        )

    def _wait(self, cluster_id: str) -> Cluster:
        begun, last_state = time.monotonic(), ""
        while True:
            state = self._provider.look(cluster_id, self._options.size)
            if isinstance(state, Cluster):
                return state
            if state != last_state:
                self._say(f"cluster {cluster_id}: {state}")
                last_state = state
            if time.monotonic() - begun > self._options.ready_seconds:
                raise ClusterError(
                    f"{cluster_id}: expected it to be ready within "
                    f"{self._options.ready_seconds:.0f} s, found: {state}. It is deleted. Check "
                    "its logs, or allow more time in FRAUD_CLUSTER_READY_SECONDS."
                )
            time.sleep(_POLL_SECONDS)
