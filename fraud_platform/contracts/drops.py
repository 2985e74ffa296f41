"""The drop format: file names, header, fields, limits.

Here: what a drop is called and what its lines look like.
Not here: reading one (`fraud_platform.ingest`, `fraud_platform.cleaning`), writing one
(`fraud_platform.simulation`).
"""

from __future__ import annotations

import re
from datetime import date

from fraud_platform.errors import DropNameError

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

_NAME = re.compile(r"(\d{4}-\d{2}-\d{2})\.txt(\.gz|\.xz|\.zst)?")


MAX_NAME_CHARACTERS = 120


def printable(text: str, most: int = MAX_NAME_CHARACTERS) -> str:
    """Return a name from outside as logs and messages may have it: one line, bounded.

    A file's name may hold line ends, escape sequences and bytes that are no text; in a log they
    would look like lines of the platform's own.
    """
    shown = "".join(c if c.isprintable() else "?" for c in text[: most + 1])
    return shown if len(shown) <= most else f"{shown[: most - 2]}.."


def drop_of(file_name: str) -> str:
    """Return the drop's key, its first day as `YYYY-MM-DD`, from a file name.

    Raises:
        DropNameError: the name is not `YYYY-MM-DD.txt[.gz|.xz|.zst]` or not a real day.
    """
    match = _NAME.fullmatch(file_name)
    try:
        if match is None:
            raise ValueError("pattern")
        return date.fromisoformat(match[1]).isoformat()
    except ValueError:
        raise DropNameError(
            f"{printable(file_name)}: expected a drop named by its first day, YYYY-MM-DD.txt "
            f"(or {', '.join(COMPRESSIONS)} behind it). Rename the file or move it away."
        ) from None
