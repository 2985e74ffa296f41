"""The types of a feature declaration: features, flags, and the measures that tiles sum.

Here: these types, the tiles that follow from them, and the terms that a declaration needs.
Not here: the declaration itself (`datasets.handbook.features`), what a tile is
(`contracts.feature_language.tiles`), computing features (`features.compute.kernel`), the tables
(`tables.features`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeVar

import numpy as np

from fraud_platform.contracts.feature_language.expressions import Expression
from fraud_platform.contracts.feature_language.formulas import Formulas
from fraud_platform.contracts.feature_language.needs import Made, label_measures_under, needed_by
from fraud_platform.contracts.feature_language.terms import (
    MAX_SINCE_SECONDS,
    MAX_WINDOW_HOURS,
    CustomerSince,
    CustomerSum,
    Entity,
    LabelRun,
    LabelSince,
    LabelSum,
    LabelTerm,
    RowTerm,
    TerminalSum,
    VisitSum,
)
from fraud_platform.contracts.feature_language.tiles import AmountValue, Measure, Tile, Value
from fraud_platform.contracts.feature_language.times import FIRST_TIMES, FeatureTimes
from fraud_platform.contracts.time import TILE_SECONDS

TermType = TypeVar("TermType", bound=Expression)


@dataclass(frozen=True)
class Feature:
    """A model input: its column name, its description, and its formula.

    The value is float64 arithmetic over integer terms, rounded once to float32; never NaN.

    Attributes:
        rises: whether the risk never falls if the feature rises, all else equal; models may use it
            as a monotonicity constraint.
        keep: of a category's code, how many values a model may distinguish; 0 of a number.
    """

    name: str
    description: str
    formula: Expression
    rises: bool = False
    keep: int = 0


@dataclass(frozen=True)
class Flag:
    """A small integer of a transaction, computed once; customer tiles sum it.

    Attributes:
        name: the column's name in `transaction_features` and `customer_tiles`.
        condition: a comparison (0 or 1), or a sum of comparisons, over row, label and terminal
            terms. It must not use customer windows, because they sum the flag.
    """

    name: str
    description: str
    condition: Expression


@dataclass(frozen=True)
class RowSum:
    """A sum over all transactions of a tile.

    Attributes:
        value: what each transaction adds, see `contracts.feature_language.tiles.Measure`; an
            expression is a formula.
        of: whose tiles hold it; None means those of customers and of terminals.
    """

    name: str
    description: str
    value: AmountValue | Expression = "count"
    of: Entity | None = None

    def measure(self) -> Measure:
        """Return the measure of tiles."""
        if isinstance(self.value, Expression):
            return Measure(self.name, self.description, "formula", formula=self.value)
        return Measure(self.name, self.description, self.value)


FIRST_ROW_SUMS = (
    RowSum("n_transactions", "Number of transactions."),
    RowSum("amount_cents", "Sum of their amounts in cents.", "cents"),
)
"""The sums of every declaration. Signatures name only further ones; never change these."""


@dataclass(frozen=True)
class LastTime:
    """The latest second (since 1970) of a tile's transactions, or of those with the flag, if set.

    It is 0 in a tile without such a transaction.

    Attributes:
        formula: of the second, 0 for transactions that do not count; instead of a flag.
    """

    name: str
    description: str
    flag: str | None = None
    formula: Expression | None = None

    def measure(self) -> Measure:
        """Return the measure of tiles."""
        value: Value = "second" if self.formula is None else "formula"
        return Measure(
            self.name, self.description, value, self.flag, combine="max", formula=self.formula
        )


@dataclass(frozen=True)
class RowColumn:
    """What decides the values of a column that rows have, for the signature.

    Attributes:
        name: of its `RowTerm`.
        meaning: such as `number, 2 digits`.
    """

    name: str
    meaning: str


@dataclass(frozen=True)
class LabelMeasure:
    """A sum over the labels of a tile.

    Attributes:
        scenarios: the fraud scenarios that are included; 0 is genuine.
        value: what each label adds, see `contracts.feature_language.tiles.Measure`.
    """

    name: str
    description: str
    scenarios: frozenset[int]
    value: AmountValue = "count"


@dataclass(frozen=True)
class Declaration:
    """Features, and the flags and measures that they are computed from.

    Attributes:
        label_delay_hours: hours after a transaction until its label counts.
        columns: the meaning of rows' columns beyond those that every data set has.
        split_by: facts by which customer tiles are summed as well.
    """

    features: tuple[Feature, ...]
    flags: tuple[Flag, ...]
    last_times: tuple[LastTime, ...]
    label_measures: tuple[LabelMeasure, ...]
    row_sums: tuple[RowSum, ...] = FIRST_ROW_SUMS
    label_delay_hours: int = FIRST_TIMES.label_delay_hours
    columns: tuple[RowColumn, ...] = ()
    split_by: tuple[str, ...] = ()

    @property
    def times(self) -> FeatureTimes:
        """The times by which the features are computed."""
        return FeatureTimes(
            TILE_SECONDS, self.label_delay_hours, MAX_WINDOW_HOURS, MAX_SINCE_SECONDS
        )

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Feature names in order."""
        return tuple(feature.name for feature in self.features)

    @cached_property
    def feature_formulas(self) -> Formulas:
        """The features' formulas, in their order."""
        return Formulas([feature.formula for feature in self.features])

    @cached_property
    def flag_formulas(self) -> Formulas:
        """The flags' conditions, in their order."""
        return Formulas([flag.condition for flag in self.flags])

    @cached_property
    def customer_tile(self) -> Tile:
        """Each customer's transactions by terminal and hour: sums first, then last times."""
        flags = (
            Measure(f.name, f"Sum over transactions: {f.description}", "flag", f.name)
            for f in self.flags
        )
        splits = (
            Measure(n, "The column's value.", "formula", combine="max", formula=RowTerm(n))
            for n in self.split_by
        )
        lasts = (last.measure() for last in self.last_times)
        return Tile(
            "customer_tiles", "transactions", ("customer",),
            ("customer_id", "terminal_id", "tile_hour"), "customer_id", "tile_hour",
            (*self._row_measures("customer"), *flags, *lasts, *splits), self.split_by,
        )  # fmt: skip

    @cached_property
    def terminal_tile(self) -> Tile:
        """Each terminal's transactions by hour."""
        return Tile(
            "terminal_tiles", "transactions", ("terminal",),
            ("terminal_id", "tile_hour"), "terminal_id", "tile_hour",
            self._row_measures("terminal"),
        )  # fmt: skip

    @cached_property
    def label_tile(self) -> Tile:
        """Labels of each customer and each terminal, by event hour and the hour they count from."""
        measures = (
            Measure(m.name, m.description, m.value, scenarios=m.scenarios)
            for m in self.label_measures
        )
        return Tile(
            "label_tiles", "labels", ("customer", "terminal"),
            ("entity", "entity_id", "event_hour", "counts_from_hour"), "entity_id", "event_hour",
            tuple(measures),
        )  # fmt: skip

    @cached_property
    def tiles(self) -> tuple[Tile, ...]:
        """Every kind of tile."""
        return self.customer_tile, self.terminal_tile, self.label_tile

    def _row_measures(self, entity: Entity) -> tuple[Measure, ...]:
        return tuple(m.measure() for m in self.row_sums if m.of in (None, entity))

    @cached_property
    def terminal_sums(self) -> tuple[TerminalSum, ...]:
        """Windows over all transactions at a terminal, in a fixed order."""
        return self._terms(TerminalSum)

    @cached_property
    def terminal_terms(self) -> tuple[Expression, ...]:
        """All terms computed from a terminal's tiles, in a fixed order."""
        return (*self.terminal_sums, *self.label_terms("terminal"))

    @cached_property
    def terminal_dtype(self) -> type[np.integer]:
        """The smallest type for all terminal terms: counts and hours fit in 32 bits."""
        tiles = (self.terminal_tile, self.label_tile)
        counts = {m.name for tile in tiles for m in tile.measures if m.value == "count"}
        terms = (*self.terminal_sums, *self.label_terms("terminal"))
        is_narrow = all(term.measure in counts for term in terms)
        return np.int32 if is_narrow else np.int64

    def label_terms(self, entity: Entity) -> tuple[LabelTerm, ...]:
        """Return the terms computed from an entity's label tiles, in a fixed order."""
        terms: list[LabelTerm] = [
            *self._terms(LabelSum),
            *self._terms(LabelSince),
            *self._terms(LabelRun),
        ]
        return tuple(term for term in terms if term.entity == entity)

    @cached_property
    def customer_sums(self) -> tuple[CustomerSum, ...]:
        """Customer windows, in a fixed order."""
        return self._terms(CustomerSum)

    @cached_property
    def customer_sinces(self) -> tuple[CustomerSince, ...]:
        """Times since a customer's last transactions, in a fixed order."""
        return self._terms(CustomerSince)

    @cached_property
    def visit_sums(self) -> tuple[VisitSum, ...]:
        """Windows over a customer's transactions at one terminal, in a fixed order."""
        return self._terms(VisitSum)

    def label_measures_of(self, entity: Entity) -> tuple[str, ...]:
        """Return the names of the label measures that an entity's terms need, in order."""
        needed: set[str] = set()
        for term in self.label_terms(entity):
            needed |= label_measures_under(term)
        return tuple(m.name for m in self.label_measures if m.name in needed)

    def signature(self, times: FeatureTimes | None = None) -> str:
        """Return a hash of everything that decides any feature's value.

        Args:
            times: of the computation; None means those of this declaration.
        """
        times = times or self.times
        lines = [f"{f.name} = {f.formula}" for f in self.features]
        lines += [f"flag {f.name} = {f.condition}" for f in self.flags]
        lines += [_last_line(m) for m in self.last_times]
        lines += [
            f"label {m.name} = {m.value} of {sorted(m.scenarios)}" for m in self.label_measures
        ]
        lines += [f"sum {m.name} = {m.value}" for m in self._further_sums]
        lines += [f"column {c.name} = {c.meaning}" for c in self.columns]
        lines += [f"split by {name}" for name in self.split_by]
        lines += [str(times)] if times != FIRST_TIMES else []
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def signature_of(self, names: Iterable[str], times: FeatureTimes | None = None) -> str:
        """Return a hash of everything that decides the values of these features alone.

        That is their formulas with the windows in them, the flags, times and label measures that
        these read, all that those read in turn, and the times that every window rests on. Another
        feature may come, go or change without changing it.

        Args:
            names: of features, in any order; one that is not declared counts as undeclared.
            times: of the computation; None means those of this declaration.
        """
        wanted = sorted(set(names))
        declared = {feature.name: feature for feature in self.features}
        lines = [f"{n} = {declared[n].formula if n in declared else 'undeclared'}" for n in wanted]
        needs = needed_by(
            (t for n in wanted if n in declared for t in declared[n].formula.leaves()), self._made
        )
        lines += [f"flag {f.name} = {f.condition}" for f in self.flags if f.name in needs.flags]
        lines += [_last_line(m) for m in self.last_times if m.name in needs.last_times]
        lines += [
            f"label {m.name} = {m.value} of {sorted(m.scenarios)}"
            for m in self.label_measures
            if m.name in needs.label_measures
        ]
        lines += [f"sum {m.name} = {m.value}" for m in self._further_sums if m.name in needs.sums]
        lines += [f"column {c.name} = {c.meaning}" for c in self.columns if c.name in needs.columns]
        lines.append(str(times or self.times))
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    @property
    def _made(self) -> Made:
        formulas = {m.name: m.value for m in self.row_sums if isinstance(m.value, Expression)}
        formulas |= {m.name: m.formula for m in self.last_times if m.formula is not None}
        return Made(
            {flag.name: flag.condition for flag in self.flags},
            {last.name: last.flag for last in self.last_times},
            formulas,
        )

    @property
    def _further_sums(self) -> list[RowSum]:
        return [m for m in self.row_sums if m not in FIRST_ROW_SUMS]

    @cached_property
    def columns_read(self) -> frozenset[str]:
        """The names of the rows' columns that any feature reads, by itself or through a measure."""
        return frozenset(needed_by(self._leaves, self._made).columns)

    def tiles_signature(self) -> str:
        """Return a hash of everything that decides what tiles hold, features apart."""
        return replace(self, features=()).signature()

    @cached_property
    def flags_need_terminals(self) -> bool:
        """Whether a flag's condition reads a term that is computed from a terminal's tiles."""
        return any(
            leaf in self.terminal_terms for flag in self.flags for leaf in flag.condition.leaves()
        )

    def _terms(self, kind: type[TermType]) -> tuple[TermType, ...]:
        return tuple(term for term in self._leaves if isinstance(term, kind))

    @cached_property
    def _leaves(self) -> tuple[Expression, ...]:
        """All terms of the formulas, each once, in a fixed order; cached for every micro-batch."""
        formulas: Iterable[Expression] = (
            *(flag.condition for flag in self.flags),
            *(feature.formula for feature in self.features),
        )
        return tuple(sorted({leaf for formula in formulas for leaf in formula.leaves()}, key=str))


def _last_line(last: LastTime) -> str:
    """Return a last time's line of a signature."""
    line = f"last {last.name} of {last.flag}"
    return line if last.formula is None else f"{line} = {last.formula}"
