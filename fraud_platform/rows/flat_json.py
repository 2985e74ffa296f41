"""Dividing lines with one JSON object each into the texts of the declared columns.

Here: `JsonLines`. Lines with the same names in the same order are divided together, by positions.
Not here: other formats (`rows.formats`), the strict parser of single objects (`rows.message_json`).

A number keeps its own digits; true and false are those words; null is a missing value. A line that
is no JSON object, or in which a declared name is given twice or has an object or a list, is
malformed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from fraud_platform.rows.formats import Divided, Flags, Lines
from fraud_platform.rows.lines import PADDING, Positions
from fraud_platform.rows.message_json import JsonPairs, parse_json

_SIMPLE_STRING = r'"[^"\\\x00-\x1f]*"'
_VALUE = (
    rf"(?:{_SIMPLE_STRING}|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?|true|false|null)"
)
_PAIR = rf"[ \t\r]*{_SIMPLE_STRING}[ \t\r]*:[ \t\r]*{_VALUE}[ \t\r]*"
_FLAT = rf"^[ \t\r]*\{{{_PAIR}(?:,{_PAIR})*\}}[ \t\r]*$"
"""A flat object without escapes."""
_QUOTE, _COLON, _OPEN = ord('"'), ord(":"), ord("{")
_STRUCTURE = np.zeros(256, np.bool_)
_STRUCTURE[list(b'"{}:,')] = True
_WHITE = np.zeros(256, np.bool_)
_WHITE[list(b" \t\r")] = True
_MOST_LAYOUTS = 16
"""So many orders of names are divided together; other lines of a block one by one."""
_WORD = 8


class _Layout(NamedTuple):
    """The names of a line's fields in order."""

    names: tuple[bytes, ...]

    def places(self, columns: Sequence[str]) -> list[int | None] | None:
        """Return the place of each column, None for a missing one; None if one is given twice."""
        wanted = [name.encode() for name in columns]
        if any(self.names.count(name) > 1 for name in wanted):
            return None
        return [self.names.index(name) if name in self.names else None for name in wanted]


@dataclass(frozen=True)
class JsonLines:
    """One JSON object a line."""

    def divide(self, lines: Lines, columns: Sequence[str]) -> Divided:
        """Return these declared columns of a block's rows."""
        is_row = ~lines.is_blank
        waiting = is_row & lines.is_text
        everything = np.flatnonzero(waiting)
        texts = lines.texts(lines.starts[everything], lines.ends[everything])
        is_flat = np.zeros(len(lines), np.bool_)
        is_flat[everything] = texts.str.contains(_FLAT).to_numpy()
        parts = [*_Objects(lines, is_flat).parts(columns)]
        for numbers, _ in parts:
            waiting[numbers] = False
        parts.append(_one_by_one(lines, np.flatnonzero(waiting), columns))
        numbers = np.concatenate([part[0] for part in parts])
        found = {
            name: pl.concat([part[1][place] for part in parts])
            for place, name in enumerate(columns)
        }
        is_row[numbers] = False
        malformed = np.flatnonzero(is_row)
        salvaged = [_read(lines.line(number), columns)[1] for number in malformed.tolist()]
        return Divided(
            numbers, found, malformed, _columns(salvaged, columns), np.empty(0, np.int64),
            int(np.count_nonzero(lines.is_blank)),
        )  # fmt: skip


Part = tuple[Positions, list[pl.Series]]


