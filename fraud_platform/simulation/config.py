"""What a simulation is told: its population, its days, its dirt, the layout of its files.

Here: three frozen values, their defaults with where each comes from, and their checks.
Not here: what is made of them (`population`, `days`, `dirt`, `lines`).
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from datetime import date, timedelta
from typing import Literal, get_args

from fraud_platform.contracts.drops import COMPRESSIONS, DROP_DAYS, FIRST_YEAR, LAST_YEAR
from fraud_platform.errors import SettingsError

ORIGINAL_ROWS = 46_988_418
"""Rows of the first drop of the original series, in which the dirt was counted."""

_COUNTED_NOWHERE = 20 / ORIGINAL_ROWS
"""Rate of what the count did not look for: as rare as the rarest that it found."""

MAX_DIRT_SHARE = 0.5

_WITHIN_DAY = 0.969
"""Share of a customer's drawn times, normal around noon, that fall inside the day and are kept."""


@dataclass(frozen=True)
class DirtRates:
    """How many rows in one get each kind of dirt; counts are Poisson with these means.

    The defaults are the counts of the original first drop over its rows: 181 repeated ids, 100
    times of 24:00:00, 884 amounts <= 0, 20 customers -999999. What it was not searched for is
    taken to be as rare as the rarest of these.
    """

    malformed_row: float = _COUNTED_NOWHERE
    bad_timestamp: float = _COUNTED_NOWHERE
    unknown_customer: float = 20 / ORIGINAL_ROWS
    unknown_terminal: float = _COUNTED_NOWHERE
    non_positive_amount: float = 884 / ORIGINAL_ROWS
    bad_label: float = _COUNTED_NOWHERE
    several_reasons: float = _COUNTED_NOWHERE
    duplicate_id: float = 121 / ORIGINAL_ROWS
    conflicting_duplicate_id: float = 60 / ORIGINAL_ROWS
    bad_copy: float = _COUNTED_NOWHERE
    copy_in_next_drop: float = _COUNTED_NOWHERE
    midnight_24h: float = 100 / ORIGINAL_ROWS
    rounded_amount: float = _COUNTED_NOWHERE
    odd_spelling: float = _COUNTED_NOWHERE
    blank_line: float = _COUNTED_NOWHERE
    comment_line: float = _COUNTED_NOWHERE

    @classmethod
    def none(cls) -> DirtRates:
        """Return rates of zero: a drop of clean rows only."""
        return cls(**{f.name: 0.0 for f in fields(cls)})

    def scaled(self, multiplier: float) -> DirtRates:
        """Return every rate times `multiplier`."""
        return DirtRates(**{name: rate * multiplier for name, rate in self.by_kind().items()})

    def by_kind(self) -> dict[str, float]:
        """Return the rates by kind, in the order of the fields."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    def problems(self) -> list[str]:
        """Return what is wrong with the rates, in words; empty where nothing is."""
        found = [
            f"dirt.{name} is {rate}, expected a share from 0 to 1"
            for name, rate in self.by_kind().items()
            if not 0 <= rate <= 1
        ]
        total = sum(self.by_kind().values())
        if total > MAX_DIRT_SHARE:
            found.append(f"the dirt rates sum to {total:.3f}, at most {MAX_DIRT_SHARE} is possible")
        return found


HeaderSpelling = Literal["original", "corrected", "bare", "commas"]


@dataclass(frozen=True)
class DropLayout:
    """How a drop's file is laid out; every choice is one that the contract accepts.

    `header`: `original` (a comment with pipes and the misspelt id), `corrected` (the id spelt
    right), `bare` (no `#`), or `commas` (no `#`, separated by commas).
    """

    header: HeaderSpelling = "original"
    crlf: bool = False
    byte_order_mark: bool = False
    final_newline: bool = True
    compression: Literal["", ".gz", ".xz", ".zst"] = ""

    @property
    def line_ending(self) -> str:
        """The characters that end a line."""
        return "\r\n" if self.crlf else "\n"


@dataclass(frozen=True)
class SimulationConfig:
    """The whole of what decides a simulation's rows.

    The defaults are the Handbook's: 5,000 customers and 10,000 terminals in a square of 100 by
    100, and terminals within reach of a customer up to a distance of 5. Compromised entities a day
    follow the population where they are not given: 2 terminals in 10,000 (at least 2) and 3
    customers in 5,000 (at least 1).

    Args:
        customers: number of customers.
        terminals: number of terminals.
        first_day: first simulated day, which names the first drop.
        days: number of days; a last drop of fewer than `drop_days` days is written too.
        seed: seed of every random choice.
        dirt: rates of the injected dirt.
        layout: layout of the files.
        max_transactions_per_day: upper end of the customers' uniform mean count a day.
        radius: greatest distance from a customer to a terminal that it uses.
        compromised_terminals_per_day: scenario 2's new terminals a day.
        compromised_customers_per_day: scenario 3's new customers a day.
        drop_days: days of one drop.
        first_transaction_id: id of the first row.

    Raises:
        SettingsError: lists every value that cannot work.
    """

    customers: int = 5_000
    terminals: int = 10_000
    first_day: date = date(2018, 4, 1)
    days: int = 4 * DROP_DAYS
    seed: int = 20_180_401
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
        """Return the size of the original series: about 47 million rows in a drop of 30 days.

        Its 5.4 % fraud is two compromised terminals a day among 1,006, each for 28 days:
        1 - (1 - 2 / 1,006)^28. The mean number of transactions a day is fitted to its row count.
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
        """About how many rows come out, for a progress bar."""
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
        """Return the calendar day of a day's index."""
        return self.first_day + timedelta(days=day)

    def drop_ranges(self) -> list[range]:
        """Return the day indices of each drop, in order."""
        return [
            range(start, min(start + self.drop_days, self.days))
            for start in range(0, self.days, self.drop_days)
        ]

    def last_day_of_drop(self, day: int) -> int:
        """Return the last day's index of the drop that holds `day`."""
        return min((day // self.drop_days + 1) * self.drop_days, self.days) - 1

    def _problems(self) -> list[str]:
        at_least_one = ("customers", "terminals", "days", "drop_days")
        found = [
            f"{name} is {getattr(self, name)}, expected at least 1"
            for name in at_least_one
            if getattr(self, name) < 1
        ]
        found += [
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
                found.append(f"{name} is {value}, expected 0 to {limit}")
        if self.seed < 0 or self.first_transaction_id < 0:
            found.append("seed and first_transaction_id must not be negative")
        # The day after the last is checked too: a time of 24:00:00 lies there.
        last_year = (self.first_day + timedelta(days=max(self.days, 1))).year
        if self.first_day.year < FIRST_YEAR or last_year > LAST_YEAR:
            found.append(f"the days leave the years {FIRST_YEAR}-{LAST_YEAR}")
        if self.layout.header not in get_args(HeaderSpelling):
            found.append(f"layout.header is {self.layout.header!r}")
        if self.layout.compression not in ("", *COMPRESSIONS):
            found.append(f"layout.compression is {self.layout.compression!r}")
        return found + self.dirt.problems()
