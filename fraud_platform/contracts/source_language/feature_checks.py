"""Checks of a declaration's features and of the choice for models.

Here: `check_features`, `model_features`.
Not here: checks of the source's columns (`contracts.source_language.source`), what a feature means
(`contracts.source_language.features`).
"""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from fraud_platform.contracts.data_set import SourceSpec
from fraud_platform.contracts.feature_language.declarables import Feature
from fraud_platform.contracts.feature_language.expressions import Expression, Operation
from fraud_platform.contracts.feature_language.terms import RowTerm
from fraud_platform.contracts.source_language.problems import Problems
from fraud_platform.contracts.source_language.sums import terms_of

MAX_FEATURES = 500
MEMBERS = ("FEATURES", "MODEL_FEATURES", "REJECT")
"""The names in capitals that a declaration's file may give a meaning to."""
CHOICES = ("all", "auto")
RESERVED = frozenset(
    {
        *("transaction_id", "tx_datetime", "tx_date", "customer_id", "terminal_id"),
        *("amount_cents", "is_fraud", "fraud_scenario", "sample_weight", "known_at"),
        *("part", "knowledge_date"),
        *("source_partition", "source_offset", "micro_batch", "produced_at"),
        *("fraud_probability", "threshold", "is_alert", "reasons", "model_name", "model_version"),
        *("state_version", "is_late", "scored_at", "transaction_key", "customer_key"),
    }
)
"""Columns that tables with features have besides them."""
_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_ROW_TERMS = ("amount_cents", "second", "hour_of_day", "day_of_week")


def check_members(file: str, members: Mapping[str, Any], problems: Problems) -> None:
    """Report names in capitals that are almost one with a meaning."""
    for name in members:
        if name.isupper() and len(name) > 1 and name not in MEMBERS:
            close = difflib.get_close_matches(name, MEMBERS, n=1, cutoff=0.75)
            if close:
                problems.add(file, f"the name {close[0]}", name, "Rename it, or write it small.")


def check_features(
    file: str, features: Any, source: SourceSpec, problems: Problems
) -> tuple[Feature, ...]:
    """Return the declared features, after problems with any of them were added."""
    if not isinstance(features, list | tuple) or not features:
        found = "none" if features is None else f"{type(features).__name__} {features!r:.40}"
        problems.add(
            file,
            "a list FEATURES",
            found,
            "Add FEATURES = default_features(P) with the class P.",
        )
        return ()
    declared = []
    for place, one in enumerate(features, 1):
        if isinstance(one, Feature):
            declared.append(one)
            _check_feature(f"{file}: feature {place}, {one.name!r:.60}", one, source, problems)
        else:
            problems.add(
                f"{file}: FEATURES, entry {place}", "a feature", f"{type(one).__name__}",
                'Write feature("name", formula).',
            )  # fmt: skip
    for name, count in Counter(one.name for one in declared).items():
        if count > 1:
            problems.add(file, "a name for one feature", f"{name!r} {count} times", "Rename one.")
    if len(features) > MAX_FEATURES:
        problems.add(file, f"at most {MAX_FEATURES} features", str(len(features)), "Remove some.")
    return tuple(declared)


def _check_feature(place: str, one: Feature, source: SourceSpec, problems: Problems) -> None:
    if not isinstance(one.name, str) or not _NAME.fullmatch(one.name):
        problems.add(
            place, "a name of small letters, digits and _, at most 63", repr(one.name), "Rename it."
        )
    elif one.name in RESERVED or one.name in source.fact_names:
        problems.add(place, "a name of its own", f"{one.name}, a table's column", "Rename it.")
    if not isinstance(one.description, str):
        found = type(one.description).__name__
        problems.add(place, "a description in words", found, "Write a text.")
    if not isinstance(one.formula, Expression):
        problems.add(
            place, "a formula over the row, history or labels", f"{one.formula!r:.60}",
            "Write one of columns and functions of fraud_platform.declare.",
        )  # fmt: skip
        return
    leaves = terms_of([one.formula])
    if not leaves:
        problems.add(
            place, "a formula that reads a column", str(one.formula), "A constant is none."
        )
    for leaf in leaves:
        _check_term(place, leaf, source, problems)
    categories = {RowTerm(fact.stored_as) for fact in source.facts if fact.kind == "category"}
    for term in _in_arithmetic(one.formula, categories):
        problems.add(
            place, "a category by itself or in is_in", f"a computation with {term}",
            "A category's code is no quantity.",
        )  # fmt: skip


def _check_term(place: str, leaf: Expression, source: SourceSpec, problems: Problems) -> None:
    if not isinstance(leaf, RowTerm) or leaf.of is not None:
        return
    if leaf.name not in (*_ROW_TERMS, *source.fact_names):
        known = ", ".join((*_ROW_TERMS, *source.fact_names))
        problems.add(place, f"a column among {known}", leaf.name, "Declare it in the source.")


def _in_arithmetic(formula: Expression, categories: set[RowTerm]) -> Iterator[Expression]:
    """Yield the categories with which a formula computes; to be equal to a code is allowed."""
    of = getattr(formula, "of", None)
    children = [*formula.children(), *([of] if isinstance(of, Expression) else [])]
    is_equality = isinstance(formula, Operation) and formula.name == "=="
    for child in children:
        if child in categories and not is_equality:
            yield child
        yield from _in_arithmetic(child, categories)


def model_features(
    file: str, wanted: Any, names: Sequence[str], problems: Problems
) -> tuple[str, ...]:
    """Return the features that models use by default, after problems with them were added."""
    if wanted in CHOICES:
        return tuple(names)
    if not isinstance(wanted, list | tuple | set) or not wanted:
        problems.add(
            file, f"MODEL_FEATURES of {', '.join(CHOICES)} or names", f"{wanted!r:.60}",
            "Remove it to use all features.",
        )  # fmt: skip
        return ()
    for name, count in Counter(map(str, wanted)).items():
        if name not in names:
            close = difflib.get_close_matches(name, list(names), n=1)
            meant = f"Did you mean {close[0]}?" if close else "Declare it, or remove it."
            problems.add(f"{file}: MODEL_FEATURES", "a declared feature", repr(name), meant)
        elif count > 1:
            problems.add(
                f"{file}: MODEL_FEATURES", "each name once", f"{name!r} twice", "Remove one."
            )
    return tuple(_in_order(wanted, names))


def _in_order(wanted: Iterable[Any], names: Sequence[str]) -> list[str]:
    chosen = set(map(str, wanted))
    return [name for name in names if name in chosen]
