"""The contract's rules for a single line, written for readability.

Here: parsing one line, its reasons and its repairs. This is the reference implementation:
`canonical` may only claim lines for which it gives the same result.
Not here: duplicates, which depend on other rows (`duplicates`); speed (`canonical`).

The contract leaves some cases open, which are decided here: a line of spaces is blank; all fields
are trimmed of spaces, also the timestamp; an empty tx_time_seconds or tx_time_days makes a row
malformed; the year is checked after `24:00:00` is repaired; an amount with more than two decimals
counts as rounded even if the additional decimals are zeros.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from fraud_platform.contracts.drops import COLUMNS, FIRST_YEAR, LAST_YEAR, MAX_AMOUNT_CENTS
from fraud_platform.contracts.own_days import DaySpan
from fraud_platform.contracts.quarantine_reasons import Reason, Repair
from fraud_platform.contracts.time import SECONDS_PER_DAY, SECONDS_PER_HOUR, day_number

REASONS: tuple[Reason, ...] = tuple(Reason)
REPAIRS: tuple[Repair, ...] = tuple(Repair)
REASON_BITS: dict[Reason, int] = {reason: 1 << i for i, reason in enumerate(REASONS)}
REPAIR_BITS: dict[Repair, int] = {repair: 1 << i for i, repair in enumerate(REPAIRS)}

_MALFORMED = REASON_BITS[Reason.MALFORMED_ROW]
_INTEGER = re.compile(rb"-?[0-9]{1,18}")
_AMOUNT = re.compile(rb"(-?)([0-9]+)(?:\.([0-9]+))?")
_NOT_A_NUMBER = re.compile(rb"nan|-?inf", re.IGNORECASE)
_TIMESTAMP = re.compile(rb"([0-9]{4})-([0-9]{2})-([0-9]{2}) ([0-9]{2}):([0-9]{2}):([0-9]{2})")


class JudgedRow(NamedTuple):
    """One data row: bit masks of its reasons (0: valid) and repairs, and its contents.

    The contents are set only if there is no reason; `transaction_id`, `seconds` and `scenario` are
    set whenever they can be parsed. `seconds` counts from 1970-01-01 UTC.
    """

    reasons: int
    repairs: int
    transaction_id: int | None
    seconds: int = 0
    customer_id: int = 0
    terminal_id: int = 0
    amount_cents: int = 0
    fraud: int = 0
    scenario: int = 0


def judge_line(line: bytes, days: DaySpan | None = None) -> JudgedRow:
    """Judge one data line (not blank, not a comment), without its line ending.

    Args:
        days: the drop's own days, since 1970; None if any day may be right.
    """
    if line.count(b",") != len(COLUMNS) - 1:  # before splitting: a long line has many fields
        return JudgedRow(_MALFORMED, 0, read_integer(line.split(b",", 1)[0].strip(b" ")))
    return judge_fields(line.split(b","), days)


def judge_fields(fields: Sequence[bytes], days: DaySpan | None = None) -> JudgedRow:
    """Judge the nine fields of a row."""
    fields = [field.strip(b" ") for field in fields]
    transaction_id = read_integer(fields[0])
    numbers = {i: read_integer(fields[i]) for i in (2, 3, 7, 8)}
    malformed = (
        transaction_id is None
        or transaction_id < 0
        or any(fields[i] and number is None for i, number in numbers.items())
        or read_integer(fields[5]) is None
        or read_integer(fields[6]) is None
        or not _is_utf8(b"".join(fields))
    )
    seconds, midnight = _timestamp(fields[1])
    cents, rounded, is_amount = _amount(fields[4])
    customer, terminal, fraud, scenario = numbers.values()
    reasons = (
        _bit(Reason.MALFORMED_ROW, malformed or not is_amount)
        | _bit(Reason.BAD_TIMESTAMP, seconds is None)
        | _bit(Reason.UNKNOWN_CUSTOMER, not fields[2] or (customer is not None and customer < 0))
        | _bit(Reason.UNKNOWN_TERMINAL, not fields[3] or (terminal is not None and terminal < 0))
        | _bit(Reason.NON_POSITIVE_AMOUNT, is_amount and cents is None)
        | _bit(Reason.BAD_LABEL, not _is_label(fraud, scenario))
        | _bit(Reason.TIME_OUTSIDE_DROP, _is_outside(seconds, days))
    )
    if reasons:
        return JudgedRow(reasons, 0, transaction_id, seconds or 0, scenario=scenario or 0)
    repairs = midnight * REPAIR_BITS[Repair.MIDNIGHT_24H]
    repairs |= rounded * REPAIR_BITS[Repair.ROUNDED_AMOUNT]
    contents = (seconds, customer, terminal, cents, fraud, scenario)
    return JudgedRow(0, repairs, transaction_id, *(value or 0 for value in contents))


def read_time(field: bytes) -> int | None:
    """Return the seconds since 1970 of a time, repaired; None if it is not a time."""
    return _timestamp(field.strip(b" "))[0]


def read_id(line: bytes) -> int | None:
    """Return the transaction_id at the start of a line, or None if it is not one."""
    transaction_id = read_integer(line.split(b",", 1)[0].strip(b" "))
    return None if transaction_id is None or transaction_id < 0 else transaction_id


def read_integer(field: bytes) -> int | None:
    """Return a trimmed field as an integer, or None if it is not in the contract's grammar."""
    return int(field) if _INTEGER.fullmatch(field) else None


