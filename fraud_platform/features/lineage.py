"""Which columns a column of the feature stage is made from, read off the declaration.

Here: column lineage of tiles and features, as (table, column) pairs.
Not here: showing it (`fraud_platform.defs.pages.tables`).
"""

from __future__ import annotations

from fraud_platform.contracts.active import DECLARATION, SOURCE
from fraud_platform.contracts.feature_language.expressions import Expression
from fraud_platform.contracts.feature_language.needs import label_measures_under
from fraud_platform.contracts.feature_language.terms import (
    CustomerSince,
    CustomerSum,
    LabelRun,
    LabelSince,
    LabelSum,
    RowTerm,
    TerminalSum,
    VisitSum,
)
from fraud_platform.contracts.tables import TableContract
from fraud_platform.tables.features import (
    LABEL_TILES,
    TERMINAL_TILES,
    TRANSACTION_FEATURES,
)

Sources = dict[str, list[tuple[str, str]]]
_IDS = {"customer_id", "terminal_id"}
_READ_BY: dict[str, str] = {
    "count": "transaction_id",
    "cents": "amount_cents",
    "squares": "amount_cents",
    "second": "tx_datetime",
}
"""The column that a measure of transactions reads, by its `Measure.value`."""
_HISTORY = [("transactions", "amount_cents"), ("transactions", "tx_datetime")]
"""What a customer's windows are made from. Their tiles hold it, but are built from features, so
naming those would send the reader of a lineage in a circle."""


def column_sources(table: TableContract) -> Sources:
    """Return, for each column of a feature table, the columns that it is made from."""
    if table is TRANSACTION_FEATURES:
        return _feature_sources()
    if table is LABEL_TILES:
        return _label_sources()
    upstream = "transactions" if table is TERMINAL_TILES else "transaction_features"
    tile = DECLARATION.terminal_tile if table is TERMINAL_TILES else DECLARATION.customer_tile
    sources: Sources = {name: [(upstream, name)] for name in table.column_names if name in _IDS}
    sources["tile_hour"] = sources["tile_date"] = [(upstream, "tx_datetime")]
    for measure in tile.measures:
        read = [_READ_BY[measure.value]] if measure.value in _READ_BY else []
        read += [measure.flag] if measure.flag else []
        if measure.formula is not None:
            read += sorted(
                {_row_column(t.name) for t in measure.formula.leaves() if isinstance(t, RowTerm)}
            )
        sources[measure.name] = [(upstream, name) for name in read]
    return sources


def _label_sources() -> Sources:
    sources: Sources = {
        "entity_id": [("transactions", "customer_id"), ("transactions", "terminal_id")],
        "event_hour": [("transactions", "tx_datetime")],
        "counts_from_hour": [("labels", "counts_from")],
        "counts_from_date": [("labels", "counts_from")],
    }
    for measure in DECLARATION.label_tile.measures:
        amount = [] if measure.value == "count" else [("transactions", "amount_cents")]
        sources[measure.name] = [("labels", "fraud_scenario"), *amount]
    return sources


def _feature_sources() -> Sources:
    copied = [
        *("transaction_id", "tx_datetime", "tx_date", "customer_id", "terminal_id"),
        *("amount_cents", *SOURCE.fact_names),
    ]
    sources: Sources = {n: [("transactions", n)] for n in copied}
    formulas: dict[str, Expression] = {f.name: f.condition for f in DECLARATION.flags}
    formulas |= {f.name: f.formula for f in DECLARATION.features}
    for name, formula in formulas.items():
        found = {pair for leaf in formula.leaves() for pair in _leaf_sources(leaf)}
        sources[name] = sorted(found)
    return sources


def _leaf_sources(leaf: Expression) -> list[tuple[str, str]]:
    if isinstance(leaf, RowTerm):
        return [("transactions", _row_column(leaf.name))]
    if isinstance(leaf, CustomerSum | CustomerSince | VisitSum):
        return _HISTORY
    if isinstance(leaf, TerminalSum):
        return [("terminal_tiles", leaf.measure)]
    if isinstance(leaf, LabelSum | LabelSince | LabelRun):
        return [("label_tiles", measure) for measure in sorted(label_measures_under(leaf))]
    return []


def _row_column(name: str) -> str:
    """Return the column that a `RowTerm` reads."""
    flags = {flag.name for flag in DECLARATION.flags}
    is_stored = name == "amount_cents" or name in SOURCE.fact_names or name in flags
    return name if is_stored else "tx_datetime"
