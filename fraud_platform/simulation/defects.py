"""Catalogue of defects and unusual spellings, each with the outcome that the contract requires.

Here: field values that each break one rule of the data contract, lines that cannot be parsed as a
row, and unusual spellings that are valid.
Not here: how many of each a drop gets, and on which lines (`dirt`).

The catalogue holds only values for which the contract defines the reasons unambiguously.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from fraud_platform.contracts.drops import HEADER, UNKNOWN_CUSTOMER_ID
from fraud_platform.contracts.quarantine_reasons import Reason

Fields = list[bytes]
FieldDefect = dict[int, bytes]
"""Field index to the bytes that replace the field."""

ID, DATETIME, CUSTOMER, TERMINAL, AMOUNT, SECONDS, DAYS, FRAUD, SCENARIO = range(9)
_GARBAGE_BYTES = 48


def _in_field(field: int, values: Sequence[bytes]) -> list[FieldDefect]:
    return [{field: value} for value in values]


MALFORMED_WITH_VALID_ID: list[FieldDefect] = [
    *_in_field(CUSTOMER, [b"12x", b"\xff\xfe7", b"12\r3", b'"596"', b"0x1F", b"5\x006", b"1e3"]),
    *_in_field(CUSTOMER, ["\u0663".encode(), "\uff11\uff12".encode(), b"\xc3", b"4 7"]),
    *_in_field(TERMINAL, [b"T12", b"12.5", b"1234567890123456789", b"null"]),
    *_in_field(AMOUNT, [b"1e3", b"+5.00", b".50", b"5.", b"1_000.00", b"$5.00", b"5.00.1"]),
    *_in_field(AMOUNT, [b"infinity", "\u20ac5.00".encode(), b"5\x80.00"]),
    *_in_field(SECONDS, [b"x", b"1.5"]),
    *_in_field(DAYS, [b"day 3", b"+3"]),
]
"""Defects that put a field other than the id outside its grammar."""

DEFECTS: dict[Reason, list[FieldDefect]] = {
    Reason.MALFORMED_ROW: [
        *MALFORMED_WITH_VALID_ID,
        *_in_field(ID, [b"", b"-5", b"12a", b"1234567890123456789", b"1.0", b"\xe9"]),
    ],
    Reason.BAD_TIMESTAMP: _in_field(
        DATETIME,
        [
            b"",
            b"2018-02-30 10:00:00",
            b"2019-02-29 10:00:00",
            b"2018-13-01 10:00:00",
            b"2018-00-10 10:00:00",
            b"0000-00-00 00:00:00",
            b"1999-12-31 23:59:59",
            b"2100-01-01 00:00:00",
            b"2018-04-01T10:00:00",
            b"2018-04-01 10:00:00Z",
            b"2018-04-01 10:00:00.123",
            b"2018-04-01 10:00",
            b"2018-04-01",
            b"2018-4-1 9:00:00",
            b"01/04/2018 10:00:00",
            b"2018-04-01 24:00:01",
            b"2018-04-01 24:30:00",
            b"2018-04-01 25:00:00",
            b"2018-04-01 10:60:00",
            b"2018-04-01 23:59:60",
            b"1522576800",
            b"yesterday",
        ],
    ),
    Reason.UNKNOWN_CUSTOMER: _in_field(
        CUSTOMER, [str(UNKNOWN_CUSTOMER_ID).encode()] * 3 + [b"-1", b""]
    ),
    Reason.UNKNOWN_TERMINAL: _in_field(TERMINAL, [b"-1", b"", b"-999999"]),
    Reason.NON_POSITIVE_AMOUNT: _in_field(
        AMOUNT,
        # Mostly zeros, as in the original series: amounts that round to zero cents.
        [b"0.00"] * 12
        + [b"-12.34", b"0", b"-0.00", b"0.004", b"-0.004", b"0.0", b""]
        + [b"NaN", b"nan", b"inf", b"-inf", b"INF"]
        + [b"10000000.00", b"9999999.995", b"99999999999999999999999.00"],
    ),
    Reason.BAD_LABEL: [
        {FRAUD: fraud, SCENARIO: scenario}
        for fraud, scenario in (
            (b"1", b"0"),
            (b"0", b"1"),
            (b"0", b"3"),
            (b"2", b"0"),
            (b"1", b"4"),
            (b"-1", b"0"),
            (b"0", b"-1"),
            (b"", b""),
            (b"1", b""),
            (b"", b"2"),
        )
    ],
}
"""Reason to the defects that give a row this reason and no other."""


def _garbage(fields: Fields, random: np.random.Generator) -> bytes:  # noqa: ARG001 - all defects have one signature
    """Return one line of random bytes that is not valid UTF-8."""
    noise = random.integers(0, 256, _GARBAGE_BYTES, dtype=np.uint8).tobytes()
    return b"\xff" + noise.replace(b"\n", b"\xfe").replace(b"\r", b"\xfe").replace(b",", b"\xfe")


LineDefect = Callable[[Fields, np.random.Generator], bytes]

LINE_DEFECTS: list[LineDefect] = [
    lambda fields, random: b",".join(fields[:8]),
    lambda fields, random: b",".join([*fields, b"0"]),
    lambda fields, random: b",".join(fields) + b",",
    lambda fields, random: b",".join(fields[:4]),
    lambda fields, random: fields[ID],
    lambda fields, random: b";".join(fields),
    lambda fields, random: b"|".join(fields),
    lambda fields, random: b"\t".join(fields),
    lambda fields, random: b",".join([*fields, *fields]),
    lambda fields, random: b",".join(fields) + b"\r" + b",".join(fields),
    _garbage,
]
"""Lines without nine fields or not in UTF-8: malformed, so no other rule can be checked."""

SEPARATE_DEFECTS: dict[Reason, list[FieldDefect]] = {
    **DEFECTS,
    Reason.MALFORMED_ROW: _in_field(SECONDS, [b"x"]),
}
"""Defects of different reasons use different fields, so that one row can have several."""


def _padded(fields: Fields) -> Fields:
    return [f if i == DATETIME else b" " + f + b"  " for i, f in enumerate(fields)]


def _leading_zeros(fields: Fields) -> Fields:
    ids = (ID, CUSTOMER, TERMINAL, AMOUNT)
    return [b"00" + f if i in ids else f for i, f in enumerate(fields)]


def _bare_amount(fields: Fields) -> Fields:
    amount = fields[AMOUNT].rstrip(b"0").rstrip(b".")
    return [*fields[:AMOUNT], amount, *fields[SECONDS:]]


def _other_clock(fields: Fields) -> Fields:
    return [*fields[:SECONDS], b"-1", b"0", *fields[FRAUD:]]


ODD_SPELLINGS: list[Callable[[Fields], Fields]] = [
    _padded,
    _leading_zeros,
    _bare_amount,
    _other_clock,
]
"""Valid spellings of a clean row that need no repair."""

COMMENTS: list[bytes] = [b"#", b"# exported again", HEADER.encode(), b"#1,2,3", b"# \xff"]
