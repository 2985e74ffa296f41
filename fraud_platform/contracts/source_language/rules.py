"""The data set's own quarantine reasons: `REJECT = {"name": condition}` in a declaration.

Here: checking them.
Not here: the reasons that every data set has (`contracts.quarantine_reasons`), applying them to
rows (`rows.declared`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from fraud_platform.contracts.data_set import Rule, SourceSpec
from fraud_platform.contracts.feature_language.expressions import Expression
from fraud_platform.contracts.feature_language.terms import RowTerm
from fraud_platform.contracts.quarantine_reasons import Reason
from fraud_platform.contracts.source_language.problems import Problems

MAX_RULES = 16
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_ROW_TERMS = ("amount_cents", "second", "hour_of_day", "day_of_week")


def check_rules(
    file: str, declared: Any, source: SourceSpec, problems: Problems
) -> tuple[Rule, ...]:
    """Return the declared reasons, after problems with any of them were added."""
    if not isinstance(declared, Mapping):
        problems.add(
            f"{file}: REJECT", "a dictionary of names and conditions", type(declared).__name__,
            'Write REJECT = {"too_large": P.amount > 10_000}.',
        )  # fmt: skip
        return ()
    if len(declared) > MAX_RULES:
        problems.add(
            f"{file}: REJECT", f"at most {MAX_RULES} reasons", str(len(declared)), "Merge some."
        )
    rules = []
    for name, condition in declared.items():
        place = f"{file}: REJECT, {name!r:.60}"
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            problems.add(
                place, "a name of small letters, digits and _, at most 40", repr(name), "Rename it."
            )
        elif name in tuple(Reason):
            problems.add(place, "a name of its own", f"{name}, the platform's", "Rename it.")
        if not isinstance(condition, Expression):
            problems.add(
                place, "a condition on columns", f"{condition!r:.60}", "Write P.amount > 10_000."
            )
            continue
        _check_terms(place, condition, source, problems)
        rules.append(Rule(str(name), condition))
    return tuple(rules)


def _check_terms(place: str, condition: Expression, source: SourceSpec, problems: Problems) -> None:
    leaves = [*condition.leaves()]
    if not leaves:
        problems.add(place, "a condition that reads a column", str(condition), "Name a column.")
    for leaf in leaves:
        if not isinstance(leaf, RowTerm) or leaf.of is not None:
            problems.add(
                place, "values of the row alone", f"{leaf}, of history or labels",
                "A row is judged before its history is known.",
            )  # fmt: skip
        elif leaf.name not in (*_ROW_TERMS, *source.fact_names):
            problems.add(place, "a declared column", leaf.name, "Declare it in the source.")
