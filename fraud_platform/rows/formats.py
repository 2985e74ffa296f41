"""Dividing lines of a declared format into fields: the texts of the declared columns.

Here: `Lines`, `Divided`, delimited text and CSV; views of a block as columns of texts.
Not here: JSON lines (`rows.json_lines`), what the texts mean (`rows.declared`), the shape that has
a parser of its own (`rows.canonical`).

Fields are found for all lines of a block at once, as positions. A column refers to the block's
bytes and copies none of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from fraud_platform.rows.lines import PADDING, PaddedText, Positions

Flags = npt.NDArray[np.bool_]

_LF, _CR, _SPACE, _HASH, _QUOTE, _LAST_ASCII = 10, 13, 32, 35, 34, 127
_INLINE_BYTES = 12
"""A view holds a text of up to so many bytes itself."""
_LOW_BYTES = np.array([(1 << 8 * n) - 1 for n in range(8)] + [2**64 - 1], np.uint64)
"""By length 0 to 8: the mask that keeps a word's first bytes."""


class Lines(PaddedText):
    """Whole lines; [starts, ends) excludes line endings, LF or CRLF."""

    def __init__(self, lines: bytes) -> None:
        super().__init__(lines)
        last = PADDING + len(lines)
        breaks = np.flatnonzero(self.octets[PADDING:last] == _LF) + PADDING
        self.breaks: Positions = breaks if lines.endswith(b"\n") else np.append(breaks, last)
        self.starts: Positions = np.concatenate(([PADDING], self.breaks[:-1] + 1))
        has_cr = (self.octets[self.breaks - 1] == _CR) & (self.breaks > self.starts)
        if not lines.endswith(b"\n"):
            has_cr[-1] = False
        self.ends: Positions = self.breaks - has_cr

    def __len__(self) -> int:
        return len(self.starts)

    def line(self, number: int) -> bytes:
        """Return one line's bytes, without its line ending."""
        return self.text[self.starts[number] : self.ends[number]]

    @cached_property
    def has_backslash(self) -> bool:
        """Whether any line has a backslash."""
        return b"\\" in self.text

    @cached_property
    def is_text(self) -> Flags:
        """Whether each line is UTF-8."""
        flags = np.ones(len(self), np.bool_)
        if self.text.isascii() or _is_utf8(self.text):
            return flags
        far = np.unique(np.searchsorted(self.breaks, np.flatnonzero(self.octets > _LAST_ASCII)))
        for number in far.tolist():
            flags[number] = _is_utf8(self.line(number))
        return flags

    @cached_property
    def is_blank(self) -> Flags:
        """Whether each line is empty, or of spaces alone."""
        flags = self.starts == self.ends
        for number in np.flatnonzero(self.octets[self.starts] == _SPACE).tolist():
            flags[number] = not self.line(number).strip(b" ")
        return flags

    def texts(self, starts: Positions, ends: Positions) -> pl.Series:
        """Return the texts at these positions, which must be UTF-8."""
        lengths = ends - starts
        views = np.empty((len(starts), 2), np.uint64)
        firsts = self.words[starts] & _LOW_BYTES[np.minimum(lengths, 4)]
        views[:, 0] = lengths.view(np.uint64) | (firsts << np.uint64(32))
        rest = self.words[starts + 4] & _LOW_BYTES[np.clip(lengths - 4, 0, 8)]
        place = starts.view(np.uint64) << np.uint64(32)
        views[:, 1] = rest if lengths.max(initial=0) <= _INLINE_BYTES else np.where(
            lengths <= _INLINE_BYTES, rest, place
        )  # fmt: skip
        buffers = [None, pa.py_buffer(views), pa.py_buffer(self.text)]
        found = pl.from_arrow(pa.Array.from_buffers(pa.string_view(), len(starts), buffers))
        assert isinstance(found, pl.Series)
        return found


