"""The drop format: file names, header, fields, limits.

Here: what the lines of a drop of the Handbook look like, and limits of all drops.
Not here: what a drop is called (`contracts.drop_names`), reading one (`fraud_platform.ingest`,
`fraud_platform.cleaning`), writing one (`fraud_platform.simulation`).
"""

from __future__ import annotations

COLUMNS: tuple[str, ...] = (
    "transaction_id",
    "tx_datetime",
    "customer_id",
    "terminal_id",
    "tx_amount",
    "tx_time_seconds",
    "tx_time_days",
    "tx_fraud",
    "tx_fraud_scenario",
)
"""The nine fields of a row, in order, as the platform spells them."""

MISSPELT_TRANSACTION_ID = "tranaction_id"
HEADER = "# " + " | ".join((MISSPELT_TRANSACTION_ID, *COLUMNS[1:]))
"""The header as the original series writes it."""

UNKNOWN_CUSTOMER_ID = -999_999
MAX_AMOUNT_CENTS = 999_999_999
FIRST_YEAR, LAST_YEAR = 2000, 2099
DROP_DAYS = 30
MAX_LINE_BYTES = 64 * 1024 * 1024
"""A longer line stops the drop: it is no text of rows, and no memory is bounded otherwise."""
COMPRESSIONS: tuple[str, ...] = (".gz", ".xz", ".zst")


MAX_NAME_CHARACTERS = 120


def printable(text: str, most: int = MAX_NAME_CHARACTERS) -> str:
    """Return a name from outside as logs and messages may have it: one line, bounded.

    A file's name may hold line ends, escape sequences and bytes that are no text; in a log they
    would look like lines of the platform's own.
    """
    shown = "".join(c if c.isprintable() else "?" for c in text[: most + 1])
    return shown if len(shown) <= most else f"{shown[: most - 2]}.."
