"""Parquet files of clean, quarantined and suspect rows and of labels, written in Spark's tasks.

Here: column types and encodings, row groups of bounded size, the bounds of columns.
Not here: the rows (`tasks`), the writer (`tables.data_files`), committing the files to a table
(`adapters.tables.lake`).

A file is not part of a table until a commit names it, so a failed task leaves the tables unchanged.
"""

from __future__ import annotations

import functools
import uuid
from collections.abc import Sequence
from datetime import timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from fraud_platform.contracts.active import SOURCE
from fraud_platform.contracts.quarantine_reasons import names_of_bits
from fraud_platform.contracts.tables import DROP_LABELS, ID_TEXT, QUARANTINE, TRANSACTIONS
from fraud_platform.contracts.time import EPOCH_DAY, midnight
from fraud_platform.labels.drop_clock import LabelClock
from fraud_platform.labels.rule import due_second
from fraud_platform.rows.canonical import MICROS_PER_SECOND, CleanRows
from fraud_platform.tables.data_files import DataFileWriter, FileStats, WrittenFile
from fraud_platform.tables.texts import TEXTS

if TYPE_CHECKING:
    from fraud_platform.contracts.ports import Files

ROWS_PER_GROUP = 1 << 19
BYTES_PER_GROUP = 64 << 20

_OF_FILE = ("drop",)
_CLEAN_SCHEMA = pa.schema([f for f in TRANSACTIONS.arrow_schema if f.name not in _OF_FILE])
_QUARANTINE_SCHEMA = pa.schema([f for f in QUARANTINE.arrow_schema if f.name not in _OF_FILE])
_TEXT_SCHEMA = pa.schema([f for f in TEXTS.arrow_schema if f.name not in _OF_FILE])
_LABEL_SCHEMA = pa.schema([f for f in DROP_LABELS.arrow_schema if f.name not in _OF_FILE])
SUSPECT_SCHEMA = pa.schema(
    [
        ("transaction_id", pa.int64()),
        ("seconds", pa.int64()),
        ("customer_id", pa.int64()),
        ("terminal_id", pa.int64()),
        ("amount_cents", pa.int64()),
        ("scenario", pa.int32()),
        *((name, pa.int64()) for name in SOURCE.fact_names),
        *((column.name, pa.string()) for column in ID_TEXT),
        ("repairs", pa.int32()),
        ("raw_line", pa.binary()),
    ]
)
"""Columns of a valid row whose id occurs more than once; `scenario` above 0 means fraud."""

SUSPECT_DDL = (
    "transaction_id long, seconds long, customer_id long, terminal_id long, amount_cents long, "
    "scenario int, "
    + "".join(f"{name} long, " for name in SOURCE.fact_names)
    + "".join(f"{column.name} string, " for column in ID_TEXT)
    + "repairs int, raw_line binary"
)
CLEAN_DDL, LABEL_DDL, TEXT_DDL = (
    ", ".join(f"{c.name} {c.type}" for c in table.columns if c.name not in _OF_FILE)
    for table in (TRANSACTIONS, DROP_LABELS, TEXTS)
)

_CLEAN_ENCODING: dict[str, Any] = {
    "use_dictionary": ["tx_date", "customer_id", "terminal_id", "fraud_scenario"],
    "column_encoding": dict.fromkeys(
        ["transaction_id", "tx_datetime", "amount_cents"], "DELTA_BINARY_PACKED"
    ),
}
_LABEL_ENCODING: dict[str, Any] = {
    "use_dictionary": ["fraud_scenario", "source", "counts_from", "version"],
    "column_encoding": dict.fromkeys(["transaction_id", "known_at"], "DELTA_BINARY_PACKED"),
}
FROM_DROP, FROM_TOPIC = "drop", "topic"
"""The sources of a label."""


@functools.cache
def _names_of(bits: int) -> list[str]:
    """Return the names of a bit mask's reasons, in order of precedence."""
    return names_of_bits(bits, SOURCE.rule_names)


