"""The day of the week on which a model is trained, compared and decided.

Here: `RETRAINING_DAY`, the only place that names it. To retrain on another day, change it: the
partitions, the schedule, messages and the command line follow.
Not here: which of these days are due (`calendar.due`), the days of data around one
(`contracts.time`), the partitions (`defs.partitions`).
"""

from __future__ import annotations

from datetime import date, timedelta

_NAMES = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONDAY, TUESDAY, WEDNESDAY, THURSDAY, FRIDAY, SATURDAY, SUNDAY = range(7)

RETRAINING_DAY = MONDAY
"""Every knowledge date D is such a day."""

RETRAINING_DAY_NAME = _NAMES[RETRAINING_DAY]
KNOWLEDGE_DATE_FORM = f"A {RETRAINING_DAY_NAME}, YYYY-MM-DD."

DAYS_AFTER_SUNDAY = (RETRAINING_DAY + 1) % 7
"""The same day as Dagster counts, whose weeks begin on Sunday."""


def first_retraining_day(day: date) -> date:
    """Return the first retraining day that is not before a day."""
    return day + timedelta(days=(RETRAINING_DAY - day.weekday()) % 7)


def last_retraining_day(day: date) -> date:
    """Return the last retraining day that is not after a day."""
    return day - timedelta(days=(day.weekday() - RETRAINING_DAY) % 7)
