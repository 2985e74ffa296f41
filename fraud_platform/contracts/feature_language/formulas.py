"""Evaluation of several formulas that computes each common subexpression once.

Here: `Formulas`, which orders the nodes of several expressions into steps.
Not here: what a node computes (`contracts.feature_language.expressions`), the declared formulas
(`datasets.handbook.features`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from fraud_platform.contracts.feature_language.expressions import Array, Constant, Expression


@dataclass(frozen=True)
class _Step:
    """One node to compute.

    Attributes:
        compute: returns the node's value from its children's values.
        arguments: places of its children's values.
        place: place of its own value.
        outputs: numbers of the formulas that equal the node.
        done: places of values that no later step reads, and that can be freed.
    """

    compute: Callable[..., Array]
    arguments: tuple[int, ...]
    place: int
    outputs: tuple[int, ...]
    done: tuple[int, ...]


class Formulas:
    """Expressions that are evaluated together; equal nodes are computed once.

    This is common subexpression elimination. The operations of each formula and their order do not
    change, so neither do the bits of its result.

    Args:
        expressions: the formulas, numbered from 0.
    """

    def __init__(self, expressions: Sequence[Expression]) -> None:
        self._places: dict[Expression, int] = {}
        ordered: list[Expression] = []
        for expression in expressions:
            self._place(expression, ordered)
        numbers: dict[Expression, list[int]] = {}
        for number, expression in enumerate(expressions):
            numbers.setdefault(expression, []).append(number)
        # A value is freed by the step that reads it last; if none does, by its own step.
        last_read = {self._places[node]: node for node in ordered}
        last_read |= {self._places[c]: node for node in ordered for c in node.children()}
        self._terms = [node for node in ordered if _is_term(node)]
        self._given = [(n, e) for n, e in enumerate(expressions) if _is_term(e)]
        self._steps = [
            _Step(
                node.compute,
                tuple(self._places[child] for child in node.children()),
                self._places[node],
                tuple(numbers.get(node, ())),
                tuple(place for place, reader in last_read.items() if reader is node),
            )
            for node in ordered
            if not _is_term(node)
        ]

    def _place(self, node: Expression, ordered: list[Expression]) -> None:
        """Append a node and its descendants to `ordered`, children first."""
        if node in self._places:
            return
        for child in node.children():
            self._place(child, ordered)
        self._places[node] = len(ordered)
        ordered.append(node)

    def evaluate(self, terms: Mapping[Expression, Array]) -> Iterator[tuple[int, Array]]:
        """Yield each formula's number and value as soon as it is computed, in any order.

        Args:
            terms: an int64 array of shape (rows,) for each term of the formulas.

        Yields:
            Pairs of number and array; the shape is (rows,), or () if a formula has no term.
        """
        values: list[Array | None] = [None] * len(self._places)
        for term in self._terms:
            values[self._places[term]] = terms[term]
        for number, term in self._given:
            yield number, terms[term]
        for step in self._steps:
            value = step.compute(*[values[place] for place in step.arguments])
            for number in step.outputs:
                yield number, value
            values[step.place] = value
            for place in step.done:
                values[place] = None


def _is_term(node: Expression) -> bool:
    return not node.children() and not isinstance(node, Constant)
