"""Features of some transactions at once, in this process, with labels that are known on time.

Here: both passes of the batch engine over arrays, without tiles of earlier days.
Not here: days in the lake (`features.batch`), rows as they arrive (`features.live.state`).
"""

from __future__ import annotations

import numpy as np

from fraud_platform.contracts.arrays import Labels, Tiles, Transactions
from fraud_platform.contracts.feature_language.declarables import Declaration
from fraud_platform.contracts.feature_language.expressions import Array
from fraud_platform.contracts.feature_language.tiles import Tile
from fraud_platform.features.compute.customers import CustomerPass
from fraud_platform.features.compute.terminals import TerminalPass
from fraud_platform.features.compute.tiles import label_tiles
from fraud_platform.labels.rule import on_time_hour


def features_at_once(declaration: Declaration, rows: Transactions, scenario: Array) -> Array:
    """Return the features of all rows, float32 of shape (rows, features).

    Args:
        declaration: the features to compute.
        rows: transactions in any order, each id once.
        scenario: kind of fraud of each row, 0 if genuine.
    """
    labels = Labels(
        rows.hour, on_time_hour(rows.hour), rows.amount_cents, scenario,
        np.ones(rows.hour.size, np.int64),
    )  # fmt: skip
    terminals = TerminalPass(
        declaration, rows.terminal_id, rows.hour, rows.amount_cents,
        no_tiles(declaration.terminal_tile),
        label_tiles(declaration, rows.terminal_id, labels), rows.second, rows.facts,
    )  # fmt: skip
    customers = CustomerPass(
        declaration, rows, terminals.matrix(), no_tiles(declaration.customer_tile),
        label_tiles(declaration, rows.customer_id, labels),
    )  # fmt: skip
    features = np.empty((rows.hour.size, len(declaration.names)), np.float32)
    for _, batches in customers.by_day():
        for batch in batches:
            for place, name in enumerate(declaration.names):
                features[batch.rows, place] = batch.features[name]
    return features


def no_tiles(tile: Tile) -> Tiles:
    """Return tiles of this kind, none."""
    nothing = np.zeros(0, np.int64)
    return Tiles(nothing, nothing, dict.fromkeys(tile.names, nothing), terminal=nothing)
