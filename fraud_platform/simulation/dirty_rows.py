"""Dirty lines made from one clean row, each with its expected outcome.

Here: `RowSpoiler`, with one method for each kind of dirt, and where each line is inserted.
Not here: the invalid values themselves (`defects`), which rows get dirt (`dirt`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from enum import Enum, auto
from typing import TypeVar

import numpy as np

from fraud_platform.contracts.quarantine_reasons import Reason, Repair
from fraud_platform.simulation import defects
from fraud_platform.simulation.lines import Contents, amount_text, spell_row
from fraud_platform.simulation.truth import Disposition, TruthRow

_PRECEDENCE = list(Reason)
_SECOND_COPY_SHARE = 0.25
_LINE_DEFECT_SHARE = 0.3

T = TypeVar("T")


class Place(Enum):
    """Where a line is inserted, relative to the row that it was made from."""

    INSTEAD = auto()
    BEFORE = auto()
    THIS_DROP = auto()
    NEXT_DROP = auto()


@dataclass(frozen=True)
class SpoiltLine:
    """A dirty line and where to insert it."""

    place: Place
    truth: TruthRow


class RowSpoiler:
    """Makes dirty lines; each method takes a row's transaction id (`key`) and its contents.

    Args:
        random: generator that picks among the variants.
        first_day: day 0 of tx_time_seconds.
    """

    def __init__(self, random: np.random.Generator, first_day: date) -> None:
        self._random = random
        self._first_day = first_day

    def spoil(self, kind: str, transaction_id: int, contents: Contents) -> list[SpoiltLine]:
        """Return the lines for one kind of dirt (a field name of `DirtRates`)."""
        if kind in _REASON_KINDS:
            return self._one_reason(kind, transaction_id, contents)
        lines: list[SpoiltLine] = getattr(self, f"_{kind}")(transaction_id, contents)
        return lines

    def _one_reason(self, kind: str, key: int, contents: Contents) -> list[SpoiltLine]:
        line = self._defective(key, contents, self._pick(defects.DEFECTS[Reason(kind)]))
        return [SpoiltLine(Place.INSTEAD, _rejected(kind, line, key, Reason(kind)))]

    def _malformed_row(self, key: int, contents: Contents) -> list[SpoiltLine]:
        if self._random.random() >= _LINE_DEFECT_SHARE:
            return self._one_reason("malformed_row", key, contents)
        spoil_line = self._pick(defects.LINE_DEFECTS)
        line = spoil_line(spell_row(key, contents, self._first_day), self._random)
        truth = _rejected("malformed_row", line, key, Reason.MALFORMED_ROW)
        return [SpoiltLine(Place.INSTEAD, truth)]

    def _several_reasons(self, key: int, contents: Contents) -> list[SpoiltLine]:
        possible = list(defects.SEPARATE_DEFECTS)
        count = int(self._random.integers(2, len(possible) + 1))
        chosen = [possible[i] for i in self._random.choice(len(possible), count, replace=False)]
        reasons = sorted(chosen, key=_PRECEDENCE.index)
        defect: defects.FieldDefect = {}
        for reason in reasons:
            defect |= self._pick(defects.SEPARATE_DEFECTS[reason])
        line = self._defective(key, contents, defect)
        return [SpoiltLine(Place.INSTEAD, _rejected("several_reasons", line, key, *reasons))]

    def _duplicate_id(self, key: int, contents: Contents) -> list[SpoiltLine]:
        copies = [contents] * (2 if self._random.random() < _SECOND_COPY_SHARE else 1)
        return self._judge_copies("duplicate_id", key, contents, copies)

    def _conflicting_duplicate_id(self, key: int, contents: Contents) -> list[SpoiltLine]:
        copies = [self._altered(contents)]
        if self._random.random() < _SECOND_COPY_SHARE:
            copies.append(self._pick([contents, copies[0], self._altered(contents)]))
        return self._judge_copies("conflicting_duplicate_id", key, contents, copies)

    def _judge_copies(
        self, kind: str, key: int, original: Contents, copies: list[Contents]
    ) -> list[SpoiltLine]:
        """Return the copies, and also the original if cleaning keeps a copy instead of it.

        Cleaning keeps the smallest contents. Equal lines are the same bytes, so any of them may
        be the kept one; the first is marked as kept.
        """
        kept = min(original, *copies)
        lines: list[SpoiltLine] = []
        is_kept_placed = original == kept
        if not is_kept_placed:
            truth = _rejected(kind, self._line(key, original), key, Reason.CONFLICTING_DUPLICATE_ID)
            lines.append(SpoiltLine(Place.INSTEAD, truth))
        for copy in copies:
            line = self._line(key, copy)
            if copy == kept and not is_kept_placed:
                is_kept_placed = True
                truth = _clean(kind, line, key, copy)
            else:
                truth = _rejected(kind, line, key, _reason_of_copy(is_equal=copy == kept))
            lines.append(SpoiltLine(Place.THIS_DROP, truth))
        return lines

    def _bad_copy(self, key: int, contents: Contents) -> list[SpoiltLine]:
        """Return a copy with a defect of its own; the original stays clean."""
        reason = self._pick(list(defects.DEFECTS))
        choices = defects.DEFECTS[reason]
        if reason is Reason.MALFORMED_ROW:
            choices = defects.MALFORMED_WITH_VALID_ID
        line = self._defective(key, contents, self._pick(choices))
        return [SpoiltLine(Place.THIS_DROP, _rejected("bad_copy", line, key, reason))]

    def _copy_in_next_drop(self, key: int, contents: Contents) -> list[SpoiltLine]:
        """Return a copy for the next drop; it is rejected, because the earlier row always wins."""
        is_equal = self._random.random() < 0.5
        line = self._line(key, contents if is_equal else self._altered(contents))
        truth = _rejected("copy_in_next_drop", line, key, _reason_of_copy(is_equal=is_equal))
        return [SpoiltLine(Place.NEXT_DROP, truth)]

    def _midnight_24h(self, key: int, contents: Contents) -> list[SpoiltLine]:
        day = contents.tx_datetime.date()
        repaired = replace(contents, tx_datetime=datetime.combine(day + timedelta(days=1), time()))
        line = self._defective(key, contents, {defects.DATETIME: f"{day} 24:00:00".encode()})
        return [
            SpoiltLine(
                Place.INSTEAD, _clean("midnight_24h", line, key, repaired, Repair.MIDNIGHT_24H)
            )
        ]

    def _rounded_amount(self, key: int, contents: Contents) -> list[SpoiltLine]:
        """Return a row whose amount has 3 to 5 decimals; the third decides the rounding."""
        third = int(self._random.integers(1, 10))
        rest = self._pick(["", "", "0", "9", "49", "99"])
        text = f"{amount_text(contents.amount_cents)}{third}{rest}"
        repaired = replace(contents, amount_cents=contents.amount_cents + (third >= 5))
        line = self._defective(key, contents, {defects.AMOUNT: text.encode()})
        truth = _clean("rounded_amount", line, key, repaired, Repair.ROUNDED_AMOUNT)
        return [SpoiltLine(Place.INSTEAD, truth)]

    def _odd_spelling(self, key: int, contents: Contents) -> list[SpoiltLine]:
        spell = self._pick(defects.ODD_SPELLINGS)
        line = b",".join(spell(spell_row(key, contents, self._first_day)))
        return [SpoiltLine(Place.INSTEAD, _clean("odd_spelling", line, key, contents))]

    def _blank_line(self, key: int, contents: Contents) -> list[SpoiltLine]:
        return [SpoiltLine(Place.BEFORE, TruthRow("blank_line", b"", Disposition.BLANK))]

    def _comment_line(self, key: int, contents: Contents) -> list[SpoiltLine]:
        line = self._pick(defects.COMMENTS)
        return [SpoiltLine(Place.BEFORE, TruthRow("comment_line", line, Disposition.COMMENT))]

    def _pick(self, values: Sequence[T]) -> T:
        return values[int(self._random.integers(len(values)))]

    def _line(self, key: int, contents: Contents) -> bytes:
        return b",".join(spell_row(key, contents, self._first_day))

    def _defective(self, key: int, contents: Contents, defect: defects.FieldDefect) -> bytes:
        fields = spell_row(key, contents, self._first_day)
        return b",".join(defect.get(i, field) for i, field in enumerate(fields))

    def _altered(self, contents: Contents) -> Contents:
        """Return contents that differ in one field, or in both fields of the label."""
        is_fraud = not contents.is_fraud
        changes: list[dict[str, object]] = [
            {"amount_cents": contents.amount_cents + 100},
            {"amount_cents": contents.amount_cents // 2 or 2},
            {"terminal_id": contents.terminal_id + 1},
            {"customer_id": contents.customer_id + 1},
            {"tx_datetime": contents.tx_datetime - timedelta(seconds=1)},
            {"tx_datetime": contents.tx_datetime + timedelta(days=1)},
            {"is_fraud": is_fraud, "fraud_scenario": int(is_fraud)},
        ]
        return replace(contents, **self._pick(changes))  # type: ignore[arg-type]


_REASON_KINDS = frozenset(
    reason.value for reason in defects.DEFECTS if reason is not Reason.MALFORMED_ROW
)


def _reason_of_copy(*, is_equal: bool) -> Reason:
    return Reason.DUPLICATE_ID if is_equal else Reason.CONFLICTING_DUPLICATE_ID


def _rejected(kind: str, line: bytes, key: int, *reasons: Reason) -> TruthRow:
    return TruthRow(kind, line, Disposition.QUARANTINE, reasons, transaction_id=key)


def _clean(
    kind: str, line: bytes, key: int, contents: Contents, repair: Repair | None = None
) -> TruthRow:
    return TruthRow(kind, line, Disposition.CLEAN, (), repair, key, contents)