class _Objects:
    """The positions of the names and values of flat objects.

    Args:
        is_flat: which lines are flat objects.
    """

    def __init__(self, lines: Lines, is_flat: Flags) -> None:
        self._lines = lines
        octets = lines.octets
        last = int(lines.breaks[-1])
        found = np.flatnonzero(_STRUCTURE[octets[PADDING:last]]) + PADDING
        bounds = np.searchsorted(found, np.append(lines.starts, last + 1))
        line_of = np.repeat(np.arange(len(lines)), np.diff(bounds))
        is_quote = octets[found] == _QUOTE
        quotes = np.cumsum(is_quote)
        before = np.append(0, quotes)[bounds[:-1]]
        is_outside = ~is_quote & (((quotes - before[line_of]) & 1) == 0) & is_flat[line_of]
        self._marks: Positions = found[is_outside]
        counts = np.bincount(line_of[is_outside], minlength=len(lines))
        self._firsts: Positions = np.cumsum(counts) - counts
        self._fields: npt.NDArray[np.int64] = np.where(is_flat, counts // 2, 0)

    def parts(self, columns: Sequence[str]) -> list[Part]:
        """Return the rows of each layout, with their columns; rows of rare layouts are left out."""
        parts: list[Part] = []
        left = np.flatnonzero(self._fields)
        for _ in range(_MOST_LAYOUTS):
            if not len(left):
                break
            fields = int(self._fields[left[0]])
            alike = left[self._fields[left] == fields]
            marks = self._firsts[alike]
            layout, is_same = self._same_names(marks, fields)
            same = alike[is_same]
            places = layout.places(columns)
            if places is not None:
                marks = marks[is_same]
                parts.append((same, [self._texts(marks, place) for place in places]))
            left = np.setdiff1d(left, same, assume_unique=True)
        return parts

    def _same_names(self, marks: Positions, fields: int) -> tuple[_Layout, Flags]:
        """Return the names of the first line, and which lines have the same ones."""
        words = self._lines.words
        is_same = np.ones(len(marks), np.bool_)
        names = []
        for field in range(fields):
            starts, ends = self._trimmed(marks + 2 * field)
            first, length = int(starts[0]), int(ends[0] - starts[0])
            is_same &= ends - starts == length
            for offset in range(0, length, _WORD):
                # the last word overlaps the one before it; a name has its quotes around it
                at = min(offset, max(length - _WORD, 0))
                mask = np.uint64((1 << 8 * min(length, _WORD)) - 1)
                is_same &= ((words[starts + at] ^ words[first + at]) & mask) == 0
            names.append(self._lines.text[first + 1 : first + length - 1])
        return _Layout(tuple(names)), is_same

    def _trimmed(self, marks: Positions) -> tuple[Positions, Positions]:
        """Return the bounds of what is between each mark and the next one, without white space."""
        octets = self._lines.octets
        starts, ends = self._marks[marks] + 1, self._marks[marks + 1]
        while (white := _WHITE[octets[starts]]).any():
            starts = starts + white
        while (white := _WHITE[octets[ends - 1]]).any():
            ends = ends - white
        return starts, ends

    def _texts(self, marks: Positions, place: int | None) -> pl.Series:
        """Return the values at a place of the lines whose first marks are given."""
        if place is None:
            return pl.Series([None], dtype=pl.String).new_from_index(0, len(marks))
        starts, ends = self._trimmed(marks + 2 * place + 1)
        first = self._lines.octets[starts]
        is_quoted = first == _QUOTE
        texts = self._lines.texts(starts + is_quoted, ends - is_quoted)
        is_null = first == ord("n")
        return texts.set(pl.Series(is_null), None) if is_null.any() else texts


def _one_by_one(lines: Lines, numbers: Positions, columns: Sequence[str]) -> Part:
    read = [(number, *_read(lines.line(number), columns)) for number in numbers.tolist()]
    rows = [fields for _, is_row, fields in read if is_row]
    found = np.array([number for number, is_row, _ in read if is_row], np.int64)
    return found, [*_columns(rows, columns).values()]


def _columns(rows: Sequence[Mapping[str, str]], columns: Sequence[str]) -> dict[str, pl.Series]:
    return {name: pl.Series([row.get(name) for row in rows], dtype=pl.String) for name in columns}


def _read(line: bytes, columns: Sequence[str]) -> tuple[bool, dict[str, str]]:
    """Return whether a line is a row, and its columns, as far as they can be read."""
    found: dict[str, str] = {}
    try:
        pairs = parse_json(line)
    except (ValueError, RecursionError):
        return False, found
    if not isinstance(pairs, JsonPairs):
        return False, found
    wanted, seen, is_row = frozenset(columns), set[str](), True
    for name, value in pairs:
        if name not in wanted:
            continue
        text = _text(value)
        is_row &= name not in seen and (text is not None or value is None)
        seen.add(name)
        if text is not None:
            found.setdefault(name, text)
    return is_row, found


def _text(value: object) -> str | None:
    """Return a value's text; None for null, an object, a list or half of a surrogate pair."""
    match value:
        case bytes():
            return value.decode()
        case bool():
            return str(value).lower()
        case str() if value.isascii() or not any(_is_half_pair(c) for c in value):
            return value
    return None


def _is_half_pair(character: str) -> bool:
    return "\ud800" <= character <= "\udfff"


def count_names(text: bytes) -> tuple[int, Counter[str]]:
    """Return how many whole lines of a text are JSON objects, and how many of them have each name.

    Args:
        text: its last line counts only if it ends with LF.
    """
    objects, names = 0, Counter[str]()
    for line in text.split(b"\n")[:-1]:
        try:
            pairs = parse_json(line.strip(b" \t\r"))
        except (ValueError, RecursionError):
            continue
        if isinstance(pairs, JsonPairs):
            objects += 1
            names.update(dict(pairs).keys())
    return objects, names
