"""Tables of a lake, as tests need them.

Here: opening a table that must be there.
Not here: writing rows (`worlds`); comparing a table with an oracle (`oracles.lake_tables`).
"""

from __future__ import annotations

from deltalake import DeltaTable

from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.contracts.tables import TableContract


def open_table(lake: Lake, table: TableContract) -> DeltaTable:
    """Return the handle of a table that exists; fail the test if there is none."""
    handle = lake.open(table)
    assert handle is not None, f"expected the table {table.name} in {lake.url}, found none"
    return handle
