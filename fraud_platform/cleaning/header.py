"""The header of a drop: accepted in every form that the contract allows, else the drop is refused.

Here: finding the first line, and checking that of the Handbook's drops.
Not here: the header of other sources (`declared_header`), the rows (`lines`, `judge`),
decompression (`raw_text`).

A drop without a header is refused, because only the header defines the order of the columns: with
two id columns swapped, all rows would still pass every other check.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from fraud_platform.contracts.drop_names import DROP_FILE
from fraud_platform.contracts.drops import COLUMNS, HEADER, MISSPELT_TRANSACTION_ID
from fraud_platform.errors import DropHeaderError, DropUnreadableError

HEADER_LIMIT_BYTES = 65_536
"""The header must end within this many bytes."""

_BOM = b"\xef\xbb\xbf"
COLUMN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_ ]{0,63}")
_MAX_DIFFERENCES = 20
_LEAST_OWN_NAMES = 3
"""A line with fewer of the contract's names is no header, and none of it is shown."""
_LONE_CR = "a CR without LF stands in it, which ends no line"
_SUFFIX = DROP_FILE.partition("{day}")[2]
_FORMATS = {
    b"\x1f\x8b": f"a gzip stream, whose name ends with {_SUFFIX}.gz",
    b"\xfd7zXZ\x00": f"an xz stream, whose name ends with {_SUFFIX}.xz",
    b"\x28\xb5\x2f\xfd": f"a zstd stream, whose name ends with {_SUFFIX}.zst",
    b"PAR1": "a Parquet file",
    b"PK\x03\x04": "a zip archive",
    b"\xff\xfe": "UTF-16 or UTF-32",
    b"\xfe\xff": "UTF-16 or UTF-32",
    b"\0\0\xfe\xff": "UTF-16 or UTF-32",
}
"""First bytes of other file formats, and their names."""
_SIGNS = {
    "\t": "tabs stand in it, where pipes or commas divide columns",
    ";": "semicolons stand in it, where pipes or commas divide columns",
    '"': "quotes stand in it, which names do not have",
    "\r": _LONE_CR,
    "\0": "NUL bytes stand in it, as in UTF-16 or UTF-32",
}
"""Explanations of a line that contains the contract's names and one of these characters."""


@dataclass(frozen=True)
class Header:
    """The position of a drop's header.

    Args:
        body_offset: offset of the first byte after the header's line ending.
        blank_lines: number of blank lines before the header.
        names: the columns of the file in their order; () if the format fixes them, or has none.
        is_line: whether the header is a line, which counts as a comment.
    """

    body_offset: int
    blank_lines: int
    names: tuple[str, ...] = ()
    is_line: bool = True


def read_header(head: bytes, file_name: str) -> Header:
    """Check the header at the start of a drop's text and return its position.

    Accepted are both spellings of the first column, a header with or without `#`, columns
    separated by pipes or commas, LF or CRLF, a byte order mark and blank lines before the header.

    Args:
        head: the first `HEADER_LIMIT_BYTES` bytes of the text, or all of it if it is shorter.
        file_name: name of the drop's file, for errors.

    Raises:
        DropUnreadableError: the text is empty.
        DropHeaderError: the text is another file format, or its header does not end within the
            limit or differs from the contract; the differences are listed.
    """
    remedy = "Fix the file or move it to rejected/."
    line, position, blank_lines = find_header_line(
        head, file_name, f"the header `{HEADER}`", remedy
    )
    _check_columns(line, file_name)
    return Header(position, blank_lines)


