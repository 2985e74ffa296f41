"""JSON objects of one shape: the positions of their values.

Here: `Shape`, what is between the values of an object, and `walk`, which finds the values of all
lines of a shape at once.
Not here: lines of other shapes (`rows.json_objects`), a single object (`rows.message_json`).

A file has few shapes: its writer gives the same names in the same order with the same spaces. What
is between two values is then the same text on every line, so a line is read from value to value:
compare that text, 8 bytes at a time, and look for the byte that ends the value. Most bytes of a
line are names, of which each is looked at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fraud_platform.rows.canonical import KEEP_LAST
from fraud_platform.rows.formats import Flags, Lines
from fraud_platform.rows.lines import PaddedText, Positions

Words = npt.NDArray[np.uint64]

_PAIR = re.compile(rb'( *[{,] *"([^"\\]*)" *: *)("(?:[^"\\]|\\.)*"|[^ ",:\[\]{}"\\]+)')
_END = re.compile(rb" *\} *")
_SCALAR = r"^(?:-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?|true|false|null)$"
_STRING = r'^"(?:[^"\\]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"$'
_WORD = 8
_QUOTE, _BACKSLASH, _DOT, _ZERO = b'"\\.0'
_ONE = np.uint64(1)


def _repeated(octet: int) -> np.uint64:
    """Return the word of this byte eight times."""
    return np.uint64(octet * 0x0101010101010101)


_ONES, _TOPS, _LOW_BITS = map(_repeated, (0x01, 0x80, 0x7F))
_DOTS, _ZEROS, _SIXES, _HIGH = map(_repeated, (_DOT, _ZERO, 0x06, 0xF0))
_DOT_TO_ZERO = np.uint64(_DOT ^ _ZERO)
_QUOTES = np.atleast_1d(_repeated(_QUOTE))
_MOST_NAMES = 256
"""Each name costs as much for one line as for some hundreds."""


@dataclass(frozen=True)
class Shape:
    """The names of an object, in order, and the texts around its values.

    Attributes:
        names: the bytes of each.
        texts: before each value, and after the last one.
    """

    names: tuple[bytes, ...]
    texts: tuple[bytes, ...]


def shape_of(line: bytes) -> Shape | None:
    """Return the shape of a line, None if it has none.

    It has one if it is an object of at most `_MOST_NAMES` names without escapes, and without lists
    and objects in it.
    """
    names, texts, at = [], [], 0
    while (pair := _PAIR.match(line, at)) is not None:
        if (pair[1].lstrip(b" ")[:1] == b"{") != (at == 0):
            return None
        names.append(pair[2])
        texts.append(pair[1])
        at = pair.end()
    if not 0 < len(names) <= _MOST_NAMES or _END.fullmatch(line, at) is None:
        return None
    return Shape(tuple(names), (*texts, line[at:]))


@dataclass(frozen=True)
class Values:
    """The values of one name as JSON has them, strings with quotes and escapes: [starts, ends).

    Attributes:
        starts, ends: positions, of shape (n,).
        is_quoted: whether each is a string.
    """

    starts: Positions
    ends: Positions
    is_quoted: Flags

    def take(self, places: Positions) -> Values:
        """Return some of the values."""
        return Values(self.starts[places], self.ends[places], self.is_quoted[places])


def walk(
    lines: Lines, numbers: Positions, shape: Shape, count: int
) -> tuple[Positions, list[Values]]:
    """Return which lines have a shape, and their values.

    Args:
        lines: a block.
        numbers: of the lines, which have no control characters.
        shape: the shape.
        count: so many values are found; if not all, nothing is known of the rest of a line.

    Returns:
        The places of the lines among `numbers`, and the first `count` values of each.
    """
    places = np.arange(len(numbers))
    at, limits = lines.starts[numbers], lines.ends[numbers]
    found: list[tuple[Positions, Values]] = []
    for text, following in zip(shape.texts[:count], shape.texts[1:], strict=False):
        is_same = _have(lines, at, limits, text)
        if not is_same.all():
            places, at, limits = places[is_same], at[is_same], limits[is_same]
        starts = at + len(text)
        is_quoted = lines.octets[starts] == _QUOTE
        ends = _find(lines, starts + is_quoted, limits, _needles(is_quoted, following[0]))
        if lines.has_backslash:
            _pass_escaped(lines, ends, limits, is_quoted)
        is_same = ends < limits
        at = ends + is_quoted
        values = Values(starts, at, is_quoted)
        if not is_same.all():
            kept = np.flatnonzero(is_same)
            places, at, limits, values = places[kept], at[kept], limits[kept], values.take(kept)
        found.append((places, values))
    if count == len(shape.names):
        text = shape.texts[-1]
        is_same = (at + len(text) == limits) & _have(lines, at, limits, text)
        places = places if is_same.all() else places[is_same]
    return places, [*_of_places(found, places)]


def _of_places(found: Sequence[tuple[Positions, Values]], places: Positions) -> Iterator[Values]:
    """Yield the values of the lines at these places alone."""
    for own, values in found:
        is_whole = len(own) == len(places)
        yield values if is_whole else values.take(np.searchsorted(own, places))


def _have(lines: PaddedText, at: Positions, limits: Positions, text: bytes) -> Flags:
    """Return whether this text is at each position, before its limit."""
    flags = at + len(text) <= limits
    if not flags.all():
        at = np.where(flags, at, 0)  # else the last lines' words would be outside of the text
    for offset in range(0, len(text), _WORD):
        # the last word overlaps the one before it
        offset = min(offset, max(len(text) - _WORD, 0))  # noqa: PLW2901 - the word's own place
        own = text[offset : offset + _WORD]
        difference = lines.words[at + offset] ^ np.uint64(int.from_bytes(own, "little"))
        if len(own) < _WORD:
            difference &= np.uint64((1 << 8 * len(own)) - 1)
        flags &= difference == 0
    return flags


def _needles(is_quoted: Flags, of_others: int) -> Words:
    """Return the byte that ends each value, eight times; one word if it is the same for all."""
    if is_quoted.all():
        return _QUOTES
    if not is_quoted.any():
        return np.atleast_1d(_repeated(of_others))
    return np.where(is_quoted, _repeated(_QUOTE), _repeated(of_others))


def _find(lines: PaddedText, at: Positions, limits: Positions, needles: Words) -> Positions:
    """Return the position of each needle's byte; not before the limit if it is not there."""
    steps = _distances(lines.words[at], needles)
    found = at + steps
    far = np.flatnonzero(steps == _WORD)
    while len(far := far[found[far] < limits[far]]):
        of_far = needles if len(needles) == 1 else needles[far]
        steps = _distances(lines.words[found[far]], of_far)
        found[far] += steps
        far = far[steps == _WORD]
    return found


