"""The size of boosted trees, chosen on the last of the days that they are fitted on.

Here: `TreeSize`, the sizes to choose from, and `choose_size`.
Not here: fitting (`training.boosted_trees`), the choice of features (`training.choosing`).

The rule: the last fifth of the fit days, at least one day, is held back. Each shape is fitted on
the days before, and its average precision on the days held back is taken after each `STEP` trees.
The shape and number of trees with the greatest one win; of equals the smaller. Trees of that size
are then fitted on all fit days. The comparison's test week is later than all of these days, by at
least the label delay. Average precision goes on rising after log loss is at its least;
probabilities come from the calibrator, which has days of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from fraud_platform.comparison.plain_metrics import average_precision
from fraud_platform.training.fitting import Floats

STEP = 100
MAX_ROUNDS = 600
MIN_FRAUDS = 20
"""With fewer frauds on either side, a measure says nothing, and the first size is taken."""
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
    {"max_depth": 4, "learning_rate": 0.05, **_RANDOM, **SEARCH},
    {"max_depth": 6, "learning_rate": 0.05, **_RANDOM, **SEARCH},
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


def choose_size(
    days: npt.NDArray[np.int64], is_fraud: Flags, weights: Floats, staged: Staged
) -> TreeSize:
    """Return the size with the greatest average precision on the days held back.

    Args:
        days: of each row, shape (n,).
        is_fraud, weights: of each row.
        staged: fits a shape on some rows and scores the others.
    """
    is_held = held_back(days)
    if min(is_fraud[is_held].sum(), is_fraud[~is_held].sum()) < MIN_FRAUDS:
        return FIRST_SIZE
    best, greatest = FIRST_SIZE, -np.inf
    for parameters in SHAPES:
        for step, score in enumerate(staged(parameters, ~is_held), 1):
            precision = average_precision(is_fraud[is_held], score, weights[is_held])
            if precision > greatest:
                best, greatest = TreeSize(step * STEP, parameters), precision
    return best
