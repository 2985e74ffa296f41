"""The declaration that follows from a team's features: its measures, flags and columns.

Here: `declaration_of`.
Not here: the features (`contracts.source_language.features`), loading a file
(`contracts.source_language.loading`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from fraud_platform.contracts.category_codes import CODE_BITS, HASH_KEY
from fraud_platform.contracts.data_set import Fact, SourceSpec
from fraud_platform.contracts.feature_language.declarables import (
    FIRST_ROW_SUMS,
    Declaration,
    Feature,
    Flag,
    LabelMeasure,
    LastTime,
    RowColumn,
    RowSum,
)
from fraud_platform.contracts.feature_language.expressions import Expression
from fraud_platform.contracts.feature_language.terms import (
    GENUINE,
    LAST_SECOND,
    TERMINAL,
    CustomerSince,
    CustomerSum,
    Entity,
    RowTerm,
    TerminalSum,
    VisitSum,
)
from fraud_platform.contracts.source_language.sums import terms_of
from fraud_platform.contracts.time import HOURS_PER_DAY

LABEL_MEASURES = (
    LabelMeasure(GENUINE, "Genuine labels.", frozenset({0})),
    LabelMeasure(
        "genuine_cents", "Amount of genuine labels, smallest unit.", frozenset({0}), "cents"
    ),
    LabelMeasure("n_fraud", "Fraud labels.", frozenset({1, 2, 3})),
)
LAST_TIMES = (LastTime(LAST_SECOND, "Second (since 1970) of the last transaction."),)


def declaration_of(features: Sequence[Feature], source: SourceSpec) -> Declaration:
    """Return the declaration of checked features."""
    categories = {RowTerm(f.stored_as): f.keep for f in source.facts if f.kind == "category"}
    declared = tuple(
        replace(one, keep=categories.get(one.formula, 0))
        if isinstance(one.formula, RowTerm)
        else one
        for one in features
    )
    terms = terms_of(one.formula for one in declared)
    made = _made_sums(terms)
    lasts = {t.measure: t.of for t in terms if isinstance(t, CustomerSince) and t.of is not None}
    flags = _made_flags([*(m.value for m in made), *lasts.values()])
    return Declaration(
        declared,
        flags,
        (*LAST_TIMES, *(_last_time(name, lasts[name]) for name in sorted(lasts))),
        LABEL_MEASURES,
        (*FIRST_ROW_SUMS, *made),
        label_delay_hours=source.label.delay_days * HOURS_PER_DAY,
        columns=tuple(RowColumn(fact.stored_as, _meaning(fact)) for fact in source.facts),
        split_by=tuple(sorted({t.each for t in terms if isinstance(t, VisitSum)} - {TERMINAL})),
    )


def _made_sums(terms: Sequence[Expression]) -> tuple[RowSum, ...]:
    made = {}
    for term in terms:
        if isinstance(term, CustomerSum | VisitSum | TerminalSum) and term.of is not None:
            entity: Entity = "terminal" if isinstance(term, TerminalSum) else "customer"
            words = f"Sum over transactions: {term.of}."
            made[term.measure] = RowSum(term.measure, words, term.of, entity)
    return tuple(made[name] for name in sorted(made))


def _made_flags(values: Iterable[object]) -> tuple[Flag, ...]:
    made = {}
    for value in values:
        for term in value.leaves() if isinstance(value, Expression) else ():
            if isinstance(term, RowTerm) and term.of is not None:
                made[term.name] = Flag(term.name, f"{term.of}.", term.of)
    return tuple(made[name] for name in sorted(made))


def _last_time(name: str, second: Expression) -> LastTime:
    return LastTime(name, f"Second (since 1970) of the last transaction: {second}.", None, second)


def _meaning(fact: Fact) -> str:
    """Return what decides a fact's stored values."""
    if fact.kind == "category":
        return f"category, {CODE_BITS} bits of {HASH_KEY}"
    return f"number, {fact.digits} digits, {fact.missing} if missing"
