"""Features as functions of columns, as a team writes them.

Here: `feature`, and the functions that give terms over a row, a customer's history and known
labels.
Not here: the terms (`contracts.feature_language.terms`), measures of conditions and values
(`contracts.source_language.sums`), the declaration that follows
(`contracts.source_language.declaring`).
"""

from __future__ import annotations

from collections.abc import Iterable

from fraud_platform.contracts.category_codes import category_code
from fraud_platform.contracts.data_set import FACT_PREFIX
from fraud_platform.contracts.feature_language.declarables import Feature
from fraud_platform.contracts.feature_language.expressions import (
    Constant,
    Expression,
    Number,
    Operation,
    Ratio,
    floor_divided,
    ratio,
    remainder,
    wrap,
)
from fraud_platform.contracts.feature_language.terms import (
    GENUINE,
    LAST_SECOND,
    TERMINAL,
    CustomerSince,
    CustomerSum,
    LabelSum,
    RowTerm,
    TerminalSum,
    VisitSum,
)
from fraud_platform.contracts.feature_language.zones import ZoneOffset
from fraud_platform.contracts.source_language.columns import Declared
from fraud_platform.contracts.source_language.references import EntityRef, TimeRef
from fraud_platform.contracts.source_language.sums import (
    condition_of,
    integers_of,
    kept,
    measure_name,
    refuse,
    value_of,
    whole_days,
    window_of,
)
from fraud_platform.contracts.time import HOURS_PER_DAY, SECONDS_PER_HOUR

Window = int | str
"""Days as an integer, or a text such as `7d` or `6h`."""
_SECOND = RowTerm("second")
_AMOUNT = RowTerm("amount_cents")
_THURSDAY = 3
"""The day of the week of day 0, 1970-01-01; Monday is 0."""


def feature(
    name: str, formula: Expression, description: str = "", *, rises: bool = False
) -> Feature:
    """Return a feature: a model input with a name.

    Args:
        name: small letters, digits and `_`.
        formula: of columns and of the functions here.
        description: shown in tables and pages.
        rises: whether the risk never falls if the feature rises, all else equal.
    """
    if isinstance(formula, Declared):
        refuse(
            f"a column of a class derived from Source for feature {name!r}", "one of another class",
            "Write class Payment(Source).",
        )  # fmt: skip
    if not isinstance(formula, Expression):
        refuse(
            f"a formula of feature {name!r}", f"{formula!r:.60}",
            'Compare numbers with <, <=, >, >=, and categories with is_in(column, "value").',
        )  # fmt: skip
    return Feature(name, description or str(formula), formula, rises)


def hour_of_day(booked: TimeRef | None = None) -> Expression:
    """Return the hour of the transaction, 0 to 23.

    Args:
        booked: the source's time, in whose zone hours are counted; without it, UTC.
    """
    if booked is None or booked.zone == "UTC":
        return RowTerm("hour_of_day")
    return remainder(floor_divided(_local_second(booked), SECONDS_PER_HOUR), HOURS_PER_DAY)


def day_of_week(booked: TimeRef | None = None) -> Expression:
    """Return the day of the week, 0 for Monday; the day is that of `hour_of_day`."""
    if booked is None or booked.zone == "UTC":
        return RowTerm("day_of_week")
    hour = floor_divided(_local_second(booked), SECONDS_PER_HOUR)
    return remainder(floor_divided(hour, HOURS_PER_DAY) + _THURSDAY, 7)


def _local_second(booked: TimeRef) -> Expression:
    return _SECOND + ZoneOffset(_SECOND, booked.zone)


def is_in(column: Expression, *values: str | Number) -> Expression:
    """Return 1 if a category or a number of the row is one of the values, else 0."""
    if not values or not isinstance(column, Expression):
        refuse("a column and the values that it may have", f"{column}", "Name at least one value.")
    found: list[Expression] = []
    for value in values:
        other = Constant(category_code(value)) if isinstance(value, str) else wrap(value)
        same = integers_of(Operation("==", (column, other)))
        found.append(Operation("==", (column, other)) if same is None else same[0])
    return found[0] if len(found) == 1 else _any(found)


def _any(conditions: Iterable[Expression]) -> Expression:
    first, *others = conditions
    for other in others:
        first = first | other
    return first


def count(
    *,
    by: EntityRef,
    last: Window,
    where: Expression | None = None,
    each: Expression | EntityRef | None = None,
) -> Expression:
    """Return the entity's number of transactions in the last days or hours.

    Of the entity that partitions the topic: earlier transactions, this one not included. Of the
    other one: those of the days before the label delay.

    Args:
        by: the entity.
        last: length of the window, at most 30 days.
        where: counts transactions that meet this condition.
        each: counts transactions with this row's value of a category, a whole number or the other
            entity.
    """
    if where is None:
        return _sum("n_transactions", None, by, last, each)
    return _sum(None, kept(Constant(1), condition_of(where)), by, last, each)


