"""Dividing lines with one JSON object each into the texts of the declared columns.

Here: `JsonLines`. Lines with the same names in the same order are divided together, by positions.
Not here: other formats (`rows.formats`), the strict parser of single objects (`rows.message_json`).

A number keeps its own digits; true and false are those words; null is a missing value. A line that
is no JSON object, or in which a declared name is given twice or has an object or a list, is
malformed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from fraud_platform.rows.canonical import KEEP_LAST
from fraud_platform.rows.formats import Divided, Flags, Lines
from fraud_platform.rows.lines import PADDING, Positions
from fraud_platform.rows.message_json import JsonPairs, parse_json

_SCALAR = r"^(?:-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?|true|false|null)$"
_QUOTE, _COLON, _COMMA, _OPEN, _CLOSE = b'":,{}'
_BACKSLASH, _SPACE, _LF = b"\\ \n"
_CASE_OF_BRACKETS, _BRACKETS = np.uint8(0x26), np.uint8(0x7F)
"""`[`, `]`, `{` and `}` differ in the first one's bits, with which each is the second one."""
_MOST_LAYOUTS = 16
"""So many orders of names are divided together; other lines of a block one by one."""
_WORD = 8
_DOT, _ZERO = b".0"
_ONE = np.uint64(1)
_DOT_TO_ZERO = np.uint64(_DOT ^ _ZERO)
_DOTS, _LOW_BITS, _ZEROS, _SIXES, _HIGH = (
    np.uint64(octet * 0x0101010101010101) for octet in (_DOT, 0x7F, _ZERO, 0x06, 0xF0)
)
"""The same byte eight times, see `rows.canonical`."""


