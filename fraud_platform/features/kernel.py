"""The kernel that the batch engine and the live scorer share; inputs and outputs are numpy arrays.

Here: transactions, tiles and labels as arrays, and the evaluation of all formulas.
Not here: the terms of terminals and customers (`features.terminals`, `features.customers`,
`features.events`), window arithmetic (`features.windows`), Arrow and Spark (`features.tasks`,
`features.engine`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

import numpy as np

from fraud_platform.contracts.time import HOURS_PER_DAY, TILE_SECONDS
from fraud_platform.features.declarables import Declaration
from fraud_platform.features.expressions import Array, Expression
from fraud_platform.features.terms import RowTerm

Terms = dict[Expression, Array]


@dataclass(frozen=True)
class Transactions:
    """Transactions, each column an int64 array of shape (rows,)."""

    transaction_id: Array
    customer_id: Array
    terminal_id: Array
    second: Array
    amount_cents: Array

    @property
    def hour(self) -> Array:
        """Hour since 1970 of each transaction."""
        return self.second // TILE_SECONDS

    def take(self, places: Array) -> Transactions:
        """Return the transactions at these positions."""
        return Transactions(*(getattr(self, f.name)[places] for f in fields(self)))


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


@dataclass(frozen=True)
class FeatureBatch:
    """Features of some transactions.

    Attributes:
        rows: positions of the transactions in the input arrays.
        flags: int64 columns by name.
        features: float32 columns by name.
    """

    rows: Array
    flags: dict[str, Array]
    features: dict[str, Array]


def evaluate_features(declaration: Declaration, terms: Mapping[Expression, Array]) -> Array:
    """Return the features in declaration order, float32 of shape (features, rows).

    Args:
        declaration: the features to compute.
        terms: an int64 array of shape (rows,) for each term.
    """
    rows = next(iter(terms.values())).size
    features = np.empty((len(declaration.features), rows), np.float32)
    for number, values in declaration.feature_formulas.evaluate(terms):
        features[number] = values
    return features


def evaluate_flags(declaration: Declaration, terms: Mapping[Expression, Array]) -> dict[str, Array]:
    """Return every flag by name, int64 arrays of shape (rows,)."""
    names = [flag.name for flag in declaration.flags]
    return {names[n]: values for n, values in declaration.flag_formulas.evaluate(terms)}


def row_terms(second: Array, amount_cents: Array) -> Terms:
    """Return the terms of the transactions themselves."""
    hour = second // TILE_SECONDS
    return {
        RowTerm("amount_cents"): amount_cents,
        RowTerm("hour_of_day"): hour % HOURS_PER_DAY,
        RowTerm("day_of_week"): (hour // HOURS_PER_DAY + 3) % 7,
    }
