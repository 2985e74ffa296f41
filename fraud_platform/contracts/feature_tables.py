"""The feature stage's tables: hourly tiles and the features of each transaction.

Here: one `TableContract` a table, its columns made from the feature declaration.
Not here: how rows are made (`fraud_platform.features`).
"""

from __future__ import annotations

from fraud_platform.contracts.tables import Column, TableContract
from fraud_platform.features.declaration import DECLARATION

_HOURS = "hours since 1970-01-01 00:00 UTC"

CUSTOMER_TILES = TableContract(
    name="customer_tiles",
    description="What each customer did at each terminal in each hour, as integer sums.",
    columns=(
        Column("customer_id", "long", "The card's holder."),
        Column("terminal_id", "long", "Where the card was used."),
        Column("tile_hour", "long", f"The hour, {_HOURS}."),
        Column("tile_date", "date", "The day of tile_hour (UTC)."),
        Column("n_transactions", "long", "Transactions."),
        Column("amount_cents", "long", "Their amounts, cents."),
        *(Column(f.name, "long", f"Transactions with: {f.description}") for f in DECLARATION.flags),
        *(Column(m.name, "long", m.description) for m in DECLARATION.last_times),
    ),
    key=("customer_id", "terminal_id", "tile_hour"),
    partition_by=("tile_date",),
)

TERMINAL_TILES = TableContract(
    name="terminal_tiles",
    description="What happened at each terminal in each hour, as integer sums.",
    columns=(
        Column("terminal_id", "long", "The terminal."),
        Column("tile_hour", "long", f"The hour, {_HOURS}."),
        Column("tile_date", "date", "The day of tile_hour (UTC)."),
        Column("n_transactions", "long", "Transactions."),
        Column("amount_cents", "long", "Their amounts, cents."),
    ),
    key=("terminal_id", "tile_hour"),
    partition_by=("tile_date",),
)

LABEL_TILES = TableContract(
    name="label_tiles",
    description=(
        "Labels of each customer and terminal by event hour and the hour from which they count; "
        "a corrected version leaves as a row of negative numbers."
    ),
    columns=(
        Column("entity", "string", "`customer` or `terminal`."),
        Column("entity_id", "long", "The customer_id or terminal_id."),
        Column("event_hour", "long", f"Hour of the labelled transactions, {_HOURS}."),
        Column("counts_from_hour", "long", f"First hour whose features may use it, {_HOURS}."),
        Column("counts_from_date", "date", "The day of counts_from_hour (UTC)."),
        *(Column(m.name, "long", m.description) for m in DECLARATION.label_measures),
    ),
    key=("entity", "entity_id", "event_hour", "counts_from_hour"),
    partition_by=("counts_from_date", "entity"),
)

TRANSACTION_FEATURES = TableContract(
    name="transaction_features",
    description="Each transaction with every declared feature, as known in its own hour.",
    columns=(
        Column("transaction_id", "long", "The transaction."),
        Column("tx_datetime", "timestamp", "When the card was used (UTC)."),
        Column("tx_date", "date", "The day of tx_datetime (UTC)."),
        Column("customer_id", "long", "The card's holder."),
        Column("terminal_id", "long", "Where the card was used."),
        Column("amount_cents", "long", "Amount in cents."),
        *(Column(flag.name, "int", f"1 where: {flag.description}") for flag in DECLARATION.flags),
        *(Column(f.name, "float", f.description) for f in DECLARATION.features),
    ),
    key=("transaction_id",),
    partition_by=("tx_date",),
)
