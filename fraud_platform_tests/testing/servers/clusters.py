"""A cluster of a test's own, ready, deleted behind the block."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager

from fraud_platform.adapters.spark.clusters.provider import PREFIX, Cluster, ClusterSize, Provider


@contextmanager
def ready(provider: Provider, size: ClusterSize, limit: float = 120) -> Iterator[Cluster]:
    cluster_id = f"{PREFIX}test-{secrets.token_hex(4)}"
    try:
        provider.create(cluster_id, size)
        deadline = time.monotonic() + limit
        while not isinstance(found := provider.look(cluster_id, size), Cluster):
            assert time.monotonic() < deadline, found
            time.sleep(0.2)
        yield found
    finally:
        provider.delete(cluster_id)
