"""Tables of the texts that integers stand for: keys of entities, and values of categories.

Here: the texts of each drop, and the keys whose integer is not their hash.
Not here: the hash (`rows.surrogates`), which keys share one (`cleaning.texts`).
"""

from __future__ import annotations

from fraud_platform.contracts.tables import Column, TableContract

TEXTS = TableContract(
    name="texts",
    description=(
        "The texts that integers stand for in the rows of a drop: keys and categories. A text is "
        "there at least once for each drop that has it."
    ),
    columns=(
        Column("field", "string", "The integer's column, such as `customer_id`."),
        Column("code", "long", "The integer."),
        Column("text", "string", "The text, as the sender writes it."),
        Column("drop", "string", "The drop that has it."),
    ),
    key=(),
    partition_by=("drop",),
    keeps_versions=False,
)

TEXT_EXCEPTIONS = TableContract(
    name="text_exceptions",
    description="Keys whose surrogate is not their hash, because another key has that.",
    columns=(
        Column("field", "string", "The surrogate's column: `customer_id` or `terminal_id`."),
        Column("text", "string", "The key."),
        Column("code", "long", "Its surrogate."),
        Column("found_in", "string", "The drop in which both keys were found."),
    ),
    key=("field", "text"),
    keeps_versions=False,
)
