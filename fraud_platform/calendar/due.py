"""The data's clock: how far the data reaches, and what is due up to there.

Here: pure functions over small values: the watermark, the days to build, the weeks to decide.
Not here: the system's clock, which nothing of this looks at; schedules that ask these questions
(`fraud_platform.defs.automation.schedules`); the spans themselves (`contracts.time`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from fraud_platform.calendar.retraining_day import first_retraining_day
from fraud_platform.contracts.knowledge_week import KnowledgeWeek
from fraud_platform.contracts.own_days import CONNECTED_SHARE, connected_days, median_day

WATERMARK_SHARE = 0.01
"""A day moves the watermark if it holds at least this share of the median day's rows."""

FULL_SHARE = 0.5
"""Of a drop's own median day: so much holds a day that moves the watermark.

A fifth of a drop's rows may have a wrong date, hours or years ahead, and moves no clock: so many
rows, moved to days after the drop's own, are a quarter of what its own days have left.
"""

STREAM = "stream"
"""What stands for a drop's name where a day comes from the stream, whose clock bounds its days."""

LOOKBACK_DAYS = 38
"""The furthest that a day's features look back: 30 days before a label delay of 7, and the hour."""


@dataclass(frozen=True)
class DropDay:
    """The clean rows of a published drop on one day: how many, and checksums of what they say.

    Attributes:
        content: over everything but the labels, which is what a day's features are made from.
        labels: over the labels, which models learn from as well.
    """

    drop: str
    day: date
    rows: int
    content: str
    labels: str = ""


def watermark(days: Iterable[DropDay]) -> date | None:
    """Return the first day that the data does not cover yet, or None without data.

    That is the day after the last one that is full: some drop covers it, and it holds at least 1 %
    of the median day's rows. So rows with a wrong date do not move the clock.
    """
    full = _full_days(days, FULL_SHARE)
    return max(full) + timedelta(days=1) if full else None


def _full_days(days: Iterable[DropDay], share: float) -> list[date]:
    """Return the days that a drop covers and that hold at least 1 % of the median day's rows.

    Args:
        share: of the drop's own median day, what a day that it covers holds.
    """
    rows: dict[date, int] = {}
    by_drop: dict[str, dict[int, int]] = {}
    for day in days:
        rows[day.day] = rows.get(day.day, 0) + day.rows
        of_drop = by_drop.setdefault(day.drop, {})
        of_drop[day.day.toordinal()] = of_drop.get(day.day.toordinal(), 0) + day.rows
    covered = set(by_drop.pop(STREAM, ()))
    for of_drop in by_drop.values():
        covered.update(connected_days(of_drop, share))
    own = {day: count for day, count in rows.items() if day.toordinal() in covered}
    limit = WATERMARK_SHARE * median_day(own.values())
    return [day for day, count in own.items() if count >= limit]


def inputs_of(days: Collection[DropDay], first: date, last: date) -> str:
    """Return a fingerprint of rows and labels of the days [first, last], inclusive."""
    return fingerprint((d.day, d.drop, d.content, d.labels) for d in days if first <= d.day <= last)


def inputs_by_day(days: Collection[DropDay], first_day: date) -> dict[date, str]:
    """Return, for each day from the first full one to the watermark, what its features are of.

    Days without a row that their features look back on are left out: a drop years after the others
    asks for its own days, not for the years between.
    """
    # a thin first day has tiles as well: the days after it look back on it
    end, full = watermark(days), _full_days(days, CONNECTED_SHARE)
    if end is None:
        return {}
    start = max(first_day, min(full))
    contents: dict[date, list[tuple[date, str, str]]] = {}
    for d in days:
        contents.setdefault(d.day, []).append((d.day, d.drop, d.content))
    reached = {day + timedelta(days=n) for day in contents for n in range(LOOKBACK_DAYS + 1)}
    return {
        day: fingerprint(
            content
            for back in range(LOOKBACK_DAYS + 1)
            for content in contents.get(day - timedelta(days=back), ())
        )
        for day in sorted(day for day in reached if start <= day < end)
    }


def days_to_build(
    inputs: Mapping[date, str], built: Mapping[date, str], rows: Mapping[date, int], max_rows: int
) -> tuple[date, date] | None:
    """Return the first range of days whose features are missing or made from other drops.

    The range is contiguous and holds at most `max_rows` transactions (but at least one day), so
    that a backlog of months is several runs of bounded size.
    """
    stale = [day for day, fingerprint in sorted(inputs.items()) if built.get(day) != fingerprint]
    if not stale:
        return None
    first = last = stale[0]
    total = rows.get(first, 0)
    for day in stale[1:]:
        total += rows.get(day, 0)
        if day != last + timedelta(days=1) or total > max_rows:
            break
        last = day
    return first, last


def due_weeks(
    inputs: Mapping[date, str],
    built: Mapping[date, str],
    decided: Collection[date],
    min_training_days: int,
    catch_up_weeks: int,
) -> list[date]:
    """Return the knowledge dates (retraining days) to decide, oldest first.

    A date is due when the watermark has reached it, its features are built, at least
    `min_training_days` of data lie before its training ends, and it is not older than a date
    already decided. Only the latest `catch_up_weeks` are asked for.
    """
    if not inputs:
        return []
    end = max(inputs) + timedelta(days=1)
    newest = max(decided, default=date.min)
    due = [
        day
        for day in possible_weeks(min(inputs), end, min_training_days)
        if day > newest
        and all(built.get(d) == inputs[d] for d in inputs if d < KnowledgeWeek(day).test_end)
    ]
    return due[-catch_up_weeks:]


def possible_weeks(start: date, end: date, min_training_days: int) -> list[date]:
    """Return the knowledge dates that data of the days [start, end) allows to decide."""
    first = first_retraining_day(start)
    possible = (first + timedelta(days=n) for n in range(0, (end - first).days + 1, 7))
    return [d for d in possible if (KnowledgeWeek(d).train_end - start).days >= min_training_days]


def built_from_replaced(
    trained_on: Mapping[int, tuple[date, date, str]], days: Sequence[DropDay]
) -> list[int]:
    """Return the model versions whose training drops have been replaced since.

    Args:
        trained_on: version to (first day, last day, fingerprint of the drops then).
    """
    return [
        version
        for version, (first, last, fingerprint) in sorted(trained_on.items())
        if inputs_of(days, first, last) != fingerprint
    ]


def fingerprint(parts: Iterable[tuple[object, ...]]) -> str:
    """Return a short hash of some tuples, independent of their order."""
    return hashlib.sha256(repr(sorted(parts, key=repr)).encode()).hexdigest()[:16]
