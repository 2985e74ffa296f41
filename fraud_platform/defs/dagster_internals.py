"""What the platform uses of Dagster without a public name: imported here and nowhere else.

Here: such imports, one line each. `fraud_platform_tests/orchestration/test_dagster_internals.py`
has a contract test of each, which an update of Dagster must pass.
Not here: what has a public name (`import dagster as dg`), and what the platform does with these.
"""

from dagster._core.scheduler.instigation import InstigatorState, InstigatorStatus, TickStatus
from dagster._core.storage.event_log import SqlEventLogStorage, SqliteEventLogStorage
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable
from dagster._core.storage.local_compute_log_manager import LocalComputeLogManager
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    GRPC_INFO_TAG,
    MAX_RETRIES_TAG,
    PARTITION_NAME_TAG,
    PRIORITY_TAG,
)

__all__ = [
    "ASSET_PARTITION_RANGE_END_TAG",
    "ASSET_PARTITION_RANGE_START_TAG",
    "GRPC_INFO_TAG",
    "MAX_RETRIES_TAG",
    "PARTITION_NAME_TAG",
    "PRIORITY_TAG",
    "AssetCheckExecutionsTable",
    "InstigatorState",
    "InstigatorStatus",
    "LocalComputeLogManager",
    "SqlEventLogStorage",
    "SqliteEventLogStorage",
    "TickStatus",
]
