"""The span of the data: which days, weeks and hours the UI offers as partitions.

Here: the span as a value, the file in FRAUD_HOME that keeps it, what the data says it is.
Not here: the partition definitions (`defs.partitions`), the watermark itself
(`fraud_platform.calendar.due`).

Definitions are loaded without a look at the lake: storage may be away, and the UI must come up to
say so. The schedule that reads the days anyway keeps the span in the file.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

from fraud_platform.calendar.due import DropDay, inputs_by_day
from fraud_platform.calendar.retraining_day import first_retraining_day, last_retraining_day
from fraud_platform.contracts.knowledge_week import MIN_TRAINING_DAYS, TRAINING_ENDS_DAYS_BEFORE

HOUR_FORMAT = "%Y-%m-%d-%H:%M"
_FILE = "data-span.json"
_DAYS = ("first_day", "end", "first_decided")
_HOURS = ("first_planning_hour", "last_planning_hour")


@dataclass(frozen=True)
class DataSpan:
    """The days that have data, and when scoring began; None if it is not known yet.

    Attributes:
        first_day: the first full day of the data.
        end: the watermark, the first day after the data.
        first_decided: the first knowledge date that was decided; after a backlog only the latest
            are, and older ones never will be.
        first_planning_hour: hour of the first scoring plan, `YYYY-MM-DD-HH:00`.
        last_planning_hour: hour of the last one.
    """

    first_day: date | None = None
    end: date | None = None
    first_decided: date | None = None
    first_planning_hour: str | None = None
    last_planning_hour: str | None = None

    @property
    def first_week(self) -> date | None:
        """The first knowledge date that was decided; before, the first with enough days."""
        if self.first_decided is not None or self.first_day is None:
            return self.first_decided
        earliest = self.first_day + timedelta(days=TRAINING_ENDS_DAYS_BEFORE + MIN_TRAINING_DAYS)
        return first_retraining_day(earliest)

    @property
    def end_of_weeks(self) -> date | None:
        """The day on which the week of the last knowledge date ends, which the data reached."""
        if self.end is None or self.first_week is None:
            return None
        return max(last_retraining_day(self.end), self.first_week) + timedelta(days=7)


def read_span(home: Path) -> DataSpan:
    """Return the span that is kept in a home folder; an unreadable file is no span."""
    path = home / _FILE
    try:
        return _read(path, path.stat().st_mtime_ns)
    except OSError:
        return DataSpan()


@lru_cache(maxsize=8)
def _read(path: Path, changed_ns: int) -> DataSpan:  # noqa: ARG001 - part of the cache key
    try:
        kept = json.loads(path.read_text())
        hours: dict[str, Any] = {name: kept[name] for name in _HOURS if kept.get(name)}
        days = {name: date.fromisoformat(kept[name]) for name in _DAYS if kept.get(name)}
        for hour in hours.values():
            datetime.strptime(hour, HOUR_FORMAT)  # noqa: DTZ007 - checks the form of a text
        return DataSpan(**{**hours, **days})
    except (ValueError, KeyError, TypeError, AttributeError):
        return DataSpan()


def keep_days(home: Path, days: Collection[DropDay], first_day: date) -> bool:
    """Keep the span of the data's days; return whether it changed."""
    covered = inputs_by_day(days, first_day)
    if not covered:
        return False
    span = read_span(home)
    return _keep(
        home, span, replace(span, first_day=min(covered), end=max(covered) + timedelta(days=1))
    )


def keep_decided(home: Path, decided: Collection[date]) -> bool:
    """Keep the first knowledge date that was decided; return whether the span changed."""
    span = read_span(home)
    return _keep(home, span, replace(span, first_decided=min(decided, default=None)))


def keep_planning_hour(home: Path, hour: str) -> bool:
    """Keep the hour of a scoring plan; return whether the span changed."""
    span = read_span(home)
    first = min(span.first_planning_hour or hour, hour)
    last = max(span.last_planning_hour or hour, hour)
    return _keep(home, span, replace(span, first_planning_hour=first, last_planning_hour=last))


def _keep(home: Path, old: DataSpan, new: DataSpan) -> bool:
    if new == old:
        return False
    home.mkdir(parents=True, exist_ok=True)
    part = home / f".{_FILE}.{os.getpid()}.tmp"
    part.write_text(json.dumps(asdict(new), default=str))
    part.replace(home / _FILE)
    return True
