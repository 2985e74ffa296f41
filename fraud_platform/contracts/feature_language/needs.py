"""What the terms of formulas read, and what that reads in turn.

Here: `needed_by`, for the signatures of features.
Not here: the signatures (`contracts.feature_language.declarables`), the columns of tables
(`features.lineage`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from fraud_platform.contracts.feature_language.expressions import Expression
from fraud_platform.contracts.feature_language.terms import (
    GENUINE,
    CustomerSince,
    CustomerSum,
    LabelRun,
    LabelSince,
    LabelSum,
    LabelTerm,
    RowTerm,
    TerminalSum,
    VisitSum,
)


@dataclass(frozen=True)
class Made:
    """What a declaration makes measures and flags of.

    Attributes:
        conditions: of flags, by name.
        flag_of: the flag of each last time, None without one, by name.
        formulas: of sums and last times that have one, by name.
    """

    conditions: Mapping[str, Expression]
    flag_of: Mapping[str, str | None]
    formulas: Mapping[str, Expression]


@dataclass
class Needs:
    """Names of what formulas read."""

    flags: set[str] = field(default_factory=set)
    last_times: set[str] = field(default_factory=set)
    label_measures: set[str] = field(default_factory=set)
    sums: set[str] = field(default_factory=set)
    columns: set[str] = field(default_factory=set)


def needed_by(terms: Iterable[Expression], made: Made) -> Needs:
    """Return what terms read, and what that reads in turn."""
    needs = Needs()
    waiting = list(terms)
    while waiting:
        term = waiting.pop()
        read: set[str | None] = set()
        if isinstance(term, CustomerSum | VisitSum | TerminalSum):
            needs.sums.add(term.measure)
            read = {term.measure}
            needs.columns |= {term.each} if isinstance(term, VisitSum) else set()
        elif isinstance(term, CustomerSince):
            needs.last_times.add(term.measure)
            read = {made.flag_of.get(term.measure)}
        elif isinstance(term, LabelSum | LabelSince | LabelRun):
            needs.label_measures |= label_measures_under(term)
        elif isinstance(term, RowTerm):
            needs.columns.add(term.name)
            read = {term.name}
        if not isinstance(term, RowTerm):
            formula = made.formulas.get(getattr(term, "measure", ""))
            waiting += [] if formula is None else formula.leaves()
        for name in read & set(made.conditions) - needs.flags:
            needs.flags.add(str(name))
            waiting += made.conditions[str(name)].leaves()
    return needs


def label_measures_under(term: LabelTerm) -> set[str]:
    """Return the names of the label measures that a term reads."""
    return {GENUINE, term.measure} if isinstance(term, LabelRun) else {term.measure}
