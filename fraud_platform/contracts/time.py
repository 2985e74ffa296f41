"""Calendar arithmetic and time constants, each defined once, and the prequential split.

Here: days as numbers and as moments, label delay, tile width, the parts of a knowledge date's
week. No other module computes with the lengths of a day or an hour (`unit.contracts.test_time`).
Not here: the current time; schedules use the data's clock (`fraud_platform.calendar.due`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

LABEL_DELAY_DAYS = 7
SECONDS_PER_HOUR = 3600
HOURS_PER_DAY = 24
SECONDS_PER_DAY = HOURS_PER_DAY * SECONDS_PER_HOUR
MINUTES_PER_DAY = SECONDS_PER_DAY // 60
EPOCH_DAY = date(1970, 1, 1)
"""Day 0 of numbered days; hours and seconds are counted from its midnight, UTC."""
TILE_SECONDS = SECONDS_PER_HOUR
LABEL_DELAY_HOURS = LABEL_DELAY_DAYS * HOURS_PER_DAY
TEST_ENDS_DAYS_BEFORE = 7
"""The test days of a knowledge date D end this many days before D."""
TEST_STARTS_DAYS_BEFORE = 14
TRAINING_ENDS_DAYS_BEFORE = 21
"""Training ends this many days before D. It and the two lengths before are the split's own: each
gap must be at least the label delay, but they do not follow a change of it."""
MIN_TRAINING_DAYS = 7
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


@dataclass(frozen=True)
class KnowledgeWeek:
    """The prequential split of one knowledge date D (00:00 UTC).

    Training rows are before D - 21 d, test rows in [D - 14 d, D - 7 d). The gap between them is
    the label delay, and all labels of the test rows are known at D.
    """

    knowledge_date: date

    @property
    def train_end(self) -> date:
        """First day after the training days: D - 21 d."""
        return self.knowledge_date - timedelta(days=TRAINING_ENDS_DAYS_BEFORE)

    @property
    def test_start(self) -> date:
        """First day of the test week: D - 14 d."""
        return self.knowledge_date - timedelta(days=TEST_STARTS_DAYS_BEFORE)

    @property
    def test_end(self) -> date:
        """First day after the test week: D - 7 d."""
        return self.knowledge_date - timedelta(days=TEST_ENDS_DAYS_BEFORE)
