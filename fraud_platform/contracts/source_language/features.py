"""Features as functions of columns, as a team writes them.

Here: `feature`, and the functions that give terms over a row, a customer's history and known
labels; the declaration that follows from the features.
Not here: the terms (`contracts.feature_language.terms`), loading a file
(`contracts.source_language.loading`).
"""

from __future__ import annotations

from collections.abc import Sequence

from fraud_platform.contracts.feature_language.declarables import (
    Declaration,
    Feature,
    Flag,
    LabelMeasure,
    LastTime,
)
from fraud_platform.contracts.feature_language.expressions import (
    Constant,
    Expression,
    Ratio,
    ratio,
)
from fraud_platform.contracts.feature_language.terms import (
    GENUINE,
    LAST_SECOND,
    CustomerSince,
    CustomerSum,
    LabelSum,
    RowTerm,
    TerminalSum,
    VisitSum,
)
from fraud_platform.contracts.source_language.source import EntityRef
from fraud_platform.contracts.time import HOURS_PER_DAY, SECONDS_PER_HOUR

LABEL_MEASURES = (
    LabelMeasure(GENUINE, "Genuine labels.", frozenset({0})),
    LabelMeasure(
        "genuine_cents", "Amount of genuine labels, smallest unit.", frozenset({0}), "cents"
    ),
    LabelMeasure("n_fraud", "Fraud labels.", frozenset({1, 2, 3})),
)
LAST_TIMES = (LastTime(LAST_SECOND, "Second (since 1970) of the last transaction."),)


def feature(
    name: str, formula: Expression, description: str = "", *, rises: bool = False
) -> Feature:
    """Return a feature: a model input with a name.

    Args:
        rises: whether the risk never falls if the feature rises, all else equal.
    """
    return Feature(name, description or str(formula), formula, rises)


def hour_of_day() -> Expression:
    """Return the hour of the transaction, 0 to 23, UTC."""
    return RowTerm("hour_of_day")


def day_of_week() -> Expression:
    """Return the day of the week, 0 for Monday, UTC."""
    return RowTerm("day_of_week")


def count(*, by: EntityRef, last: int) -> Expression:
    """Return the entity's number of transactions of the last days.

    For the entity that partitions the topic: earlier transactions, this one not included. For the
    other one: those of the days before the label delay.
    """
    return CustomerSum("n_transactions", last) if by.role == "customer" else TerminalSum(
        "n_transactions", last
    )  # fmt: skip


def total(value: Expression, *, by: EntityRef, last: int) -> Expression:
    """Return the sum of an amount over the entity's transactions, as `count` takes them."""
    term, unit = _unit_of(value)
    measure = str(term)
    summed = CustomerSum(measure, last) if by.role == "customer" else TerminalSum(measure, last)
    return ratio(summed, unit)


def mean(value: Expression, *, by: EntityRef, last: int) -> Expression:
    """Return the mean of an amount over the entity's transactions; 0 if there are none."""
    term, unit = _unit_of(value)
    number = count(by=by, last=last)
    measure = str(term)
    summed = CustomerSum(measure, last) if by.role == "customer" else TerminalSum(measure, last)
    return ratio(summed, number * unit)


def hours_since_last() -> Expression:
    """Return the hours since the last transaction of the entity that partitions the topic."""
    return ratio(CustomerSince(LAST_SECOND), SECONDS_PER_HOUR)


def visits(*, last: int) -> Expression:
    """Return how often the customer was at this counterparty in the last days."""
    return VisitSum("n_transactions", last)


def known_frauds(*, by: EntityRef, last: int) -> Expression:
    """Return the entity's known frauds of the days before the label delay."""
    return LabelSum(by.role, "n_fraud", last)


def known_fraud_share(*, by: EntityRef, last: int, prior: int = 0) -> Expression:
    """Return the share of frauds in the entity's known labels, towards 0 by `prior` labels."""
    frauds = LabelSum(by.role, "n_fraud", last)
    return ratio(frauds, frauds + LabelSum(by.role, GENUINE, last) + prior)


def _unit_of(value: Expression) -> tuple[Expression, int]:
    """Return the integer term of a column and its unit."""
    if isinstance(value, Ratio) and isinstance(value.denominator, Constant):
        return value.numerator, value.denominator.value
    return value, 1


def declaration_of(
    features: Sequence[Feature], label_delay_days: int, flags: Sequence[Flag] = ()
) -> Declaration:
    """Return the declaration of these features."""
    return Declaration(
        tuple(features),
        tuple(flags),
        LAST_TIMES,
        LABEL_MEASURES,
        label_delay_hours=label_delay_days * HOURS_PER_DAY,
    )
