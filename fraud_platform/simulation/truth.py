"""The expected cleaning result of every line that the simulation made dirty.

Here: one typed row for each such line, a drop's expected counts, and the truth file.
Not here: choosing the lines (`dirt`), or the drop's own file (`drops`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import pyarrow as pa

from fraud_platform.contracts.quarantine_reasons import Reason, Repair
from fraud_platform.simulation.lines import Contents


class Disposition(StrEnum):
    """What cleaning must do with a line."""

    CLEAN = "clean"
    QUARANTINE = "quarantine"
    BLANK = "blank"
    COMMENT = "comment"


@dataclass(frozen=True)
class TruthRow:
    """One line and its expected cleaning result.

    Args:
        kind: the kind of dirt, a field name of `DirtRates`.
        raw_line: the line without its line ending.
        disposition: what cleaning must do with it.
        reasons: all reasons that apply, in order of precedence; empty unless quarantined.
        repair: the repair that cleaning must apply, or None.
        transaction_id: id of the row that it was made from, even if the line does not show it;
            None for blank and comment lines.
        contents: the contents of the clean row; None unless clean.
    """

    kind: str
    raw_line: bytes
    disposition: Disposition
    reasons: tuple[Reason, ...] = ()
    repair: Repair | None = None
    transaction_id: int | None = None
    contents: Contents | None = None


@dataclass(frozen=True)
class DirtyLine:
    """A truth row with its position: just before a day's row, or instead of it."""

    row: int
    replaces: bool
    truth: TruthRow


@dataclass
class DropTally:
    """A drop's expected ledger, counted while the drop is written."""

    rows_clean: int = 0
    frauds: int = 0
    rejected: Counter[Reason] = field(default_factory=Counter)
    repaired: Counter[Repair] = field(default_factory=Counter)
    blank_lines: int = 0
    comment_lines: int = 0

    def add_clean(self, rows: int, frauds: int) -> None:
        """Add clean rows and the frauds among them."""
        self.rows_clean += rows
        self.frauds += frauds

    def add(self, truth: TruthRow) -> None:
        """Count one dirty line under its disposition; a rejected one under its first reason."""
        if truth.disposition is Disposition.QUARANTINE:
            self.rejected[truth.reasons[0]] += 1
        elif truth.disposition is Disposition.BLANK:
            self.blank_lines += 1
        elif truth.disposition is Disposition.COMMENT:
            self.comment_lines += 1
        elif truth.contents is not None:
            self.add_clean(1, int(truth.contents.is_fraud))
        if truth.repair is not None:
            self.repaired[truth.repair] += 1


TRUTH_SCHEMA = pa.schema(
    [
        ("drop", pa.string()),
        ("line_number", pa.int64()),
        ("kind", pa.string()),
        ("raw_line", pa.binary()),
        ("disposition", pa.string()),
        ("reason", pa.string()),
        ("reasons", pa.list_(pa.string())),
        ("repair", pa.string()),
        ("transaction_id", pa.int64()),
        ("tx_datetime", pa.timestamp("us", tz="UTC")),
        ("customer_id", pa.int64()),
        ("terminal_id", pa.int64()),
        ("amount_cents", pa.int64()),
        ("is_fraud", pa.bool_()),
        ("fraud_scenario", pa.int32()),
    ]
)
"""Columns of the truth file; `line_number` is the line in the drop, and the header is line 1."""


def write_truth(path: Path, drop: str, rows: Sequence[tuple[int, TruthRow]]) -> None:
    """Write (line number, truth) pairs as one Parquet file."""
    import pyarrow.parquet as pq

    records = [
        {
            "drop": drop,
            "line_number": line_number,
            "kind": row.kind,
            "raw_line": row.raw_line,
            "disposition": row.disposition.value,
            "reason": row.reasons[0].value if row.reasons else None,
            "reasons": [reason.value for reason in row.reasons],
            "repair": None if row.repair is None else row.repair.value,
            "transaction_id": row.transaction_id,
            **({} if row.contents is None else vars(row.contents)),
        }
        for line_number, row in rows
    ]
    pq.write_table(pa.Table.from_pylist(records, schema=TRUTH_SCHEMA), path)
