"""Dividing lines with one JSON object each into the texts of the declared columns.

Here: `JsonLines`.
Not here: reading objects (`rows.json_objects`), other formats (`rows.formats`).

A number keeps its own digits; true and false are those words; null is a missing value. A line that
is no JSON object, or in which a declared name is given twice or has an object or a list, is
malformed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from fraud_platform.rows.formats import Divided, Lines
from fraud_platform.rows.json_objects import read_alone, read_shapes
from fraud_platform.rows.message_json import JsonPairs, parse_json


@dataclass(frozen=True)
class JsonLines:
    """One JSON object a line."""

    def divide(self, lines: Lines, columns: Sequence[str], *, is_checked: bool = True) -> Divided:
        """Return these declared columns of a block's rows."""
        waiting = ~lines.is_blank
        parts = [*read_shapes(lines, waiting & lines.is_text, columns, is_checked=is_checked)]
        for numbers, _ in parts:
            waiting[numbers] = False
        left = np.flatnonzero(waiting)
        alone = read_alone([lines.line(number) for number in left.tolist()], columns)
        is_row = np.ones(len(left), np.bool_)
        is_row[[*alone.unread, *alone.problems]] = False
        rows = pl.Series(is_row)
        parts.append((left[is_row], [alone.columns[name].filter(rows) for name in columns]))
        found = zip(*(part[1] for part in parts), strict=True)
        return Divided(
            np.concatenate([numbers for numbers, _ in parts]),
            {name: pl.concat(each) for name, each in zip(columns, found, strict=True)},
            left[~is_row],
            {name: alone.columns[name].filter(~rows) for name in columns},
            np.empty(0, np.int64),
            int(np.count_nonzero(lines.is_blank)),
        )


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
