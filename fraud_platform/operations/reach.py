"""Which days and weeks the data covers, checked before anything is started.

Here: refusing days and knowledge dates without data; the error names the possible ones.
Not here: which of the possible ones are due (`fraud_platform.calendar.due`,
`defs.automation.schedules`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date, timedelta

from fraud_platform.calendar.due import possible_weeks
from fraud_platform.calendar.retraining_day import RETRAINING_DAY_NAME
from fraud_platform.contracts.knowledge_week import MIN_TRAINING_DAYS
from fraud_platform.errors import NotEnoughDataError

_NOTHING = (
    "expected drops that were cleaned and published, found none. Bring a drop to landing "
    "(FRAUD_LANDING_URL); the sensor new_drops loads it."
)
_LONGER = "or wait for a drop, or for live transactions, that reach further"


def require_days(days: Collection[date], inputs: Mapping[date, str]) -> None:
    """Refuse a range of days that goes beyond the data.

    Raises:
        NotEnoughDataError: it names the first and the last possible day.
    """
    outside = sorted(set(days) - set(inputs))
    if not outside:
        return
    asked = _range(min(days), max(days))
    if not inputs:
        raise NotEnoughDataError(f"days {asked}: {_NOTHING}")
    raise NotEnoughDataError(
        f"days {asked}: expected days from {min(inputs)} to {max(inputs)}, of which the data is "
        f"complete, found {len(outside)} others ({_range(outside[0], outside[-1])}). Materialize "
        f"days from {min(inputs)} to {max(inputs)}, {_LONGER}."
    )


def require_week(knowledge_date: date, inputs: Mapping[date, str]) -> None:
    """Refuse a knowledge date without data, or with too few days of data before it.

    Args:
        inputs: the days that can be built, as `PlatformState.inputs`.

    Raises:
        NotEnoughDataError: it names the first and the last possible knowledge date.
    """
    if not inputs:
        raise NotEnoughDataError(f"knowledge date {knowledge_date}: {_NOTHING}")
    possible = possible_weeks(min(inputs), max(inputs) + timedelta(days=1), MIN_TRAINING_DAYS)
    if knowledge_date in possible:
        return
    data = f"the data has days from {min(inputs)} to {max(inputs)}"
    if not possible:
        raise NotEnoughDataError(
            f"knowledge date {knowledge_date}: expected at least {MIN_TRAINING_DAYS} days to train "
            f"on and 21 days after them, found that {data}. Bring more drops."
        )
    raise NotEnoughDataError(
        f"knowledge date {knowledge_date}: expected a {RETRAINING_DAY_NAME} from {possible[0]} to "
        f"{possible[-1]}, since {data}. Materialize one of these, {_LONGER}."
    )


def _range(first: date, last: date) -> str:
    return str(first) if first == last else f"{first} to {last}"