def find_header_line(
    head: bytes, file_name: str, expected: str, remedy: str
) -> tuple[bytes, int, int]:
    """Return the first line that is not blank, the offset after it, and the blank lines before it.

    Args:
        head: the first `HEADER_LIMIT_BYTES` bytes of the text, or all of it if it is shorter.
        file_name: name of the drop's file, for errors.
        expected: what the line should be, for errors.
        remedy: what to do otherwise.

    Raises:
        DropUnreadableError: the text is empty.
        DropHeaderError: the text is another file format, or the line does not end within the limit.
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
            raise _no_header_within_the_limit(line, file_name, expected, remedy)
        position = end + 1 if end >= 0 else len(head)
        if line.strip(b" "):
            return line, position, blank_lines
        blank_lines += 1
    if len(head) >= HEADER_LIMIT_BYTES:
        raise _no_header_within_the_limit(b"", file_name, expected, remedy)
    raise DropHeaderError(f"{file_name}: expected {expected}, found only blank lines. {remedy}")


def _refuse_other_formats(head: bytes, file_name: str) -> None:
    other = next((name for begin, name in _FORMATS.items() if head.startswith(begin)), None)
    if other is not None:
        raise DropHeaderError(
            f"{file_name}: expected plain text in UTF-8, found {other}. Fix the file or its name, "
            "or move it to rejected/."
        )


def _no_header_within_the_limit(
    line: bytes, file_name: str, expected: str, remedy: str
) -> DropHeaderError:
    found = "a line that does not end there" if line.strip(b" ") else "only blank lines there"
    detail = f" ({_LONE_CR})" if b"\r" in line else ""
    return DropHeaderError(
        f"{file_name}: expected {expected} within the first {HEADER_LIMIT_BYTES:,} bytes, found "
        f"{found}{detail}. {remedy}"
    )


def _check_columns(line: bytes, file_name: str) -> None:
    text = line.decode("utf-8", errors="replace").strip(" ").removeprefix("#")
    names = [name.strip(" ") for name in text.split("|" if "|" in text else ",")]
    if names[0] == MISSPELT_TRANSACTION_ID:
        names[0] = COLUMNS[0]
    has_our_names = COLUMNS[1] in text.replace("\0", "")
    signs = [meaning for sign, meaning in _SIGNS.items() if has_our_names and sign in text]
    if differences := _differences(names, signs):
        listed = differences[:_MAX_DIFFERENCES]
        if len(differences) > len(listed):
            listed.append(f"and {len(differences) - len(listed):,} more")
        raise DropHeaderError(
            f"{file_name}: expected {len(COLUMNS)} columns ({', '.join(COLUMNS)}), found "
            f"{len(names)}: {'; '.join(listed)}. Fix the file or move it to rejected/."
        )


def kinds_of_fields(fields: Sequence[str]) -> str:
    """Return how many fields are numbers, texts and empty, and nothing of their contents."""
    numbers = sum(re.fullmatch(r"[-+]?[0-9.]+", field) is not None for field in fields)
    empty = list(fields).count("")
    texts = len(fields) - numbers - empty
    return f"no column names but {numbers} numbers, {texts} texts and {empty} empty fields"


def _differences(names: list[str], signs: list[str]) -> list[str]:
    """Return one sentence for each difference between a header's columns and the contract's."""
    if tuple(names) == COLUMNS:
        return []
    if len({name.lower() for name in names} & set(COLUMNS)) < _LEAST_OWN_NAMES:
        # Do not show the line: if the header is missing, it is a customer's transaction.
        missing = [f"{name!r} is missing" for name in COLUMNS] if len(names) == 1 else []
        return signs or [
            f"the header is missing, the first line holds {kinds_of_fields(names)}",
            *missing,
        ]
    problems = signs + [f"{name!r} is missing" for name in COLUMNS if name not in names]
    problems += [
        f"{name!r} is not a column of the contract"
        if COLUMN_NAME.fullmatch(name)
        else f"field {i} is not a column name"
        for i, name in enumerate(names, 1)
        if name not in COLUMNS
    ]
    problems += [
        f"{name!r} occurs {names.count(name)} times" for name in COLUMNS if names.count(name) > 1
    ]
    problems += [
        f"column {i} is {name!r}, not {COLUMNS[i - 1]!r}"
        for i, name in enumerate(names[: len(COLUMNS)], 1)
        if name in COLUMNS and name != COLUMNS[i - 1]
    ]
    return problems
