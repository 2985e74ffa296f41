"""Parquet files of a table, written inside Spark's tasks, for a commit that delta-rs makes.

Here: dividing a task's rows by partition, the files, the manifest by which the driver commits them.
Not here: the commit (`adapters.tables.lake`), the files that stages write with encodings of their
own.

Spark's own Delta commit on S3 is a check and a put: two writers can lose one. So Spark only writes
files, which belong to nothing until delta-rs names them in a conditional put.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import asdict
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from fraud_platform.contracts.tables import DataFile, TableContract
from fraud_platform.tables.data_files import DataFileWriter, FileStats

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from fraud_platform.contracts.ports import Files

_MANIFEST_DDL = "file string"
_MANIFEST = pa.schema([("file", pa.string())])
ROW_GROUP_ROWS = 200_000
"""Spark hands over 10,000 rows at a time, too few for a row group."""
Partition = tuple[str, ...]


def write_files(
    rows: DataFrame, files: Files, table_url: str, table: TableContract
) -> list[DataFile]:
    """Write rows into the table's folder, one file a task and partition, in the rows' order."""
    written = rows.mapInArrow(_task(files, table_url, table), _MANIFEST_DDL).collect()
    return [DataFile(**json.loads(row.file)) for row in written]


def _task(
    files: Files, table_url: str, table: TableContract
) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    full, partition_by = table.arrow_schema, table.partition_by

    def write(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        written: dict[Partition, DataFileWriter] = {}
        with ExitStack() as stack:
            for some in gathered(batches, ROW_GROUP_ROWS):
                part_rows = some.select(full.names).cast(full)
                for partition, part in _divided(part_rows, partition_by):
                    if partition not in written:
                        folder = f"{table_url}/{_folders(partition_by, partition)}"
                        file = _file(files, folder, part.schema, table)
                        written[partition] = stack.enter_context(file)
                    written[partition].write(part)
        manifests = []
        for partition, file in written.items():
            values = dict(zip(partition_by, partition, strict=True))
            manifests.append(json.dumps(asdict(file.finished().in_table(table_url, values))))
        yield pa.RecordBatch.from_arrays([pa.array(manifests, pa.string())], schema=_MANIFEST)

    return write


def gathered(batches: Iterable[pa.RecordBatch], rows: int) -> Iterator[pa.Table]:
    """Yield the batches together, as soon as they have so many rows."""
    held: list[pa.RecordBatch] = []
    for batch in batches:
        held.append(batch)
        if sum(one.num_rows for one in held) >= rows:
            yield pa.Table.from_batches(held)
            held = []
    if held:
        yield pa.Table.from_batches(held)


def _divided(rows: pa.Table, partition_by: tuple[str, ...]) -> Iterator[tuple[Partition, pa.Table]]:
    """Yield the rows of each partition without its columns."""
    kept = [name for name in rows.column_names if name not in partition_by]
    if not partition_by:
        yield (), rows
        return
    for found in rows.group_by(list(partition_by)).aggregate([]).to_pylist():
        is_of = [pc.equal(rows[name], found[name]) for name in partition_by]
        mask = is_of[0]
        for other in is_of[1:]:
            mask = pc.and_(mask, other)
        yield tuple(str(found[name]) for name in partition_by), rows.filter(mask).select(kept)


def _folders(names: tuple[str, ...], partition: Partition) -> str:
    return "".join(f"{name}={value}/" for name, value in zip(names, partition, strict=True))


def _file(files: Files, folder: str, schema: pa.Schema, table: TableContract) -> DataFileWriter:
    url = f"{folder}{uuid.uuid4().hex}.parquet"
    return DataFileWriter(files, url, schema, FileStats(table.bounded), compression="snappy")