def total(
    value: Expression,
    *,
    by: EntityRef,
    last: Window,
    where: Expression | None = None,
    each: Expression | EntityRef | None = None,
) -> Expression:
    """Return the sum of a number over the entity's transactions, as `count` takes them."""
    added, unit = value_of(value)
    if where is None and added == _AMOUNT:
        return ratio(_sum("amount_cents", None, by, last, each), unit)
    condition = None if where is None else condition_of(where)
    return ratio(_sum(None, kept(added, condition), by, last, each), unit)


def mean(
    value: Expression,
    *,
    by: EntityRef,
    last: Window,
    where: Expression | None = None,
    each: Expression | EntityRef | None = None,
) -> Expression:
    """Return the mean of a number over the entity's transactions; 0 if there are none."""
    summed = total(value, by=by, last=last, where=where, each=each)
    number = count(by=by, last=last, where=where, each=each)
    assert isinstance(summed, Ratio)  # as `total` gives it
    return ratio(summed.numerator, number * summed.denominator)


def _sum(
    measure: str | None,
    added: Expression | None,
    by: EntityRef,
    last: Window,
    each: Expression | EntityRef | None,
) -> Expression:
    """Return the sum of a measure of every declaration, or of one that this formula makes."""
    if not isinstance(by, EntityRef):
        refuse("an entity of the source", f"{by!r}", "Write by=P. and the entity's name.")
    name = measure_name(by.role, added) if measure is None and added is not None else str(measure)
    if by.role == TERMINAL:
        if each is not None:
            refuse(
                "each with the entity that partitions the topic", f"by={by.name}",
                "Remove each, or sum by the other entity.",
            )  # fmt: skip
        _require_no_flag(added, by)
        return TerminalSum(name, whole_days(last), added)
    days, hours = window_of(last)
    if each is None:
        return CustomerSum(name, days, hours, added)
    return VisitSum(name, days, hours, added, _each(each))


def _require_no_flag(added: Expression | None, by: EntityRef) -> None:
    kept_flags = [] if added is None else [t for t in added.leaves() if isinstance(t, RowTerm)]
    if any(term.of is not None for term in kept_flags):
        refuse(
            f"a condition of columns and numbers for the history of {by.name}",
            "one with a zone, a quotient, known labels or a history",
            "Use comparisons of columns with numbers.",
        )  # fmt: skip


def _each(each: Expression | EntityRef) -> str:
    if isinstance(each, EntityRef) and each.role == TERMINAL:
        return TERMINAL
    if not isinstance(each, RowTerm) or not each.name.startswith(FACT_PREFIX):
        refuse(
            "each with a category, a whole number or the other entity",
            each.name if isinstance(each, EntityRef) else f"{each}", "Choose another column.",
        )  # fmt: skip
    return each.name


def hours_since_last(*, where: Expression | None = None) -> Expression:
    """Return the hours since the last transaction of the entity that partitions the topic.

    Args:
        where: since the last one that meets this condition. At most 720, also if there is none.
    """
    if where is None:
        return ratio(CustomerSince(LAST_SECOND), SECONDS_PER_HOUR)
    second = kept(_SECOND, condition_of(where))
    return ratio(CustomerSince(measure_name("last", second), second), SECONDS_PER_HOUR)


def visits(*, last: Window) -> Expression:
    """Return how often the customer was at this counterparty in the last days."""
    days, hours = window_of(last)
    return VisitSum("n_transactions", days, hours)


def first_seen(
    entity: EntityRef, column: EntityRef | Expression, *, last: Window = "30d"
) -> Expression:
    """Return 1 if the entity was not seen with this row's value of a column in the last days.

    Args:
        entity: the one that partitions the topic.
        column: the other entity, a category or a whole number.
        last: length of the window.
    """
    return count(by=entity, last=last, each=column) <= 0


def known_frauds(*, by: EntityRef, last: Window) -> Expression:
    """Return the entity's known frauds of the days before the label delay."""
    return LabelSum(by.role, "n_fraud", whole_days(last))


def known_fraud_share(*, by: EntityRef, last: Window, prior: int = 0) -> Expression:
    """Return the share of frauds in the entity's known labels, towards 0 by `prior` labels."""
    days = whole_days(last)
    frauds = LabelSum(by.role, "n_fraud", days)
    return ratio(frauds, frauds + LabelSum(by.role, GENUINE, days) + prior)


def known_genuine_mean(*, by: EntityRef, last: Window) -> Expression:
    """Return the mean amount of the entity's known genuine transactions before the label delay."""
    days = whole_days(last)
    return ratio(
        LabelSum(by.role, "genuine_cents", days),
        LabelSum(by.role, GENUINE, days) * 10**by.amount_digits,
    )


def distance_km(
    lat: Expression, long: Expression, other_lat: Expression, other_long: Expression
) -> Expression:
    """Return the kilometres between two positions in degrees, on a sphere."""
    return Operation("kilometres", (lat, long, other_lat, other_long))
