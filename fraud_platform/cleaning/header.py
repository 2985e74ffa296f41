"""The header of a drop: accepted in every form that the contract names, or refused in full.

Here: reading the first line.
Not here: the rows behind it (`lines`, `judge`), decompression (`raw_text`).

A drop without a header is refused: nothing else states the order of its columns, and two id
columns exchanged would pass every other check.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from fraud_platform.contracts.drops import COLUMNS, HEADER, MISSPELT_TRANSACTION_ID
from fraud_platform.errors import DropHeaderError, DropUnreadableError

HEADER_LIMIT_BYTES = 65_536
"""The header ends within so many bytes, or the file is none of ours."""

_BOM = b"\xef\xbb\xbf"
_COLUMN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_ ]{0,63}")


@dataclass(frozen=True)
class Header:
    """Where the header ended.

    Args:
        body_offset: first byte behind the header's line ending.
        blank_lines: blank lines before it.
    """

    body_offset: int
    blank_lines: int


def read_header(head: bytes, file_name: str) -> Header:
    """Accept the header at the start of a drop's text.

    Both spellings of the first column, with or without `#`, divided by pipes or commas, LF or
    CRLF, a byte order mark before it and blank lines are accepted.

    Args:
        head: the text's first bytes, `HEADER_LIMIT_BYTES` of them or all that there are.
        file_name: the drop's file, for the message.

    Raises:
        DropUnreadableError: the text is empty.
        DropHeaderError: the first line differs from the contract; every difference is listed.
    """
    if not head:
        raise DropUnreadableError(
            f"{file_name}: expected a header and rows, found an empty file. "
            "Deliver it again or move it to rejected/."
        )
    position = len(_BOM) if head.startswith(_BOM) else 0
    blank_lines = 0
    while position < len(head):
        end = head.find(b"\n", position)
        line = head[position : end if end >= 0 else len(head)].removesuffix(b"\r")
        position = end + 1 if end >= 0 else len(head)
        if line.strip(b" "):
            _check_columns(line, file_name)
            return Header(position, blank_lines)
        blank_lines += 1
    raise DropHeaderError(
        f"{file_name}: expected the header `{HEADER}`, found only blank lines. "
        "Fix the file or move it to rejected/."
    )


def _check_columns(line: bytes, file_name: str) -> None:
    text = line.decode("utf-8", errors="replace").strip(" ").removeprefix("#")
    found = [name.strip(" ") for name in text.split("|" if "|" in text else ",")]
    if found[0] == MISSPELT_TRANSACTION_ID:
        found[0] = COLUMNS[0]
    if differences := _differences(found):
        raise DropHeaderError(
            f"{file_name}: expected {len(COLUMNS)} columns ({', '.join(COLUMNS)}), found "
            f"{len(found)}: {'; '.join(differences)}. Fix the file or move it to rejected/."
        )


def _differences(found: list[str]) -> list[str]:
    if tuple(found) == COLUMNS:
        return []
    named = [name for name in found if _COLUMN_NAME.fullmatch(name)]
    if not named:
        # Contents are not shown: without a header this line is somebody's transaction.
        return ["the first line holds no column names, the header is missing"]
    problems = [f"{name!r} is missing" for name in COLUMNS if name not in found]
    problems += [
        f"{name!r} is not a column of the contract"
        if _COLUMN_NAME.fullmatch(name)
        else f"field {i} is not a column name"
        for i, name in enumerate(found, 1)
        if name not in COLUMNS
    ]
    problems += [
        f"{name!r} stands {found.count(name)} times" for name in COLUMNS if found.count(name) > 1
    ]
    problems += [
        f"column {i} is {name!r}, not {COLUMNS[i - 1]!r}"
        for i, name in enumerate(found[: len(COLUMNS)], 1)
        if name in COLUMNS and name != COLUMNS[i - 1]
    ]
    return problems