@dataclass(frozen=True)
class Divided:
    """A block's lines, each in one place: rows with fields, malformed rows, other lines.

    Attributes:
        numbers: numbers of the rows' lines, in any order.
        columns: their texts by declared column, null for a missing one.
        malformed: numbers of the lines that are rows without readable fields.
        salvaged: what can be read of those, by declared column, null otherwise.
        not_text: places among the rows of lines that are not UTF-8, which makes them malformed;
            each byte that is wrong is replaced in their texts.
        blank_lines: how many lines are blank.
        comment_lines: how many are comments.
    """

    numbers: Positions
    columns: Mapping[str, pl.Series]
    malformed: Positions
    salvaged: Mapping[str, pl.Series]
    not_text: Positions
    blank_lines: int = 0
    comment_lines: int = 0


class Divider(Protocol):
    """Divides lines of one format."""

    def divide(self, lines: Lines, columns: Sequence[str], *, is_checked: bool = True) -> Divided:
        """Return these declared columns of a block's rows.

        Args:
            lines: the block.
            columns: of the declared columns, those that are wanted.
            is_checked: whether the other columns count as well; if not, a line may be taken for a
                row although they make it malformed.
        """
        ...


@dataclass(frozen=True)
class Delimited:
    """Fields between delimiters: plain text, or CSV as in RFC 4180 with one row a line.

    In CSV, a field with quotes begins and ends with one, and a quote within it is doubled. A line
    that breaks this rule, or that ends within quotes, is malformed.

    Args:
        names: all columns of the file, in their order.
        delimiter: one ASCII character.
        has_quotes: whether it is CSV.
        has_comments: whether a line that begins with `#` is a comment.
        last: columns that are found from the end of a line with too many fields.
    """

    names: tuple[str, ...]
    delimiter: str
    has_quotes: bool = False
    has_comments: bool = False
    last: tuple[str, ...] = ()

    def divide(self, lines: Lines, columns: Sequence[str], *, is_checked: bool = True) -> Divided:
        """Return these declared columns of a block's rows, which are always checked."""
        is_comment = np.zeros(len(lines), np.bool_)
        if self.has_comments:
            is_comment = (lines.octets[lines.starts] == _HASH) & (lines.starts < lines.ends)
        is_row = ~(lines.is_blank | is_comment)
        fields = self._fields(lines)
        fits = is_row & (fields.counts == len(self.names)) & ~fields.is_broken
        is_odd = fits & (fields.has_doubled | ~lines.is_text)
        numbers = np.flatnonzero(fits & ~is_odd)
        places = {name: self.names.index(name) for name in columns}
        found = {name: fields.texts(numbers, place) for name, place in places.items()}
        odd = np.flatnonzero(is_odd)
        not_text = len(numbers) + np.flatnonzero(~lines.is_text[odd])
        if len(odd):
            numbers = np.append(numbers, odd)
            rows = [self._fields_of(lines.line(number)) for number in odd.tolist()]
            for name, place in places.items():
                found[name] = found[name].append(_series(row[place] for row in rows))
        malformed = np.flatnonzero(is_row & ~fits)
        salvaged = self._salvaged(lines, malformed, columns)
        blank, comments = np.count_nonzero(lines.is_blank), np.count_nonzero(is_comment)
        return Divided(numbers, found, malformed, salvaged, not_text, int(blank), int(comments))

    def _fields(self, lines: Lines) -> _Fields:
        octets, last = lines.octets, int(lines.breaks[-1])
        inner = octets[PADDING:last]
        is_separator = (inner == _LF) | (inner == ord(self.delimiter))
        # after the last line there is a LF, its own or one of the padding
        separators = np.append(np.flatnonzero(is_separator) + PADDING, last)
        quotes = np.flatnonzero(inner == _QUOTE) + PADDING if self.has_quotes else None
        if quotes is None or not len(quotes):
            return _Fields.of(lines, separators)
        return _quoted(lines, separators, quotes, ord(self.delimiter))

    def _fields_of(self, line: bytes) -> list[str]:
        """Return one line's fields, as many as there are."""
        text = line.decode(errors="replace")
        return split_quoted(text, self.delimiter) if self.has_quotes else text.split(self.delimiter)

    def _salvaged(
        self, lines: Lines, numbers: Positions, columns: Sequence[str]
    ) -> dict[str, pl.Series]:
        """Return what can be read of malformed lines.

        Fields are counted from the first one, but the label's from the last, so that a delimiter
        too many does not hide them. A line of too few fields has no label.
        """
        rows = [self._fields_of(lines.line(number)) for number in numbers.tolist()]
        size = len(self.names)

        def field(row: list[str], name: str) -> str | None:
            place = self.names.index(name)
            if name in self.last:
                return row[place - size] if len(row) >= size else None
            return row[place] if place < len(row) else None

        return {name: _series(field(row, name) for row in rows) for name in columns}


