"""The class that a declaration derives from.

Here: `Source`, whose subclasses have a `SourceSpec`, and whose columns are terms of formulas.
Not here: single columns (`contracts.source_language.columns`), their checks
(`contracts.source_language.source_checks`), features (`contracts.source_language.features`),
loading a file (`contracts.source_language.loading`).
"""

from __future__ import annotations

from typing import Any, ClassVar

from fraud_platform.contracts.data_set import Fact, Key, Label, Money, SourceSpec, Time
from fraud_platform.contracts.feature_language.expressions import Expression, ratio
from fraud_platform.contracts.feature_language.terms import Entity, RowTerm
from fraud_platform.contracts.source_language.columns import (
    Declared,
    DeclaredCategory,
    DeclaredKey,
    DeclaredLabel,
    DeclaredMoney,
    DeclaredNumber,
    DeclaredTime,
)
from fraud_platform.contracts.source_language.problems import Problems
from fraud_platform.contracts.source_language.references import EntityRef, TimeRef
from fraud_platform.contracts.source_language.source_checks import (
    DEFAULT_FORMAT,
    check_source,
    delay_days,
)


class Source:
    """Base class of a declaration's source; its attributes are the columns.

    After the class statement, attributes are what features are made of: an amount, a number or a
    category is a term, and an entity is an `EntityRef`. The order of facts is that of the class.

    Raises:
        DeclarationError: at the class statement; lists every problem.
    """

    spec: ClassVar[SourceSpec]

    def __init_subclass__(cls, **arguments: Any) -> None:
        """Check the columns and replace them by terms."""
        super().__init_subclass__(**arguments)
        declared = {n: v for n, v in vars(cls).items() if isinstance(v, Declared)}
        cls.spec = _checked(cls.__name__, vars(cls), declared)
        for name, value in declared.items():
            term = _term(cls.spec, name, value)
            if term is not None:
                setattr(cls, name, term)


def _term(spec: SourceSpec, name: str, value: Declared) -> Expression | EntityRef | TimeRef | None:
    """Return what features see of a column, in its declared unit; None if they see nothing."""
    if isinstance(value, DeclaredTime):
        return TimeRef(value.zone)
    if isinstance(value, DeclaredMoney):
        amount = RowTerm("amount_cents")
        return ratio(amount, 10**value.digits) if value.digits else amount
    if isinstance(value, DeclaredCategory | DeclaredNumber):
        fact = next(fact for fact in spec.facts if fact.name == name)
        return ratio(RowTerm(fact.stored_as), 10**fact.digits) if fact.digits else RowTerm(
            fact.stored_as
        )  # fmt: skip
    if isinstance(value, DeclaredKey) and value.is_entity:
        role: Entity = "customer" if value.partitions_topic else "terminal"
        return EntityRef(role, name, spec.amount.digits)
    return None


def _checked(name: str, members: Any, declared: dict[str, Declared]) -> SourceSpec:
    problems = Problems()
    parts = check_source(name, members, declared, problems)
    problems.raise_any(name)
    assert parts is not None  # a part that is missing was a problem
    return SourceSpec(
        name,
        parts.drops,
        parts.messages,
        _key(*parts.transaction_id),
        _time(parts.booked),
        _money(parts.amount),
        _key(*parts.customer),
        _key(*parts.counterparty),
        _label(parts.label),
        tuple(_fact(*one) for one in parts.facts),
    )


def _key(name: str, value: DeclaredKey) -> Key:
    return Key(name, value.column, value.type == "text")


def _time(value: DeclaredTime) -> Time:
    form = value.format
    if form is None and value.epoch is None:
        form = DEFAULT_FORMAT
    return Time(value.columns, form, value.zone, value.epoch)


def _money(value: DeclaredMoney) -> Money:
    return Money(value.column, value.currency, value.digits, value.refunds)


def _fact(name: str, value: DeclaredCategory | DeclaredNumber) -> Fact:
    if isinstance(value, DeclaredCategory):
        words = value.description or f"{value.column} as a code."
        return Fact(name, value.column, "category", keep=value.keep, description=words)
    unit = 10**value.digits
    missing = None if value.missing is None else round(value.missing * unit)
    words = value.description or f"{value.column}, times {unit:,}."
    return Fact(name, value.column, "number", value.digits, missing, description=words)


def _label(value: DeclaredLabel) -> Label:
    days = delay_days(value.delay)
    assert days is not None  # checked
    return Label(value.column, days, value.kind, tuple(value.kinds) or ("fraud",))
