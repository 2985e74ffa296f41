"""Whether a table of numbered commits holds each row once, found from its files.

Here: `overlapping_files`, `repeated_rows`.
Not here: the check of rows in memory (`contracts.uniqueness`), mending (`adapters.tables.mending`).

A row is repeated only if two files hold its number. The log has the least and greatest number of
each file, so only files that overlap another are read, and of these only the few columns that make
a row unique.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable

from fraud_platform.adapters.storage.probing import reaching
from fraud_platform.adapters.tables.store import TableStore
from fraud_platform.adapters.tables.swapping import active_files
from fraud_platform.contracts.tables import TableContract
from fraud_platform.contracts.uniqueness import repeats


@dataclass(frozen=True)
class Repeated:
    """Rows of some files that repeat others.

    Attributes:
        paths: the files that hold them and their originals.
        count: how many rows are surplus.
        first: the values of `unique_by` of the first.
    """

    paths: list[str]
    count: int
    first: dict[str, int]


def overlapping_files(table: TableContract, handle: DeltaTable) -> list[list[str]]:
    """Return the paths of files that hold common numbers, group by group."""
    low, high = (f"{end}.{table.unique_by[0]}" for end in ("min", "max"))
    files = list(active_files(handle, low, high).values())
    unknown = [file["path"] for file in files if file.get(low) is None or file.get(high) is None]
    known = sorted(
        (file for file in files if file["path"] not in set(unknown)), key=lambda file: file[low]
    )
    groups: list[list[str]] = []
    reached = None
    for file in known:
        if reached is None or file[low] > reached:
            groups.append([])
        groups[-1].append(file["path"])
        reached = file[high] if reached is None else max(reached, file[high])
    if unknown:
        # a file without bounds may overlap every other
        return [[file["path"] for file in files]] if len(files) > 1 else []
    return [group for group in groups if len(group) > 1]


def repeated_rows(lake: TableStore, table: TableContract) -> Iterator[Repeated]:
    """Yield the groups of files of the present version that hold rows more than once."""
    handle = lake.open(table)
    if handle is None or not table.unique_by:
        return
    order = [(name, "ascending") for name in table.unique_by]
    for paths in overlapping_files(table, handle):
        with reaching(lake.uri(table)):
            rows = read_columns(lake, table, paths, table.unique_by).sort_by(order)
        found = repeats(table, rows)
        if found.size:
            first = {name: rows[name][int(found[0])].as_py() for name in table.unique_by}
            yield Repeated(paths, int(found.size), first)


def read_columns(
    lake: TableStore, table: TableContract, paths: Sequence[str], columns: Sequence[str]
) -> pa.Table:
    """Read some columns of some files of a table."""
    schema = pa.schema([table.arrow_schema.field(name) for name in columns])
    parts = []
    for path in paths:
        with lake.files.open_input(f"{lake.uri(table)}/{path}") as file:
            parts.append(pq.ParquetFile(file).read(list(columns)).select(columns).cast(schema))
    return pa.concat_tables(parts)
