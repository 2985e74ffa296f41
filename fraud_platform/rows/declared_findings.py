"""Explanations of what is wrong with the columns of a declared row, for the person who fixes it.

Here: one sentence for each finding of a row: the column's name, the form of the value, the rule.
Not here: the findings (`rows.declared`), rows of the shape with a parser of its own
(`rows.findings`).

A sentence never contains a value, because values are customer data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from fraud_platform.contracts.data_set import MAX_NUMBER, Key, SourceSpec, Time
from fraud_platform.contracts.drops import FIRST_YEAR, LAST_YEAR, MAX_AMOUNT_CENTS
from fraud_platform.contracts.quarantine_reasons import Reason
from fraud_platform.contracts.reason_words import REASON_DESCRIPTIONS
from fraud_platform.rows.declared import MAX_KEY_BYTES, Finding
from fraud_platform.rows.findings import MAX_DIGITS, wrong_form

_EPOCHS = {"s": "seconds", "ms": "milliseconds", "us": "microseconds"}


def explain_row(
    source: SourceSpec,
    findings: Sequence[Finding],
    texts: Mapping[str, str | None],
    row: int,
    names: Mapping[str, str] | None = None,
) -> list[str]:
    """Return one sentence for each finding of a row, in the order of their reasons.

    Args:
        findings: of the rows that were read together.
        texts: the row's texts by column.
        row: its place among them.
        names: the sender's names of the columns; without them, the columns' own.
    """
    trimmed = {name: (text or "").strip(" ") for name, text in texts.items()}
    own = [finding for finding in findings if finding.rows[row]]
    order = (*Reason, *source.rule_names)
    return [
        _sentence(source, finding, trimmed, names or {})
        for finding in sorted(own, key=lambda finding: order.index(finding.reason))
    ]


def _sentence(
    source: SourceSpec, finding: Finding, texts: Mapping[str, str], names: Mapping[str, str]
) -> str:
    for rule in source.rules:
        if finding.reason == rule.name:
            return f"{rule.name}: the data set refuses a row with {rule.condition}"
    said = " and ".join(names.get(column, column) for column in finding.columns)
    given = [texts.get(column, "") for column in finding.columns]
    columns = finding.columns
    for key in (source.transaction_id, source.customer, source.counterparty):
        if columns == (key.column,):
            return f"{said} {wrong_key(key, given[0])}"
    if columns == source.booked.columns and finding.reason is Reason.BAD_TIMESTAMP:
        missing = [names.get(c, c) for c, text in zip(columns, given, strict=True) if not text]
        said = " and ".join(missing) if missing else said.replace(" and ", " with ")
        return f"{said} {_wrong_time(source.booked, given)}"
    if columns == (source.amount.column,):
        return f"{said} {_wrong_amount(source, Reason(finding.reason), given[0])}"
    for fact in source.facts:
        if columns == (fact.column,):
            return f"{said} {_wrong_number(given[0], fact.digits)}"
    return f"{said}: {REASON_DESCRIPTIONS[finding.reason]}"


def wrong_key(key: Key, text: str) -> str:
    """Return what is wrong with the trimmed text of a key, and the rule for it."""
    if key.is_text:
        rule = f"expected a text of at most {MAX_KEY_BYTES} bytes"
        return f"has {len(text.encode())} bytes, {rule}" if text else f"is missing, {rule}"
    rule = f"expected an integer from 0, of at most {MAX_DIGITS} digits"
    wrong = wrong_form(text.encode(), has_decimals=False)
    is_negative = text.startswith("-") and text[1:].isdigit() and len(text) <= MAX_DIGITS + 1
    return f"is negative, {rule}" if is_negative else f"{wrong}, {rule}"


def _wrong_time(booked: Time, given: Sequence[str]) -> str:
    years = f"of the years {FIRST_YEAR} to {LAST_YEAR}"
    if booked.epoch is not None:
        rule = f"expected {_EPOCHS[booked.epoch]} since 1970-01-01 UTC, {years}"
        text = given[0].encode()
        wrong = wrong_form(text, has_decimals=False)
        return f"{wrong}, {rule}"
    form = booked.format or ""
    rule = f"expected a real time of the form {form} in {booked.zone}, {years}"
    if not all(given):
        return f"is missing, {rule}"
    try:
        moment = datetime.strptime(" ".join(given), form)  # noqa: DTZ007 - a local time
    except ValueError:
        return f"is not of this form or not a time of the calendar and the clock, {rule}"
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        return f"is of another year, {rule}"
    return f"is written otherwise, or is a time that the clocks of the zone skip, {rule}"


def _wrong_amount(source: SourceSpec, reason: Reason, text: str) -> str:
    money = source.amount
    if reason is Reason.MALFORMED_ROW:
        wrong = wrong_form(text.encode(), has_decimals=True)
        return f"{wrong}, expected digits, and decimals after a point"
    most = f"{MAX_AMOUNT_CENTS / 10**money.digits:,.{money.digits}f}"
    least = f"at least -{most}" if money.refunds else "more than 0"
    return f"{_out_of_range(text)}, expected {least} and at most {most} {money.currency}"


def _out_of_range(text: str) -> str:
    if not text:
        return "is missing"
    digits = text.lstrip("+-")
    if not digits[:1].isdigit():
        return "is not a finite number"
    if text.startswith("-"):
        return "is negative"
    return "is too large" if digits.partition(".")[0].strip("0") else "is zero, or rounds to zero"


def _wrong_number(text: str, digits: int) -> str:
    rule = f"expected a number of at most {MAX_NUMBER // 10**digits:,}, decimals after a point"
    if not text:
        return f"is missing, {rule}"
    return f"{wrong_form(text.encode(), has_decimals=True)}, {rule}"
