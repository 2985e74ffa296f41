"""The two small tables that the data's clock reads.

Here: which days a published drop holds, and from which drops a day's features were built.
Not here: what is concluded from them (`fraud_platform.calendar.due`).
"""

from __future__ import annotations

from fraud_platform.contracts.tables import Column, TableContract

DROP_DAYS = TableContract(
    name="drop_days",
    description="Clean rows of each published drop by day: what the watermark is read from.",
    columns=(
        Column("drop", "string", "The published drop."),
        Column("publication", "string", "The publication counted, as the ledger names it."),
        Column("tx_date", "date", "A day (UTC) that it has rows on."),
        Column("rows", "long", "Clean rows on that day."),
        Column("frauds", "long", "Clean rows labelled fraud on that day."),
        Column("content", "string", "Checksum of the rows, labels apart, in any order."),
        Column("labels", "string", "Checksum of the labels, in any order."),
    ),
    key=("drop", "tx_date"),
    bounded=("drop", "tx_date"),
)

FEATURE_DAYS = TableContract(
    name="feature_days",
    description="Days whose tiles and features are built, and from which drops. Written last.",
    columns=(
        Column("tx_date", "date", "The day (UTC)."),
        Column("inputs", "string", "Fingerprint of the drops in the day's lookback."),
        Column("run_id", "string", "The Dagster run that built it."),
        Column("built_at", "timestamp", "When (UTC)."),
        Column("feature_signature", "string", "Of all features that were declared.", nullable=True),
        Column("tiles_signature", "string", "Of what the tiles summed.", nullable=True),
    ),
    key=("tx_date",),
    bounded=("tx_date",),
)
