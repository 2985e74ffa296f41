"""Messages of a live stream and bad ones among them, for any columns.

Here: `StreamMessages`, `BadMessage`, and mixing bad messages into good ones.
Not here: how rows become messages (`simulation.stream`, `simulation.declared_stream`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

DUPLICATE = "duplicate"
"""Outcome of a message whose id was already scored; it is not a dead letter."""
LARGE_BYTES = 5_000_000
TIME_FORM = "%Y-%m-%d %H:%M:%S"

Spoil = Callable[[bytes, bytes], tuple[bytes | None, bytes | None]]
"""Turns key and value of a good message into those of a bad one."""
Kind = tuple[str, Spoil]
"""The expected outcome of a bad message, and what makes it bad."""


@dataclass(frozen=True)
class StreamMessages:
    """Keys and values of messages, in the order of the rows they were made from."""

    keys: list[bytes]
    values: list[bytes]


@dataclass(frozen=True)
class BadMessage:
    """A message that must not be scored.

    Attributes:
        after: index of the good message that it follows.
        reason: the expected outcome: a dead-letter reason, or `duplicate`.
    """

    after: int
    key: bytes | None
    value: bytes | None
    reason: str


def mixed_in(
    rows: pl.DataFrame,
    rate: float,
    seed: int,
    kinds: Sequence[Kind],
    once: Sequence[Kind],
    make: Callable[[pl.DataFrame], StreamMessages],
) -> list[BadMessage]:
    """Return bad messages made from random rows, in row order.

    Args:
        rows: rows in stream order.
        rate: expected number of bad messages per good one, at most 1; 0 returns no messages.
        seed: the same seed and rows give the same messages.
        kinds: those to choose from at random.
        once: those to add once each.
        make: returns rows as good messages.
    """
    if rate <= 0 or rows.is_empty():
        return []
    random = np.random.default_rng(seed)
    count = int(random.binomial(rows.height, min(rate, 1.0)))
    numbers = random.integers(0, len(kinds), count)
    chosen = [*once, *(kinds[i] for i in numbers)]
    places = np.sort(random.integers(0, rows.height, len(chosen)))
    good = make(rows[places])
    messages = []
    for i, (reason, spoil) in enumerate(chosen):
        key, value = spoil(good.keys[i], good.values[i])
        messages.append(BadMessage(int(places[i]), key, value, reason))
    return messages
