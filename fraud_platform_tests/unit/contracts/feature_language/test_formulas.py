"""Formulas evaluated together: equal to single evaluation, and no node is computed twice."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraud_platform.contracts.active import DECLARATION
from fraud_platform.contracts.feature_language.expressions import (
    Array,
    Constant,
    Expression,
    Operation,
    greatest,
    least,
    power_of_two,
    ratio,
    square_root,
    where,
)
from fraud_platform.contracts.feature_language.formulas import Formulas
from fraud_platform.contracts.feature_language.terms import RowTerm

TERMS = [RowTerm("amount_cents"), RowTerm("hour_of_day"), RowTerm("day_of_week")]
VALUES: dict[Expression, Array] = {t: np.arange(5) * (i + 3) % 7 - 1 for i, t in enumerate(TERMS)}


def alone(node: Expression, terms: dict[Expression, Array]) -> Array:
    """Return a node's value by recursion, computing every occurrence of a node."""
    if not node.children() and not isinstance(node, Constant):
        return terms[node]
    return node.compute(*(alone(child, terms) for child in node.children()))


def together(formulas: list[Expression], terms: dict[Expression, Array]) -> list[Array]:
    found = dict(Formulas(formulas).evaluate(terms))
    assert sorted(found) == list(range(len(formulas)))
    return [found[n] for n in range(len(formulas))]


def grown(inner: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    pairs = st.tuples(inner, inner)
    return st.one_of(
        pairs.map(lambda p: p[0] + p[1]),
        pairs.map(lambda p: p[0] - p[1]),
        pairs.map(lambda p: p[0] > p[1]),
        pairs.map(lambda p: least(*p)),
        pairs.map(lambda p: greatest(*p)),
        pairs.map(lambda p: ratio(*p, default=2.5)),
        inner.map(square_root),
        st.tuples(inner, inner, inner).map(lambda p: where(p[0] > 1, p[1], p[2])),
    )


TREES = st.recursive(
    st.one_of(st.sampled_from(TERMS), st.integers(-3, 3).map(Constant)), grown, max_leaves=12
)


@given(st.lists(TREES, min_size=1, max_size=6))
def test_formulas_together_equal_each_alone(formulas: list[Expression]) -> None:
    doubled = [*formulas, *formulas]
    for formula, found in zip(doubled, together(doubled, VALUES), strict=True):
        expected = alone(formula, VALUES)
        assert found.dtype == expected.dtype
        assert np.array_equal(found, expected)


def test_every_declared_feature_and_flag_equals_its_value_alone() -> None:
    random = np.random.default_rng(7)
    formulas = [f.formula for f in DECLARATION.features] + [f.condition for f in DECLARATION.flags]
    leaves = {leaf for formula in formulas for leaf in formula.leaves()}
    terms = {leaf: random.integers(0, 500, 300) * random.integers(0, 2, 300) for leaf in leaves}
    for formula, found in zip(formulas, together(formulas, terms), strict=True):
        assert found.tobytes() == alone(formula, terms).tobytes()


@dataclass(frozen=True)
class _Counted(Operation):
    """An operation that counts its computations."""

    def compute(self, *arguments: Array) -> Array:
        counted[str(self)] += 1
        return super().compute(*arguments)


counted: Counter[str] = Counter()


def test_common_subexpressions_are_computed_once() -> None:
    counted.clear()
    shared = _Counted("+", (TERMS[0], TERMS[1]))
    twin = _Counted("+", (TERMS[0], TERMS[1]))
    together([shared * 2, twin * 3, power_of_two(shared), twin], VALUES)
    assert set(counted.values()) == {1}


def test_a_term_without_values_is_an_error() -> None:
    with pytest.raises(KeyError):
        together([TERMS[0] + 1], {TERMS[1]: np.ones(3)})
    with pytest.raises(TypeError, match="a term is not computed"):
        TERMS[0].compute()
