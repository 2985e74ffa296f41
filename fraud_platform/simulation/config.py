"""Configuration of a simulation: population, days, dirt rates and file layout.

Here: three frozen dataclasses, their defaults with the source of each, and their validation.
Not here: the code that uses them (`population`, `days`, `dirt`, `lines`).
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from datetime import date, timedelta
from typing import Literal, get_args

from fraud_platform.contracts.drops import COMPRESSIONS, DROP_DAYS, FIRST_YEAR, LAST_YEAR
from fraud_platform.errors import SettingsError
from fraud_platform.settings.decisions import SEED

ORIGINAL_ROWS = 46_988_418
"""Rows in the first drop of the original series, the drop whose dirt was counted."""

_NOT_COUNTED = 20 / ORIGINAL_ROWS
"""Rate of each kind of dirt that was not counted: the rate of the rarest kind that was."""

MAX_DIRT_SHARE = 0.5

_WITHIN_DAY = 0.969
"""Share of drawn times, normal around noon, that fall inside the day and are kept."""


@dataclass(frozen=True)
class DirtRates:
    """Share of rows, from 0 to 1, that get each kind of dirt.

    The number of affected rows of a day is Poisson with mean rate times rows.

    The defaults are counts from the first drop of the original series, divided by its rows: 181
    repeated ids, 100 times of 24:00:00, 884 amounts <= 0, 20 customers -999999. A kind that was
    not counted gets the rate of the rarest counted kind.
    """

    malformed_row: float = _NOT_COUNTED
    bad_timestamp: float = _NOT_COUNTED
    unknown_customer: float = 20 / ORIGINAL_ROWS
    unknown_terminal: float = _NOT_COUNTED
    non_positive_amount: float = 884 / ORIGINAL_ROWS
    bad_label: float = _NOT_COUNTED
    several_reasons: float = _NOT_COUNTED
    duplicate_id: float = 121 / ORIGINAL_ROWS
    conflicting_duplicate_id: float = 60 / ORIGINAL_ROWS
    bad_copy: float = _NOT_COUNTED
    copy_in_next_drop: float = _NOT_COUNTED
    midnight_24h: float = 100 / ORIGINAL_ROWS
    rounded_amount: float = _NOT_COUNTED
    odd_spelling: float = _NOT_COUNTED
    blank_line: float = _NOT_COUNTED
    comment_line: float = _NOT_COUNTED

    @classmethod
    def none(cls) -> DirtRates:
        """Return rates of zero, which give drops of clean rows only."""
        return cls(**{f.name: 0.0 for f in fields(cls)})

    def scaled(self, multiplier: float) -> DirtRates:
        """Return new rates, each multiplied by `multiplier`."""
        return DirtRates(**{name: rate * multiplier for name, rate in self.by_kind().items()})

    def by_kind(self) -> dict[str, float]:
        """Return the rates by kind, in field order."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    def problems(self) -> list[str]:
        """Return one message for each invalid rate; empty if all are valid."""
        problems = [
            f"dirt.{name} is {rate}, expected a share from 0 to 1"
            for name, rate in self.by_kind().items()
            if not 0 <= rate <= 1
        ]
        total = sum(self.by_kind().values())
        if total > MAX_DIRT_SHARE:
            problems.append(f"the dirt rates sum to {total:.3f}, expected at most {MAX_DIRT_SHARE}")
        return problems


HeaderSpelling = Literal["original", "corrected", "bare", "commas"]


@dataclass(frozen=True)
class DropLayout:
    """Layout of a drop's file; the contract accepts every combination.

    `header`: `original` (a comment with pipes and the misspelt id), `corrected` (the same with
    the id spelt correctly), `bare` (corrected, without `#`), or `commas` (bare, separated by
    commas).
    """

    header: HeaderSpelling = "original"
    crlf: bool = False
    byte_order_mark: bool = False
    final_newline: bool = True
    compression: Literal["", ".gz", ".xz", ".zst"] = ""

    @property
    def line_ending(self) -> str:
        """The line terminator."""
        return "\r\n" if self.crlf else "\n"


