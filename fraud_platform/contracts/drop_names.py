"""The names of drops' files: which drop a file is, by its first day.

Here: `drop_of`, and the pattern for people.
Not here: what is in a drop (`contracts.data_set`, `contracts.drops`).
"""

from __future__ import annotations

import re
from datetime import date

from fraud_platform.contracts.active import SOURCE
from fraud_platform.contracts.drops import COMPRESSIONS, printable
from fraud_platform.errors import DropNameError

DROP_FILE = SOURCE.drops.name
"""A drop's file name, with `{day}` for its first day."""
DROP_FILE_WORDS = DROP_FILE.replace("{day}", "YYYY-MM-DD")
"""The name as people read it."""
_BEFORE, _AFTER = map(re.escape, DROP_FILE.split("{day}"))
_PACKED = "|".join(map(re.escape, COMPRESSIONS))
_NAME = re.compile(rf"{_BEFORE}(\d{{4}}-\d{{2}}-\d{{2}}){_AFTER}({_PACKED})?")


def drop_of(file_name: str) -> str:
    """Return the drop's key, its first day as `YYYY-MM-DD`, from a file name.

    Raises:
        DropNameError: the name is not as the data set declares it, or not of a real day.
    """
    match = _NAME.fullmatch(file_name)
    try:
        if match is None:
            raise ValueError("pattern")
        return date.fromisoformat(match[1]).isoformat()
    except ValueError:
        raise DropNameError(
            f"{printable(file_name)}: expected a drop named by its first day, {DROP_FILE_WORDS} "
            f"(or {', '.join(COMPRESSIONS)} after it). Rename the file or move it away."
        ) from None


def file_name_of(drop: str) -> str:
    """Return the name of a drop's file that is not packed."""
    return DROP_FILE.replace("{day}", drop)
