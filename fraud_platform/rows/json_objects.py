"""JSON objects, many at once, as columns of texts.

Here: `ObjectReader`, for messages; `read_shapes` and `read_alone`, for drops of JSON lines as well.
Not here: finding values in lines (`rows.json_shapes`), the parser of a single object
(`rows.message_json`), what the texts mean (`rows.declared`).

Objects of the same shape are read together, as long as their values are plain: numbers, texts,
true, false and null. Every other object is parsed alone, with the same result.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from fraud_platform.rows.formats import Flags, Lines
from fraud_platform.rows.json_shapes import Shape, Values, are_values, shape_of, walk
from fraud_platform.rows.lines import PADDING, Positions
from fraud_platform.rows.message_json import JsonNumber, JsonPairs, parse_json

WRONG_TYPE = "has the wrong JSON type, expected a text or a number"
_NOT_UNICODE = "is not valid Unicode"

_LONGEST = 16_384
"""Bytes; a longer object is parsed alone, so that it does not delay the others."""
_FEWEST = 48
"""Fewer objects are parsed one by one, which takes less time than to find a shape."""
_MOST_SHAPES, _MOST_TRIES = 16, 64
"""Objects of so many shapes are read together, and so many are tried for one."""
_BACKSLASH, _SPACE, _LF = b"\\ \n"


@dataclass(frozen=True)
class Unread:
    """A value that is no JSON object: whether it is JSON at all, and what it is instead."""

    is_json: bool
    detail: str


@dataclass(frozen=True)
class Problem:
    """What is wrong with a name of an object.

    Attributes:
        name: the name.
        words: what is wrong with it.
        is_unread: whether it has no value for that reason.
    """

    name: str
    words: str
    is_unread: bool

    def __str__(self) -> str:
        return f"{self.name} {self.words}"


@dataclass(frozen=True)
class ObjectTexts:
    """The values of objects as texts.

    Attributes:
        columns: by name, of type String, one row for each object; null if it has no such name, or
            null under it. A number is the digits that the sender wrote; `true` and `false` are
            texts.
        unread: by position, what is no object.
        problems: by position, the names that are given twice, or whose value is an object, a list
            or not valid Unicode.
    """

    columns: dict[str, pl.Series]
    unread: dict[int, Unread] = field(default_factory=dict)
    problems: dict[int, list[Problem]] = field(default_factory=dict)


Part = tuple[Positions, list[pl.Series]]
"""Numbers of lines, and a column of their texts for each name that is read."""


class ObjectReader:
    """Reads the objects of messages.

    Args:
        names: the names whose values are read.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._names = tuple(names)

    def read(self, values: Sequence[bytes | None]) -> ObjectTexts:
        """Read objects; null is no object."""
        parts: list[Part] = []
        is_left = np.ones(len(values), np.bool_)
        if len(values) >= _FEWEST:
            # an empty line is no candidate
            texts = (b"" if v is None or len(v) > _LONGEST or b"\n" in v else v for v in values)
            lines = Lines(b"\n".join(texts) + b"\n")
            parts = [*read_shapes(lines, ~lines.is_blank & lines.is_text, self._names)]
            for numbers, _ in parts:
                is_left[numbers] = False
        left = np.flatnonzero(is_left)
        alone = read_alone([values[place] for place in left.tolist()], self._names)
        if len(left) or not parts:
            parts.append((left, [alone.columns[name] for name in self._names]))
        found = [pl.concat(columns) for columns in zip(*(part[1] for part in parts), strict=True)]
        if len(parts) > 1:
            order = np.argsort(np.concatenate([numbers for numbers, _ in parts]), kind="stable")
            found = [column.gather(order) for column in found]
        return ObjectTexts(
            dict(zip(self._names, found, strict=True)),
            {int(left[place]): unread for place, unread in alone.unread.items()},
            {int(left[place]): problems for place, problems in alone.problems.items()},
        )


def read_shapes(
    lines: Lines, candidates: Flags, names: Sequence[str], *, is_checked: bool = True
) -> Iterator[Part]:
    """Yield the objects of each shape; those of rare shapes and with odd values are left out.

    Args:
        lines: one object each.
        candidates: which of them are read; they must be UTF-8.
        names: the names whose values are read.
        is_checked: whether the other values must be valid as well.
    """
    left, shapes = np.flatnonzero(candidates & ~_has_control(lines)), 0
    for _ in range(_MOST_TRIES):
        if not len(left) or shapes == _MOST_SHAPES:
            return
        shape = shape_of(lines.line(int(left[0])))
        if shape is None:
            left = left[1:]
            continue
        shapes += 1
        fields = _fields(shape, names)
        count = len(shape.names)
        if fields is not None and not is_checked:
            count = max((field for field in fields if field is not None), default=0) + 1
        places, values = walk(lines, left, shape, count)
        if fields is not None and len(places):
            yield _part(lines, left[places], values, fields)
        is_left = np.ones(len(left), np.bool_)
        is_left[places], is_left[0] = False, False
        left = left[is_left]


