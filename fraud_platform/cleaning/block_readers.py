"""Reading blocks of a drop's text into valid rows and rows with reasons.

Here: `BlockReader`, which tasks use, and the reader of the Handbook's shape.
Not here: the reader of other declared sources (`declared_blocks`), writing the rows (`tasks`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import IO, Any, NamedTuple, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from fraud_platform.cleaning.classes import RowClass, class_of_bad
from fraud_platform.cleaning.ids import Ids
from fraud_platform.contracts.own_days import DaySpan
from fraud_platform.rows.canonical import (
    CleanRows,
    columns_of_judged,
    parse_canonical,
    parse_ids,
    sample_days,
)
from fraud_platform.rows.judge import JudgedRow, judge_line, read_id
from fraud_platform.rows.lines import LineBlock, Positions, TextRange, read_blocks

SAMPLED_ROWS = 1024
"""Of a block of text, about 15,000 rows, so many say which days the drop has."""


class Scanned(NamedTuple):
    """What is known of a block's rows before the drop's own days and shared ids are.

    Attributes:
        ids: the ids that can be read.
        days: the days of rows, since 1970.
        day_rows: about how many rows each day has.
    """

    ids: Ids
    days: npt.NDArray[np.int64]
    day_rows: npt.NDArray[np.int64]


@dataclass
class BadRows:
    """Rows that are not valid.

    Attributes:
        reasons: their bit masks by `REASON_BITS`.
        classes: their classes, as far as they can be read.
        lines: their lines.
        ids: their ids; None where none can be read.
    """

    reasons: list[int] = field(default_factory=list)
    classes: list[RowClass] = field(default_factory=list)
    lines: list[bytes] = field(default_factory=list)
    ids: list[int | None] = field(default_factory=list)


@dataclass
class ReadBlock:
    """The rows of a block: valid ones as columns, and the others.

    Attributes:
        rows: the valid rows.
        numbers: the number of each one's line.
        repairs: bit masks by `REPAIR_BITS`; None if no row was repaired.
        bad: the other rows.
        blank_lines: how many lines are blank.
        comment_lines: how many are comments.
        id_texts: the ids of the valid rows, if these are texts.
        texts: further texts of the valid rows, by the column of their codes.
    """

    rows: CleanRows
    numbers: Positions
    repairs: npt.NDArray[np.int32] | None
    bad: BadRows
    blank_lines: int
    comment_lines: int
    id_texts: pa.Array | None = None
    texts: Mapping[str, pl.Series] = field(default_factory=dict)


Block = TypeVar("Block")


class TextBlock(Protocol):
    """Whole lines of a text."""

    def __len__(self) -> int: ...

    def line(self, number: int) -> bytes:
        """Return one line's bytes, without its line ending."""
        ...


class BlockReader(Protocol):
    """Reads the blocks of one format; it can be sent to a task."""

    def blocks(self, file: IO[bytes], part: TextRange) -> Iterator[Any]:
        """Yield the blocks of a range.

        Raises:
            LineTooLongError: a line is longer than `MAX_LINE_BYTES`.
        """
        ...

    def scan(self, block: Any) -> Scanned:
        """Return the ids and days of a block's rows, those of invalid rows as well."""
        ...

    def read(self, block: Any, own_days: DaySpan | None) -> ReadBlock:
        """Read a block's rows.

        Args:
            own_days: the drop's own days; None if any day may be right.
        """
        ...


class FixedReader:
    """Reads lines of the Handbook's shape: nine fields in a fixed order."""

    def blocks(self, file: IO[bytes], part: TextRange) -> Iterator[LineBlock]:
        """Yield the blocks of a range."""
        return read_blocks(file, part, LineBlock)

    def scan(self, block: LineBlock) -> Scanned:
        """Return the ids and days of a block's rows, those of invalid rows as well."""
        ids, is_plain = parse_ids(block)
        if not is_plain.all():
            read = (read_id(block.line(row)) for row in block.rows[~is_plain])
            odd = [transaction_id for transaction_id in read if transaction_id is not None]
            ids = np.concatenate((ids[is_plain], np.array(odd, np.int64)))
        return Scanned(ids, *sample_days(block, SAMPLED_ROWS))

    def read(self, block: LineBlock, own_days: DaySpan | None) -> ReadBlock:
        """Read a block's rows; lines that the fast parser does not claim are judged one by one."""
        rows, is_valid = parse_canonical(block)
        own = own_days
        # usually all days of a block are the drop's own: two passes, and no mask
        if own and len(rows) and (rows.days.min() < own.first or rows.days.max() > own.last):
            is_valid &= (rows.days >= own.first) & (rows.days <= own.last)
        is_other = np.ones(len(block), np.bool_)
        is_other[block.rows[is_valid]] = False
        found = ReadBlock(rows, block.rows, None, BadRows(), 0, 0)
        judged = _judge(block, np.flatnonzero(is_other).tolist(), own, found)
        if judged:
            # a valid line has nine fields, so it has a place among the rows that were parsed
            places = np.searchsorted(block.rows, np.array([number for number, _ in judged]))
            repairs = np.zeros(len(rows), np.int32)
            valid, repairs[places] = columns_of_judged([row for _, row in judged])
            rows.put(places, valid)
            is_valid[places] = True
            found.repairs = repairs[is_valid]
        found.rows, found.numbers = rows.where(is_valid), block.rows[is_valid]
        return found


def _judge(
    block: LineBlock, numbers: list[int], own_days: DaySpan | None, found: ReadBlock
) -> list[tuple[int, JudgedRow]]:
    """Judge lines that were not parsed; return the valid ones with their numbers.

    Rows that are not valid and other lines are added to `found`.
    """
    valid: list[tuple[int, JudgedRow]] = []
    bad = found.bad
    for number in numbers:
        line = block.line(number)
        if not line.strip(b" "):
            found.blank_lines += 1
        elif line.startswith(b"#"):
            found.comment_lines += 1
        else:
            row = judge_line(line, own_days)
            if row.reasons:
                bad.reasons.append(row.reasons)
                bad.classes.append(class_of_bad(line, row, own_days))
                bad.lines.append(line)
                bad.ids.append(row.transaction_id)
            else:
                valid.append((number, row))
    return valid