class RowFile:
    """One Parquet file, created with its first rows and finished at the end of the `with` block.

    If the block ends with an error, the file is removed.

    Args:
        files: creates files by URL.
        folder: URL of the folder; the file gets a unique random name in it.
        prefix: start of the name, which identifies the publication in the table's log.
        schema: columns of the file.
        encoding: additional options of `pyarrow.parquet.ParquetWriter`.
    """

    def __init__(
        self,
        files: Files,
        folder: str,
        prefix: str,
        schema: pa.Schema,
        encoding: dict[str, Any] | None = None,
    ) -> None:
        url = f"{folder}/{prefix}-{uuid.uuid4().hex}.parquet"
        self._schema, self._stats = schema, FileStats()
        self._file = DataFileWriter(
            files, url, schema, self._stats, compression="snappy", **(encoding or {})
        )
        self._waiting: list[pa.RecordBatch] = []
        self._waiting_rows = self._waiting_bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            # an error of the last rows, too, must remove the file
            with self._file:
                self._flush()
        else:
            self._file.__exit__(kind, error, trace)

    def write(self, rows: pa.RecordBatch) -> None:
        """Add rows; they are written in row groups of bounded size."""
        if rows.num_rows == 0:
            return
        self._waiting.append(rows)
        self._waiting_rows += rows.num_rows
        self._waiting_bytes += rows.nbytes
        if self._waiting_rows >= ROWS_PER_GROUP or self._waiting_bytes >= BYTES_PER_GROUP:
            self._flush()

    def widen(self, column: str, low: Any, high: Any) -> None:
        """Extend a column's bounds in the file's statistics to include `low` and `high`."""
        self._stats.widen(column, low, high)

    def count_nulls(self, column: str, nulls: int) -> None:
        """Count further nulls of a column in the file's statistics."""
        self._stats.count_nulls(column, nulls)

    def written(self) -> WrittenFile | None:
        """Return the finished file, or None if it has no rows; call it after the `with` block."""
        return self._file.written()

    def _flush(self) -> None:
        if not self._waiting:
            return
        self._file.write(pa.Table.from_batches(self._waiting, self._schema), ROWS_PER_GROUP)
        self._waiting, self._waiting_rows, self._waiting_bytes = [], 0, 0


class CleanFile(RowFile):
    """A file of the table `transactions`."""

    def __init__(self, files: Files, folder: str, prefix: str) -> None:
        super().__init__(files, folder, prefix, _CLEAN_SCHEMA, _CLEAN_ENCODING)

    def write_rows(self, rows: CleanRows, id_texts: pa.Array | None = None) -> None:
        """Add clean rows.

        Args:
            rows: their values.
            id_texts: their ids, if these are texts.
        """
        if not len(rows):
            return
        micros = pa.array(rows.seconds * MICROS_PER_SECOND)
        columns = [
            pa.array(rows.transaction_id),
            micros.view(_CLEAN_SCHEMA.field("tx_datetime").type),
            pa.array(rows.days).view(pa.date32()),
            pa.array(rows.customer_id),
            pa.array(rows.terminal_id),
            pa.array(rows.amount_cents),
            pa.array(rows.scenario > 0),
            pa.array(rows.scenario),
            *(pa.array(rows.facts[name]) for name in SOURCE.fact_names),
            *([] if id_texts is None else [id_texts]),
        ]
        low, high = rows.transaction_id.min(), rows.transaction_id.max()
        self.widen("transaction_id", int(low), int(high))
        seconds = rows.seconds
        first, last = (_moment(end * MICROS_PER_SECOND) for end in (seconds.min(), seconds.max()))
        self.widen("tx_datetime", first, last)
        self.widen("tx_date", first[:10], last[:10])
        self.write(pa.RecordBatch.from_arrays(columns, schema=_CLEAN_SCHEMA))


class QuarantineFile(RowFile):
    """A file of the table `quarantine`."""

    def __init__(self, files: Files, folder: str, prefix: str) -> None:
        super().__init__(files, folder, prefix, _QUARANTINE_SCHEMA)

    def write_rows(
        self,
        reasons: Sequence[int],
        raw_lines: Sequence[bytes] | pa.Array,
        ids: Sequence[int | None] | pa.Array,
    ) -> None:
        """Add rows by their reasons as bit masks, raw lines and ids."""
        if not len(reasons):
            return
        lists = [_names_of(bits) for bits in reasons]
        id_column = pa.array(ids, pa.int64())
        bounds = pc.min_max(id_column)
        if bounds["min"].is_valid:
            low, high = bounds["min"].as_py(), bounds["max"].as_py()
            self.widen("transaction_id", low, high)
        self.count_nulls("transaction_id", id_column.null_count)
        columns = [
            pa.array([names[0] for names in lists], pa.string()),
            pa.array(lists, pa.list_(pa.string())),
            pa.array(raw_lines, pa.binary()),
            id_column,
        ]
        self.write(pa.RecordBatch.from_arrays(columns, schema=_QUARANTINE_SCHEMA))


