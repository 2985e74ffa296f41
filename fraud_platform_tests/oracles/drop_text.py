"""A small drop's text, line by line, for tests that say each row.

Here: rows and the whole file.
Not here: lines that are wrong (`nasty_lines`), drops of a simulated world.
"""

from __future__ import annotations

from collections.abc import Callable

from fraud_platform.cleaning import DropOutcome
from fraud_platform_tests.oracles import nasty_lines

HEADER = nasty_lines.HEADER + b"\n"

Publish = Callable[..., DropOutcome]
"""The fixture `publish`: drop and content, then options of `publish_drop`."""


def row(key: int, day: int = 1, amount: str = "5.00", label: int = 0) -> bytes:
    return b"%d,2019-09-%02d 10:00:00,1,2,%s,0,0,%d,%d\n" % (
        key,
        day,
        amount.encode(),
        label > 0,
        label,
    )


def text(*rows: bytes) -> bytes:
    return HEADER + b"".join(rows)
