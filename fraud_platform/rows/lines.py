"""Dividing a range of a drop's text into blocks of lines, with the positions of their fields.

Here: which range owns a line, where lines and fields begin and end.
Not here: the values of fields (`canonical`, `judge`), opening files (`adapters.storage.files`).

A line ends with LF or CRLF; a CR without LF is data. A range owns the lines that begin in it, so
each line belongs to exactly one of the ranges that cover a text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import IO, TypeVar

import numpy as np
import numpy.typing as npt

from fraud_platform.contracts.drops import COLUMNS, MAX_LINE_BYTES

FIELDS = len(COLUMNS)
BLOCK_BYTES = 1 << 20
_LF, _CR, _COMMA = 10, 13, 44
PADDING = 24
"""Padding around a text in bytes, so that three 8-byte words can be read beyond both ends."""
_PAD = b"\n" * PADDING
_MOST_ODD_LINES, _SEPARATORS_OF_ODD_LINE = 16, 64
"""Up to how many lines of another number of fields, of how many separators, are stepped over."""

Positions = npt.NDArray[np.int64]
Block = TypeVar("Block")


class LineTooLongError(ValueError):
    """A line is longer than `MAX_LINE_BYTES`; the argument is the offset of its first byte."""


@dataclass(frozen=True)
class TextRange:
    """The lines of a text that begin in [start, end).

    Args:
        body_offset: offset of the text's first line after the header.
    """

    url: str
    start: int
    end: int
    body_offset: int


def split_text(url: str, body_offset: int, size_bytes: int, range_bytes: int) -> list[TextRange]:
    """Divide the text after the header into ranges of at most `range_bytes`, at least one."""
    length = max(size_bytes - body_offset, 0)
    count = max(1, -(-length // range_bytes))
    cuts = [body_offset + length * i // count for i in range(count + 1)]
    return [TextRange(url, start, end, body_offset) for start, end in pairwise(cuts)]


class PaddedText:
    """Bytes of which any 8 can be read as one word, also beyond both ends.

    `text` is padded at both ends; all positions refer to the padded text.
    """

    def __init__(self, lines: bytes) -> None:
        self.text = b"".join((_PAD, lines, _PAD))
        self.octets = np.frombuffer(self.text, np.uint8)

    @cached_property
    def words(self) -> npt.NDArray[np.uint64]:
        """The little-endian word of 8 bytes that begins at each position."""
        return np.ndarray((len(self.text) - 7,), "<u8", self.text, strides=(1,))


class LineBlock(PaddedText):
    """Whole lines and the positions of their fields; [starts, ends) excludes line endings."""

    def __init__(self, lines: bytes) -> None:
        super().__init__(lines)
        last = len(_PAD) + len(lines)
        octets = self.octets[len(_PAD) : last]
        is_end = octets == _LF
        separators = np.flatnonzero(is_end | (octets == _COMMA)) + len(_PAD)
        breaks = _line_ends(self.octets, separators, int(np.count_nonzero(is_end)))
        if not lines.endswith(b"\n"):
            separators = np.append(separators, last)
            breaks = np.append(breaks, len(separators) - 1)
        self._separators = separators
        self._first_separators = np.concatenate(([0], breaks[:-1] + 1))
        self._commas = breaks - self._first_separators
        raw_ends = separators[breaks]
        self.starts: Positions = np.concatenate(([len(_PAD)], raw_ends[:-1] + 1))
        has_cr = (self.octets[raw_ends - 1] == _CR) & (raw_ends > self.starts)
        has_cr &= self.octets[raw_ends] == _LF
        if not lines.endswith(b"\n"):
            has_cr[-1] = False
        self.ends: Positions = raw_ends - has_cr

    def __len__(self) -> int:
        return len(self.starts)

    @cached_property
    def rows(self) -> Positions:
        """Numbers of the lines that have nine fields."""
        return np.flatnonzero(self._commas == FIELDS - 1)

    @cached_property
    def _first_ends(self) -> Positions:
        """For each of `rows`: the number of the separator that ends its first field."""
        return self._first_separators[self.rows]

    def field_end(self, field: int, places: Positions | None = None) -> Positions:
        """Return the end position of a field, for each of `rows` or for some places among them."""
        if field == FIELDS - 1:
            return self.ends[self.rows if places is None else self.rows[places]]
        firsts = self._first_ends if places is None else self._first_ends[places]
        return self._separators[firsts + field]

    def line(self, number: int) -> bytes:
        """Return one line's bytes, without its line ending."""
        return self.text[self.starts[number] : self.ends[number]]


