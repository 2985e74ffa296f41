"""Explanations of what is wrong with the fields of a row, for the person who fixes the sender.

Here: one sentence for each invalid field: the field's name, the rule, and the form of the value
(number of digits, an exponent, a letter).
Not here: which reasons apply (`rows.judge`), duplicates (`cleaning.duplicates`).

A sentence never contains a value, because values are customer data. The message itself is stored
next to the sentence, with restricted access.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from fraud_platform.contracts.drops import (
    COLUMNS,
    FIRST_YEAR,
    LAST_YEAR,
    MAX_AMOUNT_CENTS,
    UNKNOWN_CUSTOMER_ID,
)
from fraud_platform.contracts.quarantine_reasons import Reason
from fraud_platform.contracts.reason_words import REASON_DESCRIPTIONS
from fraud_platform.rows.judge import REASON_BITS, judge_fields, read_integer

MAX_DIGITS = 18
_ID, _TIME, _CUSTOMER, _TERMINAL, _AMOUNT, _SECONDS, _DAYS, _FRAUD, _SCENARIO = range(len(COLUMNS))
_NUMBER = re.compile(rb"(-?)([0-9]+)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_AMOUNT_RULE = "expected digits, and decimals after a point"
_MAX_AMOUNT = f"{MAX_AMOUNT_CENTS // 100:,}.{MAX_AMOUNT_CENTS % 100:02d}"


def explain_fields(fields: Sequence[bytes], names: Sequence[str] = COLUMNS) -> list[str]:
    """Return one sentence for each problem of a row, in the order of its reasons.

    Every reason that applies has at least one sentence.

    Args:
        fields: the nine fields.
        names: the sender's names of the nine fields.
    """
    fields = [field.strip(b" ") for field in fields]
    reasons = judge_fields(fields).reasons
    sentences: list[str] = []
    for reason, bit in REASON_BITS.items():
        if reasons & bit:
            explained = _of_reason(reason, fields, names)
            sentences += explained or [f"{reason}: {REASON_DESCRIPTIONS[reason]}"]
    return sentences


def _of_reason(reason: Reason, fields: Sequence[bytes], names: Sequence[str]) -> list[str]:
    match reason:
        case Reason.MALFORMED_ROW:
            return _malformed(fields, names)
        case Reason.BAD_TIMESTAMP:
            return [f"{names[_TIME]} {_wrong_time(fields[_TIME])}"]
        case Reason.UNKNOWN_CUSTOMER:
            field = fields[_CUSTOMER]
            is_marker = field == str(UNKNOWN_CUSTOMER_ID).encode()
            marker = "is the sender's marker of an unknown customer"
            wrong = marker if is_marker else _missing_or_negative(field)
            return [f"{names[_CUSTOMER]} {wrong}, expected a customer's number from 0"]
        case Reason.UNKNOWN_TERMINAL:
            wrong = _missing_or_negative(fields[_TERMINAL])
            return [f"{names[_TERMINAL]} {wrong}, expected a terminal's number from 0"]
        case Reason.NON_POSITIVE_AMOUNT:
            wrong = _amount_out_of_range(fields[_AMOUNT])
            return [f"{names[_AMOUNT]} {wrong}, expected more than 0 and at most {_MAX_AMOUNT}"]
        case Reason.BAD_LABEL:
            return [
                (
                    f"{names[_FRAUD]} and {names[_SCENARIO]} disagree or are out of range, "
                    "expected no fraud with scenario 0, or fraud with a scenario from 1 to 3"
                )
            ]
    return []


def _malformed(fields: Sequence[bytes], names: Sequence[str]) -> list[str]:
    sentences = []
    for place in (_ID, _CUSTOMER, _TERMINAL, _SECONDS, _DAYS, _FRAUD, _SCENARIO):
        field = fields[place]
        is_needed = place in (_ID, _SECONDS, _DAYS)
        if read_integer(field) is None and (field or is_needed):
            wrong = wrong_form(field, has_decimals=False)
            sentences.append(
                f"{names[place]} {wrong}, expected an integer of at most {MAX_DIGITS} digits"
            )
    number = read_integer(fields[_ID])
    if number is not None and number < 0:
        sentences.append(f"{names[_ID]} is negative, expected a number from 0")
    alone = [b"0", b"2018-04-01 00:00:00", b"0", b"0", fields[_AMOUNT], b"0", b"0", b"0", b"0"]
    if judge_fields(alone).reasons & REASON_BITS[Reason.MALFORMED_ROW]:
        wrong = wrong_form(fields[_AMOUNT], has_decimals=True)
        sentences.append(f"{names[_AMOUNT]} {wrong}, {_AMOUNT_RULE}")
    unreadable = [name for name, field in zip(names, fields, strict=True) if not _is_utf8(field)]
    return sentences + [f"{name} is not UTF-8" for name in unreadable]


def wrong_form(field: bytes, has_decimals: bool) -> str:
    """Return how a field breaks the grammar of numbers."""
    number = _NUMBER.fullmatch(field)
    if not field:
        return "is missing"
    if number is None:
        return "is not a number"
    _, whole, decimals, exponent = number.groups()
    if exponent:
        return "is written with an exponent"
    if decimals and not has_decimals:
        return "has decimals"
    return f"has {len(whole)} digits"


def _wrong_time(field: bytes) -> str:
    rule = (
        f"expected a real time, YYYY-MM-DD HH:MM:SS in UTC, of the years {FIRST_YEAR} to "
        f"{LAST_YEAR}"
    )
    if not field:
        return f"is missing, {rule}"
    if not re.fullmatch(rb"\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}", field):
        return f"is written otherwise ({len(field)} bytes), {rule}"
    if not FIRST_YEAR <= int(field[:4]) <= LAST_YEAR:
        return f"is of another year, {rule}"
    return f"is not a time of the calendar and the clock, {rule}"


def _missing_or_negative(field: bytes) -> str:
    return "is negative" if field else "is missing"


def _amount_out_of_range(field: bytes) -> str:
    if not field:
        return "is missing"
    if _NUMBER.fullmatch(field) is None:
        return "is not a finite number"
    if field.startswith(b"-"):
        return "is negative"
    whole, _, decimals = field.partition(b".")
    if not whole.lstrip(b"0") and (decimals + b"000")[:3] < b"005":
        return "is zero, or rounds to zero cents"
    return "is too large"


def _is_utf8(field: bytes) -> bool:
    try:
        field.decode()
    except UnicodeDecodeError:
        return False
    return True
