"""Parquet files of feature tables, one for each day and task, written inside Spark's tasks.

Here: dividing columns by day, encodings, and the manifest with which the driver commits the files.
Not here: the rows (`features.batch.tasks`), the commit (`features.batch.materialize`).

A file is not part of a table until a commit names it, so a failed task leaves the tables unchanged.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from fraud_platform.contracts.active import DECLARATION
from fraud_platform.contracts.feature_language.expressions import Array, Ratio
from fraud_platform.contracts.tables import DataFile, TableContract
from fraud_platform.contracts.time import HOURS_PER_DAY, numbered_day
from fraud_platform.features.compute.ordering import group_bounds, sort_order
from fraud_platform.tables.data_files import DataFileWriter, FileStats
from fraud_platform.tables.features import TRANSACTION_FEATURES

if TYPE_CHECKING:
    from fraud_platform.contracts.ports import Files


@dataclass(frozen=True)
class TableFolder:
    """The destination of one table's files; it is serialized to the tasks.

    Attributes:
        files: opens files by URL.
        url: the table's folder.
    """

    files: Files
    url: str


class DayFiles:
    """The files that one task writes for one table.

    Args:
        folder: destination of the files.
        table: contract of the table; its first partition column is the day.
        partition: values of the other partition columns, by name.
    """

    def __init__(
        self,
        folder: TableFolder,
        table: TableContract,
        partition: Mapping[str, str] | None = None,
    ) -> None:
        self._folder, self._table = folder, table
        self._partition = dict(partition or {})
        self._day_column = table.partition_by[0]
        schema = [f for f in table.arrow_schema if f.name not in table.partition_by]
        self._schema = pa.schema(schema)
        self._dictionary = [f.name for f in schema if f.name not in _many_valued(table)]
        self.written: list[DataFile] = []

    def write_hours(self, hours: Array, columns: Mapping[str, Array]) -> None:
        """Write rows of any days, one file for each day.

        Args:
            hours: hour (since 1970) of each row, which determines its day.
            columns: columns of the table by name, shape (rows,).
        """
        days = hours // HOURS_PER_DAY
        order = sort_order(days)
        for start, end in group_bounds(days[order]):
            rows = order[start:end]
            part = {name: column[rows] for name, column in columns.items()}
            self.write_day(int(days[rows[0]]), [part])

    def write_day(self, day: int, parts: Iterable[Mapping[str, Array]]) -> None:
        """Write one day (since 1970) to one file, part by part."""
        value = numbered_day(day).isoformat()
        partition = {self._day_column: value, **self._partition}
        folders = "/".join(f"{name}={v}" for name, v in partition.items())
        url = f"{self._folder.url}/{folders}/{uuid.uuid4().hex}.parquet"
        file = DataFileWriter(
            self._folder.files, url, self._schema, FileStats(),
            compression="snappy", use_dictionary=self._dictionary,
        )  # fmt: skip
        with file:
            file.begin()
            for part in parts:
                file.write(pa.Table.from_batches([self._record_batch(part)]))
        self.written.append(file.finished().in_table(self._folder.url, partition))

    def _record_batch(self, columns: Mapping[str, Array]) -> pa.RecordBatch:
        arrays = [
            pa.array(columns[f.name]).view(f.type)
            if pa.types.is_timestamp(f.type)
            else pa.array(columns[f.name], f.type)
            for f in self._schema
        ]
        return pa.RecordBatch.from_arrays(arrays, schema=self._schema)


def manifest_of(*tables: tuple[str, DayFiles]) -> str:
    """Return the written files of (table name, files) pairs as one line of JSON."""
    return json.dumps(
        [
            [name, f.path, f.size_bytes, f.rows, dict(f.partition), f.stats]
            for name, files in tables
            for f in files.written
        ]
    )


def read_manifest(text: str) -> Iterator[tuple[str, DataFile]]:
    """Yield the (table name, file) pairs of a manifest."""
    for name, *fields in json.loads(text):
        yield name, DataFile(*fields)


def _many_valued(table: TableContract) -> set[str]:
    """Return the columns with mostly distinct values, for which a dictionary only costs time."""
    measures = (measure for tile in DECLARATION.tiles for measure in tile.measures)
    names = {"transaction_id", "tx_datetime", "amount_cents"}
    names |= {m.name for m in measures if m.value in ("cents", "squares", "second")}
    if table is TRANSACTION_FEATURES:
        names |= {f.name for f in DECLARATION.features if isinstance(f.formula, Ratio)}
    return names
