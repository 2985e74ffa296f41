"""Summing rows to tiles with numpy, and concatenating tiles.

Here: what each transaction and each label adds to the measures of a tile, and combining it. A range
of days gives the same tiles as its days one by one.
Not here: which tiles and measures there are (`contracts.feature_language.tiles`), the same with
Spark (`features.batch.tile_columns`), ordering transactions (`features.compute.terminals`,
`features.compute.customers`), windows over tiles (`features.compute.windows`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields

import numpy as np

from fraud_platform.contracts.arrays import Labels, LabelTiles, Tiles
from fraud_platform.contracts.feature_language.declarables import Declaration
from fraud_platform.contracts.feature_language.expressions import Array
from fraud_platform.contracts.feature_language.row_terms import row_terms
from fraud_platform.contracts.feature_language.terms import RowTerm
from fraud_platform.contracts.feature_language.tiles import Measure, Tile
from fraud_platform.features.compute.ordering import (
    group_maxima,
    group_starts,
    group_sums,
    sort_order,
)
from fraud_platform.features.compute.windows import dense_ids

_NO_COLUMNS: Mapping[str, Array] = {}


def transaction_values(
    tile: Tile,
    amount_cents: Array,
    second: Array | None = None,
    flags: Mapping[str, Array] = _NO_COLUMNS,
    facts: Mapping[str, Array] = _NO_COLUMNS,
) -> dict[str, Array]:
    """Return what each transaction adds to the measures of a tile, int64 of shape (rows,).

    Args:
        second, flags, facts: of the transactions; needed if a measure reads them.
    """
    of_formulas = _formula_values(tile, amount_cents, second, flags, facts)
    return {
        m.name: of_formulas[m.name]
        if m.name in of_formulas
        else _transaction_value(m, amount_cents, second, flags)
        for m in tile.measures
    }


def _formula_values(
    tile: Tile,
    cents: Array,
    second: Array | None,
    flags: Mapping[str, Array],
    facts: Mapping[str, Array],
) -> dict[str, Array]:
    """Return what transactions add to the measures that have a formula."""
    if not tile.with_formula:
        return {}
    assert second is not None, f"tile {tile.name}: expected the rows' seconds, found none"
    terms = row_terms(second, cents, facts)
    terms.update({RowTerm(name): flag for name, flag in flags.items()})
    values = {
        tile.with_formula[number].name: np.broadcast_to(value, cents.shape)
        for number, value in tile.formulas.evaluate(terms)
    }
    for name, value in values.items():
        assert value.dtype == np.int64, f"measure {name}: expected integers, found {value.dtype}"
    return values


def _transaction_value(
    measure: Measure, cents: Array, second: Array | None, flags: Mapping[str, Array]
) -> Array:
    if measure.value == "flag":
        return flags[str(measure.flag)]
    value = second if measure.value == "second" else _amount_value(measure, cents)
    assert value is not None, f"measure {measure.name}: expected the rows' seconds, found none"
    return value if measure.flag is None else value * (flags[measure.flag] > 0)


def _amount_value(measure: Measure, cents: Array) -> Array:
    if measure.value == "count":
        return np.ones(cents.size, dtype=np.int64)
    return ((cents + 50) // 100) ** 2 if measure.value == "squares" else cents


def combine(tile: Tile, values: Mapping[str, Array], starts: Array) -> dict[str, Array]:
    """Return the measures of tiles from what their rows add; rows of a tile must be adjacent.

    Args:
        starts: the first row of each tile.
    """
    by_name = {"sum": group_sums, "max": group_maxima}
    return {m.name: by_name[m.combine](values[m.name], starts) for m in tile.measures}


def label_tiles(declaration: Declaration, entity: Array, labels: Labels) -> LabelTiles:
    """Return the label tiles: sums by entity, event hour and the hour from which labels count.

    Args:
        declaration: the label measures.
        entity: each label's customer or terminal, int64 of shape (labels,).
        labels: the labels.
    """
    order = sort_order(*dense_ids(entity), labels.event_hour, labels.counts_from_hour)
    keys = (entity[order], labels.event_hour[order], labels.counts_from_hour[order])
    starts = group_starts(*keys)
    tile = declaration.label_tile
    measures = combine(tile, _label_values(tile, labels, order), starts)
    entity, event_hour, counts_from = (key[starts] for key in keys)
    return LabelTiles(entity, event_hour, counts_from, measures)


def join_labels(a: Labels, b: Labels) -> Labels:
    """Return the concatenated labels."""
    names = [f.name for f in fields(Labels)]
    return Labels(**{n: np.concatenate((getattr(a, n), getattr(b, n))) for n in names})


def join_tiles(a: Tiles, b: Tiles) -> Tiles:
    """Return the concatenated tiles, with the measures of `a`."""
    return Tiles(
        np.concatenate((a.entity, b.entity)),
        np.concatenate((a.hour, b.hour)),
        {name: np.concatenate((a.measures[name], b.measures[name])) for name in a.measures},
    )


def join_label_tiles(a: LabelTiles, b: LabelTiles) -> LabelTiles:
    """Return the concatenated label tiles, with the measures of `a`."""
    return LabelTiles(
        np.concatenate((a.entity, b.entity)),
        np.concatenate((a.event_hour, b.event_hour)),
        np.concatenate((a.counts_from_hour, b.counts_from_hour)),
        {name: np.concatenate((a.measures[name], b.measures[name])) for name in a.measures},
    )


def _label_values(tile: Tile, labels: Labels, order: Array) -> dict[str, Array]:
    """Return what each label version adds to the measures; what ceases to count is negative."""
    sign, cents = labels.sign[order], labels.amount_cents[order]
    scenario = labels.scenario[order]
    signed: dict[str, Array] = {}
    for m in tile.measures:
        if m.value not in signed:
            signed[m.value] = sign * _amount_value(m, cents)
    return {m.name: np.where(_is_counted(m, scenario), signed[m.value], 0) for m in tile.measures}


def _is_counted(measure: Measure, scenario: Array) -> Array:
    is_counted = np.zeros(scenario.shape, dtype=bool)
    for counted in sorted(measure.scenarios):
        is_counted |= scenario == counted
    return is_counted
