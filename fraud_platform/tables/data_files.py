"""Writing one Parquet file of a table, with the statistics that the table's log holds of it.

Here: the one writer that stages and adapters use, its statistics and its error policy.
Not here: which rows go into which file, and with which encodings (the callers), the commit that
makes a file part of a table (`fraud_platform.adapters.tables`).

A file belongs to no table until a commit adds it, so a file that is not finished changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, Self

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from fraud_platform.contracts.tables import DataFile
from fraud_platform.errors import Outage

if TYPE_CHECKING:
    from fraud_platform.contracts.ports import Files


@dataclass(frozen=True)
class WrittenFile:
    """A finished file: its URL, size, rows, and Delta statistics as JSON."""

    url: str
    size_bytes: int
    rows: int
    stats: str

    def in_table(self, table_url: str, partition: Mapping[str, str] | None = None) -> DataFile:
        """Return the file as an entry for a commit to the table at `table_url`."""
        path = self.url.removeprefix(f"{table_url}/")
        return DataFile(path, self.size_bytes, self.rows, dict(partition or {}), self.stats)


class FileStats:
    """Delta's statistics of one file, kept while it is written.

    Args:
        names: columns whose nulls and bounds are computed from the rows; bounds only if the type
            has them. None computes nothing: the writer gives bounds with `widen`.
    """

    def __init__(self, names: Sequence[str] | None = None) -> None:
        self.rows = 0
        self._names = tuple(names or ())
        self._is_full = names is not None
        self._bounds: dict[str, tuple[Any, Any]] = {}
        self._nulls = dict.fromkeys(self._names, 0)

    def add(self, rows: pa.Table) -> None:
        """Take rows in."""
        self.rows += rows.num_rows
        for name in self._names:
            column = rows[name]
            self.count_nulls(name, column.null_count)
            if _has_bounds(column.type) and column.null_count < len(column):
                found = pc.min_max(column).as_py()
                self.widen(name, found["min"], found["max"])

    def widen(self, name: str, low: Any, high: Any) -> None:
        """Extend a column's bounds to include `low` and `high`."""
        known = self._bounds.get(name, (low, high))
        self._bounds[name] = (min(low, known[0]), max(high, known[1]))
        self.count_nulls(name, 0)

    def count_nulls(self, name: str, nulls: int) -> None:
        """Count further nulls of a column."""
        self._nulls[name] = self._nulls.get(name, 0) + nulls

    def as_json(self) -> str:
        """Return the statistics as a Delta log holds them."""
        stats: dict[str, Any] = {"numRecords": self.rows}
        if self._is_full or self._bounds:
            stats["minValues"] = {name: _plain(low) for name, (low, _) in self._bounds.items()}
            stats["maxValues"] = {name: _plain(high) for name, (_, high) in self._bounds.items()}
            stats["nullCount"] = self._nulls
        return json.dumps(stats)


def with_statistics(schema: pa.Schema) -> list[str]:
    """Return the columns of which a file has statistics: those that are not floating-point.

    Statistics ignore NaN, so readers return a row with NaN for `x < 5` if all other values of its
    row group are below 5.
    """
    return [field.name for field in schema if not pa.types.is_floating(field.type)]


class DataFileWriter:
    """One Parquet file, created with its first rows and complete after the `with` block.

    If the block ends with an error, the file is removed.

    Args:
        files: creates files by URL.
        url: of the new file.
        schema: columns of the file.
        stats: statistics to keep.
        options: further options of `pyarrow.parquet.ParquetWriter`.

    Raises:
        Outage: the storage is full, read-only or does not answer.
    """

    def __init__(
        self, files: Files, url: str, schema: pa.Schema, stats: FileStats, **options: Any
    ) -> None:
        self._files, self._url, self._schema, self._options = files, url, schema, options
        self.stats = stats
        self._stream: IO[bytes] | None = None
        self._writer: pq.ParquetWriter | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None:
            self._discard()
            return
        try:
            self._close()
        except OSError as failure:
            self._discard()
            raise self._outage(failure) from failure

    def begin(self) -> None:
        """Create the file, even if no rows follow."""
        if self._writer is None:
            try:
                self._stream = self._files.create(self._url)
                options = {"write_statistics": with_statistics(self._schema), **self._options}
                self._writer = pq.ParquetWriter(self._stream, self._schema, **options)
            except OSError as failure:
                raise self._outage(failure) from failure

    def write(self, rows: pa.Table, row_group_size: int | None = None) -> None:
        """Add rows."""
        self.begin()
        assert self._writer is not None
        try:
            self._writer.write_table(rows, row_group_size)
        except OSError as failure:
            raise self._outage(failure) from failure
        self.stats.add(rows)

    def written(self) -> WrittenFile | None:
        """Return the finished file, or None if none was begun; call it after the block."""
        if self._writer is None:
            return None
        size_bytes = self._files.size_bytes(self._url)
        return WrittenFile(self._url, size_bytes, self.stats.rows, self.stats.as_json())

    def finished(self) -> WrittenFile:
        """Return the finished file of a writer that was begun; call it after the block."""
        written = self.written()
        assert written is not None, f"{self._url} was begun"
        return written

    def _close(self) -> None:
        if self._writer is not None and self._stream is not None:
            self._writer.close()
            self._stream.close()

    def _discard(self) -> None:
        """Remove the file. The error that led here is raised, not one of the removal."""
        if self._stream is None:
            return
        with suppress(Exception):
            self._close()
        with suppress(Exception):
            self._stream.close()
        with suppress(Exception):
            self._files.remove(self._url)
        self._writer = None

    def _outage(self, failure: OSError) -> Outage:
        return Outage(
            f"lake: expected to write {self._url}, found: {failure}. Check that the storage is "
            "there, writable and not full; nothing of this file was committed."
        )


def _has_bounds(kind: pa.DataType) -> bool:
    """Return whether a Delta log holds bounds of a type: not of booleans, binary and lists."""
    is_of = (pa.types.is_integer, pa.types.is_floating, pa.types.is_temporal, pa.types.is_string)
    return any(is_type(kind) for is_type in is_of)


def _plain(value: Any) -> Any:
    """Return a bound as a Delta log holds it."""
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return value.isoformat() if isinstance(value, date) else value
