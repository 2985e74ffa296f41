"""The life cycle of an ephemeral cluster, with a fake provider."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from fraud_platform.adapters.spark.clusters.ephemeral import ClusterOptions, EphemeralCluster
from fraud_platform.adapters.spark.clusters.ledger import ClusterLedger
from fraud_platform.adapters.spark.clusters.provider import PREFIX, Cluster, ClusterSize
from fraud_platform.adapters.spark.clusters.reaper import reap
from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.errors import ClusterError, Outage

SIZE = ClusterSize(3, 2, "1g")
OPTIONS = ClusterOptions(SIZE, ready_seconds=30, price_per_core_hour=0.06)
START = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class FakeProvider:
    """Keeps clusters in a set; fails and delays a configurable number of times."""

    polls_until_ready: int = 1
    failing_deletes: int = 0
    here: set[str] = field(default_factory=set)
    name: str = "standalone"

    def create(self, cluster_id: str, size: ClusterSize) -> None:
        self.here.add(cluster_id)

    def look(self, cluster_id: str, size: ClusterSize) -> Cluster | str:
        self.polls_until_ready -= 1
        if self.polls_until_ready > 0:
            return "0 of 3 workers"
        return Cluster(cluster_id, "spark://127.0.0.1:7077")

    def delete(self, cluster_id: str) -> None:
        if self.failing_deletes:
            self.failing_deletes -= 1
            raise Outage("the provider is away")
        self.here.discard(cluster_id)

    def living(self) -> set[str]:
        return set(self.here)


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fraud_platform.adapters.spark.clusters.ephemeral.FIRST_WAIT_SECONDS", 0.01)
    monkeypatch.setattr("fraud_platform.adapters.spark.clusters.ephemeral._POLL_SECONDS", 0.01)


@pytest.fixture
def ledger(lake: Lake) -> ClusterLedger:
    return ClusterLedger(lake)


def clocked(lake: Lake, *hours: float) -> ClusterLedger:
    """Return a ledger whose clock returns these hours, one after another."""
    times = iter([START + timedelta(hours=hour) for hour in hours])
    return ClusterLedger(lake, lambda: next(times))


def test_a_cluster_is_in_the_ledger_before_it_is_requested(ledger: ClusterLedger) -> None:
    class Refusing(FakeProvider):
        def create(self, cluster_id: str, size: ClusterSize) -> None:
            assert [row.cluster_id for row in ledger.clusters()] == [cluster_id]
            raise Outage("no room")

    with pytest.raises(Outage, match="no room"):
        EphemeralCluster(Refusing(), ledger, OPTIONS).open("run-1")
    assert [(row.step, row.outcome) for row in ledger.clusters()] == [("ended", "not ready")]


def test_the_ledger_counts_core_hours_from_the_request_at_the_configured_price(lake: Lake) -> None:
    ledger = clocked(lake, 0, 0.25, 1.5)
    cluster = EphemeralCluster(FakeProvider(), ledger, OPTIONS)
    cluster.open("run-1")
    cluster.close("success")
    (row,) = ledger.clusters()
    assert (row.workers, row.cores, row.seconds) == (3, 6, 5400.0)
    assert row.core_hours == pytest.approx(9.0)
    assert row.cost == pytest.approx(0.54)
    assert row.ready_at == START + timedelta(hours=0.25)


def test_a_cluster_that_never_becomes_ready_is_deleted_and_the_error_says_what_is_missing(
    ledger: ClusterLedger,
) -> None:
    provider = FakeProvider(polls_until_ready=10**9)
    options = ClusterOptions(SIZE, ready_seconds=0.2, price_per_core_hour=0)
    begun = time.monotonic()
    with pytest.raises(ClusterError, match=r"found: 0 of 3 workers.*FRAUD_CLUSTER_READY_SECONDS"):
        EphemeralCluster(provider, ledger, options).open("run-1")
    assert time.monotonic() - begun < 5
    assert provider.here == set()
    assert [row.outcome for row in ledger.clusters()] == ["not ready"]


def test_a_deletion_that_fails_once_is_retried_and_reported(ledger: ClusterLedger) -> None:
    provider = FakeProvider(failing_deletes=1)
    lines: list[str] = []
    cluster = EphemeralCluster(provider, ledger, OPTIONS, lines.append)
    cluster.open("run-1")
    cluster.close("success")
    assert provider.here == set()
    assert any("could not be deleted, next try in" in line for line in lines)
    assert [row.step for row in ledger.clusters()] == ["ended"]


def test_a_deletion_that_keeps_failing_is_left_to_the_reaper(ledger: ClusterLedger) -> None:
    provider = FakeProvider(failing_deletes=4)
    cluster = EphemeralCluster(provider, ledger, OPTIONS)
    cluster.open("run-1")
    with pytest.raises(ClusterError, match="cluster_reaper keeps trying"):
        cluster.close("success")
    assert reaped(ledger, provider, "its run ended: success")[0].endswith("the provider is away")
    assert len(provider.here) == 1
    assert "deleted: its run ended" in reaped(ledger, provider, "its run ended: success")[0]
    assert provider.here == set()
    assert [row.step for row in ledger.clusters()] == ["ended"]


def reaped(
    ledger: ClusterLedger,
    provider: FakeProvider,
    end: str | None = None,
    now: datetime | None = None,
) -> list[str]:
    run_end: Callable[[str], str | None] = lambda run_id: end  # noqa: E731
    return reap(
        ledger, lambda name: provider, run_end, timedelta(hours=4), now or datetime.now(UTC)
    )


def test_the_reaper_keeps_the_cluster_of_a_running_run_until_the_limit(
    ledger: ClusterLedger,
) -> None:
    provider = FakeProvider()
    EphemeralCluster(provider, ledger, OPTIONS).open("run-1")
    assert reaped(ledger, provider) == []
    assert len(provider.here) == 1
    (line,) = reaped(ledger, provider, now=datetime.now(UTC) + timedelta(hours=5))
    assert "older than 240 min" in line
    assert provider.here == set()


REQUEST = """
import sys
from fraud_platform.adapters.spark.clusters.ledger import ClusterLedger
from fraud_platform.adapters.spark.clusters.provider import ClusterSize
from fraud_platform.adapters.tables.lake import Lake
ledger, size = ClusterLedger(Lake(sys.argv[1])), ClusterSize(1, 1, "1g")
ledger.request(sys.argv[2], "run-9", "standalone", size, 0)
"""


def test_the_reaper_deletes_the_cluster_of_a_process_that_was_killed(
    lake: Lake, ledger: ClusterLedger
) -> None:
    cluster_id = f"{PREFIX}dead"
    subprocess.run(
        [sys.executable, "-c", REQUEST, lake.url, cluster_id], check=True, env=os.environ
    )
    provider = FakeProvider(here={cluster_id})
    (line,) = reaped(ledger, provider)
    assert "killed" in line
    assert provider.here == set()


def test_a_cluster_that_exists_after_its_recorded_end_is_deleted_but_not_a_foreign_one(
    ledger: ClusterLedger,
) -> None:
    provider = FakeProvider()
    cluster = EphemeralCluster(provider, ledger, OPTIONS)
    made = cluster.open("run-1")
    cluster.close("success")
    provider.here |= {made.cluster_id, f"{PREFIX}of-another-platform"}
    assert reaped(ledger, provider) == [
        f"{made.cluster_id} deleted: it existed after its recorded end"
    ]
    assert provider.here == {f"{PREFIX}of-another-platform"}


def test_a_run_and_the_reaper_record_the_end_of_a_cluster_once(lake: Lake) -> None:
    ledger = ClusterLedger(lake)
    row = ledger.request("c", "run-1", "standalone", SIZE, 0.05)
    ledger.end(row, "success")
    ledger.end(row, "killed")
    ledger.ready(row)
    assert [(r.step, r.outcome) for r in ledger.clusters()] == [("ended", "success")]
