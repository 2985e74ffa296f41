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
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from fraud_platform.contracts.tables import DataFile, TableContract

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from fraud_platform.adapters.storage.files import ByteFiles

_MANIFEST_DDL = "file string"
_MANIFEST = pa.schema([("file", pa.string())])
INDEXED_COLUMNS = 32
"""As many as Delta expects bounds of; a reader that filters on one without finds nothing."""
ROW_GROUP_ROWS = 200_000
"""Spark hands over 10,000 rows at a time, too few for a row group."""
Partition = tuple[str, ...]


def write_files(
    rows: DataFrame, files: ByteFiles, table_url: str, table: TableContract
) -> list[DataFile]:
    """Write rows into the table's folder, one file a task and partition, in the rows' order."""
    written = rows.mapInArrow(_task(files, table_url, table), _MANIFEST_DDL).collect()
    return [DataFile(**json.loads(row.file)) for row in written]


def _task(
    files: ByteFiles, table_url: str, table: TableContract
) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    full, partition_by = table.arrow_schema, table.partition_by

    def write(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        written: dict[Partition, _File] = {}
        with ExitStack() as stack:
            for some in gathered(batches, ROW_GROUP_ROWS):
                part_rows = some.select(full.names).cast(full)
                for partition, part in _divided(part_rows, partition_by):
                    if partition not in written:
                        values = dict(zip(partition_by, partition, strict=True))
                        written[partition] = _File(stack, files, table_url, part.schema, values)
                    written[partition].write(part)
        manifests = [json.dumps(file.manifest(files)) for file in written.values()]
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


class _File:
    """One file under way."""

    def __init__(
        self,
        stack: ExitStack,
        files: ByteFiles,
        table_url: str,
        schema: pa.Schema,
        partition: dict[str, str],
    ) -> None:
        folders = "".join(f"{name}={value}/" for name, value in partition.items())
        self._path = f"{folders}{uuid.uuid4().hex}.parquet"
        self._url, self._partition, self._rows = f"{table_url}/{self._path}", partition, 0
        self._nulls: dict[str, int] = {}
        self._bounds: dict[str, tuple[Any, Any]] = {}
        stream = stack.enter_context(files.create(self._url))
        self._writer = stack.enter_context(pq.ParquetWriter(stream, schema, compression="snappy"))

    def write(self, rows: pa.Table) -> None:
        self._writer.write_table(rows)
        self._rows += rows.num_rows
        for name in rows.column_names[:INDEXED_COLUMNS]:
            column = rows[name]
            self._nulls[name] = self._nulls.get(name, 0) + column.null_count
            if not _is_bounded(column.type) or column.null_count == len(column):
                continue
            found = pc.min_max(column).as_py()
            low, high = self._bounds.get(name, (found["min"], found["max"]))
            self._bounds[name] = (min(low, found["min"]), max(high, found["max"]))

    def manifest(self, files: ByteFiles) -> dict[str, Any]:
        """Return the finished file as the arguments of a `DataFile`."""
        stats = {
            "numRecords": self._rows,
            "minValues": {name: as_json(low) for name, (low, _) in self._bounds.items()},
            "maxValues": {name: as_json(high) for name, (_, high) in self._bounds.items()},
            "nullCount": self._nulls,
        }
        return {
            "path": self._path,
            "size_bytes": files.size_bytes(self._url),
            "rows": self._rows,
            "partition": self._partition,
            "stats": json.dumps(stats),
        }


def _is_bounded(kind: pa.DataType) -> bool:
    """Return whether a Delta log holds bounds of a type: not of booleans, binary and lists."""
    is_of = (pa.types.is_integer, pa.types.is_floating, pa.types.is_temporal, pa.types.is_string)
    return any(is_type(kind) for is_type in is_of)


def as_json(value: Any) -> Any:
    """Return a bound as a Delta log holds it."""
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return value.isoformat() if isinstance(value, date) else value
