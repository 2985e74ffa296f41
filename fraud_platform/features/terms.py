"""Terms: the integers that formulas are made of, and the time that each one looks at.

Here: the kinds of terms and their names. For a transaction in hour h (hours since 1970):
customer windows are the complete hours [h - 24 N, h) plus this hour's earlier transactions by
(tx_datetime, transaction_id); label-delayed windows are the complete hours
[h - 168 - 24 N, h - 168) and hold what was known by h, constant through the hour.
Not here: how they are computed (`features.kernel`), or what tiles sum (`features.declarables`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from fraud_platform.contracts.time import HOURS_PER_DAY, LABEL_DELAY_HOURS
from fraud_platform.features.expressions import Expression

MAX_WINDOW_DAYS = 30
MAX_WINDOW_HOURS = MAX_WINDOW_DAYS * HOURS_PER_DAY
MAX_SINCE_SECONDS = MAX_WINDOW_HOURS * 3600
LABEL_LOOKBACK_HOURS = LABEL_DELAY_HOURS + MAX_WINDOW_HOURS
"""The greatest lookback of all: nothing older than this many hours changes any feature."""

Entity = Literal["customer", "terminal"]


@dataclass(frozen=True)
class RowTerm(Expression):
    """A fact of the transaction itself: amount_cents, hour_of_day or day_of_week (Monday 0)."""

    name: Literal["amount_cents", "hour_of_day", "day_of_week"]

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class CustomerSum(Expression):
    """Sum of a measure over the customer's earlier transactions of the last N days."""

    measure: str
    days: int

    def __str__(self) -> str:
        return f"customer.{self.measure}[{self.days}d]"


@dataclass(frozen=True)
class CustomerSince(Expression):
    """Seconds since the customer's last transaction with this time measure, at most 30 days."""

    measure: str

    def __str__(self) -> str:
        return f"customer.since_{self.measure}"


@dataclass(frozen=True)
class VisitSum(Expression):
    """Sum of a measure over the customer's earlier transactions at this very terminal."""

    measure: str
    days: int

    def __str__(self) -> str:
        return f"visit.{self.measure}[{self.days}d]"


@dataclass(frozen=True)
class TerminalSum(Expression):
    """Sum of a measure over all transactions at the terminal in the label-delayed window."""

    measure: str
    days: int

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
    """What the entity's known labels hold after its last known genuine hour, within 30 days.

    `what` is `length` (the measure's sum over the event hours after the last one that holds a
    genuine label) or `age_hours` (from the first of those hours with the measure above 0 to
    h - 168; 0 where there is none).
    """

    entity: Entity
    measure: str
    what: Literal["length", "age_hours"]

    def __str__(self) -> str:
        return f"{self.entity}.known.{self.measure}_run_{self.what}"


LabelTerm = LabelSum | LabelSince | LabelRun
