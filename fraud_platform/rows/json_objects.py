"""JSON objects, many at once, as columns of texts.

Here: `ObjectReader`, for messages and for drops of JSON lines.
Not here: a single object (`rows.message_json`), what the texts mean (`rows.declared`).

Senders write all objects in one shape: the same names in the same order. A shape that was seen
becomes a regular expression, which reads the values of all objects of this shape at once. It
accepts only JSON whose values are plain: numbers, texts, true, false and null. Every other object
is parsed alone, so the result does not depend on the shapes that were seen.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from fraud_platform.rows.message_json import JsonNumber, JsonPairs, parse_json

Ints = npt.NDArray[np.int64]

WRONG_TYPE = "has the wrong JSON type, expected a text or a number"
_NOT_UNICODE = "is not valid Unicode"

_LONGEST = 16_384
"""Bytes; a longer object is parsed alone, so that it does not delay the others."""
_FEWEST = 24
"""Fewer objects are parsed one by one, which takes less time than to compile an expression."""
_MOST_SHAPES, _MOST_NAMES = 8, 256
_SPACE = r"[ \t\n\r]*"
_STRING = r'"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"'
_OTHER = r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?|null|true|false"


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


class ObjectReader:
    """Reads JSON objects; it remembers the shapes that it has seen, for speed alone.

    Args:
        names: the names whose values are read.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._names = tuple(names)
        self._shapes: dict[tuple[str, ...], str] = {}
        self._useless: set[tuple[str, ...]] = set()

    def read(self, values: Sequence[bytes | None]) -> ObjectTexts:
        """Read objects; null is no object."""
        left = np.arange(len(values))
        parts: list[tuple[Ints, pl.DataFrame]] = []
        if len(values) >= _FEWEST:
            texts = _texts(values)
            for shape in [*self._shapes]:
                left = self._claim(shape, texts, left, parts)
            if left.size >= _FEWEST and (learnt := self._learn(values, left)) is not None:
                left = self._claim(learnt, texts, left, parts)
        unread: dict[int, Unread] = {}
        problems: dict[int, list[Problem]] = {}
        rows = [self._alone(values[i], i, unread, problems) for i in left.tolist()]
        found = list(zip(*rows, strict=True)) if rows else [()] * len(self._names)
        alone = {
            name: pl.Series(name, column, pl.String)
            for name, column in zip(self._names, found, strict=True)
        }
        parts.append((left, pl.DataFrame(alone)))
        if len(parts) > 1 and not left.size:
            parts.pop()
        frame = parts[0][1]
        if len(parts) > 1:
            order = np.argsort(np.concatenate([places for places, _ in parts]), kind="stable")
            frame = pl.concat([part for _, part in parts])[order]
        return ObjectTexts({name: frame[name] for name in self._names}, unread, problems)

    def _claim(
        self,
        shape: tuple[str, ...],
        texts: pl.Series,
        left: Ints,
        parts: list[tuple[Ints, pl.DataFrame]],
    ) -> Ints:
        """Read the objects of a shape; return the places of the others."""
        if left.size < _FEWEST:
            return left
        own = texts if left.size == len(texts) else texts.gather(left)
        found = own.str.extract_groups(self._shapes[shape]).struct.unnest()
        is_own = found[found.columns[0]].is_not_null()
        claimed = is_own.to_numpy().copy()
        if not claimed.any():
            return left
        if not claimed.all():
            found = found.filter(is_own)
        named = [name for name in shape if name in self._names]
        tokens = dict(zip(named, found.iter_columns(), strict=True))
        empty = pl.Series(values=[None], dtype=pl.String).new_from_index(0, found.height)
        is_odd = np.zeros(found.height, np.bool_)
        columns = [
            (_values(tokens[name], is_odd) if name in tokens else empty).alias(name)
            for name in self._names
        ]
        frame = pl.DataFrame(columns)
        if is_odd.any():
            frame = frame.filter(pl.Series(~is_odd))
            claimed[np.flatnonzero(claimed)[is_odd]] = False
        parts.append((left[claimed], frame))
        return left[~claimed]

    def _learn(self, values: Sequence[bytes | None], left: Ints) -> tuple[str, ...] | None:
        """Return the shape of the first object that was not claimed, if it is new."""
        for place in left[:_FEWEST].tolist():
            try:
                pairs = parse_json(values[place])
            except ValueError:
                continue
            if not isinstance(pairs, JsonPairs):
                continue
            shape = tuple(name for name, _ in pairs)
            if shape in self._shapes or shape in self._useless:
                continue
            expression = _expression(shape, self._names)
            if expression is None or len(self._shapes) >= _MOST_SHAPES:
                if len(self._useless) < _MOST_NAMES:
                    self._useless.add(shape)
                continue
            self._shapes[shape] = expression
            return shape
        return None

    def _alone(
        self,
        value: bytes | None,
        place: int,
        unread: dict[int, Unread],
        problems: dict[int, list[Problem]],
    ) -> list[str | None]:
        nothing: list[str | None] = [None] * len(self._names)
        try:
            pairs = parse_json(value)
        except ValueError as error:
            unread[place] = Unread(is_json=False, detail=f"not JSON: {error}"[:200])
            return nothing
        if not isinstance(pairs, JsonPairs):
            unread[place] = Unread(is_json=True, detail="not a JSON object")
            return nothing
        texts, wrong = _of_object(pairs, self._names)
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


