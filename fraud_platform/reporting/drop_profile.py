"""The profile of a drop: how its rows are spread, and what was rejected.

Here: one aggregation over a drop's clean transactions, the `DropProfile` made of it and of the
ledger's row, and its table.
Not here: the picture (`drop_profile_figure`), or cleaning's own counts (`fraud_platform.cleaning`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from fraud_platform.contracts.active import SOURCE
from fraud_platform.contracts.drops import DROP_DAYS
from fraud_platform.contracts.quarantine_reasons import Repair
from fraud_platform.contracts.reason_words import REASON_NAMES
from fraud_platform.contracts.time import HOURS_PER_DAY

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_KINDS = SOURCE.label.kinds
SCENARIO_NAMES: tuple[str, ...] = (
    "genuine",
    *(f"{number} {kind}" if len(_KINDS) > 1 else kind for number, kind in enumerate(_KINDS, 1)),
)
WEEKDAY_NAMES: tuple[str, ...] = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")

BINS_PER_DECADE = 10
_FIRST_DECADE, _LAST_DECADE = 1, 6
AMOUNT_EDGES_CENTS: tuple[int, ...] = tuple(
    round(10 ** (step / BINS_PER_DECADE))
    for step in range(_FIRST_DECADE * BINS_PER_DECADE, _LAST_DECADE * BINS_PER_DECADE + 1)
)
"""Lower edges of the amount bins, in the currency's smallest unit: ten a decade from 10 to 10^6.

Bin 0 lies below the first edge; bin i is [edge i - 1, edge i); the last is open.
"""


@dataclass(frozen=True)
class RowCount:
    """Rows, and how many of them are fraud."""

    rows: int = 0
    frauds: int = 0

    def __add__(self, other: RowCount) -> RowCount:
        return RowCount(self.rows + other.rows, self.frauds + other.frauds)

    @property
    def fraud_share(self) -> float:
        """Frauds over rows; 0 if there are no rows."""
        return self.frauds / self.rows if self.rows else 0.0


@dataclass(frozen=True)
class DropProfile:
    """What a person looks at to know a drop.

    Args:
        drop: the drop, by its first day.
        status: `published` or `held`; a held drop has no clean rows to spread.
        rows_read: data rows of the file.
        rows_clean: those that are clean.
        rejected: rows by their first reason.
        repaired: clean rows by repair.
        blank_lines: blank lines, not counted as rows.
        comment_lines: lines that begin with #, not counted as rows.
        amounts: by amount bin (`AMOUNT_EDGES_CENTS`), one more than there are edges.
        hours: by hour of the day, 24.
        weekdays: by weekday, Monday first, 7.
        weekday_days: how many days of each weekday have rows, 7.
        days: by day of the drop, from its first day, `DROP_DAYS`.
        rows_elsewhere: rows on other days than these.
        scenarios: rows by fraud scenario (`SCENARIO_NAMES`).
        scenario_amount_cents: their amounts' sums.
    """

    drop: str
    status: str
    rows_read: int
    rows_clean: int
    rejected: tuple[tuple[str, int], ...]
    repaired: tuple[tuple[Repair, int], ...]
    blank_lines: int
    comment_lines: int
    amounts: tuple[RowCount, ...]
    hours: tuple[RowCount, ...]
    weekdays: tuple[RowCount, ...]
    weekday_days: tuple[int, ...]
    days: tuple[RowCount, ...]
    rows_elsewhere: int
    scenarios: tuple[int, ...]
    scenario_amount_cents: tuple[int, ...]

    @property
    def rows_quarantined(self) -> int:
        """Rows that are not clean."""
        return sum(rows for _, rows in self.rejected)

    @property
    def total(self) -> RowCount:
        """All profiled rows and frauds."""
        return sum(self.hours, RowCount())


def aggregate_rows(transactions: DataFrame, drop: str) -> DataFrame:
    """Return the cells of a drop's profile, by one aggregation over its rows.

    Args:
        transactions: columns of the table `transactions`; other drops' rows are left out.
        drop: the drop's first day.

    Returns:
        tx_date, hour (0-23), amount_bin, fraud_scenario, rows, amount_cents (sum): a few
        thousand cells for a drop of any size.
    """
    from pyspark.sql import functions as f

    # Comparisons with integers put an edge exactly at its value; log10 might not. One flat CASE:
    # operators that are nested once an edge pass the depth of a plan for Spark Connect.
    first, *others = AMOUNT_EDGES_CENTS
    amount_bin = f.when(f.col("amount_cents") < first, 0)
    for number, edge in enumerate(others, 1):
        amount_bin = amount_bin.when(f.col("amount_cents") < edge, number)
    amount_bin = amount_bin.otherwise(len(AMOUNT_EDGES_CENTS))
    return (
        transactions.where(f.col("drop") == drop)
        .groupBy(
            "tx_date",
            f.hour("tx_datetime").alias("hour"),
            amount_bin.alias("amount_bin"),
            "fraud_scenario",
        )
        .agg(f.count(f.lit(1)).alias("rows"), f.sum("amount_cents").alias("amount_cents"))
    )


def profile_drop(transactions: DataFrame, ledger: Mapping[str, Any]) -> DropProfile:
    """Profile the clean rows of the drop that a ledger row describes.

    Args:
        transactions: columns of the table `transactions`.
        ledger: the drop's row of the table `cleaning_ledger`.
    """
    cells = aggregate_rows(transactions, ledger["drop"]).collect()
    return profile_of_cells((cell.asDict() for cell in cells), ledger)


def profile_of_cells(cells: Iterable[Mapping[str, Any]], ledger: Mapping[str, Any]) -> DropProfile:
    """Sum the cells of `aggregate_rows` to a profile."""
    first_day = date.fromisoformat(ledger["drop"])
    amounts = [RowCount()] * (len(AMOUNT_EDGES_CENTS) + 1)
    hours, weekdays = [RowCount()] * HOURS_PER_DAY, [RowCount()] * len(WEEKDAY_NAMES)
    by_date: dict[date, RowCount] = {}
    scenarios, cents = [0] * len(SCENARIO_NAMES), [0] * len(SCENARIO_NAMES)
    for cell in cells:
        scenario, rows = cell["fraud_scenario"], cell["rows"]
        count = RowCount(rows, rows if scenario else 0)
        amounts[cell["amount_bin"]] += count
        hours[cell["hour"]] += count
        weekdays[cell["tx_date"].weekday()] += count
        by_date[cell["tx_date"]] = by_date.get(cell["tx_date"], RowCount()) + count
        scenarios[scenario] += rows
        cents[scenario] += cell["amount_cents"]
    days = [by_date.get(first_day + timedelta(days=day), RowCount()) for day in range(DROP_DAYS)]
    return DropProfile(
        drop=ledger["drop"],
        status=ledger["status"],
        rows_read=ledger["rows_read"],
        rows_clean=ledger["rows_clean"],
        rejected=tuple((reason, ledger[f"rejected_{reason}"] or 0) for reason in REASON_NAMES),
        repaired=tuple((repair, ledger[f"repaired_{repair}"]) for repair in Repair),
        blank_lines=ledger["blank_lines"],
        comment_lines=ledger["comment_lines"],
        amounts=tuple(amounts),
        hours=tuple(hours),
        weekdays=tuple(weekdays),
        weekday_days=tuple(
            sum(day.weekday() == weekday for day in by_date)
            for weekday in range(len(WEEKDAY_NAMES))
        ),
        days=tuple(days),
        rows_elsewhere=sum(scenarios) - sum(day.rows for day in days),
        scenarios=tuple(scenarios),
        scenario_amount_cents=tuple(cents),
    )