@dataclass(frozen=True)
class JsonLines:
    """One JSON object a line."""

    def divide(self, lines: Lines, columns: Sequence[str], *, is_checked: bool = True) -> Divided:
        """Return these declared columns of a block's rows."""
        is_row = ~lines.is_blank
        waiting = is_row & lines.is_text
        parts = [*_Objects(lines, waiting).parts(columns, is_checked)]
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
    """The positions of the names and values of flat objects without escapes.

    Args:
        lines: a block.
        candidates: which of its lines may be such objects.
    """

    def __init__(self, lines: Lines, candidates: Flags) -> None:
        self._lines = lines
        octets, bounds = lines.octets, np.append(lines.starts, lines.breaks[-1] + 1)
        inner = octets[PADDING : int(lines.breaks[-1])]
        # `[]{}` and a few others, which are as wrong outside of strings as [ and ] are here
        is_mark = (inner | _CASE_OF_BRACKETS) == _BRACKETS
        for mark in (_QUOTE, _COLON, _COMMA):
            is_mark |= inner == mark
        found = np.flatnonzero(is_mark) + PADDING
        is_quote = octets[found] == _QUOTE
        before = np.searchsorted(found[is_quote], bounds)
        self._quotes = np.diff(before)
        is_inside = np.cumsum(is_quote, dtype=np.uint8) & 1
        if (self._quotes & 1).any():
            # a line that ends within a string must not turn the next ones inside out
            is_inside ^= (before[np.searchsorted(lines.breaks, found)] & 1).astype(np.uint8)
        marks = found[(is_inside == 0) & ~is_quote]
        firsts = np.searchsorted(marks, bounds)
        counts = np.diff(firsts)
        self._marks: Positions = np.append(marks, bounds[-1])
        self._firsts: Positions = firsts[:-1]
        is_simple = candidates & (counts % 2 == 1) & ~self._has_odd_bytes(inner)
        begins = self._marks[self._firsts] == lines.starts
        ends = self._marks[self._firsts + np.maximum(counts, 1) - 1] == lines.ends - 1
        self._fields: Positions = np.where(is_simple & begins & ends, counts // 2, 0)

    def _has_odd_bytes(self, inner: npt.NDArray[np.uint8]) -> Flags:
        """Return which lines have a backslash or a control character."""
        lines = self._lines
        flags = np.zeros(len(lines), np.bool_)
        is_control = inner < _SPACE
        if b"\\" not in lines.text and np.count_nonzero(is_control) == len(lines) - 1:
            return flags
        places = np.flatnonzero((inner == _BACKSLASH) | (is_control & (inner != _LF))) + PADDING
        numbers = np.searchsorted(lines.breaks, places)
        flags[numbers[places < lines.ends[numbers]]] = True
        return flags

    def parts(self, columns: Sequence[str], is_checked: bool) -> Iterator[Part]:
        """Yield the rows of each layout, with their columns; rows of rare layouts are left out."""
        left = np.flatnonzero(self._fields)
        for _ in range(_MOST_LAYOUTS):
            if not len(left):
                return
            fields = int(self._fields[left[0]])
            alike = left[self._fields[left] == fields]
            marks = self._marks_of(alike, 2 * fields + 1)
            names, is_same = self._same_names(marks)
            all_same = bool(is_same.all())
            same = alike if all_same else alike[is_same]
            left = left[1:] if names is None else np.setdiff1d(left, same, assume_unique=True)
            places = None if names is None else _places(names, columns)
            if places is not None and len(same):
                marks = marks if all_same else marks[:, is_same]
                yield self._part(same, marks, places, is_checked)

    def _marks_of(self, numbers: Positions, count: int) -> Positions:
        """Return the marks of lines that have so many, of shape (count, lines)."""
        firsts = self._firsts[numbers]
        if firsts[-1] - firsts[0] == (len(firsts) - 1) * count:
            whole = self._marks[firsts[0] : firsts[-1] + count]
            return np.ascontiguousarray(whole.reshape(-1, count).T)
        return self._marks[firsts + np.arange(count)[:, None]]

    def _part(
        self, numbers: Positions, marks: Positions, places: Sequence[int | None], is_checked: bool
    ) -> Part:
        """Return the rows among lines of one layout, with their columns."""
        octets, fields = self._lines.octets, len(marks) // 2
        wanted = range(fields) if is_checked else sorted({p for p in places if p is not None})
        bounds = {n: self._trimmed(marks[2 * n + 1], marks[2 * n + 2]) for n in wanted}
        quoted = {n: octets[starts] == _QUOTE for n, (starts, _) in bounds.items()}
        is_row = np.ones(len(numbers), np.bool_)
        if is_checked:
            quotes = np.sum([*quoted.values()], axis=0, dtype=np.int64)
            is_row = self._quotes[numbers] == 2 * (fields + quotes)
        for n, (starts, ends) in bounds.items():
            is_row &= self._are_values(starts, ends, quoted[n])
        every = bool(is_row.all())
        texts = []
        for place in places:
            if place is None:
                texts.append(pl.Series([None], dtype=pl.String).new_from_index(0, is_row.sum()))
                continue
            (starts, ends), is_quoted = bounds[place], quoted[place]
            starts, ends = starts + is_quoted, ends - is_quoted
            if not every:
                starts, ends, is_quoted = starts[is_row], ends[is_row], is_quoted[is_row]
            column = self._lines.texts(starts, ends)
            is_null = (octets[starts] == ord("n")) & ~is_quoted
            texts.append(column.set(pl.Series(is_null), None) if is_null.any() else column)
        return (numbers if every else numbers[is_row]), texts

    def _are_values(self, starts: Positions, ends: Positions, is_quoted: Flags) -> Flags:
        """Return whether each is a string, a number, true, false or null."""
        octets = self._lines.octets
        is_value = is_quoted & (octets[ends - 1] == _QUOTE) & (ends - starts > 1)
        if is_value.all():
            return is_value
        is_value |= ~is_quoted & self._are_plain(starts, ends)
        others = np.flatnonzero(~is_value & ~is_quoted & (ends > starts))
        if len(others):
            texts = self._lines.texts(starts[others], ends[others])
            is_value[others] = texts.str.contains(_SCALAR).to_numpy()
        return is_value

    def _are_plain(self, starts: Positions, ends: Positions) -> Flags:
        """Return whether each is a number of at most 8 characters, without sign and exponent."""
        octets, lengths = self._lines.octets, ends - starts
        words = self._lines.words[ends - _WORD] & KEEP_LAST[np.clip(lengths, 0, _WORD)]
        others = words ^ _DOTS
        dots = ~(((others & _LOW_BITS) + _LOW_BITS) | others | _LOW_BITS)
        # a dot becomes a 0, and so do the bytes before the number
        digits = (words ^ ((dots >> np.uint64(7)) * _DOT_TO_ZERO)) | (
            _ZEROS & ~KEEP_LAST[np.clip(lengths, 0, _WORD)]
        )
        digits ^= _ZEROS
        is_plain = ((((digits + _SIXES) | digits) & _HIGH) == 0) & (dots & (dots - _ONE) == 0)
        first, second, last = octets[starts], octets[starts + 1], octets[ends - 1]
        is_plain &= (first != _DOT) & (last != _DOT) & (lengths > 0) & (lengths <= _WORD)
        return is_plain & ((first != _ZERO) | (lengths == 1) | (second == _DOT))

    def _same_names(self, marks: Positions) -> tuple[list[bytes] | None, Flags]:
        """Return the names of the first line, and which lines have the same ones.

        The names are None if that line is not valid.
        """
        octets, words, last = self._lines.octets, self._lines.words, len(marks) - 1
        is_same = np.ones(marks.shape[1], np.bool_)
        names = []
        for place, mark in enumerate(marks):
            expected = _COLON if place % 2 else _COMMA
            expected = {0: _OPEN, last: _CLOSE}.get(place, expected)
            is_same &= octets[mark] == expected
        for place in range(0, last, 2):
            starts, ends = self._trimmed(marks[place], marks[place + 1])
            first, length = int(starts[0]), int(ends[0] - starts[0])
            is_same &= ends - starts == length
            for offset in range(0, length, _WORD):
                # the last word overlaps the one before it
                at = min(offset, max(length - _WORD, 0))
                difference = words[starts + at] ^ words[first + at]
                if length < _WORD:
                    difference &= np.uint64((1 << 8 * length) - 1)
                is_same &= difference == 0
            names.append(self._lines.text[first : first + length])
        is_valid = is_same[0] and all(_is_name(name) for name in names)
        return ([name[1:-1] for name in names] if is_valid else None), is_same

    def _trimmed(self, marks: Positions, following: Positions) -> tuple[Positions, Positions]:
        """Return the bounds of what is between each mark and the next one, without spaces."""
        octets = self._lines.octets
        starts, ends = marks + 1, following
        while (space := octets[starts] == _SPACE).any():
            starts = starts + space
        while (space := (octets[ends - 1] == _SPACE) & (ends > starts)).any():
            ends = ends - space
        return starts, ends


def _is_name(name: bytes) -> bool:
    return len(name) > 1 and name[:1] == name[-1:] == b'"' and name.count(b'"') == len(b'""')


def _places(names: Sequence[bytes], columns: Sequence[str]) -> list[int | None] | None:
    """Return the place of each column, None for a missing one; None if one is given twice."""
    wanted = [name.encode() for name in columns]
    if any(names.count(name) > 1 for name in wanted):
        return None
    return [names.index(name) if name in names else None for name in wanted]


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
