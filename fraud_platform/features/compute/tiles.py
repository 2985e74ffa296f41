"""Computing label tiles with numpy, and concatenating tiles.

Here: aggregating the labels of many entities to tiles. A range of days gives the same tiles as its
days one by one.
Not here: the tiles of transactions (`features.compute.terminals`, `features.compute.customers`),
windows over tiles (`features.compute.windows`), the tables (`tables.features`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields

import numpy as np

from fraud_platform.contracts.arrays import Labels, LabelTiles, Tiles
from fraud_platform.contracts.feature_language.declarables import Declaration, LabelMeasure
from fraud_platform.contracts.feature_language.expressions import Array
from fraud_platform.features.compute.ordering import group_starts, group_sums, sort_order
from fraud_platform.features.compute.windows import dense_ids


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
    scenario = labels.scenario[order]
    values = _label_values(labels, order)
    measures = {
        m.name: group_sums(np.where(_is_counted(m, scenario), values[m.value], 0), starts)
        for m in declaration.label_measures
    }
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


def _label_values(labels: Labels, order: Array) -> Mapping[str, Array]:
    """Return what each label adds to a measure, by `LabelMeasure.value`."""
    sign, cents = labels.sign[order], labels.amount_cents[order]
    return {"count": sign, "cents": sign * cents, "squares": sign * ((cents + 50) // 100) ** 2}


def _is_counted(measure: LabelMeasure, scenario: Array) -> Array:
    is_counted = np.zeros(scenario.shape, dtype=bool)
    for counted in sorted(measure.scenarios):
        is_counted |= scenario == counted
    return is_counted