@dataclass(frozen=True)
class _Fields:
    """The positions of fields, and how many each line has.

    Attributes:
        separators: positions after the fields, of all lines.
        firsts: for each line, the number of the separator that ends its first field.
        counts: how many fields each line has.
        is_broken: whether a line's quotes are not as in RFC 4180.
        has_doubled: whether a line has a doubled quote.
    """

    lines: Lines
    separators: Positions
    firsts: Positions
    counts: Positions
    is_broken: Flags
    has_doubled: Flags
    has_quotes: bool = False

    @classmethod
    def of(cls, lines: Lines, separators: Positions) -> _Fields:
        breaks = np.flatnonzero(lines.octets[separators] == _LF)
        firsts = np.concatenate(([0], breaks[:-1] + 1))
        nothing = np.zeros(len(breaks), np.bool_)
        return cls(lines, separators, firsts, breaks - firsts + 1, nothing, nothing)

    def texts(self, numbers: Positions, place: int) -> pl.Series:
        """Return a column of lines that all have the same number of fields."""
        if not len(numbers):
            return _series([])
        firsts = self.firsts[numbers]
        starts = self.separators[firsts + place - 1] + 1 if place else self.lines.starts[numbers]
        ends = self.separators[firsts + place]
        ends = np.minimum(ends, self.lines.ends[numbers])
        if self.has_quotes:
            quoted = (self.lines.octets[starts] == _QUOTE) & (ends > starts)
            starts, ends = starts + quoted, ends - quoted
        return self.lines.texts(starts, ends)


def _quoted(lines: Lines, separators: Positions, quotes: Positions, delimiter: int) -> _Fields:
    """Return the fields of lines with quotes: delimiters within quotes divide nothing."""
    octets = lines.octets
    before = np.searchsorted(quotes, lines.starts)
    is_break = octets[separators] == _LF
    line_of = np.cumsum(is_break) - is_break
    is_inside = ((np.searchsorted(quotes, separators) - before[line_of]) & 1) == 1
    fields = _Fields.of(lines, separators[~is_inside | is_break])
    counts = np.diff(np.append(before, len(quotes)))
    line_of = np.repeat(np.arange(len(lines)), counts)
    opens = ((np.arange(len(quotes)) - before[line_of]) & 1) == 0
    previous, following = octets[quotes - 1], octets[quotes + 1]
    begins = (previous == delimiter) | (previous == _LF) | (previous == _QUOTE)
    is_doubled = ~opens & (following == _QUOTE)
    ends = (following == delimiter) | (quotes + 1 == lines.ends[line_of]) | is_doubled
    has_doubled, is_broken = np.zeros(len(lines), np.bool_), (counts & 1) == 1
    is_broken[line_of[np.where(opens, ~begins, ~ends)]] = True
    has_doubled[line_of[is_doubled]] = True
    return replace(fields, is_broken=is_broken, has_doubled=has_doubled, has_quotes=True)


def split_quoted(text: str, delimiter: str) -> list[str]:
    """Return the fields of a line of CSV; what follows a closing quote is left out."""
    fields, at = [], 0
    while at <= len(text):
        end = text.find(delimiter, at)
        end = len(text) if end < 0 else end
        field = text[at:end]
        if text.startswith('"', at):
            close = at + 1
            while (close := text.find('"', close)) >= 0 and text.startswith('""', close):
                close += 2
            close = len(text) if close < 0 else close
            field = text[at + 1 : close].replace('""', '"')
            end = text.find(delimiter, close)
            end = len(text) if end < 0 else end
        fields.append(field)
        at = end + 1
    return fields


def _series(texts: Iterable[str | None]) -> pl.Series:
    return pl.Series(list(texts), dtype=pl.String)


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True
