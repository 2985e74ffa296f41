"""Rows of a declared source: texts of columns into values, reasons and repairs.

Here: `RowReader`, the same for drops and messages of any format.
Not here: dividing a drop or a message into columns, the shape that has a parser of
its own (`rows.canonical`), single fields (`rows.fields`), duplicates (`cleaning.duplicates`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from fraud_platform.contracts.data_set import MAX_NUMBER, Fact, Key, SourceSpec
from fraud_platform.contracts.drops import MAX_AMOUNT_CENTS
from fraud_platform.contracts.feature_language.row_terms import row_terms
from fraud_platform.contracts.own_days import DaySpan
from fraud_platform.contracts.quarantine_reasons import Reason, Repair
from fraud_platform.contracts.time import SECONDS_PER_DAY
from fraud_platform.rows.canonical import CleanRows
from fraud_platform.rows.fields import (
    Read,
    read_decimals,
    read_flags,
    read_integers,
    read_times,
    trimmed,
)
from fraud_platform.rows.judge import REASON_BITS, REPAIR_BITS
from fraud_platform.rows.surrogates import category_codes, surrogates

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

MAX_KEY_BYTES = 256


@dataclass(frozen=True)
class Finding:
    """A reason, and the rows of which these columns are the cause.

    Attributes:
        columns: names of drops' columns; two for a time of two columns or a label with a kind.
        rows: mask of shape (n,).
    """

    reason: str
    columns: tuple[str, ...]
    rows: Flags


@dataclass(frozen=True)
class ReadRows:
    """Rows as they were read, of shape (n,).

    Attributes:
        rows: values; those of rows with a reason are meaningless.
        reasons: bit masks by `REASON_BITS`; 0 for a valid row.
        repairs: bit masks by `REPAIR_BITS`.
        has_id: whether the transaction's id could be read.
        has_time: whether its time could be read.
        keys: texts of text keys by `transaction_id`, `customer_id`, `terminal_id`.
        findings: what the reasons are about, for explanations (`rows.declared_findings`).
    """

    rows: CleanRows
    reasons: npt.NDArray[np.int64]
    repairs: npt.NDArray[np.int32]
    has_id: Flags
    has_time: Flags
    keys: Mapping[str, pl.Series]
    findings: tuple[Finding, ...] = ()


class RowReader:
    """Reads rows of a declared source.

    Args:
        source: the declared columns.
        exceptions: by key column (`customer_id`, `terminal_id`), the texts whose surrogate is not
            their hash, because another key has it.
    """

    def __init__(
        self, source: SourceSpec, exceptions: Mapping[str, Mapping[str, int]] | None = None
    ) -> None:
        self._source = source
        self._exceptions = dict(exceptions or {})

    def read(
        self,
        columns: Mapping[str, pl.Series],
        days: DaySpan | None = None,
        *,
        with_label: bool = True,
    ) -> ReadRows:
        """Read rows from the texts of their columns.

        Args:
            columns: type String, null for a missing field, by the names of drops' columns.
            days: the drop's own days; None if any day may be right.
            with_label: whether the label is among the columns; without it, rows count as genuine.
        """
        source = self._source
        texts = {name: trimmed(columns[name]) for name in source.message_columns}
        judged = _Judged(len(texts[source.transaction_id.column]))
        keys: dict[str, pl.Series] = {}
        ids = self._key("transaction_id", source.transaction_id, texts, keys)
        judged.add(Reason.MALFORMED_ROW, ids.bad | ids.missing, source.transaction_id.column)
        seconds, repaired = read_times(source.booked, texts)
        judged.add(Reason.BAD_TIMESTAMP, seconds.bad | seconds.missing, *source.booked.columns)
        judged.repair(Repair.MIDNIGHT_24H, repaired)
        customers = self._key("customer_id", source.customer, texts, keys)
        judged.add(Reason.MALFORMED_ROW, customers.bad, source.customer.column)
        judged.add(Reason.UNKNOWN_CUSTOMER, customers.missing, source.customer.column)
        counterparties = self._key("terminal_id", source.counterparty, texts, keys)
        judged.add(Reason.MALFORMED_ROW, counterparties.bad, source.counterparty.column)
        judged.add(Reason.UNKNOWN_TERMINAL, counterparties.missing, source.counterparty.column)
        cents = self._amount(texts, judged)
        facts = {f.stored_as: _fact(f, texts[f.column], judged) for f in source.facts}
        scenario = self._label(columns, judged) if with_label else np.zeros(judged.size, np.int32)
        if days is not None:
            number = seconds.values // SECONDS_PER_DAY
            outside = (number < days.first) | (number > days.last)
            outside &= ~(seconds.bad | seconds.missing)
            judged.add(Reason.TIME_OUTSIDE_DROP, outside, *source.booked.columns)
        rows = CleanRows(
            ids.values, seconds.values, (seconds.values // SECONDS_PER_DAY).astype(np.int32),
            customers.values, counterparties.values, cents, scenario, facts,
        )  # fmt: skip
        if source.rules:
            _apply_rules(source, rows, judged)
        judged.repairs[judged.reasons != 0] = 0
        return ReadRows(
            rows, judged.reasons, judged.repairs, ~(ids.bad | ids.missing),
            ~(seconds.bad | seconds.missing), keys, tuple(judged.findings),
        )  # fmt: skip

    def read_ids(self, column: pl.Series) -> tuple[Ints, Flags]:
        """Return the transactions' ids from their texts, and whether each can be read."""
        key = self._source.transaction_id
        read = self._key("transaction_id", key, {key.column: trimmed(column)}, {})
        return read.values, ~(read.bad | read.missing)

    def _key(
        self, name: str, key: Key, texts: Mapping[str, pl.Series], keys: dict[str, pl.Series]
    ) -> Read:
        """Return a key's values; a negative integer counts as missing, as the contract has it."""
        column = texts[key.column]
        missing = column.is_null().to_numpy()
        if not key.is_text:
            read = read_integers(column)
            return Read(read.values, read.bad, missing | (~read.bad & (read.values < 0)))
        keys[name] = column
        values = surrogates(column, key.bits)
        for text, other in self._exceptions.get(name, {}).items():
            values[(column == text).fill_null(value=False).to_numpy()] = other
        too_long = (column.str.len_bytes() > MAX_KEY_BYTES).fill_null(value=False).to_numpy()
        return Read(values, too_long, missing)

    def _amount(self, texts: Mapping[str, pl.Series], judged: _Judged) -> Ints:
        money = self._source.amount
        amounts, rounded = read_decimals(texts[money.column], money.digits)
        judged.add(Reason.MALFORMED_ROW, amounts.bad, money.column)
        wrong = amounts.missing | (np.abs(amounts.values) > MAX_AMOUNT_CENTS)
        if not money.refunds:
            wrong |= amounts.values <= 0
        judged.add(Reason.NON_POSITIVE_AMOUNT, wrong & ~amounts.bad, money.column)
        judged.repair(Repair.ROUNDED_AMOUNT, rounded)
        return amounts.values

    def _label(self, columns: Mapping[str, pl.Series], judged: _Judged) -> npt.NDArray[np.int32]:
        label = self._source.label
        fraud = read_flags(trimmed(columns[label.column]))
        malformed = fraud.bad
        bad = fraud.bad | fraud.missing | (fraud.values < 0) | (fraud.values > 1)
        kind = fraud.values
        if label.kind_column is not None:
            kinds = read_integers(trimmed(columns[label.kind_column]))
            malformed = malformed | kinds.bad
            bad |= kinds.bad | kinds.missing
            kind = kinds.values
            bad |= (kind < 0) | (kind > len(label.kinds)) | ((kind > 0) != (fraud.values > 0))
        judged.add(Reason.MALFORMED_ROW, malformed, *self._source.label_columns)
        judged.add(Reason.BAD_LABEL, bad, *self._source.label_columns)
        return np.where(bad, 0, kind).astype(np.int32)


