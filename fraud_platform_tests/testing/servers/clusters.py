"""A cluster of the test's own that is ready, and deleted after the block."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from fraud_platform.adapters.spark.clusters.provider import PREFIX, Cluster, ClusterSize, Provider
from fraud_platform_tests.testing.waiting import wait_for


def is_ready(found: object) -> Cluster | None:
    return found if isinstance(found, Cluster) else None


@contextmanager
def ready(provider: Provider, size: ClusterSize, limit: float = 120) -> Iterator[Cluster]:
    cluster_id = f"{PREFIX}test-{secrets.token_hex(4)}"
    try:
        provider.create(cluster_id, size)
        found = wait_for(
            lambda: is_ready(provider.look(cluster_id, size)),
            limit,
            lambda: provider.look(cluster_id, size),
        )
        assert found is not None
        yield found
    finally:
        provider.delete(cluster_id)