def _line_ends(octets: npt.NDArray[np.uint8], separators: Positions, lines: int) -> Positions:
    """Return the numbers of the separators that are LF.

    Nearly all lines have nine fields, so only every ninth separator is read, and the next few after
    a line with another number of fields. All separators are read if there are many such lines, or
    if the number of lines found is wrong, because two such lines hid each other.

    Args:
        octets: the text.
        separators: positions of its commas and LFs.
        lines: how many of them are LF.
    """
    found: list[Positions] = []
    at = 0
    for _ in range(_MOST_ODD_LINES):
        is_end = octets[separators[at + FIELDS - 1 :: FIELDS]] == _LF
        regular = len(is_end) if is_end.all() else int(is_end.argmin())
        found.append(np.arange(at + FIELDS - 1, at + regular * FIELDS, FIELDS))
        at += regular * FIELDS
        odd = np.flatnonzero(octets[separators[at : at + _SEPARATORS_OF_ODD_LINE]] == _LF)
        if not len(odd):
            break
        found.append(at + odd[:1])
        at += int(odd[0]) + 1
    ends = np.concatenate(found)
    return ends if len(ends) == lines else np.flatnonzero(octets[separators] == _LF)


def read_blocks(
    file: IO[bytes],
    part: TextRange,
    block_of: Callable[[bytes], Block],
    block_bytes: int = BLOCK_BYTES,
) -> Iterator[Block]:
    """Yield the lines that a range owns, in blocks of about `block_bytes`.

    Args:
        file: the text.
        part: the range.
        block_of: makes a block of whole lines.
        block_bytes: about how large blocks are.

    Raises:
        LineTooLongError: a line is longer than `MAX_LINE_BYTES`.
    """
    position = _first_line(file, part)
    if position is None:
        return
    file.seek(position)
    held: list[bytes] = []
    held_bytes = 0
    while position < part.end:
        chunk = file.read(block_bytes)
        first_end = chunk.find(b"\n")
        if held_bytes + (first_end if first_end >= 0 else len(chunk)) > MAX_LINE_BYTES:
            raise LineTooLongError(position)
        # The last line is the one with the range's last byte; it may end after the range.
        from_byte = max(part.end - 1 - position - held_bytes, 0)
        cut = chunk.find(b"\n", from_byte) if from_byte < len(chunk) else -1
        cut = cut if cut >= 0 else chunk.rfind(b"\n")
        if chunk and cut < 0:
            held.append(chunk)
            held_bytes += len(chunk)
            continue
        lines = b"".join((*held, chunk[: cut + 1]))
        if lines:
            yield block_of(lines)
        if not chunk:
            return
        position += len(lines)
        held = [chunk[cut + 1 :]] if cut + 1 < len(chunk) else []
        held_bytes = sum(map(len, held))


def _first_line(file: IO[bytes], part: TextRange) -> int | None:
    """Return the offset of the first line that the range owns, or None if it owns no line."""
    if part.start == part.body_offset:
        return part.start
    position = part.start - 1
    file.seek(position)
    while position < part.end:
        chunk = file.read(BLOCK_BYTES)
        if not chunk:
            return None
        line_end = chunk.find(b"\n")
        if line_end >= 0:
            return position + line_end + 1
        position += len(chunk)
    return None
