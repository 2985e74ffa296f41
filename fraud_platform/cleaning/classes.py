"""A drop's rows by class: label, kind of fraud and day, kept and lost.

Here: which class a row belongs to, also where it is no valid row, and the counts of a task.
Not here: from which share on a drop is held (`holding`), the rows themselves (`tasks`).

A limit on the whole drop would hide a class: all frauds together are less than 1 % of the rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, NamedTuple

import numpy as np

from fraud_platform.contracts.active import SOURCE
from fraud_platform.contracts.drops import COLUMNS
from fraud_platform.contracts.own_days import DaySpan
from fraud_platform.contracts.quarantine_reasons import Reason
from fraud_platform.contracts.time import SECONDS_PER_DAY, day_number
from fraud_platform.rows.canonical import CleanRows
from fraud_platform.rows.judge import REASON_BITS, JudgedRow, read_integer, read_time

GENUINE = 0
SCENARIOS = tuple(range(1, len(SOURCE.label.kinds) + 1))
UNKNOWN_KIND, UNREADABLE = len(SCENARIOS) + 1, len(SCENARIOS) + 2
"""Kinds of rows: genuine, the kinds of fraud, a fraud without one, an unreadable label."""

_UNREAD = sum(
    REASON_BITS[reason]
    for reason in (
        Reason.MALFORMED_ROW,
        Reason.BAD_TIMESTAMP,
        Reason.BAD_LABEL,
        Reason.TIME_OUTSIDE_DROP,
    )
)
"""Reasons after which the judge's day or label may be missing."""
_N_KINDS = len(SCENARIOS) + 1


def fraud_of_kind(number: int, *, plural: bool = False) -> str:
    """Return a kind of fraud in words, by the name that the declaration gives it."""
    return f"{'frauds' if plural else 'fraud'} of kind {SOURCE.label.kinds[number - 1]}"


class RowClass(NamedTuple):
    """The class of a row that is not clean.

    Args:
        day: since 1970; None if it cannot be read.
        kind: `GENUINE`, a scenario, `UNKNOWN_KIND` or `UNREADABLE`.
        taker: the drop that holds other contents under the row's id; "" where none does.
    """

    day: int | None
    kind: int
    taker: str = ""


@dataclass
class ClassCounts:
    """Rows of a drop by class.

    Args:
        kept: clean rows by (day, kind).
        lost: quarantined rows by (day or None, kind, reason, taker).
    """

    kept: Counter[tuple[int, int]] = field(default_factory=Counter)
    lost: Counter[tuple[int | None, int, str, str]] = field(default_factory=Counter)

    def add_kept(self, rows: CleanRows) -> None:
        """Count clean rows."""
        first, last = int(rows.days.min()), int(rows.days.max())
        if first == last:  # as in most blocks: much cheaper than to count codes
            counts = [int(np.count_nonzero(rows.scenario == kind)) for kind in range(_N_KINDS)]
        else:
            counts = np.bincount((rows.days - first) * _N_KINDS + rows.scenario).tolist()
        for code, count in enumerate(counts):
            if count:
                day, kind = divmod(code, _N_KINDS)
                self.kept[first + day, kind] += count

    def add_lost(self, reasons: Iterable[str], classes: Iterable[RowClass]) -> None:
        """Count quarantined rows by their first reasons and their classes."""
        for reason, row in zip(reasons, classes, strict=True):
            self.lost[row.day, row.kind, str(reason), row.taker] += 1

    def add(self, other: ClassCounts) -> None:
        """Take in other counts."""
        self.kept.update(other.kept)
        self.lost.update(other.lost)

    def to_lists(self) -> list[list[Any]]:
        """Return the counts in a form for JSON."""
        return [[[*key, n] for key, n in counts.items()] for counts in (self.kept, self.lost)]

    @classmethod
    def of_lists(cls, lists: Sequence[Sequence[Sequence[Any]]]) -> ClassCounts:
        """Return what `to_lists` gave."""
        kept, lost = lists
        return cls(
            Counter({(day, kind): n for day, kind, n in kept}),
            Counter({(day, kind, reason, taker): n for day, kind, reason, taker, n in lost}),
        )


def class_of_bad(line: bytes, row: JudgedRow, days: DaySpan | None) -> RowClass:
    """Return the class of a line that is not valid; it is read again only if it must be."""
    if row.reasons & _UNREAD:
        return class_of_line(line, days)
    return RowClass(row.seconds // SECONDS_PER_DAY, row.scenario)


def class_of_line(line: bytes, days: DaySpan | None) -> RowClass:
    """Return the class of a line that is not valid, as far as it can be read.

    The label is read from the last two fields, so that a comma too many does not hide it; a line
    of too few fields has none. A fraud is what either of the two says is one.

    Args:
        days: the drop's own days; others are no day of it.
    """
    fields = line.split(b",", len(COLUMNS) - 1)
    day = None if len(fields) < 2 else _day_of(fields[1])
    if day is not None and days is not None and not days.first <= day <= days.last:
        day = None
    if len(fields) < len(COLUMNS):
        return RowClass(day, UNREADABLE)
    fraud, scenario = (read_integer(f.strip(b" \r")) for f in line.rsplit(b",", 2)[1:])
    return RowClass(day, _kind_of(fraud, scenario))


def class_of_copy(seconds: int, scenario: int, taker: str | None) -> RowClass:
    """Return the class of a valid row whose id another row has."""
    return RowClass(seconds // SECONDS_PER_DAY, scenario, taker or "")


def _kind_of(fraud: int | None, scenario: int | None) -> int:
    if scenario in SCENARIOS:
        return scenario
    if fraud == 1:
        return UNKNOWN_KIND
    return GENUINE if fraud == 0 or scenario == 0 else UNREADABLE


def _day_of(field: bytes) -> int | None:
    """Return the day of a time, or of its date where only the time of day is wrong."""
    seconds = read_time(field)
    if seconds is not None:
        return seconds // SECONDS_PER_DAY
    try:
        return day_number(date.fromisoformat(field.strip(b" ")[:10].decode("ascii")))
    except ValueError:
        return None
