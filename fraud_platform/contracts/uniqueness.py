"""Repeated rows in tables of numbered commits.

Here: finding them among rows in memory, and the error that reports them.
Not here: finding them in a whole table (`adapters.tables.uniqueness`), removing them
(`adapters.tables.mending`).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from fraud_platform.contracts.tables import TableContract
from fraud_platform.errors import RepeatedRowsError


def repeats(table: TableContract, rows: pa.Table) -> npt.NDArray[np.intp]:
    """Return the positions of rows that repeat the previous row.

    Args:
        table: the contract, with `unique_by`.
        rows: rows with the columns `unique_by`, sorted by them.
    """
    if rows.num_rows < 2:
        return np.empty(0, dtype=np.intp)
    is_same = np.ones(rows.num_rows - 1, dtype=bool)
    # Compare the last column first, because it distinguishes most rows.
    for name in reversed(table.unique_by):
        values = rows[name].to_numpy()
        is_same &= values[1:] == values[:-1]
        if not is_same.any():
            break
    return np.flatnonzero(is_same) + 1


def require_unique(table: TableContract, rows: pa.Table) -> None:
    """Check that no row repeats another.

    Args:
        table: the contract, with `unique_by`.
        rows: rows with the columns `unique_by`, sorted by them.

    Raises:
        RepeatedRowsError: names the table, the number of repeated rows, the first and the remedy.
    """
    repeated = repeats(table, rows)
    if repeated.size:
        first = {name: rows[name][int(repeated[0])].as_py() for name in table.unique_by}
        raise repeated_rows_error(table, int(repeated.size), first)


def repeated_rows_error(
    table: TableContract, count: int, first: dict[str, int]
) -> RepeatedRowsError:
    """Return the error for a table with `count` repeated rows."""
    where = ", ".join(f"{name} {value}" for name, value in first.items())
    return RepeatedRowsError(
        f"table {table.name}: expected each row once by {', '.join(table.unique_by)}, found "
        f"{count} that repeat another, the first at {where}. Sums over this table count them "
        f'twice. Run: fraud-platform mend-table {table.name} --why "..".'
    )
