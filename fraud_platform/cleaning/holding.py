"""Whether a drop is held: what a person should see before it is published.

Here: the limits, and the reasons to hold a cleaned drop in words.
Not here: cleaning it (`drop`), its share of frauds (`fraud_share`), the commits and the ledger
(`publish`).

A limit on all rows hides a class: all frauds are less than 1 % of the rows, and so are two days of
a year. So labels, kinds of fraud and days have a limit of their own, and so has what one drop takes
from another. A few rows never pass it: there must be `_LEAST_ROWS`, and more than chance explains.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from math import sqrt
from statistics import median

from fraud_platform.cleaning.classes import (
    GENUINE,
    SCENARIOS,
    UNKNOWN_KIND,
    UNREADABLE,
    ClassCounts,
    fraud_of_kind,
)
from fraud_platform.cleaning.drop import CleanedDrop
from fraud_platform.contracts.drops import DROP_DAYS
from fraud_platform.contracts.quarantine_reasons import Reason
from fraud_platform.contracts.reason_words import REASON_NAMES
from fraud_platform.contracts.time import numbered_day
from fraud_platform.settings import Settings

_LEAST_ROWS = 5
_STANDARD_DEVIATIONS = 3.0
_UNREADABLE_TO_FRAUDS = 0.5
"""So many rows without a readable label may be there for each fraud: all might be frauds."""
_FULL_DAY = 0.25
"""Of the rows of a median day: a day with fewer has no limit of its own."""
_MOST_DAYS_NAMED = 3


@dataclass(frozen=True)
class Limits:
    """Above which a drop is held.

    Args:
        quarantined: share of all rows that is quarantined. From 1 on nothing is held.
        of_class: share of a label's, a kind's or a day's rows that is quarantined.
        taken: share of one drop's rows whose id another drop has with other contents.
        days_from_name: how many days the drop's days may lie from those that its name says.
        fraud_factor: by which the share of frauds may differ from other published drops.
        first_day: first day of the data; a drop that ends before it is held.
    """

    quarantined: float
    of_class: float
    taken: float
    days_from_name: int
    fraud_factor: float
    first_day: date | None = None

    @classmethod
    def from_settings(cls, settings: Settings) -> Limits:
        """Return the limits from the settings."""
        return cls(
            quarantined=settings.max_quarantined_share,
            of_class=settings.max_class_quarantined_share,
            taken=settings.max_taken_share,
            days_from_name=settings.max_days_from_name,
            fraud_factor=settings.max_fraud_share_factor,
            first_day=date.fromisoformat(settings.first_day),
        )

    @property
    def hold_nothing(self) -> bool:
        """Whether any drop is published."""
        return self.quarantined >= 1


@dataclass(frozen=True)
class _Class:
    """Rows of one class: a name for people, kept, and lost by reason."""

    name: str
    kept: int
    lost: Counter[str]

    def passes(self, limit: float) -> bool:
        """Whether more is lost than the limit allows, by more than chance."""
        return exceeds(self.lost.total(), self.kept + self.lost.total(), limit)


def exceeds(part: int, rows: int, limit: float) -> bool:
    """Whether a part of some rows is above a share of them by more than chance explains.

    It is above where it is more than the share and three standard deviations of a binomial count,
    and at least `_LEAST_ROWS`: 1 of 3 rows is not, 6 of 20 are at a limit of 5 %.
    """
    chance = _STANDARD_DEVIATIONS * sqrt(rows * limit * (1 - limit)) if limit < 1 else 0.0
    return part >= _LEAST_ROWS and part > rows * limit + chance


def reason_to_hold(cleaned: CleanedDrop, limits: Limits) -> str | None:
    """Return why a drop is held for what it holds itself, None if it is not."""
    if limits.hold_nothing:
        return None
    found = [_of_all(cleaned, limits), *_of_days(cleaned, limits), *_of_classes(cleaned, limits)]
    return "; ".join(words for words in found if words) or None


def reason_of_taking(
    landed: CleanedDrop,
    followers: Sequence[CleanedDrop],
    rows_of: Mapping[str, int],
    limits: Limits,
) -> str | None:
    """Return why a drop is held for the ids that it shares with others, None if it is not.

    The drop with the earlier name keeps an id, whichever of them lands first.

    Args:
        followers: the later-named drops, cleaned again after it.
        rows_of: clean rows of the published drops.
    """
    if limits.hold_nothing:
        return None
    pairs = [(landed.drop, landed.rows_clean, follower) for follower in followers]
    takers = sorted({key[3] for key in landed.classes.lost} - {""})
    pairs += [(taker, rows_of.get(taker, 0), landed) for taker in takers]
    return "; ".join(words for pair in pairs for words in _of_taken(*pair, limits)) or None


def _of_all(cleaned: CleanedDrop, limits: Limits) -> str | None:
    share = cleaned.rows_quarantined / cleaned.rows_read
    if share <= limits.quarantined:
        return None
    counts = {reason: cleaned.counts[f"rejected_{reason}"] for reason in REASON_NAMES}
    return (
        f"{cleaned.rows_quarantined} of {cleaned.rows_read} rows ({share:.2%}) are quarantined, "
        f"more than {limits.quarantined:.2%}: {_listed(counts)}"
    )


def _of_days(cleaned: CleanedDrop, limits: Limits) -> Iterator[str]:
    """Yield why the drop's days are not those of the data, or of its name."""
    if cleaned.central is None:
        return
    first, last = (numbered_day(d) for d in (cleaned.central.first, cleaned.central.last))
    named = date.fromisoformat(cleaned.drop)
    end = named + timedelta(days=DROP_DAYS)
    if limits.first_day is not None and min(last + timedelta(days=1), end) <= limits.first_day:
        yield (
            f"drop {cleaned.drop}, most of whose rows are dated {first} to {last}, lies before the "
            f"first day of the data, {limits.first_day}. Set FRAUD_FIRST_DAY to the first day of "
            "the first drop if it belongs to the data"
        )
    if max((first - end).days, (named - last).days) > limits.days_from_name:
        yield (
            f"most of its rows are dated {first} to {last}, more than {limits.days_from_name} days "
            f"from the days of its name, {named} to {end}. Rename the file if the name is wrong"
        )


