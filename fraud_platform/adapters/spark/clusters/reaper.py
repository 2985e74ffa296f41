"""Clusters that outlived their run, or their limit.

Here: finding them by the ledger and deleting them.
Not here: clusters whose run closes them (`adapters.spark.clusters.ephemeral`), when this runs
(`fraud_platform.defs.clusters`).
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
    """Delete every cluster whose run has ended or that is older than `limit`; say what was done.

    One that cannot be deleted now is said, and deleted by a later call.

    Args:
        run_end: how a run ended, None while it may still work.
    """
    rows = ledger.clusters()
    said = []
    for row in rows:
        if row.step == ENDED:
            continue
        outcome = _reason(row, run_end, limit, now)
        if outcome is None:
            continue
        try:
            provider_named(row.provider).delete(row.cluster_id)
        except FraudPlatformError as error:
            said.append(f"{row.cluster_id} ({outcome}) could not be deleted: {error}")
            continue
        ledger.end(row, outcome)
        said.append(f"{row.cluster_id} deleted: {outcome}")
    return said + _delete_revenants(rows, provider_named)


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


def _delete_revenants(
    rows: list[ClusterRow], provider_named: Callable[[str], Provider]
) -> list[str]:
    """Delete what the ledger calls ended and a provider still has: its maker was slow to die."""
    said = []
    for name in sorted({row.provider for row in rows}):
        ended = {row.cluster_id for row in rows if row.provider == name and row.step == ENDED}
        try:
            provider = provider_named(name)
            for cluster_id in sorted(provider.living() & ended):
                provider.delete(cluster_id)
                said.append(f"{cluster_id} deleted: it was there after its end")
        except FraudPlatformError as error:
            said.append(f"{name} could not be asked: {error}")
    return said
