"""Deleting clusters that outlived their run or their time limit.

Here: finding them through the ledger and deleting them.
Not here: clusters that their run closes (`adapters.spark.clusters.ephemeral`), when this runs
(`fraud_platform.defs.automation.clusters`).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from fraud_platform.adapters.spark.clusters.ledger import ENDED, ClusterLedger, ClusterRow
from fraud_platform.adapters.spark.clusters.provider import Provider
from fraud_platform.errors import FraudPlatformError


def reap(
    ledger: ClusterLedger,
    provider_named: Callable[[str], Provider],
    run_end: Callable[[str], str | None],
    limit: timedelta,
    now: datetime,
) -> list[str]:
    """Delete every cluster whose run has ended or that is older than `limit`.

    A cluster that cannot be deleted is reported and left to a later call.

    Args:
        ledger: the ledger of clusters.
        provider_named: returns the provider with a name.
        run_end: returns how a run ended, or None if it may still be running.
        limit: maximum age of a cluster.
        now: the current time.

    Returns:
        One line for each cluster deleted or not deletable.
    """
    rows = ledger.clusters()
    report = []
    for row in rows:
        if row.step == ENDED:
            continue
        outcome = _reason(row, run_end, limit, now)
        if outcome is None:
            continue
        try:
            provider_named(row.provider).delete(row.cluster_id)
        except FraudPlatformError as error:
            report.append(f"{row.cluster_id} ({outcome}) could not be deleted: {error}")
            continue
        ledger.end(row, outcome)
        report.append(f"{row.cluster_id} deleted: {outcome}")
    return report + _delete_late_arrivals(rows, provider_named)


def _reason(
    row: ClusterRow, run_end: Callable[[str], str | None], limit: timedelta, now: datetime
) -> str | None:
    if row.is_owner_dead:
        return f"killed: {run_end(row.run_id) or 'its process ended'}"
    if ended := run_end(row.run_id):
        return ended
    if now - row.requested_at > limit:
        return f"older than {limit.total_seconds() / 60:.0f} min"
    return None


def _delete_late_arrivals(
    rows: list[ClusterRow], provider_named: Callable[[str], Provider]
) -> list[str]:
    """Delete clusters that a dying process created after the ledger recorded their end."""
    report = []
    for name in sorted({row.provider for row in rows}):
        ended = {row.cluster_id for row in rows if row.provider == name and row.step == ENDED}
        try:
            provider = provider_named(name)
            for cluster_id in sorted(provider.living() & ended):
                provider.delete(cluster_id)
                report.append(f"{cluster_id} deleted: it existed after its recorded end")
        except FraudPlatformError as error:
            report.append(f"{name} could not be asked: {error}")
    return report
