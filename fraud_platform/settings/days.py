"""Days as settings write them.

Here: the check of one.
Not here: the data's clock (`fraud_platform.clock`).
"""

from __future__ import annotations

from datetime import date


def require_day(day: str) -> str:
    """Return `day` if it is written YYYY-MM-DD.

    Raises:
        ValueError: it is no day, or is written otherwise.
    """
    if date.fromisoformat(day).isoformat() != day:
        raise ValueError("expected YYYY-MM-DD")
    return day