class _Judged:
    """The reasons and repairs of rows, as bit masks of shape (n,)."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.reasons = np.zeros(size, np.int64)
        self.repairs = np.zeros(size, np.int32)
        self.findings: list[Finding] = []

    def add(self, reason: Reason, rows: Flags, *columns: str) -> None:
        if rows.any():
            self.reasons[rows] |= REASON_BITS[reason]
            self.findings.append(Finding(reason, columns, rows))

    def add_rule(self, place: int, name: str, rows: Flags) -> None:
        if rows.any():
            self.reasons[rows] |= 1 << (len(Reason) + place)
            self.findings.append(Finding(name, (), rows))

    def repair(self, repair: Repair, rows: Flags) -> None:
        if rows.any():
            self.repairs[rows] |= REPAIR_BITS[repair]


def _apply_rules(source: SourceSpec, rows: CleanRows, judged: _Judged) -> None:
    """Add the data set's own reasons to rows that have no other one, whose values are right."""
    terms = row_terms(rows.seconds, rows.amount_cents, rows.facts)
    is_valid = judged.reasons == 0
    for place, values in source.rule_formulas.evaluate(terms):
        judged.add_rule(place, source.rule_names[place], is_valid & (values > 0))


def _fact(fact: Fact, column: pl.Series, judged: _Judged) -> Ints:
    if fact.kind == "category":
        return category_codes(column)
    read, _ = read_decimals(column, fact.digits, exponents=True)
    values = read.values
    # a number that is too large is not a missing one
    is_large = read.missing & column.str.contains("[0-9]").fill_null(value=False).to_numpy()
    bad = read.bad | is_large | (np.abs(values) > MAX_NUMBER)
    if fact.missing is None:
        bad |= read.missing
    else:
        values = np.where(read.missing, fact.missing, values)
    judged.add(Reason.BAD_VALUE, bad, fact.column)
    return values
