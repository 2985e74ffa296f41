"""Partitions: a drop, a day, a week's knowledge date, an hour of planning.

Here: the partition definitions and the mappings between them.
Not here: which of them are due (`fraud_platform.clock`).
"""

from __future__ import annotations

import math
import warnings

import dagster as dg

from fraud_platform.contracts.time import LABEL_DELAY_DAYS
from fraud_platform.settings import load_settings

_SETTINGS = load_settings()

DROPS = dg.DynamicPartitionsDefinition(name="drop")
DAYS = dg.DailyPartitionsDefinition(start_date=_SETTINGS.first_day, end_offset=1)
WEEKS = dg.WeeklyPartitionsDefinition(start_date=_SETTINGS.first_day, day_offset=1, end_offset=1)
"""Keyed by the knowledge date D, a Monday."""

HOURS = dg.HourlyPartitionsDefinition(
    start_date=f"{_SETTINGS.first_planning_day}-00:00", end_offset=1
)
"""Keyed by the hour in which a scoring run was planned."""

ALL_DROPS = dg.AllPartitionMapping()
"""A day may need any drop: a drop covers about 30 days, and its name is no limit to its dates."""


def days_before(first_days_back: int, last_days_back: int) -> dg.TimeWindowPartitionMapping:
    """Map a knowledge date D to the days [D - first_days_back, D - last_days_back)."""
    with warnings.catch_warnings():
        # the parameter is new in Dagster and says so each time the definitions are loaded
        warnings.simplefilter("ignore", dg.BetaWarning)
        return dg.TimeWindowPartitionMapping(
            start_offset=-math.ceil(first_days_back / 7),
            end_offset=-last_days_back // 7 - 1,
            allow_nonexistent_upstream_partitions=True,
        )


TRAINING_DAYS = days_before(3 * LABEL_DELAY_DAYS + _SETTINGS.training_days, 3 * LABEL_DELAY_DAYS)
TEST_DAYS = days_before(2 * LABEL_DELAY_DAYS, LABEL_DELAY_DAYS)
