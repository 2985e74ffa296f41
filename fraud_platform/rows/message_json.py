"""The JSON of messages, read so that nothing a sender writes can stop or sway the reader.

Here: `parse_json`: numbers keep their own digits, a name given twice is seen, what is no JSON is
said to be none.
Not here: what a message's fields must be (`scoring.messages.decode`, `scoring.label_intake`).
"""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np

MAX_NESTING = 256
"""Deeper is no message. The library's own bound depends on the depth of its caller, so that one
engine would take what the other refuses."""

_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"?', re.DOTALL)


class JsonNumber(bytes):
    """A number by its own digits."""


class JsonPairs(list[tuple[str, Any]]):
    """An object as its pairs, in order."""


def parse_json(value: bytes | None) -> Any:
    """Return what a message's value says.

    Raises:
        ValueError: it is empty, not UTF-8, not JSON, or nested deeper than `MAX_NESTING`.
    """
    if not value:
        raise ValueError("empty value")
    text = value.decode("utf-8")
    if _nesting(value) > MAX_NESTING:
        raise ValueError(f"nested deeper than {MAX_NESTING}")
    if text.startswith("\ufeff"):
        raise ValueError("begins with a byte order mark")
    return _DECODER.decode(text)


def _digits(text: str) -> JsonNumber:
    return JsonNumber(text.encode())


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


_DECODER = json.JSONDecoder(
    parse_int=_digits, parse_float=_digits, parse_constant=_refuse, object_pairs_hook=JsonPairs
)


def _nesting(value: bytes) -> int:
    """Return the largest number of nested objects and lists."""
    if value.count(b"{") + value.count(b"[") <= MAX_NESTING:
        return 0
    octets = np.frombuffer(_STRING.sub(b"", value), np.uint8)
    steps = np.zeros(octets.size, np.int64)
    for opening, closing in (b"{}", b"[]"):
        steps += octets == opening
        steps -= octets == closing
    return int(np.cumsum(steps).max(initial=0))
