"""Rows that a table of numbered commits holds more than once.

Here: finding them among rows in memory, and the error that names them.
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
    """Return the places of rows that repeat the row before them.

    Args:
        rows: with the columns `unique_by`, in their order.
    """
    if rows.num_rows < 2:
        return np.empty(0, dtype=np.intp)
    is_same = np.ones(rows.num_rows - 1, dtype=bool)
    # the last column first: it tells most rows apart
    for name in reversed(table.unique_by):
        values = rows[name].to_numpy()
        is_same &= values[1:] == values[:-1]
        if not is_same.any():
            break
    return np.flatnonzero(is_same) + 1


def require_unique(table: TableContract, rows: pa.Table) -> None:
    """Return if no row repeats another.

    Args:
        rows: with the columns `unique_by`, in their order.

    Raises:
        RepeatedRowsError: it names the table, how many rows, the first of them and the remedy.
    """
    found = repeats(table, rows)
    if found.size:
        first = {name: rows[name][int(found[0])].as_py() for name in table.unique_by}
        raise repeated_rows_error(table, int(found.size), first)


def repeated_rows_error(
    table: TableContract, count: int, first: dict[str, int]
) -> RepeatedRowsError:
    """Return the error that says how many rows of a table are surplus."""
    where = ", ".join(f"{name} {value}" for name, value in first.items())
    return RepeatedRowsError(
        f"table {table.name}: expected each row once by {', '.join(table.unique_by)}, found "
        f"{count} that repeat another, the first at {where}. Sums over this table count them "
        f'twice. Run: fraud-platform mend-table {table.name} --why "..".'
    )
