"""Transactions, tiles and labels as columns of numpy arrays.

Here: the arrays that features, labels and the live state exchange.
Not here: what is computed from them (`features.compute.kernel`), the tables
(`fraud_platform.contracts.tables`, `fraud_platform.tables`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from fraud_platform.contracts.feature_language.expressions import Array
from fraud_platform.contracts.time import TILE_SECONDS

ID_CHECK = "id_check"
"""Among the facts: a second hash of an id, by which two texts with one surrogate differ."""


@dataclass(frozen=True)
class Transactions:
    """Transactions, each column an int64 array of shape (rows,).

    Attributes:
        facts: further columns by `Fact.stored_as`, and `ID_CHECK` where ids are texts.
    """

    transaction_id: Array
    customer_id: Array
    terminal_id: Array
    second: Array
    amount_cents: Array
    facts: Mapping[str, Array] = field(default_factory=dict)

    @property
    def hour(self) -> Array:
        """Hour since 1970 of each transaction."""
        return self.second // TILE_SECONDS

    def take(self, places: Array) -> Transactions:
        """Return the transactions at these positions."""
        return Transactions(
            self.transaction_id[places],
            self.customer_id[places],
            self.terminal_id[places],
            self.second[places],
            self.amount_cents[places],
            {name: column[places] for name, column in self.facts.items()},
        )


@dataclass(frozen=True)
class Tiles:
    """Transaction tiles of customers or terminals.

    Attributes:
        entity: customer or terminal ids, int64 of shape (tiles,).
        hour: hours since 1970.
        measures: int64 columns by name.
        terminal: terminal of customer tiles; empty for terminal tiles.
    """

    entity: Array
    hour: Array
    measures: Mapping[str, Array]
    terminal: Array = field(default_factory=lambda: np.zeros(0, dtype=np.int64))


@dataclass(frozen=True)
class Labels:
    """Label versions that begin (sign 1) or cease (sign -1) to count; int64 of shape (labels,)."""

    event_hour: Array
    counts_from_hour: Array
    amount_cents: Array
    scenario: Array
    sign: Array


@dataclass(frozen=True)
class LabelTiles:
    """Label tiles of customers or terminals, int64 columns of shape (tiles,)."""

    entity: Array
    event_hour: Array
    counts_from_hour: Array
    measures: Mapping[str, Array]
