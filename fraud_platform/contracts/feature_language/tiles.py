"""The tiles: which rows add to each measure of a tile, how much, and with which sign.

Here: `Tile` and `Measure`. The batch engine, the live state, snapshots, recovery, the tables and
lineage read them from `Declaration.tiles`, and know no measure by name.
Not here: the measures (`contracts.feature_language.declarables`, `datasets.handbook.features`),
summing them (`features.compute.tiles` for numpy, `features.batch.tile_columns` for Spark), the hour
from which a label counts (`labels.rule`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from fraud_platform.contracts.feature_language.expressions import Expression
from fraud_platform.contracts.feature_language.formulas import Formulas
from fraud_platform.contracts.feature_language.terms import Entity

AmountValue = Literal["count", "cents", "squares"]
Value = Literal["count", "cents", "squares", "second", "flag", "formula"]


@dataclass(frozen=True)
class Measure:
    """A number of each tile.

    Attributes:
        name: its column in the tile's table.
        value: what a row adds: `count` (1), `cents` (the amount), `squares` (the square of the
            amount in whole currency units, so that 30 days of maximum amounts fit in 64 bits),
            `second` (the time of the transaction, since 1970), `flag` (the number of `flag`) or
            `formula` (of the row's own values and its flags, all integers).
        flag: with another value than `flag`, only transactions with this flag set add it; the
            others add 0.
        scenarios: of label tiles, the fraud scenarios that add; 0 is genuine. The others add 0.
        combine: how the rows of a tile are combined.
    """

    name: str
    description: str
    value: Value = "count"
    flag: str | None = None
    scenarios: frozenset[int] = frozenset()
    combine: Literal["sum", "max"] = "sum"
    formula: Expression | None = None


@dataclass(frozen=True)
class Tile:
    """One kind of tile.

    Attributes:
        name: its table, and its part in a snapshot.
        rows: `transactions`, each of which adds once; or `labels`, of which a version adds from
            `labels.rule.counts_from_hour` on, and subtracts from the hour of its correction on.
        entities: whose tiles these are.
        key: the columns by which rows are summed, in the order of the table.
        entity_column, hour_column: the columns of the entity's id and of the rows' hour.
        measures: in the order of the table.
        split_by: facts by which rows are summed as well, each of which is a measure of its name.
    """

    name: str
    rows: Literal["transactions", "labels"]
    entities: tuple[Entity, ...]
    key: tuple[str, ...]
    entity_column: str
    hour_column: str
    measures: tuple[Measure, ...]
    split_by: tuple[str, ...] = ()

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of the measures, in order."""
        return tuple(measure.name for measure in self.measures)

    @cached_property
    def with_formula(self) -> tuple[Measure, ...]:
        """The measures whose value is a formula."""
        return tuple(measure for measure in self.measures if measure.formula is not None)

    @cached_property
    def formulas(self) -> Formulas:
        """The formulas of `with_formula`, in their order."""
        return Formulas([m.formula for m in self.with_formula if m.formula is not None])