def _of_classes(cleaned: CleanedDrop, limits: Limits) -> Iterator[str]:
    limit = max(limits.of_class, limits.quarantined)
    labels, days = _labels(cleaned.classes), _days(cleaned.classes)
    for one in labels:
        if one.passes(limit):
            yield _said(one, limit)
    unreadable = _lost(cleaned.classes, lambda day, kind: kind == UNREADABLE).total()
    frauds = labels[1].kept + labels[1].lost.total()
    if unreadable >= max(2 * _LEAST_ROWS, _UNREADABLE_TO_FRAUDS * frauds):
        yield (
            f"the labels of {unreadable} quarantined rows cannot be read, and {frauds} rows are "
            "labelled fraud: they may be as many frauds again"
        )
    wrong = [one for one in days if one.passes(limit)]
    yield from (_said(one, limit) for one in wrong[:_MOST_DAYS_NAMED])
    if len(wrong) > _MOST_DAYS_NAMED:
        yield f"the same of {len(wrong) - _MOST_DAYS_NAMED} more days"


def _of_taken(taker: str, rows_of_taker: int, loser: CleanedDrop, limits: Limits) -> Iterator[str]:
    """Yield why it is too much that a drop loses to another one."""
    taken = Counter(
        {
            key: n
            for key, n in loser.classes.lost.items()
            if key[3] == taker and key[2] != Reason.DUPLICATE_ID
        }
    )
    rows = taken.total()
    of_loser = loser.rows_clean + rows
    limit = max(limits.taken, limits.quarantined)
    what = (
        f"{rows} rows of drop {loser.drop} go to quarantine since drop {taker} has their ids with "
        "other contents"
    )
    if exceeds(rows, of_loser, limit):
        yield f"{what}: {rows / of_loser:.2%} of drop {loser.drop}, more than {limit:.2%}"
    elif exceeds(rows, rows_of_taker, limit):
        yield (
            f"{what}: as many as {rows / max(rows_of_taker, 1):.2%} of the rows of drop {taker}, "
            f"more than {limit:.2%}"
        )
    else:
        kept = ClassCounts(loser.classes.kept, taken)
        limit = max(limits.of_class, limits.quarantined)
        wrong = [one for one in (*_labels(kept), *_days(kept)) if one.passes(limit)]
        yield from (f"{what}: {_said(one, limit)}" for one in wrong[:_MOST_DAYS_NAMED])


def _labels(classes: ClassCounts) -> list[_Class]:
    """Return genuine rows, frauds, and each kind of fraud that the drop has.

    A fraud of unknown kind counts to every kind: it may be of any.
    """

    def kept(*kinds: int) -> int:
        return sum(n for (_, kind), n in classes.kept.items() if kind in kinds)

    frauds = (*SCENARIOS, UNKNOWN_KIND)
    found = [
        _Class("rows labelled genuine", kept(GENUINE), _lost(classes, lambda _, k: k == GENUINE)),
        _Class("rows labelled fraud", kept(*SCENARIOS), _lost(classes, lambda _, k: k in frauds)),
    ]
    for scenario in SCENARIOS if len(SCENARIOS) > 1 else ():
        own = _lost(classes, lambda _, kind, s=scenario: kind == s)  # type: ignore[misc]
        if kept(scenario) + own.total():
            own += _lost(classes, lambda _, kind: kind == UNKNOWN_KIND)
            found.append(_Class(fraud_of_kind(scenario, plural=True), kept(scenario), own))
    return found


def _days(classes: ClassCounts) -> list[_Class]:
    """Return each day that is about as full as the drop's others, with what it lost.

    A stray day of a few rows, most of them dirt, is no day of the drop that is lost.
    """
    kept: Counter[int] = Counter()
    for (day, _), n in classes.kept.items():
        kept[day] += n
    lost: dict[int, Counter[str]] = {}
    for (read_day, _, reason, _), n in classes.lost.items():
        if read_day is not None and reason != Reason.DUPLICATE_ID:
            lost.setdefault(read_day, Counter())[reason] += n
    least = _FULL_DAY * median(kept.values()) if kept else 0.0
    return [
        _Class(f"rows of {numbered_day(day)}", kept[day], counts)
        for day, counts in sorted(lost.items())
        if kept[day] + counts.total() >= least
    ]


def _lost(classes: ClassCounts, is_meant: Callable[[int | None, int], bool]) -> Counter[str]:
    """Return lost rows by reason; a copy of a row that is kept is not lost."""
    found: Counter[str] = Counter()
    for (day, kind, reason, _), n in classes.lost.items():
        if reason != Reason.DUPLICATE_ID and is_meant(day, kind):
            found[reason] += n
    return found


def _said(one: _Class, limit: float) -> str:
    lost = one.lost.total()
    rows = one.kept + lost
    return (
        f"{lost} of {rows} {one.name} ({lost / rows:.2%}) are quarantined, more than {limit:.2%}: "
        f"{_listed(one.lost)}"
    )


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{reason} {count}" for reason, count in counts.items() if count)