@dataclass(frozen=True)
class SimulationConfig:
    """Everything that determines the bytes of a simulation's drops.

    The defaults are the Handbook's: 5,000 customers and 10,000 terminals in a square of 100 by
    100; a customer uses terminals nearer than 5. If the numbers of newly compromised entities a
    day are None, they scale with the population: 2 in 10,000 terminals (at least 2) and 3 in
    5,000 customers (at least 1).

    Args:
        customers: number of customers.
        terminals: number of terminals.
        first_day: first simulated day; it names the first drop.
        days: number of days; a final drop with fewer than `drop_days` days is also written.
        seed: seed of every random choice.
        dirt: rates of the injected dirt.
        layout: layout of the files.
        max_transactions_per_day: upper bound of the uniform distribution from which a customer's
            mean number of transactions a day is drawn.
        radius: a customer uses terminals nearer than this.
        compromised_terminals_per_day: terminals newly compromised each day (scenario 2).
        compromised_customers_per_day: customers newly compromised each day (scenario 3).
        drop_days: days in one drop.
        first_transaction_id: id of the first row.

    Raises:
        SettingsError: lists every invalid value.
    """

    customers: int = 5_000
    terminals: int = 10_000
    first_day: date = date(2018, 4, 1)
    days: int = 4 * DROP_DAYS
    seed: int = SEED
    dirt: DirtRates = field(default_factory=DirtRates)
    layout: DropLayout = field(default_factory=DropLayout)
    max_transactions_per_day: float = 4.0
    radius: float = 5.0
    compromised_terminals_per_day: int | None = None
    compromised_customers_per_day: int | None = None
    drop_days: int = DROP_DAYS
    first_transaction_id: int = 0

    def __post_init__(self) -> None:
        problems = self._problems()
        if problems:
            raise SettingsError(
                "The simulation cannot run:\n" + "\n".join(f"  - {p}" for p in problems)
            )

    @classmethod
    def original_series(cls, days: int = DROP_DAYS) -> SimulationConfig:
        """Return a configuration as large as the original series: 47 million rows in 30 days.

        Its fraud rate of 5.4 % comes from two of 1,006 terminals compromised each day, each for
        28 days: 1 - (1 - 2 / 1,006)^28. `max_transactions_per_day` is fitted to its row count.
        """
        return cls(
            customers=988_545,
            terminals=1_006,
            first_day=date(2019, 8, 22),
            days=days,
            max_transactions_per_day=3.28,
        )

    @property
    def expected_rows(self) -> int:
        """Approximate number of rows, for a progress bar."""
        return round(self.customers * self.days * self.max_transactions_per_day / 2 * _WITHIN_DAY)

    @property
    def terminals_compromised_daily(self) -> int:
        """Terminals newly compromised each day (scenario 2)."""
        if self.compromised_terminals_per_day is not None:
            return self.compromised_terminals_per_day
        return min(self.terminals, max(2, round(self.terminals * 2 / 10_000)))

    @property
    def customers_compromised_daily(self) -> int:
        """Customers newly compromised each day (scenario 3)."""
        if self.compromised_customers_per_day is not None:
            return self.compromised_customers_per_day
        return min(self.customers, max(1, round(self.customers * 3 / 5_000)))

    def date_of(self, day: int) -> date:
        """Return the calendar date of the day with this index."""
        return self.first_day + timedelta(days=day)

    def drop_ranges(self) -> list[range]:
        """Return the day indices of each drop, in order."""
        return [
            range(start, min(start + self.drop_days, self.days))
            for start in range(0, self.days, self.drop_days)
        ]

    def last_day_of_drop(self, day: int) -> int:
        """Return the index of the last day in the drop that contains `day`."""
        return min((day // self.drop_days + 1) * self.drop_days, self.days) - 1

    def _problems(self) -> list[str]:
        at_least_one = ("customers", "terminals", "days", "drop_days")
        problems = [
            f"{name} is {getattr(self, name)}, expected at least 1"
            for name in at_least_one
            if getattr(self, name) < 1
        ]
        problems += [
            f"{name} is {getattr(self, name)}, expected above 0"
            for name in ("max_transactions_per_day", "radius")
            if not getattr(self, name) > 0
        ]
        for name, limit in (
            ("compromised_terminals_per_day", self.terminals),
            ("compromised_customers_per_day", self.customers),
        ):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= limit:
                problems.append(f"{name} is {value}, expected 0 to {limit}")
        if self.seed < 0 or self.first_transaction_id < 0:
            problems.append("seed and first_transaction_id must not be negative")
        # Include the day after the last: 24:00:00 is repaired to that day's midnight.
        last_year = (self.first_day + timedelta(days=max(self.days, 1))).year
        if self.first_day.year < FIRST_YEAR or last_year > LAST_YEAR:
            problems.append(f"the days leave the years {FIRST_YEAR}-{LAST_YEAR}")
        if self.layout.header not in get_args(HeaderSpelling):
            problems.append(
                f"layout.header is {self.layout.header!r}, expected one of "
                f"{', '.join(get_args(HeaderSpelling))}"
            )
        if self.layout.compression not in ("", *COMPRESSIONS):
            problems.append(
                f"layout.compression is {self.layout.compression!r}, expected none or one of "
                f"{', '.join(COMPRESSIONS)}"
            )
        return problems + self.dirt.problems()
