"""Merging small files of a table into larger ones, row for row.

Here: `merge_small_files`: choosing files, writing the merged file, the commit.
Not here: when to merge (`adapters.tables.compaction`), fencing the commit
(`adapters.tables.swapping`).
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable

from fraud_platform.adapters.storage.probing import reaching
from fraud_platform.adapters.tables.evolving import completed
from fraud_platform.adapters.tables.partition_files import gathered
from fraud_platform.adapters.tables.store import TableStore
from fraud_platform.adapters.tables.swapping import Swap, active_files, swap_files
from fraud_platform.contracts.tables import DataFile, TableContract
from fraud_platform.errors import DataError
from fraud_platform.kill_points import kill_point
from fraud_platform.tables.data_files import DataFileWriter, FileStats

LEVELS = ((1 << 20, 100), (8 << 20, 16), (64 << 20, 16))
"""A size to merge to, and how many files that are less than half of it, and not of a level before,
make it due; smaller ones are merged with them. So a row is written about twice a level, however
long the table grows (tiered compaction); with one level, each merge wrote what was merged before
once more."""
_ROW_GROUP_ROWS = 200_000
File = Mapping[str, Any]


def merge_small_files(lake: TableStore, table: TableContract) -> list[str]:
    """Merge files of which there are too many; return the paths of the replaced files.

    Each merged file is one commit. If another writer merged one of its files first, the merged file
    is removed again.
    """
    replaced: list[str] = []
    files, least = _files(lake, table), 0
    for target, count in LEVELS:
        small = [file for file in files if file["size_bytes"] < target // 2]
        is_due = sum(file["size_bytes"] >= least for file in small) >= count
        least = target // 2
        if is_due:
            for some in _bins(table, small, target):
                replaced += _merge(lake, table, some)
            files = _files(lake, table)
    return replaced


def _files(lake: TableStore, table: TableContract) -> list[File]:
    handle = lake.open(table)
    return [] if handle is None else list(active_files(handle, _first(table)).values())


def _first(table: TableContract) -> str:
    return f"min.{table.unique_by[0]}"


def _bins(table: TableContract, files: Sequence[File], target: int) -> Iterator[list[File]]:
    """Yield files to be merged with each other, neighbours by the first numbers that they hold."""
    held: list[File] = []
    for file in sorted(files, key=lambda file: _place(table, file)):
        if held and sum(one["size_bytes"] for one in held) + file["size_bytes"] > target:
            if len(held) > 1:
                yield held
            held = []
        held.append(file)
    if len(held) > 1:
        yield held


def _place(table: TableContract, file: File) -> tuple[bool, int, str]:
    first = file.get(_first(table))
    return first is not None, first or 0, file["path"]


def _merge(lake: TableStore, table: TableContract, files: Sequence[File]) -> list[str]:
    paths = [file["path"] for file in files]
    with reaching(lake.uri(table)):
        handle = lake.open(table)
        if handle is None:
            return []
        schema = stored_schema(handle, table)
        merged = write_merged(lake, table, schema, _tables(lake, table, paths))
    expected = sum(file["num_records"] for file in files)
    if merged.rows != expected:
        raise DataError(
            f"table {table.name}: expected {expected} rows in {len(paths)} files, as its log says, "
            f"found {merged.rows}. They are not merged. Compare {paths[0]} and the others with a "
            "backup."
        )
    kill_point("merge.written")
    metadata = {"operation": "OPTIMIZE", "merged_files": str(len(paths))}
    if swap_files(lake, table, Swap(paths, [merged], metadata)) is None:
        lake.files.remove(f"{lake.uri(table)}/{merged.path}")
        return []
    return paths


def _tables(lake: TableStore, table: TableContract, paths: Sequence[str]) -> Iterator[pa.Table]:
    for path in paths:
        with lake.files.open_input(f"{lake.uri(table)}/{path}") as file:
            # read_table looks for a dataset first, which takes as long again as a small file
            yield pq.ParquetFile(file).read(use_threads=False)


def stored_schema(handle: DeltaTable, table: TableContract) -> pa.Schema:
    """Return the columns that a table has now: those of a later version of the platform too."""
    known = {field.name: field for field in table.arrow_schema}
    return pa.schema(
        [
            known.get(field.name, field).with_nullable(field.nullable)
            for field in pa.schema(handle.schema().to_arrow())
        ]
    )


def write_merged(
    lake: TableStore, table: TableContract, schema: pa.Schema, parts: Iterator[pa.Table]
) -> DataFile:
    """Write rows into one file of the table's folder; the log does not name it yet.

    Args:
        schema: every column of the table, so that none is lost.
    """
    url = f"{lake.uri(table)}/{uuid.uuid4().hex}.parquet"
    batches = (
        batch
        for part in parts
        for batch in (part if part.schema.equals(schema) else as_stored(part, schema)).to_batches()
    )
    stats = FileStats(table.bounded)
    with DataFileWriter(lake.files, url, schema, stats, compression="zstd") as file:
        file.begin()
        for some in gathered(batches, _ROW_GROUP_ROWS):
            file.write(some)
    return file.finished().in_table(lake.uri(table))


def as_stored(part: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return rows of a file with all columns that the table has now, null if it has none."""
    return completed(part, schema).cast(schema)
