"""Rows of a table by partition, counted without reading the rows.

Here: counts from the table's log.
Not here: reading rows (`adapters.tables.lake`).
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.contracts.tables import TableContract


def rows_by_partition(
    lake: Lake, table: TableContract, column: str, version: int | None = None
) -> Counter[Any]:
    """Return a table's rows by the value of a partition column, from its log."""
    found: Counter[Any] = Counter()
    if lake.open(table) is not None:
        for file in lake.data_files(table, version).to_pylist():
            found[file[f"partition.{column}"]] += file["num_records"]
    return found