def _pass_escaped(lines: PaddedText, ends: Positions, limits: Positions, is_quoted: Flags) -> None:
    """Move each string's end from a quote that is escaped to the one that is not."""
    open_ends = np.flatnonzero(is_quoted & (lines.octets[ends - 1] == _BACKSLASH))
    while len(open_ends := open_ends[ends[open_ends] < limits[open_ends]]):
        backslashes = np.zeros(len(open_ends), np.int64)
        at = ends[open_ends] - 1
        while (more := lines.octets[at - backslashes] == _BACKSLASH).any():
            backslashes += more
        open_ends = open_ends[backslashes % 2 == 1]
        ends[open_ends] = _find(lines, ends[open_ends] + 1, limits[open_ends], _QUOTES)
        open_ends = open_ends[lines.octets[ends[open_ends] - 1] == _BACKSLASH]


def _distances(words: Words, needles: Words) -> npt.NDArray[np.integer[Any]]:
    """Return the place of the first byte of each word that is the needle's, 8 if none is.

    The highest bit of each byte that is zero is found as in Warren, Hacker's Delight, 6-1; it is
    exact for the first one.
    """
    others = words ^ needles
    is_zero = (others - _ONES) & ~others & _TOPS
    return np.bitwise_count((is_zero & -is_zero) - _ONE) >> 3


def are_values(lines: Lines, values: Values) -> Flags:
    """Return whether each is a string, a number, true, false or null."""
    is_value = values.is_quoted.copy()
    if lines.has_backslash:
        strings = np.flatnonzero(is_value)
        is_value[strings] = _are_strings(lines, values.starts[strings], values.ends[strings])
    if values.is_quoted.all():
        return is_value
    is_number = ~values.is_quoted & _are_integers(lines, values.starts, values.ends)
    others = np.flatnonzero(~(is_number | values.is_quoted))
    for are_such in (_are_plain, _are_scalars):
        is_number[others] = are_such(lines, values.starts[others], values.ends[others])
        others = others[~is_number[others]]
    return is_value | is_number


def _are_strings(lines: Lines, starts: Positions, ends: Positions) -> Flags:
    """Return whether the escapes of each text between quotes are those of JSON."""
    texts = lines.texts(starts, ends)
    has_escape = texts.str.contains("\\", literal=True)
    is_string = ~has_escape.to_numpy()
    is_string[~is_string] = texts.filter(has_escape).str.contains(_STRING).to_numpy()
    return is_string


def _are_integers(lines: Lines, starts: Positions, ends: Positions) -> Flags:
    """Return whether each is an integer of 1 to 8 digits."""
    lengths = ends - starts
    words = (lines.words[ends - _WORD] ^ _ZEROS) & KEEP_LAST[np.clip(lengths, 0, _WORD)]
    is_integer = (((words + _SIXES) | words) & _HIGH) == 0
    is_integer &= (lengths > 0) & (lengths <= _WORD)
    return is_integer & ((lines.octets[starts] != _ZERO) | (lengths == 1))


def _are_plain(lines: Lines, starts: Positions, ends: Positions) -> Flags:
    """Return whether each is a number of at most 8 characters, without sign and exponent."""
    octets, lengths = lines.octets, ends - starts
    kept = KEEP_LAST[np.clip(lengths, 0, _WORD)]
    words = lines.words[ends - _WORD] & kept
    others = words ^ _DOTS
    dots = ~(((others & _LOW_BITS) + _LOW_BITS) | others | _LOW_BITS)
    # a dot becomes a 0, and so do the bytes before the number
    digits = ((words ^ ((dots >> np.uint64(7)) * _DOT_TO_ZERO)) | (_ZEROS & ~kept)) ^ _ZEROS
    is_plain = ((((digits + _SIXES) | digits) & _HIGH) == 0) & (dots & (dots - _ONE) == 0)
    first, second, last = octets[starts], octets[starts + 1], octets[ends - 1]
    is_plain &= (first != _DOT) & (last != _DOT) & (lengths > 0) & (lengths <= _WORD)
    return is_plain & ((first != _ZERO) | (lengths == 1) | (second == _DOT))


def _are_scalars(lines: Lines, starts: Positions, ends: Positions) -> Flags:
    return lines.texts(starts, ends).str.contains(_SCALAR).to_numpy()