def _expression(shape: tuple[str, ...], wanted: tuple[str, ...]) -> str | None:
    """Return an expression for objects of this shape, with one group for each wanted name.

    None if there is none: a name is given twice, or no name is wanted.
    """
    if len(set(shape)) < len(shape) or not set(shape) & set(wanted) or len(shape) > _MOST_NAMES:
        return None
    pairs = []
    for name in shape:
        token = f"({_STRING}|{_OTHER})" if name in wanted else f"(?:{_STRING}|{_OTHER})"
        quoted = json.dumps(name, ensure_ascii=False)
        try:
            quoted.encode()
        except UnicodeEncodeError:
            return None
        pairs.append(f"{re.escape(quoted)}{_SPACE}:{_SPACE}{token}")
    inside = f"{_SPACE},{_SPACE}".join(pairs)
    return rf"^{_SPACE}\{{{_SPACE}{inside}{_SPACE}\}}{_SPACE}$"


def _texts(values: Sequence[bytes | None]) -> pl.Series:
    """Return values as texts; null for one that is long, or not UTF-8."""
    series = pl.Series(values, dtype=pl.Binary)
    is_long = series.bin.size() > _LONGEST
    if is_long.any():
        series = series.set(is_long, None)
    try:
        return series.cast(pl.String)
    except pl.exceptions.ComputeError:
        kept = [value if value is None or _is_utf8(value) else None for value in series]
        return pl.Series(kept, dtype=pl.Binary).cast(pl.String)


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def _values(tokens: pl.Series, is_odd: npt.NDArray[np.bool_]) -> pl.Series:
    """Return tokens as texts: without quotes and escapes, and null for null.

    Args:
        tokens: JSON texts of plain values.
        is_odd: gets a mark where a text is not valid Unicode.
    """
    is_null = tokens == "null"
    if is_null.any():
        tokens = tokens.set(is_null, None)
    has_escape = tokens.str.contains("\\", literal=True).fill_null(value=False)
    # a token without escapes has quotes only at both ends
    texts = tokens.str.strip_chars('"')
    if not has_escape.any():
        return texts
    places = has_escape.arg_true()
    read = [_unescaped(token) for token in tokens.gather(places)]
    is_odd[places.to_numpy()[[text is None for text in read]]] = True
    return texts.scatter(places, read)


def _unescaped(token: str) -> str | None:
    try:
        return text_of(json.loads(token))
    except ValueError:
        return None
