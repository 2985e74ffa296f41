"""The text of a drop: a day's rows formatted as lines, with lines inserted or replaced.

Here: formatting in bulk and of single rows, the header, and edits by row position.
Not here: which lines are edited and why (`dirt`), or files (`files`).
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache

import numpy as np
import polars as pl

from fraud_platform.contracts.drops import COLUMNS, HEADER, MISSPELT_TRANSACTION_ID
from fraud_platform.contracts.time import SECONDS_PER_DAY, SECONDS_PER_HOUR
from fraud_platform.simulation.config import DropLayout
from fraud_platform.simulation.days import DayRows

BLOCK_ROWS = 262_144
"""Rows formatted at once; it bounds memory and does not change the text."""

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, order=True)
class Contents:
    """A row's six content fields, in the order in which the contract compares copies of a row."""

    tx_datetime: datetime
    customer_id: int
    terminal_id: int
    amount_cents: int
    is_fraud: bool
    fraud_scenario: int


@dataclass(frozen=True)
class Edit:
    """A line inserted just before a day's row, or instead of it.

    Args:
        row: index of the row in its day.
        replaces: whether the line replaces the row's own line.
        line: the line without its line ending.
    """

    row: int
    replaces: bool
    line: bytes


def header_line(layout: DropLayout) -> bytes:
    """Return the header in the layout's spelling, without its line ending."""
    text = HEADER
    if layout.header != "original":
        text = text.replace(MISSPELT_TRANSACTION_ID, COLUMNS[0])
    if layout.header in ("bare", "commas"):
        text = text.removeprefix("# ")
    if layout.header == "commas":
        text = text.replace(" | ", ",")
    return text.encode()


def contents_of(rows: DayRows, row: int, day_date: date) -> Contents:
    """Return the contents of the row with index `row`."""
    scenario = int(rows.fraud_scenario[row])
    return Contents(
        tx_datetime=datetime.combine(day_date, time()) + timedelta(seconds=int(rows.second[row])),
        customer_id=int(rows.customer_id[row]),
        terminal_id=int(rows.terminal_id[row]),
        amount_cents=int(rows.amount_cents[row]),
        is_fraud=scenario > 0,
        fraud_scenario=scenario,
    )


def spell_row(transaction_id: int, contents: Contents, first_day: date) -> list[bytes]:
    """Return a row's nine fields, formatted as `format_day` formats them.

    Args:
        transaction_id: id of the row.
        contents: the other content fields.
        first_day: day 0 of tx_time_seconds and tx_time_days.
    """
    elapsed = contents.tx_datetime - datetime.combine(first_day, time())
    texts = (
        transaction_id,
        contents.tx_datetime,
        contents.customer_id,
        contents.terminal_id,
        amount_text(contents.amount_cents),
        elapsed.days * SECONDS_PER_DAY + elapsed.seconds,
        elapsed.days,
        int(contents.is_fraud),
        contents.fraud_scenario,
    )
    return [str(text).encode() for text in texts]


def time_text(second: int) -> str:
    """Return a second of the day as HH:MM:SS; 86,400 is 24:00:00."""
    return f"{second // SECONDS_PER_HOUR:02d}:{second // 60 % 60:02d}:{second % 60:02d}"


def amount_text(cents: int) -> str:
    """Return an amount in cents with two decimals."""
    return f"{cents // 100}.{cents % 100:02d}"


def format_day(
    rows: DayRows, first_id: int, day_date: date, layout: DropLayout, edits: Sequence[Edit] = ()
) -> Iterator[bytes]:
    """Yield a day's text in blocks, with the edits applied.

    Args:
        rows: the day's rows.
        first_id: transaction id of the first row; the other ids follow consecutively.
        day_date: calendar date of the day.
        layout: gives the line ending.
        edits: ordered by `row`; if a row has several, the replacing one comes last.
    """
    ending = layout.line_ending.encode()
    next_edit = 0
    for start in range(0, len(rows), BLOCK_ROWS):
        stop = min(start + BLOCK_ROWS, len(rows))
        text = _format_block(rows, slice(start, stop), first_id, day_date, layout)
        last_edit = next_edit
        while last_edit < len(edits) and edits[last_edit].row < stop:
            last_edit += 1
        if last_edit > next_edit:
            text = _apply(text, edits[next_edit:last_edit], start, ending)
            next_edit = last_edit
        yield text


@lru_cache(maxsize=1)
def _times_of_day() -> pl.Series:
    return pl.Series([time_text(second) for second in range(SECONDS_PER_DAY)])


def _format_block(
    rows: DayRows, block: slice, first_id: int, day_date: date, layout: DropLayout
) -> bytes:
    second = rows.second[block]
    frame = pl.DataFrame(
        {
            "id": np.arange(first_id + block.start, first_id + block.stop),
            "time": _times_of_day().gather(second),
            "customer": rows.customer_id[block],
            "terminal": rows.terminal_id[block],
            # Exact: formatted with two decimals, the double gives the original cents again.
            "amount": rows.amount_cents[block] / 100,
            "second": second.astype(np.int64) + rows.day * SECONDS_PER_DAY,
            "day": np.full(len(second), rows.day, dtype=np.int32),
            "fraud": (rows.fraud_scenario[block] > 0).astype(np.int8),
            "scenario": rows.fraud_scenario[block],
        }
    ).with_columns(pl.concat_str(pl.lit(f"{day_date.isoformat()} "), "time").alias("time"))
    text = io.BytesIO()
    frame.write_csv(
        text,
        include_header=False,
        float_precision=2,
        quote_style="never",
        line_terminator=layout.line_ending,
    )
    return text.getvalue()


def _apply(text: bytes, edits: Sequence[Edit], first_row: int, ending: bytes) -> bytes:
    """Return a block's text with its edits; `first_row` is the day index of its first row."""
    ends = np.flatnonzero(np.frombuffer(text, dtype=np.uint8) == ord("\n")) + 1
    pieces: list[bytes | memoryview] = []
    view, copied = memoryview(text), 0
    for edit in edits:
        row = edit.row - first_row
        start = int(ends[row - 1]) if row else 0
        pieces += (view[copied:start], edit.line, ending)
        copied = int(ends[row]) if edit.replaces else start
    pieces.append(view[copied:])
    return b"".join(pieces)
