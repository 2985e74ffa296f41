"""Decoded messages: transactions, and dead letters with their reasons.

Here: `Decoded`, and the verdict on a single message.
Not here: reading messages (`scoring.messages.decode`, `scoring.messages.declared`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from fraud_platform.contracts.arrays import Transactions
from fraud_platform.rows.judge import REPAIRS

Ints = npt.NDArray[np.int64]


class DeadLetter(NamedTuple):
    """Why one message is dead.

    Attributes:
        row: its position among the messages.
        reasons: all reasons that apply, in order of precedence; the first one is its reason.
    """

    row: int
    reasons: tuple[str, ...]
    detail: str


@dataclass(frozen=True)
class Decoded:
    """Decoded messages.

    Attributes:
        rows: positions of the valid messages, ascending.
        transactions: their transactions, in that order.
        dead: the other messages, by position.
        repaired: positions of valid messages that were repaired, with their repairs as bits in the
            order of `REPAIRS`.
        key_texts: texts of the transactions' text keys, by column (`SourceSpec.key_texts`).
    """

    rows: Ints
    transactions: Transactions
    dead: list[DeadLetter]
    repaired: dict[int, int] = field(default_factory=dict)
    key_texts: Mapping[str, pl.Series] = field(default_factory=dict)

    @property
    def repairs(self) -> dict[str, int]:
        """Repairs of valid messages, counted by name."""
        bits = self.repaired.values()
        return {str(name): sum(b >> i & 1 for b in bits) for i, name in enumerate(REPAIRS)}

    def where(self, keep: npt.NDArray[np.bool_]) -> Decoded:
        """Return a selection of the messages, with new positions.

        Args:
            keep: mask over all messages.
        """
        position = np.cumsum(keep) - 1
        own = np.flatnonzero(keep[self.rows])
        return Decoded(
            position[self.rows[own]],
            self.transactions.take(own),
            [d._replace(row=int(position[d.row])) for d in self.dead if keep[d.row]],
            {int(position[row]): bits for row, bits in self.repaired.items() if keep[row]},
            {name: column.gather(own) for name, column in self.key_texts.items()},
        )

    def without(self, places: Ints, letters: Sequence[DeadLetter]) -> Decoded:
        """Return the messages with some of the transactions among the dead.

        Args:
            places: of these transactions.
            letters: their dead letters.
        """
        left = np.delete(np.arange(self.rows.size), places)
        gone = set(self.rows[places].tolist())
        return replace(
            self,
            rows=self.rows[left],
            transactions=self.transactions.take(left),
            dead=sorted([*self.dead, *letters], key=lambda letter: letter.row),
            repaired={row: bits for row, bits in self.repaired.items() if row not in gone},
            key_texts={name: column.gather(left) for name, column in self.key_texts.items()},
        )

    def event_seconds(self, size: int) -> Ints:
        """Return the event time of each message, 0 for a dead one."""
        seconds = np.zeros(size, dtype=np.int64)
        seconds[self.rows] = self.transactions.second
        return seconds


class JudgedMessage(NamedTuple):
    """One message: its reasons (none if valid), its problems in words, its repairs and fields."""

    reasons: tuple[str, ...]
    detail: str = ""
    repairs: int = 0
    contents: tuple[int, int, int, int, int] = (0, 0, 0, 0, 0)