class SuspectFile(RowFile):
    """A scratch file of valid rows whose ids occur more than once."""

    def __init__(self, files: Files, folder: str, prefix: str) -> None:
        super().__init__(files, folder, prefix, SUSPECT_SCHEMA)

    def write_rows(
        self,
        rows: CleanRows,
        repairs: list[int],
        raw_lines: list[bytes],
        id_texts: pa.Array | None = None,
    ) -> None:
        """Add suspect rows with their repairs as bit masks, raw lines, and ids if of text."""
        if not len(rows):
            return
        columns = [
            pa.array(rows.transaction_id),
            pa.array(rows.seconds),
            pa.array(rows.customer_id),
            pa.array(rows.terminal_id),
            pa.array(rows.amount_cents),
            pa.array(rows.scenario),
            *(pa.array(rows.facts[name]) for name in SOURCE.fact_names),
            *([] if id_texts is None else [id_texts]),
            pa.array(repairs, pa.int32()),
            pa.array(raw_lines, pa.binary()),
        ]
        self.write(pa.RecordBatch.from_arrays(columns, schema=SUSPECT_SCHEMA))


class TextFile(RowFile):
    """A file of the table `texts`."""

    def __init__(self, files: Files, folder: str, prefix: str) -> None:
        super().__init__(files, folder, prefix, _TEXT_SCHEMA)
        self._seen: dict[str, set[str]] = {}

    def write_new(self, field: str, codes: npt.NDArray[np.int64], texts: pl.Series) -> None:
        """Add the texts of rows that this file does not have yet.

        Args:
            field: the column of the codes.
            codes: shape (n,).
            texts: of type String, shape (n,); null for no text.
        """
        seen = self._seen.setdefault(field, set())
        places = texts.arg_unique()
        found = zip(places.to_list(), texts.gather(places).to_list(), strict=True)
        new = [(place, text) for place, text in found if text is not None and text not in seen]
        if not new:
            return
        seen.update(text for _, text in new)
        columns = [
            pa.array([field] * len(new)),
            pa.array(codes[[place for place, _ in new]]),
            pa.array([text for _, text in new], pa.string()),
        ]
        self.write(pa.RecordBatch.from_arrays(columns, schema=_TEXT_SCHEMA))


class LabelFile(RowFile):
    """A file of the table `drop_labels`."""

    def __init__(self, files: Files, folder: str, prefix: str) -> None:
        super().__init__(files, folder, prefix, _LABEL_SCHEMA, _LABEL_ENCODING)

    def write_first_versions(self, rows: CleanRows, clock: LabelClock) -> None:
        """Add the first labels of clean rows."""
        if not len(rows):
            return
        moment = _LABEL_SCHEMA.field("known_at").type
        known_at = due_second(rows.seconds)
        counts_from = clock.first_counts_from(rows.seconds)
        columns = [
            pa.array(rows.transaction_id),
            pa.array(rows.scenario > 0),
            pa.array(rows.scenario),
            pa.array(known_at * MICROS_PER_SECOND).view(moment),
            pa.repeat(FROM_DROP, len(rows)),
            pa.array(counts_from * MICROS_PER_SECOND).view(moment),
            pa.array(np.ones(len(rows), np.int32)),
        ]
        self.write_versions(pa.RecordBatch.from_arrays(columns, schema=_LABEL_SCHEMA))

    def write_versions(self, labels: pa.RecordBatch) -> None:
        """Add rows with at least the table's columns; other columns are ignored."""
        rows = labels.select(_LABEL_SCHEMA.names).cast(_LABEL_SCHEMA)
        bounds = pc.min_max(rows["transaction_id"])
        self.widen("transaction_id", bounds["min"].as_py(), bounds["max"].as_py())
        for name in ("known_at", "counts_from"):
            bounds = pc.min_max(rows[name].view(pa.int64()))
            self.widen(name, _moment(bounds["min"].as_py()), _moment(bounds["max"].as_py()))
        self.write(rows)


def _moment(micros: np.int64 | int) -> str:
    """Return a time as a Delta log holds it; a shortened bound would hide the row that has it."""
    return (midnight(EPOCH_DAY) + timedelta(microseconds=int(micros))).strftime(
        "%Y-%m-%dT%H:%M:%S.%fZ"
    )