def _bit(reason: Reason, fits: bool) -> int:
    return REASON_BITS[reason] if fits else 0


def _is_outside(seconds: int | None, days: DaySpan | None) -> bool:
    if seconds is None or days is None:
        return False
    return not days.first <= seconds // SECONDS_PER_DAY <= days.last


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def _is_label(fraud: int | None, scenario: int | None) -> bool:
    return (fraud == 0 and scenario == 0) or (fraud == 1 and scenario in (1, 2, 3))


def _timestamp(field: bytes) -> tuple[int | None, bool]:
    """Return seconds since 1970 (None if the time is invalid), and whether it was 24:00:00."""
    match = _TIMESTAMP.fullmatch(field)
    if match is None:
        return None, False
    year, month, day, hour, minute, second = map(int, match.groups())
    midnight = (hour, minute, second) == (24, 0, 0)
    if not midnight and (hour > 23 or minute > 59 or second > 59):
        return None, False
    try:
        days = day_number(date(year, month, day))
    except ValueError:
        return None, False
    seconds = days * SECONDS_PER_DAY + hour * SECONDS_PER_HOUR + minute * 60 + second
    return (seconds, midnight) if _FIRST_SECOND <= seconds < _END_SECOND else (None, False)


def _amount(field: bytes) -> tuple[int | None, bool, bool]:
    """Return cents (None if out of range), whether it was rounded, and whether it is an amount.

    An empty field, NaN and infinity count as amounts out of range, not as malformed.
    """
    match = _AMOUNT.fullmatch(field)
    if match is None:
        return None, False, not field or _NOT_A_NUMBER.fullmatch(field) is not None
    sign, whole, decimals = match[1], match[2].lstrip(b"0"), match[3] or b""
    rounded = len(decimals) > 2
    if sign or len(whole) > len(str(MAX_AMOUNT_CENTS)):
        return None, rounded, True
    cents = int(whole or b"0") * 100 + int((decimals + b"00")[:2])
    cents += rounded and decimals[2:3] >= b"5"
    return (cents if 0 < cents <= MAX_AMOUNT_CENTS else None), rounded, True


_FIRST_SECOND = day_number(date(FIRST_YEAR, 1, 1)) * SECONDS_PER_DAY
_END_SECOND = day_number(date(LAST_YEAR + 1, 1, 1)) * SECONDS_PER_DAY
