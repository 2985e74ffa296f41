"""Reading blocks of a declared source: text, CSV or JSON lines.

Here: `DeclaredReader`, and which reader a drop has.
Not here: dividing lines into fields (`rows.formats`, `rows.json_lines`), what the fields mean
(`rows.declared`), writing the rows (`tasks`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import IO

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from fraud_platform.cleaning.block_readers import (
    SAMPLED_ROWS,
    BadRows,
    BlockReader,
    FixedReader,
    ReadBlock,
    Scanned,
)
from fraud_platform.cleaning.classes import GENUINE, UNKNOWN_KIND, UNREADABLE, RowClass
from fraud_platform.cleaning.header import Header
from fraud_platform.contracts.data_set import DataSet, SourceSpec
from fraud_platform.contracts.own_days import DaySpan
from fraud_platform.contracts.quarantine_reasons import Reason
from fraud_platform.contracts.time import SECONDS_PER_DAY
from fraud_platform.rows.declared import ReadRows, RowReader
from fraud_platform.rows.exceptions import Exceptions
from fraud_platform.rows.fields import read_flags, read_integers, read_times, trimmed
from fraud_platform.rows.formats import Delimited, Divider, Lines
from fraud_platform.rows.json_lines import JsonLines
from fraud_platform.rows.judge import REASON_BITS
from fraud_platform.rows.lines import TextRange, read_blocks

_BLOCK_BYTES = 4 << 20
_GOLDEN_RATIO = (5**0.5 - 1) / 2
_MALFORMED = REASON_BITS[Reason.MALFORMED_ROW]
Texts = Mapping[str, pl.Series]


def reader_of(data_set: DataSet, header: Header) -> BlockReader:
    """Return the reader of a drop with this header."""
    if data_set.fits_fast_parser:
        return FixedReader()
    source = data_set.source
    drops = source.drops
    divider: Divider = JsonLines()
    if drops.kind in ("text", "csv"):
        is_commented = drops.header == "commented"
        names, is_csv = header.names, drops.kind == "csv"
        divider = Delimited(names, drops.delimiter, is_csv, is_commented, source.label_columns)
    return DeclaredReader(source, divider)


@dataclass(frozen=True)
class DeclaredReader:
    """Reads lines of a declared source.

    Args:
        source: the declared columns.
        divider: divides lines into the texts of columns.
        exceptions: see `RowReader`.
    """

    source: SourceSpec
    divider: Divider
    exceptions: Exceptions | None = None

    def blocks(self, file: IO[bytes], part: TextRange) -> Iterator[Lines]:
        """Yield the blocks of a range."""
        return read_blocks(file, part, Lines, _BLOCK_BYTES)

    def scan(self, block: Lines) -> Scanned:
        """Return the ids and days of a block's rows, those of invalid rows as well.

        Of a block with more than `SAMPLED_ROWS` rows, the days of so many stand for all of it.
        """
        column, booked = self.source.transaction_id.column, self.source.booked
        divided = self.divider.divide(block, [column, *booked.columns], is_checked=False)
        rows = RowReader(self.source, self.exceptions)
        parts = [rows.read_ids(texts[column]) for texts in (divided.columns, divided.salvaged)]
        ids = np.concatenate([values[is_read] for values, is_read in parts])
        size = len(divided.numbers)
        texts = {name: divided.columns[name] for name in booked.columns}
        if size > SAMPLED_ROWS:
            places = (np.arange(SAMPLED_ROWS) * _GOLDEN_RATIO % 1 * size).astype(np.int64)
            texts = {name: texts[name].gather(places) for name in booked.columns}
        read, _ = read_times(booked, {name: trimmed(texts[name]) for name in booked.columns})
        seconds = read.values[~(read.bad | read.missing)]
        days, counts = np.unique(seconds // SECONDS_PER_DAY, return_counts=True)
        sampled = min(max(size, 1), SAMPLED_ROWS)
        return Scanned(ids, days, np.maximum(counts * size // sampled, 1))

    def read(self, block: Lines, own_days: DaySpan | None) -> ReadBlock:
        """Read a block's rows."""
        divided = self.divider.divide(block, self.source.columns)
        reader = RowReader(self.source, self.exceptions)
        read = reader.read(divided.columns, own_days)
        read.reasons[divided.not_text] |= _MALFORMED
        bad = BadRows()
        is_valid = read.reasons == 0
        if not is_valid.all():
            places = np.flatnonzero(~is_valid)
            lines = [block.line(number) for number in divided.numbers[places].tolist()]
            self._add_bad(bad, read, places, divided.columns, lines, own_days)
        if len(divided.malformed):
            salvaged = reader.read(divided.salvaged, own_days)
            salvaged.reasons[:] = _MALFORMED
            lines = [block.line(number) for number in divided.malformed.tolist()]
            places = np.arange(len(lines))
            self._add_bad(bad, salvaged, places, divided.salvaged, lines, own_days)
        repairs = read.repairs[is_valid]
        texts = {name: column.filter(pl.Series(is_valid)) for name, column in read.keys.items()}
        ids = texts.pop("transaction_id", None)
        for fact in self.source.facts:
            if fact.kind == "category":
                column = trimmed(divided.columns[fact.column])
                texts[fact.stored_as] = column.filter(pl.Series(is_valid))
        return ReadBlock(
            read.rows.where(is_valid), divided.numbers[is_valid],
            repairs if repairs.any() else None, bad,
            divided.blank_lines, divided.comment_lines,
            None if ids is None else ids.to_arrow().cast(pa.string()), texts,
        )  # fmt: skip

    def _add_bad(
        self,
        bad: BadRows,
        read: ReadRows,
        places: npt.NDArray[np.int64],
        columns: Texts,
        lines: list[bytes],
        own_days: DaySpan | None,
    ) -> None:
        """Add rows that are not valid, in the order of their places."""
        days = read.rows.seconds[places] // SECONDS_PER_DAY
        has_day = read.has_time[places]
        if own_days is not None:
            has_day &= (days >= own_days.first) & (days <= own_days.last)
        label = self.source.label
        kinds = _kinds(
            trimmed(columns[label.column].gather(places)),
            None if label.kind_column is None
            else trimmed(columns[label.kind_column].gather(places)),
            len(label.kinds),
        )  # fmt: skip
        bad.reasons += read.reasons[places].tolist()
        bad.classes += [
            RowClass(day if has else None, kind)
            for day, has, kind in zip(days.tolist(), has_day.tolist(), kinds, strict=True)
        ]
        bad.lines += lines
        ids, has_id = read.rows.transaction_id[places], read.has_id[places]
        key = self.source.transaction_id
        if not key.is_text:  # a negative id identifies no transaction, and can be read
            integers = read_integers(trimmed(columns[key.column].gather(places)))
            ids, has_id = integers.values, ~(integers.bad | integers.missing)
        pairs = zip(ids.tolist(), has_id.tolist(), strict=True)
        bad.ids += [one if has else None for one, has in pairs]


def _kinds(flags: pl.Series, kinds: pl.Series | None, most: int) -> list[int]:
    """Return what is known of the labels of rows that are not valid.

    A fraud is what either of the two columns says is one.
    """
    flag = read_flags(flags)
    known = ~(flag.bad | flag.missing)
    is_fraud, is_genuine = known & (flag.values == 1), known & (flag.values == 0)
    found = np.where(is_fraud, UNKNOWN_KIND, np.where(is_genuine, GENUINE, UNREADABLE))
    if kinds is None:
        return np.where(is_fraud, 1, found).tolist()
    kind = read_integers(kinds)
    known = ~(kind.bad | kind.missing)
    found[known & (kind.values == 0) & (found == UNREADABLE)] = GENUINE
    is_kind = known & (kind.values >= 1) & (kind.values <= most)
    return np.where(is_kind, kind.values, found).tolist()
