"""Partitions: a drop, a day, a week's knowledge date, an hour of planning.

Here: the partition definitions and the mappings between them.
Not here: which of them are due (`fraud_platform.calendar.due`), the span of the data
(`calendar.span`).
"""

from __future__ import annotations

import math
import warnings
from datetime import UTC, date, datetime, timedelta

import dagster as dg

from fraud_platform.calendar.retraining_day import DAYS_AFTER_SUNDAY
from fraud_platform.calendar.span import HOUR_FORMAT, DataSpan, read_span
from fraud_platform.contracts.knowledge_week import (
    TEST_ENDS_DAYS_BEFORE,
    TEST_STARTS_DAYS_BEFORE,
    TRAINING_ENDS_DAYS_BEFORE,
)
from fraud_platform.contracts.time import midnight
from fraud_platform.defs.deployment import DEPLOYMENT

_DAYS_AHEAD, _WEEKS_AHEAD = 62, 10
"""How far data may be ahead of this machine's clock, as simulated months are."""


def _span() -> DataSpan:
    return read_span(DEPLOYMENT.home)


def _tomorrow() -> date:
    return datetime.now(UTC).date() + timedelta(days=1)


class DataDays(dg.DailyPartitionsDefinition):
    """Days; the UI offers those that have data.

    A process accepts every day, so that a run for a new day never waits until another process has
    reloaded its definitions. Dagster passes `start` and `end` to the UI.
    """

    @property
    def start(self) -> datetime:
        """The first day with data."""
        first_day = _span().first_day
        return super().start if first_day is None else midnight(first_day)

    @property
    def end(self) -> datetime:
        """The data's watermark; without data, the end of today."""
        return midnight(_span().end or _tomorrow())


class DataWeeks(dg.WeeklyPartitionsDefinition):
    """Knowledge dates; the UI offers those that the data has reached; see `DataDays`."""

    @property
    def start(self) -> datetime:
        """The first knowledge date with enough days before it."""
        first_week = _span().first_week
        return super().start if first_week is None else midnight(first_week)

    @property
    def end(self) -> datetime:
        """The end of the last week whose knowledge date the data has reached."""
        return midnight(_span().end_of_weeks or _tomorrow() + timedelta(days=7))


class PlanningHours(dg.HourlyPartitionsDefinition):
    """Hours; the UI offers those from the first plan to the last; see `DataDays`."""

    @property
    def start(self) -> datetime:
        """The hour of the first plan."""
        hour = _span().first_planning_hour
        return super().start if hour is None else _hour(hour)

    @property
    def end(self) -> datetime:
        """The end of the hour of the last plan; without plans, of the current hour."""
        hour = _span().last_planning_hour
        last = datetime.now(UTC) if hour is None else _hour(hour)
        return last.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)


def _hour(text: str) -> datetime:
    return datetime.strptime(text, HOUR_FORMAT).replace(tzinfo=UTC)


DROPS = dg.DynamicPartitionsDefinition(name="drop")
DAYS = DataDays(start_date=DEPLOYMENT.first_day, end_offset=_DAYS_AHEAD)
WEEKS = DataWeeks(
    start_date=DEPLOYMENT.first_day, day_offset=DAYS_AFTER_SUNDAY, end_offset=_WEEKS_AHEAD
)
"""Keyed by the knowledge date D, a retraining day."""

HOURS = PlanningHours(start_date=f"{DEPLOYMENT.first_planning_day}-00:00", end_offset=1)
"""Keyed by the hour in which a scoring run was planned."""

ALL_DROPS = dg.AllPartitionMapping()
"""A day may need any drop: a drop covers about 30 days, and its name does not limit its dates."""


def days_before(first_days_back: int, last_days_back: int) -> dg.TimeWindowPartitionMapping:
    """Map a knowledge date D to the days [D - first_days_back, D - last_days_back)."""
    with warnings.catch_warnings():
        # the parameter is in beta, and Dagster warns each time the definitions are loaded
        warnings.simplefilter("ignore", dg.BetaWarning)
        return dg.TimeWindowPartitionMapping(
            start_offset=-math.ceil(first_days_back / 7),
            end_offset=-last_days_back // 7 - 1,
            allow_nonexistent_upstream_partitions=True,
        )


TRAINING_DAYS = days_before(
    TRAINING_ENDS_DAYS_BEFORE + DEPLOYMENT.training_days, TRAINING_ENDS_DAYS_BEFORE
)
TEST_DAYS = days_before(TEST_STARTS_DAYS_BEFORE, TEST_ENDS_DAYS_BEFORE)
