"""The kernel that the batch engine and the live scorer share; inputs and outputs are numpy arrays.

Here: transactions, tiles and labels as arrays, and the evaluation of all formulas.
Not here: the terms of terminals and customers (`features.compute.terminals`,
`features.compute.customers`, `features.live.events`), window arithmetic
(`features.compute.windows`), Arrow and Spark (`features.batch.tasks`, `features.batch.engine`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from fraud_platform.contracts.feature_language.declarables import Declaration
from fraud_platform.contracts.feature_language.expressions import Array, Expression

Terms = dict[Expression, Array]


@dataclass(frozen=True)
class FeatureBatch:
    """Features of some transactions.

    Attributes:
        rows: positions of the transactions in the input arrays.
        flags: int64 columns by name.
        features: float32 columns by name.
    """

    rows: Array
    flags: dict[str, Array]
    features: dict[str, Array]


def evaluate_features(declaration: Declaration, terms: Mapping[Expression, Array]) -> Array:
    """Return the features in declaration order, float32 of shape (features, rows).

    Args:
        declaration: the features to compute.
        terms: an int64 array of shape (rows,) for each term.
    """
    rows = next(iter(terms.values())).size
    features = np.empty((len(declaration.features), rows), np.float32)
    for number, values in declaration.feature_formulas.evaluate(terms):
        features[number] = values
    return features


def evaluate_flags(declaration: Declaration, terms: Mapping[Expression, Array]) -> dict[str, Array]:
    """Return every flag by name, int64 arrays of shape (rows,)."""
    names = [flag.name for flag in declaration.flags]
    return {names[n]: values for n, values in declaration.flag_formulas.evaluate(terms)}
