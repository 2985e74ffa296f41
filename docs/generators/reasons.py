"""The table of the data contract that lists a message's own reasons.

Here: the table, from the declarations.
Not here: the page that it is a part of (`docs/contract.md`), the declarations
(`fraud_platform.contracts.dead_letter_reasons`).
"""

from __future__ import annotations

from fraud_platform.contracts.dead_letter_reasons import DEAD_LETTER_REASONS, MessageReason


def reasons_table() -> str:
    """Return one line for each reason that only a message can have, in order of precedence."""
    own = sorted(MessageReason, key=DEAD_LETTER_REASONS.index)
    lines = [f"| `{reason}` | {reason.description} |\n" for reason in own]
    return "".join(["| reason | fits if |\n", "| --- | --- |\n", *lines])
