"""Terms: the integer inputs of formulas, and the time window of each.

Here: the kinds of terms and their names. For a transaction in hour h (hours since 1970):
customer windows are the complete hours [h - 24 N, h) plus the transactions of hour h that are
earlier by (tx_datetime, transaction_id); label-delayed windows are the complete hours
[h - 168 - 24 N, h - 168) and contain what is known at h, so they are constant within the hour.
Not here: how they are computed (`features.compute.kernel`), or what tiles sum
(`contracts.feature_language.declarables`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from fraud_platform.contracts.feature_language.expressions import Expression
from fraud_platform.contracts.time import HOURS_PER_DAY, SECONDS_PER_HOUR

MAX_WINDOW_DAYS = 30
MAX_WINDOW_HOURS = MAX_WINDOW_DAYS * HOURS_PER_DAY
MAX_SINCE_SECONDS = MAX_WINDOW_HOURS * SECONDS_PER_HOUR

Entity = Literal["customer", "terminal"]
GENUINE = "n_genuine"
"""The label measure at which a `LabelRun` begins."""
TERMINAL = "terminal"
LAST_SECOND = "last_second"
"""The time measure of all transactions: the live state finds late rows with it."""


@dataclass(frozen=True)
class RowTerm(Expression):
    """A value of the transaction itself: its amount, time or a fact, or one of its flags.

    Attributes:
        name: amount_cents, second (since 1970), hour_of_day, day_of_week (Monday 0, both UTC),
            `Fact.stored_as`, or within a measure a flag.
        of: the condition of a flag that a declaration makes by itself; not compared.
    """

    name: str
    of: Expression | None = field(default=None, compare=False)

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class CustomerSum(Expression):
    """Sum of a measure over the customer's earlier transactions of the last N days and hours.

    Attributes:
        of: what each transaction adds, of a measure that a declaration makes by itself; not
            compared, because the measure's name follows from it.
    """

    measure: str
    days: int
    hours: int = 0
    of: Expression | None = field(default=None, compare=False)

    @property
    def window_hours(self) -> int:
        """Complete hours of the window."""
        return self.days * HOURS_PER_DAY + self.hours

    def __str__(self) -> str:
        return f"customer.{self.measure}[{_length(self.days, self.hours)}]"


@dataclass(frozen=True)
class CustomerSince(Expression):
    """Seconds since the customer's last transaction with this time measure, at most 30 days.

    Attributes:
        of: as in `CustomerSum`; the measure is the greatest one.
    """

    measure: str
    of: Expression | None = field(default=None, compare=False)

    def __str__(self) -> str:
        return f"customer.since_{self.measure}"


@dataclass(frozen=True)
class VisitSum(Expression):
    """Sum of a measure over the customer's earlier transactions with this row's value of a column.

    Attributes:
        of: as in `CustomerSum`.
        each: the column: `terminal`, or `Fact.stored_as`.
    """

    measure: str
    days: int
    hours: int = 0
    of: Expression | None = field(default=None, compare=False)
    each: str = TERMINAL

    @property
    def window_hours(self) -> int:
        """Complete hours of the window."""
        return self.days * HOURS_PER_DAY + self.hours

    def __str__(self) -> str:
        name = "visit" if self.each == TERMINAL else f"each_{self.each}"
        return f"{name}.{self.measure}[{_length(self.days, self.hours)}]"


@dataclass(frozen=True)
class TerminalSum(Expression):
    """Sum of a measure over all transactions at the terminal in the label-delayed window.

    Attributes:
        of: as in `CustomerSum`.
    """

    measure: str
    days: int
    of: Expression | None = field(default=None, compare=False)

    def __str__(self) -> str:
        return f"terminal.{self.measure}[{self.days}d before 7d]"


@dataclass(frozen=True)
class LabelSum(Expression):
    """Sum of a label measure over the entity's known labels in the label-delayed window."""

    entity: Entity
    measure: str
    days: int

    def __str__(self) -> str:
        return f"{self.entity}.known.{self.measure}[{self.days}d before 7d]"


@dataclass(frozen=True)
class LabelSince(Expression):
    """Hours from the last known event hour with the measure above 0 to h - 168, at most 30 days."""

    entity: Entity
    measure: str

    def __str__(self) -> str:
        return f"{self.entity}.known.hours_since_{self.measure}"


@dataclass(frozen=True)
class LabelRun(Expression):
    """The run of the entity's known labels after its last known genuine hour, within 30 days.

    The run is all event hours after the last one with a genuine label. `what` is `length` (the sum
    of the measure over the run) or `age_hours` (hours from the run's first hour with the measure
    above 0 to h - 168; 0 if there is none).
    """

    entity: Entity
    measure: str
    what: Literal["length", "age_hours"]

    def __str__(self) -> str:
        return f"{self.entity}.known.{self.measure}_run_{self.what}"


LabelTerm = LabelSum | LabelSince | LabelRun


def _length(days: int, hours: int) -> str:
    return f"{days}d" if hours == 0 else f"{days}d {hours}h" if days else f"{hours}h"
