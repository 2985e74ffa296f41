"""Why a row is not clean, and what was repaired on one that is.

Here: the reason and repair codes, in their order of precedence, with the words shown to people.
Not here: the conditions themselves (`rows.judge`, `fraud_platform.cleaning`), the other reasons of
dead letters (`contracts.dead_letter_reasons`).
"""

from __future__ import annotations

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


OF_SEVERAL_ROWS = (
    Reason.TIME_OUTSIDE_DROP,
    Reason.DUPLICATE_ID,
    Reason.CONFLICTING_DUPLICATE_ID,
)
"""Reasons that a row has by the other rows of its drop, or of another."""


class Repair(StrEnum):
    """What was repaired in a clean row; counted, never rejected."""

    MIDNIGHT_24H = "midnight_24h"
    ROUNDED_AMOUNT = "rounded_amount"


REASON_DESCRIPTIONS: dict[Reason, str] = {
    Reason.MALFORMED_ROW: (
        "not 9 fields, not UTF-8, a non-empty field outside its grammar, or no transaction_id"
    ),
    Reason.BAD_TIMESTAMP: "tx_datetime is not a real `YYYY-MM-DD HH:MM:SS` of the years 2000-2099",
    Reason.UNKNOWN_CUSTOMER: "customer_id is -999999, negative or empty",
    Reason.UNKNOWN_TERMINAL: "terminal_id is negative or empty (0 is a terminal)",
    Reason.NON_POSITIVE_AMOUNT: "tx_amount is empty, <= 0, NaN, infinite or above 9,999,999.99",
    Reason.BAD_LABEL: "tx_fraud or its scenario is out of range, or the two disagree",
    Reason.BAD_VALUE: "a declared number is missing, no number, or too large",
    Reason.TIME_OUTSIDE_DROP: (
        "tx_datetime lies outside of the drop's own days: a month and more from those that two "
        "thirds of its rows agree on, or after the drop arrived"
    ),
    Reason.DUPLICATE_ID: "a copy of the kept row with this id, equal in its six contents",
    Reason.CONFLICTING_DUPLICATE_ID: "the id of a kept row with other contents",
}
