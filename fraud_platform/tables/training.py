"""The training stage's table: the rows that a knowledge date's candidate is trained on.

Here: `TRAINING_SET`; its columns follow from the feature declaration.
Not here: selecting rows (`fraud_platform.training.training_set`).
"""

from __future__ import annotations

from fraud_platform.contracts.active import DECLARATION
from fraud_platform.contracts.tables import Column, TableContract

FIT, CALIBRATION, THRESHOLD = "fit", "calibration", "threshold"
"""The parts of the training rows: for the model, its calibration and its alert threshold."""

LABELLED_COLUMNS: tuple[Column, ...] = (
    Column("transaction_id", "long", "The transaction."),
    Column("tx_datetime", "timestamp", "When the card was used (UTC)."),
    Column("customer_id", "long", "The card's holder."),
    Column("terminal_id", "long", "Where the card was used."),
    Column("amount_cents", "long", "Amount in cents."),
    Column("is_fraud", "boolean", "The label as known at the knowledge date."),
    Column("fraud_scenario", "int", "0 genuine, 1 amount, 2 terminal, 3 customer."),
)

TRAINING_SET = TableContract(
    name="training_set",
    description="Labelled rows with their features, by knowledge date and purpose.",
    columns=(
        Column("knowledge_date", "date", "The week's key D; labels are those known at D."),
        Column("part", "string", "`fit`, `calibration` or `threshold`."),
        *LABELLED_COLUMNS,
        Column(
            "sample_weight", "double", "Rows it represents; above 1 if genuine ones are sampled."
        ),
        *(Column(f.name, "float", f.description) for f in DECLARATION.features),
    ),
    key=("knowledge_date", "transaction_id"),
    partition_by=("knowledge_date",),
)
