"""The size of boosted trees, chosen within the days that they are fitted on.

Here: `TreeSize`, the sizes to choose from, and `choose_size`.
Not here: fitting (`training.boosted_trees`), the choice of features (`training.choosing`).

The rule: the fit days are divided into `BLOCKS` spans of days. Each shape is fitted on the days
outside each span and scores the span after each `STEP` trees, so every row has a score of trees
that did not see its day. The shape and number of trees with the greatest average precision over all
rows win; of equals the smaller. Trees of that size are then fitted on all days. The comparison's
test week is later than all of these days, by at least the label delay. Average precision goes on
rising after log loss is at its least; probabilities come from the calibrator, which has days of its
own. The last days alone would be a few dozen frauds, whose order is mostly chance.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from fraud_platform.comparison.plain_metrics import average_precision
from fraud_platform.training.fitting import Floats

STEP = 50
MAX_ROUNDS = 300
BLOCKS = 3
MIN_FRAUDS = 20
"""With fewer frauds in a part, a measure says nothing: nothing is chosen."""
_SHARE_HELD_BACK = 5

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class TreeSize:
    """A number of trees and the parameters that bound each of them."""

    rounds: int
    parameters: Mapping[str, Any] = field(default_factory=dict)


SMALL: dict[str, Any] = {"max_depth": 3, "learning_rate": 0.05, "gamma": 1.0}
"""What a few hundred frauds support."""
SEARCH: dict[str, Any] = {"tree_method": "hist", "max_bin": 256, "nthread": 2}
"""The exact method knows no categories. The number of threads is fixed: sums depend on it."""
_RANDOM: dict[str, Any] = {"subsample": 0.8, "colsample_bytree": 0.5, "gamma": 0.0}
SHAPES: tuple[dict[str, Any], ...] = (
    {**SMALL, **SEARCH},
    {"max_depth": 4, "learning_rate": 0.1, **_RANDOM, **SEARCH},
    {"max_depth": 6, "learning_rate": 0.1, **_RANDOM, **SEARCH},
)
"""From the smallest to the largest."""
FIRST_SIZE = TreeSize(100, SMALL)

Staged = Callable[[Mapping[str, Any], Flags], list[Floats]]
"""Takes a shape's parameters and the rows to fit on; returns the other rows' scores after each
`STEP` trees."""


def held_back(days: npt.NDArray[np.int64]) -> Flags:
    """Return which rows are of the last fifth of the days, at least one day."""
    own = np.unique(days)
    last = max(1, own.size // _SHARE_HELD_BACK)
    return np.asarray(days >= own[-last])


def blocks_of(days: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the number of each row's span of days; spans are about equally long."""
    own, place = np.unique(days, return_inverse=True)
    return np.asarray(place * min(BLOCKS, own.size) // own.size)


def choose_size(
    days: npt.NDArray[np.int64], is_fraud: Flags, weights: Floats, staged: Staged
) -> TreeSize:
    """Return the size with the greatest average precision on days that its trees did not see.

    Args:
        days: of each row, shape (n,).
        is_fraud, weights: of each row.
        staged: fits a shape on some rows and scores the others.
    """
    block = blocks_of(days)
    parts = [block == number for number in range(int(block.max()) + 1)]
    if len(parts) < 2 or min(is_fraud[part].sum() for part in parts) < MIN_FRAUDS:
        return FIRST_SIZE
    best, greatest = FIRST_SIZE, -np.inf
    for parameters in SHAPES:
        scores = np.zeros((MAX_ROUNDS // STEP, days.size))
        for part in parts:
            scores[:, part] = staged(parameters, ~part)
        for step, score in enumerate(scores, 1):
            precision = average_precision(is_fraud, score, weights)
            if precision > greatest:
                best, greatest = TreeSize(step * STEP, parameters), precision
    return best
