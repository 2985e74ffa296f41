"""Why a row is not clean, and what was repaired on one that is.

Here: the reason and repair codes, in their order of precedence.
Not here: the words shown to people (`contracts.reason_words`), the conditions (`rows.judge`,
`fraud_platform.cleaning`), the other reasons of dead letters (`contracts.dead_letter_reasons`).
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum


class Reason(StrEnum):
    """Quarantine reasons of a drop's row; the first that fits, in this order, names the row."""

    MALFORMED_ROW = "malformed_row"
    BAD_TIMESTAMP = "bad_timestamp"
    UNKNOWN_CUSTOMER = "unknown_customer"
    UNKNOWN_TERMINAL = "unknown_terminal"
    NON_POSITIVE_AMOUNT = "non_positive_amount"
    BAD_LABEL = "bad_label"
    BAD_VALUE = "bad_value"
    TIME_OUTSIDE_DROP = "time_outside_drop"
    DUPLICATE_ID = "duplicate_id"
    CONFLICTING_DUPLICATE_ID = "conflicting_duplicate_id"
    ID_COLLISION = "id_collision"


OF_SEVERAL_ROWS = (
    Reason.TIME_OUTSIDE_DROP,
    Reason.DUPLICATE_ID,
    Reason.CONFLICTING_DUPLICATE_ID,
    Reason.ID_COLLISION,
)
"""Reasons that a row has by the other rows of its drop, or of another."""


def names_of_bits(bits: int, own: Sequence[str] = ()) -> list[str]:
    """Return the names of a mask's reasons, in order of precedence.

    Args:
        bits: bit i is reason i of `Reason`, and after these rule i of the data set.
        own: names of the data set's rules.
    """
    return [name for place, name in enumerate((*Reason, *own)) if bits >> place & 1]


class Repair(StrEnum):
    """What was repaired in a clean row; counted, never rejected."""

    MIDNIGHT_24H = "midnight_24h"
    ROUNDED_AMOUNT = "rounded_amount"
