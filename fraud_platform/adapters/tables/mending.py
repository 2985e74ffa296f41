"""Removing rows that a table holds more than once, in one commit.

Here: `mend_table`.
Not here: finding them (`adapters.tables.uniqueness`), what fences the commit
(`adapters.tables.swapping`).

Guarantee: after a kill at any moment the table is either unchanged or repaired. Each removed row
was equal in every column to a row that stays.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from fraud_platform.adapters.storage.probing import reaching
from fraud_platform.adapters.tables.merging import as_stored, stored_schema, write_merged
from fraud_platform.adapters.tables.store import TableStore
from fraud_platform.adapters.tables.swapping import Swap, active_files, swap_files
from fraud_platform.adapters.tables.uniqueness import Repeated, read_columns, repeated_rows
from fraud_platform.contracts.tables import TableContract
from fraud_platform.contracts.uniqueness import repeated_rows_error, repeats
from fraud_platform.errors import DataError, Outage
from fraud_platform.kill_points import kill_point

MENDED = "fraud_platform.mended"
"""Table property: JSON list of what was removed, when, by whom and why. The log, in which each
commit says so too, is cleaned after minutes."""
_WINDOW_ROWS = 400_000
_TRIES = 5


@dataclass(frozen=True)
class Mended:
    """The result of a repair.

    Attributes:
        removed: rows that repeated another; 0 if the table was in order.
        first, last: the least and greatest number of the commits that they belong to.
        files: how many were replaced.
        version: of the table, None if nothing was committed.
    """

    table: str
    removed: int = 0
    kept: int = 0
    first: int = 0
    last: int = 0
    files: int = 0
    version: int | None = None

    def __str__(self) -> str:
        if not self.removed:
            return f"table {self.table}: each row stands once, nothing was changed"
        return (
            f"table {self.table}: removed {self.removed} rows that repeated another, of commits "
            f"{self.first} to {self.last}; {self.kept} rows of {self.files} files stay, each "
            f"once, in version {self.version}"
        )


def mend_table(lake: TableStore, table: TableContract, why: str, who: str) -> Mended:
    """Keep one of each row that a table holds more than once.

    Raises:
        DataError: copies of a row differ; nothing was changed.
        Outage: other writers replaced its files again and again; run again.
    """
    for _ in range(_TRIES):
        found = list(repeated_rows(lake, table))
        if not found:
            return Mended(table.name)
        if (mended := _mend(lake, table, found, {"why": why, "who": who})) is not None:
            if left := next(repeated_rows(lake, table), None):
                raise repeated_rows_error(table, left.count, left.first)
            return mended
    raise Outage(
        f"table {table.name}: other writers replaced its files {_TRIES} times meanwhile. Nothing "
        "was changed. Run again; if it fails again, stop the scorer first."
    )


def _mend(
    lake: TableStore, table: TableContract, found: list[Repeated], metadata: dict[str, str]
) -> Mended | None:
    handle = lake.open(table)
    assert handle is not None
    paths = [path for group in found for path in group.paths]
    active = active_files(handle)
    if not active.keys() >= set(paths):
        return None
    removed = sum(group.count for group in found)
    with reaching(lake.uri(table)):
        numbers, schema = _Numbers(), stored_schema(handle, table)
        added = [
            write_merged(lake, table, schema, _kept(lake, table, schema, group.paths, numbers))
            for group in found
        ]
    before, kept = sum(active[path]["num_records"] for path in paths), sum(f.rows for f in added)
    if kept + removed != before:
        raise DataError(
            f"table {table.name}: expected {before} rows in {len(paths)} files to be {removed} "
            f"repeated and {before - removed} kept, found {kept} kept. Nothing was changed. "
            "Compare the files with a backup."
        )
    kill_point("mend.written")
    entry = {**metadata, "removed": removed, "kept": kept, "at": datetime.now(UTC).isoformat()}
    entry |= {"first": numbers.first, "last": numbers.last}
    history = json.loads(handle.metadata().configuration.get(MENDED, "[]"))
    properties = {MENDED: json.dumps([*history, entry])}
    commit = {"operation": "MEND", **{name: str(value) for name, value in entry.items()}}
    version = swap_files(lake, table, Swap(paths, added, commit, True, properties))
    if version is None:
        for file in added:
            lake.files.remove(f"{lake.uri(table)}/{file.path}")
        return None
    return Mended(
        table.name, removed, kept, numbers.first, numbers.last, len(paths), version
    )  # fmt: skip


class _Numbers:
    """The least and greatest number of the rows that were removed."""

    def __init__(self) -> None:
        self.first, self.last = 0, 0

    def add(self, numbers: np.ndarray) -> None:
        if numbers.size:
            low, high = int(numbers.min()), int(numbers.max())
            self.first = min(self.first or low, low)
            self.last = max(self.last, high)


def _kept(
    lake: TableStore, table: TableContract, schema: pa.Schema, paths: list[str], numbers: _Numbers
) -> Iterator[pa.Table]:
    """Yield the rows of some files, each once, so many numbers at a time."""
    order = [(name, "ascending") for name in table.unique_by]
    for low, high in _windows(lake, table, paths):
        rows = pa.concat_tables(list(_between(lake, table, paths, low, high, schema)))
        rows = rows.sort_by(order)
        again = repeats(table, rows)
        _require_equal(table, rows, again)
        numbers.add(rows[table.unique_by[0]].to_numpy()[again])
        is_kept = np.ones(rows.num_rows, dtype=bool)
        is_kept[again] = False
        yield rows.filter(pa.array(is_kept))


def _windows(lake: TableStore, table: TableContract, paths: list[str]) -> Iterator[tuple[int, int]]:
    """Yield ranges of numbers, both ends within, that hold about `_WINDOW_ROWS` rows each."""
    name = table.unique_by[0]
    values = np.sort(read_columns(lake, table, paths, [name])[name].to_numpy())
    start = 0
    while start < values.size:
        high = values[min(start + _WINDOW_ROWS, values.size) - 1]
        yield int(values[start]), int(high)
        start = int(np.searchsorted(values, high, side="right"))


def _between(
    lake: TableStore, table: TableContract, paths: list[str], low: int, high: int, schema: pa.Schema
) -> Iterator[pa.Table]:
    name = table.unique_by[0]
    for path in paths:
        with lake.files.open_input(f"{lake.uri(table)}/{path}") as file:
            rows = pq.read_table(file, filters=[(name, ">=", low), (name, "<=", high)])
        yield as_stored(rows, schema)


def _require_equal(table: TableContract, rows: pa.Table, again: np.ndarray) -> None:
    """Raise where a row differs from the one before it, which it repeats."""
    copies, originals = rows.take(again), rows.take(again - 1)
    is_same = np.ones(again.size, dtype=bool)
    differing = []
    for name in rows.column_names:
        same = _same(copies[name].combine_chunks(), originals[name].combine_chunks())
        if not same.all():
            differing.append(name)
        is_same &= same
    if differing:
        at = int(np.flatnonzero(~is_same)[0])
        where = ", ".join(f"{name} {copies[name][at].as_py()}" for name in table.unique_by)
        raise DataError(
            f"table {table.name}: expected the copies of a row to be equal, found "
            f"{int((~is_same).sum())} that differ in {', '.join(differing)}, the first at {where}. "
            "Nothing was changed: which of them counts cannot be told from the table. Restore it "
            "from a backup, or ask who wrote it besides this platform."
        )


def _same(left: pa.Array, right: pa.Array) -> np.ndarray:
    """Return where two arrays have the same values; null is null, and NaN is NaN."""
    if left.equals(right):
        return np.ones(len(left), dtype=bool)
    if pa.types.is_nested(left.type):
        return np.array(
            [a == b for a, b in zip(left.to_pylist(), right.to_pylist(), strict=True)], dtype=bool
        )
    same = pc.fill_null(pc.equal(left, right), False)
    both = [pc.and_(pc.is_null(left), pc.is_null(right))]
    if pa.types.is_floating(left.type):
        both.append(pc.fill_null(pc.and_(pc.is_nan(left), pc.is_nan(right)), False))
    for other in both:
        same = pc.or_(same, other)
    return np.asarray(same.to_numpy(zero_copy_only=False), dtype=bool)