def _has_control(lines: Lines) -> Flags:
    """Return which lines have a control character."""
    flags = np.zeros(len(lines), np.bool_)
    inner = lines.octets[PADDING : int(lines.breaks[-1])]
    is_control = inner < _SPACE
    if np.count_nonzero(is_control) == len(lines) - 1:
        return flags
    places = np.flatnonzero(is_control & (inner != _LF)) + PADDING
    numbers = np.searchsorted(lines.breaks, places)
    flags[numbers[places < lines.ends[numbers]]] = True
    return flags


def _fields(shape: Shape, names: Sequence[str]) -> list[int | None] | None:
    """Return each name's place in a shape, None for a missing one; None if one is there twice."""
    wanted = [name.encode() for name in names]
    if any(shape.names.count(name) > 1 for name in wanted):
        return None
    return [shape.names.index(name) if name in shape.names else None for name in wanted]


def _part(
    lines: Lines, numbers: Positions, values: Sequence[Values], fields: Sequence[int | None]
) -> Part:
    """Return the objects among lines of one shape, with their texts."""
    is_object = np.ones(len(numbers), np.bool_)
    for one in values:
        is_object &= are_values(lines, one)
    if not is_object.all():
        kept = np.flatnonzero(is_object)
        numbers, values = numbers[kept], [one.take(kept) for one in values]
    is_odd = np.zeros(len(numbers), np.bool_)
    nothing = pl.Series([None], dtype=pl.String)
    columns = [
        nothing.new_from_index(0, len(numbers))
        if field is None
        else _texts(lines, values[field], is_odd)
        for field in fields
    ]
    if is_odd.any():
        numbers, columns = numbers[~is_odd], [one.filter(pl.Series(~is_odd)) for one in columns]
    return numbers, columns


def _texts(lines: Lines, values: Values, is_odd: Flags) -> pl.Series:
    """Return values as texts: without quotes and escapes, and null for null.

    Args:
        is_odd: gets a mark where a text is not valid Unicode.
    """
    is_quoted = values.is_quoted
    column = lines.texts(values.starts + is_quoted, values.ends - is_quoted)
    is_null = (lines.octets[values.starts] == ord("n")) & ~is_quoted
    if is_null.any():
        column = column.set(pl.Series(is_null), None)
    if not lines.has_backslash:
        return column
    places = column.str.contains("\\", literal=True).fill_null(value=False).arg_true()
    read = [_unescaped(text) for text in column.gather(places)]
    is_odd[places.to_numpy()[[text is None for text in read]]] = True
    return column.scatter(places, read) if read else column


def read_alone(values: Sequence[bytes | None], names: Sequence[str]) -> ObjectTexts:
    """Read objects one by one."""
    unread: dict[int, Unread] = {}
    problems: dict[int, list[Problem]] = {}
    rows = [_of_value(value, place, names, unread, problems) for place, value in enumerate(values)]
    columns = [*zip(*rows, strict=True)] or [()] * len(names)
    found = {
        name: pl.Series(column, dtype=pl.String)
        for name, column in zip(names, columns, strict=True)
    }
    return ObjectTexts(found, unread, problems)


def _of_value(
    value: bytes | None,
    place: int,
    names: Sequence[str],
    unread: dict[int, Unread],
    problems: dict[int, list[Problem]],
) -> list[str | None]:
    try:
        pairs = parse_json(value)
    except ValueError as error:
        unread[place] = Unread(is_json=False, detail=f"not JSON: {error}"[:200])
        return [None] * len(names)
    if not isinstance(pairs, JsonPairs):
        unread[place] = Unread(is_json=True, detail="not a JSON object")
        return [None] * len(names)
    texts, wrong = _of_object(pairs, names)
    if wrong:
        problems[place] = wrong
    return texts


def _of_object(pairs: JsonPairs, names: Sequence[str]) -> tuple[list[str | None], list[Problem]]:
    """Return an object's texts, and its problems."""
    found: Mapping[str, Any] = dict(pairs)
    given = [name for name, _ in pairs]
    texts: list[str | None] = []
    problems: list[Problem] = []
    for name in names:
        if len(given) > len(found) and given.count(name) > 1:
            problems.append(Problem(name, "is given twice", is_unread=False))
        try:
            texts.append(text_of(found.get(name)))
        except ValueError as error:
            problems.append(Problem(name, str(error), is_unread=True))
            texts.append(None)
    return texts, problems


def text_of(value: Any) -> str | None:
    """Return a JSON value as the text that a drop would have; null is no text.

    Raises:
        ValueError: it is a list or an object, or is not valid Unicode.
    """
    if value is None:
        return None
    if isinstance(value, JsonNumber):
        return value.decode()
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str):
        raise ValueError(WRONG_TYPE)
    try:
        value.encode()
    except UnicodeEncodeError:  # half of a surrogate pair from a \u escape
        raise ValueError(_NOT_UNICODE) from None
    return value


def _unescaped(text: str) -> str | None:
    """Return the text of a JSON string without its quotes; None if it is not valid Unicode."""
    try:
        return text_of(json.loads(f'"{text}"'))
    except ValueError:
        return None
