"""The feature stage's tables: hourly tiles and the features of each transaction.

Here: one `TableContract` for each table; its columns follow from the feature declaration.
Not here: computing the rows (`fraud_platform.features`).
"""

from __future__ import annotations

from fraud_platform.contracts.active import DECLARATION
from fraud_platform.contracts.feature_language.tiles import Tile
from fraud_platform.contracts.tables import FACTS, Column, TableContract

_HOURS = "hours since 1970-01-01 00:00 UTC"
_FLAGS = DECLARATION.flags


def _measures(tile: Tile) -> list[Column]:
    return [Column(measure.name, "long", measure.description) for measure in tile.measures]


CUSTOMER_TILES = TableContract(
    name=DECLARATION.customer_tile.name,
    description="Integer sums of each customer's transactions by terminal and hour.",
    columns=(
        Column("customer_id", "long", "The card's holder."),
        Column("terminal_id", "long", "Where the card was used."),
        Column("tile_hour", "long", f"The hour, {_HOURS}."),
        Column("tile_date", "date", "The day of tile_hour (UTC)."),
        *_measures(DECLARATION.customer_tile),
    ),
    key=(*DECLARATION.customer_tile.key, *DECLARATION.customer_tile.split_by),
    partition_by=("tile_date",),
)

TERMINAL_TILES = TableContract(
    name=DECLARATION.terminal_tile.name,
    description="Integer sums of each terminal's transactions by hour.",
    columns=(
        Column("terminal_id", "long", "The terminal."),
        Column("tile_hour", "long", f"The hour, {_HOURS}."),
        Column("tile_date", "date", "The day of tile_hour (UTC)."),
        *_measures(DECLARATION.terminal_tile),
    ),
    key=DECLARATION.terminal_tile.key,
    partition_by=("tile_date",),
)

LABEL_TILES = TableContract(
    name=DECLARATION.label_tile.name,
    description=(
        "Sums of the labels of each customer and terminal, by event hour and the hour from which "
        "they count. A row of negative numbers removes a corrected version."
    ),
    columns=(
        Column("entity", "string", "`customer` or `terminal`."),
        Column("entity_id", "long", "The customer_id or terminal_id."),
        Column("event_hour", "long", f"Hour of the labelled transactions, {_HOURS}."),
        Column("counts_from_hour", "long", f"First hour whose features may use it, {_HOURS}."),
        Column("counts_from_date", "date", "The day of counts_from_hour (UTC)."),
        *_measures(DECLARATION.label_tile),
    ),
    key=DECLARATION.label_tile.key,
    partition_by=("counts_from_date", "entity"),
)

TRANSACTION_FEATURES = TableContract(
    name="transaction_features",
    description="Each transaction with every declared feature, as known in its hour.",
    columns=(
        Column("transaction_id", "long", "The transaction."),
        Column("tx_datetime", "timestamp", "When the card was used (UTC)."),
        Column("tx_date", "date", "The day of tx_datetime (UTC)."),
        Column("customer_id", "long", "The card's holder."),
        Column("terminal_id", "long", "Where the card was used."),
        Column("amount_cents", "long", "Amount in cents."),
        *FACTS,
        *(Column(flag.name, "int", flag.description) for flag in _FLAGS),
        *(Column(f.name, "float", f.description) for f in DECLARATION.features),
    ),
    key=("transaction_id",),
    partition_by=("tx_date",),
)
