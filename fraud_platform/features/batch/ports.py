"""What building features asks of tables, as an interface.

Here: the join of the contracts' protocols that the batch engine needs.
Not here: the protocols of single uses (`contracts.ports`), their implementation
(`fraud_platform.adapters.tables`).
"""

from __future__ import annotations

from typing import Protocol

from fraud_platform.contracts.ports import PartitionedTables, SparkTables, UniqueTables


class FeatureTables(PartitionedTables, SparkTables, UniqueTables, Protocol):
    """Reads days with Spark and replaces them by files that its tasks wrote."""
