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
_MAX_DIFFERENCES = 20
_LONE_CR = "a CR without LF stands in it, which ends no line"
_FORMATS = {
    b"\x1f\x8b": "a gzip stream, whose name ends with .txt.gz",
    b"\xfd7zXZ\x00": "an xz stream, whose name ends with .txt.xz",
    b"\x28\xb5\x2f\xfd": "a zstd stream, whose name ends with .txt.zst",
    b"PK\x03\x04": "a zip archive",
    b"\xff\xfe": "UTF-16 or UTF-32",
    b"\xfe\xff": "UTF-16 or UTF-32",
    b"\0\0\xfe\xff": "UTF-16 or UTF-32",
}
"""What files of other formats begin with."""
_SIGNS = {
    "\t": "tabs stand in it, where pipes or commas divide columns",
    ";": "semicolons stand in it, where pipes or commas divide columns",
    '"': "quotes stand in it, which names do not have",
    "\r": _LONE_CR,
    "\0": "NUL bytes stand in it, as in UTF-16 or UTF-32",
}
"""What is said of a line of our names that has such a character."""


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
        DropHeaderError: it is no plain UTF-8, its first line does not end within the limit or
            differs from the contract; the differences are listed.
    """
    if not head:
        raise DropUnreadableError(
            f"{file_name}: expected a header and rows, found an empty file. "
            "Deliver it again or move it to rejected/."
        )
    _refuse_other_formats(head, file_name)
    position = len(_BOM) if head.startswith(_BOM) else 0
    blank_lines = 0
    while position < len(head):
        end = head.find(b"\n", position)
        line = head[position : end if end >= 0 else len(head)].removesuffix(b"\r")
        if end < 0 and len(head) >= HEADER_LIMIT_BYTES:
            raise _no_header_within_the_limit(line, file_name)
        position = end + 1 if end >= 0 else len(head)
        if line.strip(b" "):
            _check_columns(line, file_name)
            return Header(position, blank_lines)
        blank_lines += 1
    if len(head) >= HEADER_LIMIT_BYTES:
        raise _no_header_within_the_limit(b"", file_name)
    raise DropHeaderError(
        f"{file_name}: expected the header `{HEADER}`, found only blank lines. "
        "Fix the file or move it to rejected/."
    )


def _refuse_other_formats(head: bytes, file_name: str) -> None:
    found = next((what for begin, what in _FORMATS.items() if head.startswith(begin)), None)
    if found is not None:
        raise DropHeaderError(
            f"{file_name}: expected plain text in UTF-8, found {found}. Fix the file or its name, "
            "or move it to rejected/."
        )


def _no_header_within_the_limit(line: bytes, file_name: str) -> DropHeaderError:
    found = "a line that does not end there" if line.strip(b" ") else "only blank lines there"
    said = f" ({_LONE_CR})" if b"\r" in line else ""
    return DropHeaderError(
        f"{file_name}: expected the header `{HEADER}` within the first {HEADER_LIMIT_BYTES:,} "
        f"bytes, found {found}{said}. Fix the file or move it to rejected/."
    )


def _check_columns(line: bytes, file_name: str) -> None:
    text = line.decode("utf-8", errors="replace").strip(" ").removeprefix("#")
    found = [name.strip(" ") for name in text.split("|" if "|" in text else ",")]
    if found[0] == MISSPELT_TRANSACTION_ID:
        found[0] = COLUMNS[0]
    names_us = COLUMNS[1] in text.replace("\0", "")
    signs = [said for sign, said in _SIGNS.items() if names_us and sign in text]
    if differences := _differences(found, signs):
        listed = differences[:_MAX_DIFFERENCES]
        if len(differences) > len(listed):
            listed.append(f"and {len(differences) - len(listed):,} more")
        raise DropHeaderError(
            f"{file_name}: expected {len(COLUMNS)} columns ({', '.join(COLUMNS)}), found "
            f"{len(found)}: {'; '.join(listed)}. Fix the file or move it to rejected/."
        )


def _differences(found: list[str], signs: list[str]) -> list[str]:
    if tuple(found) == COLUMNS:
        return []
    named = [name for name in found if _COLUMN_NAME.fullmatch(name)]
    if not named:
        # Contents are not shown: without a header this line is somebody's transaction.
        return signs or ["the first line holds no column names, the header is missing"]
    problems = signs + [f"{name!r} is missing" for name in COLUMNS if name not in found]
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
