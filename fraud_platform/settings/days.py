"""Dates in settings.

Here: validating one.
Not here: the data's clock (`fraud_platform.calendar.due`).
"""

from __future__ import annotations

from datetime import date


def require_day(day: str) -> str:
    """Return `day` if it is a date in the form YYYY-MM-DD.

    Raises:
        ValueError: it is not a date, or has another form.
    """
    if date.fromisoformat(day).isoformat() != day:
        raise ValueError("expected YYYY-MM-DD")
    return day
