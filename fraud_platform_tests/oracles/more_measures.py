"""The declaration with one more measure of each kind, and what a tile holds by plain loops.

Here: `MORE`, with features that read the further measures in every kind of window; `plain_tiles`.
Not here: small worlds (`oracles.feature_worlds`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from fraud_platform.contracts.active import DECLARATION
from fraud_platform.contracts.feature_language.declarables import (
    Feature,
    Flag,
    LabelMeasure,
    LastTime,
    RowSum,
)
from fraud_platform.contracts.feature_language.expressions import Expression
from fraud_platform.contracts.feature_language.terms import (
    CustomerSince,
    CustomerSum,
    LabelSum,
    RowTerm,
    TerminalSum,
    VisitSum,
)
from fraud_platform.contracts.feature_language.tiles import Measure, Tile
from fraud_platform_tests.oracles.features import Tx

_AMOUNT = RowTerm("amount_cents")
_READERS: dict[str, Expression] = {
    "x_customer_squares": CustomerSum("more_squares", 7),
    "x_visit_squares": VisitSum("more_squares", 30),
    "x_terminal_squares": TerminalSum("more_squares", 7),
    "x_steps": CustomerSum("more_steps", 7),
    "x_since": CustomerSince("more_last"),
    "x_customer_labels": LabelSum("customer", "more_labels", 30),
    "x_terminal_labels": LabelSum("terminal", "more_labels", 30),
}
MORE = replace(
    DECLARATION,
    features=(*DECLARATION.features, *(Feature(n, "Read.", f) for n, f in _READERS.items())),
    flags=(*DECLARATION.flags, Flag("more_steps", "0, 1 or 2.", (_AMOUNT > 40) + (_AMOUNT > 990))),
    last_times=(*DECLARATION.last_times, LastTime("more_last", "Last step.", "more_steps")),
    label_measures=(
        *DECLARATION.label_measures,
        LabelMeasure("more_labels", "Cents of scenarios 1 and 3.", frozenset({1, 3}), "cents"),
    ),
    row_sums=(*DECLARATION.row_sums, RowSum("more_squares", "Squares.", "squares")),
)
"""A flag has the values 0, 1 and 2, so that a time times the flag is not the time."""


def plain_tiles(
    tile: Tile, transactions: Iterable[Tx], flags: Mapping[int, Mapping[str, int]]
) -> dict[tuple[int, ...], dict[str, int]]:
    """Return each transaction tile's measures by its key, by plain loops."""
    cells: dict[tuple[int, ...], list[Tx]] = defaultdict(list)
    for tx in transactions:
        of = {"customer_id": tx.customer, "terminal_id": tx.terminal, "tile_hour": tx.hour}
        cells[tuple(of[name] for name in tile.key)].append(tx)
    combine: dict[str, Callable[[Iterable[int]], int]] = {"sum": sum, "max": max}
    return {
        key: {
            m.name: combine[m.combine](_value(m, tx, flags.get(tx.id, {})) for tx in rows)
            for m in tile.measures
        }
        for key, rows in cells.items()
    }


def _value(measure: Measure, tx: Tx, flags: Mapping[str, int]) -> int:
    if measure.value == "flag":
        return flags[measure.name]
    if measure.flag is not None and flags[measure.flag] == 0:
        return 0
    return {
        "count": 1,
        "cents": tx.cents,
        "squares": ((tx.cents + 50) // 100) ** 2,
        "second": tx.second,
    }[measure.value]
