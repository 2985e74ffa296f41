"""Whether a drop's share of frauds can be that of the drops published so far.

Here: the test that separates chance from missing or wrong labels, and its reasons in words: the
whole drop, each kind of fraud, each day.
Not here: labels that are quarantined (`holding`), drift of scores and features
(`fraud_platform.monitoring`).

Every row of a drop can be valid and its labels still be missing: a file that was written before the
chargebacks came says "genuine" everywhere. Two shares differ by more than chance if the likelihood
ratio of two binomial counts does, with a tail below 1e-9. The share of frauds also varies by more
than a binomial count from month to month, so a drop is held only if the shares differ by a stated
factor as well.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from math import log
from typing import Any

from fraud_platform.cleaning.classes import SCENARIOS, ClassCounts, fraud_of_kind
from fraud_platform.cleaning.drop import CleanedDrop
from fraud_platform.cleaning.ledger import PUBLISHED
from fraud_platform.contracts.time import numbered_day

NOTED_FACTOR = 2.0
"""From this factor on a difference that is not chance is noted on the drop's page."""
_CHANCE = 1e-9
_COMPARED_DROPS = 12
_NEAR_DAYS = 3
_ROWS_WITHOUT_FRAUD = 1_000
"""So many rows without one fraud are noted even if there is nothing to compare them with."""


@dataclass(frozen=True)
class Frauds:
    """Frauds among rows."""

    frauds: int
    rows: int

    @property
    def share(self) -> float:
        """Share of the rows that are frauds; 0 of no rows."""
        return self.frauds / self.rows if self.rows else 0.0

    def __add__(self, other: Frauds) -> Frauds:
        return Frauds(self.frauds + other.frauds, self.rows + other.rows)


def differ(one: Frauds, other: Frauds, factor: float = 1.0) -> bool:
    """Return whether two shares differ by a factor, and by more than chance explains."""
    if not one.rows or not other.rows:
        return False
    low, high = sorted((one.share, other.share))
    if high <= low * factor:
        return False
    common = (one + other).share
    return sum(_surprise(each, common) for each in (one, other)) > -log(_CHANCE)


def _surprise(found: Frauds, share: float) -> float:
    """Return the log-likelihood ratio of a count's own share to another share."""
    counts = ((found.frauds, share), (found.rows - found.frauds, 1 - share))
    return sum(n * log(n / (found.rows * p)) for n, p in counts if n)


def published_others(ledger: Mapping[str, Mapping[str, Any]], drop: str) -> dict[str, Frauds]:
    """Return the frauds of the published drops nearest to a drop by name, without itself.

    Args:
        ledger: rows of the cleaning ledger by drop. The counts of a drop whose replacement is held
            are not those of its published rows, so it is left out.
    """
    rows = {
        name: Frauds(row["frauds"], row["rows_clean"])
        for name, row in ledger.items()
        if name != drop and row["status"] == PUBLISHED
    }
    day = date.fromisoformat(drop)
    nearest = sorted(rows, key=lambda name: (abs(date.fromisoformat(name) - day), name))
    return {name: rows[name] for name in nearest[:_COMPARED_DROPS]}


def reason_of_fraud_share(
    landed: CleanedDrop,
    others: Mapping[str, Frauds],
    kinds_of: Callable[[Sequence[str]], Counter[int]],
    factor: float,
) -> str | None:
    """Return why a drop is held for its share of frauds, None if it is not.

    Args:
        others: frauds of other published drops.
        kinds_of: counts frauds by scenario in these drops; asked only if the drop has none of one.
        factor: by which a share may differ.
    """
    own = Frauds(landed.counts["frauds"], landed.rows_clean)
    of_all = sum(others.values(), Frauds(0, 0))
    if differ(own, of_all, factor):
        return f"{_words(own, of_all, len(others))}. Check that its labels are complete"
    missing = _missing_kinds(landed.classes, of_all, own.rows, lambda: kinds_of(list(others)))
    is_earliest = all(landed.drop < name for name in others)
    return "; ".join([*missing, *_days_without_frauds(landed.classes, is_earliest)]) or None


def note_on_fraud_share(
    row: Mapping[str, Any], ledger: Mapping[str, Mapping[str, Any]]
) -> str | None:
    """Return what a person should know of a drop's share of frauds, None if it is as before.

    Args:
        row: the drop's row of the cleaning ledger.
        ledger: all of its rows by drop.
    """
    own = Frauds(row["frauds"], row["rows_clean"])
    others = published_others(ledger, row["drop"])
    of_all = sum(others.values(), Frauds(0, 0))
    if differ(own, of_all, NOTED_FACTOR):
        return _words(own, of_all, len(others))
    if not own.frauds and own.rows >= _ROWS_WITHOUT_FRAUD:
        return f"none of its {own.rows:,} rows is labelled fraud"
    return None


def _words(own: Frauds, others: Frauds, drops: int) -> str:
    return (
        f"{own.frauds:,} of its {own.rows:,} rows ({own.share:.3%}) are labelled fraud, but "
        f"{others.frauds:,} of {others.rows:,} rows ({others.share:.3%}) of {drops} other "
        f"published drop{'s' if drops > 1 else ''}: not by chance"
    )


def _missing_kinds(
    classes: ClassCounts, others: Frauds, rows: int, kinds: Callable[[], Counter[int]]
) -> Iterator[str]:
    """Yield the kinds of fraud that only the other drops have."""
    kept = {kind for (_, kind), n in classes.kept.items() if n}
    missing = [scenario for scenario in SCENARIOS if scenario not in kept]
    if not missing or not others.frauds:
        return
    found = kinds()
    for scenario in missing:
        there = Frauds(found[scenario], others.rows)
        if differ(Frauds(0, rows), there):
            yield (
                f"no row is a {fraud_of_kind(scenario)}, but {there.frauds:,} of "
                f"{there.rows:,} rows ({there.share:.3%}) of other published drops: not by "
                "chance. Check that its labels are complete"
            )


def _days_without_frauds(classes: ClassCounts, is_earliest: bool) -> Iterator[str]:
    """Yield which days have no fraud though the days near them have.

    Labels often begin a day after transactions do, so the first day of the earliest drop may have
    none.
    """
    days: dict[int, Frauds] = {}
    for (day, kind), n in classes.kept.items():
        days[day] = days.get(day, Frauds(0, 0)) + Frauds(n if kind in SCENARIOS else 0, n)
    found = [
        day
        for day, own in days.items()
        if not own.frauds
        and not (is_earliest and day == min(days))
        and differ(own, sum(_near(days, day), Frauds(0, 0)))
    ]
    if found:
        first, last = map(numbered_day, (min(found), max(found)))
        rows = sum(days[day].rows for day in found)
        yield (
            f"none of {rows:,} rows of {len(found)} day{'s' if len(found) > 1 else ''} from "
            f"{first} to {last} is labelled fraud, though the days near them have frauds: not by "
            "chance. Check that its labels are complete"
        )


def _near(days: Mapping[int, Frauds], day: int) -> Iterator[Frauds]:
    for step in range(1, _NEAR_DAYS + 1):
        yield from (days[other] for other in (day - step, day + step) if other in days)
