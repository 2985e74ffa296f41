"""Calendar arithmetic and time constants, each defined once.

Here: days as numbers and as moments, tile width. No other module computes with the lengths of a day
or an hour (`unit.contracts.test_time`).
Not here: the label delay (`contracts.active`), the weeks of training and test
(`contracts.knowledge_week`), the current time; schedules use the data's clock
(`fraud_platform.calendar.due`).
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time

SECONDS_PER_HOUR = 3600
HOURS_PER_DAY = 24
SECONDS_PER_DAY = HOURS_PER_DAY * SECONDS_PER_HOUR
MINUTES_PER_DAY = SECONDS_PER_DAY // 60
EPOCH_DAY = date(1970, 1, 1)
"""Day 0 of numbered days; hours and seconds are counted from its midnight, UTC."""
TILE_SECONDS = SECONDS_PER_HOUR
LATE_DAYS = 7
"""Rows up to this many days late get exact features; the state keeps no older history."""


def day_number(day: date) -> int:
    """Return the days from 1970-01-01 to a day."""
    return day.toordinal() - EPOCH_DAY.toordinal()


def numbered_day(number: int) -> date:
    """Return the day of a number; the inverse of `day_number`."""
    return date.fromordinal(EPOCH_DAY.toordinal() + number)


def midnight(day: date) -> datetime:
    """Return the beginning of a day, UTC."""
    return datetime.combine(day, time(), UTC)
