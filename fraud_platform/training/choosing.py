"""The choice of features, made within the days that a candidate's trees are fitted on.

Here: `choose_features`.
Not here: features that a data set names (`contracts.data_set`), the size of trees
(`training.sizing`).

The rule: the last fifth of the fit days is held back. Trees with all features are fitted on the
days before, and features are ranked by their gain. Trees with the best half, quarter, .. of them
are fitted as well; the set with the greatest average precision on the days held back wins, and of
sets that are within `MARGIN` of it the smallest. The comparison's test week is later than all of
these days, by at least the label delay.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from fraud_platform.comparison.plain_metrics import average_precision
from fraud_platform.training.fitting import Features, FittedModel, Floats
from fraud_platform.training.sizing import MIN_FRAUDS, held_back

MARGIN = 0.002
"""Average precision; a smaller gain is noise of a few hundred frauds."""
LEAST_FEATURES = 4

Fit = Callable[[Sequence[str], Features, npt.NDArray[np.bool_], Floats], FittedModel]
"""Fits a model with these features on rows, labels and weights."""


def choose_features(
    names: Sequence[str],
    features: Features,
    is_fraud: npt.NDArray[np.bool_],
    weights: Floats,
    days: npt.NDArray[np.int64],
    fit: Fit,
) -> tuple[str, ...]:
    """Return the chosen features in their order; all of them if frauds are too few to choose.

    Args:
        names: of the columns of `features`.
        features, is_fraud, weights, days: of the rows of the fit days.
        fit: fits a model.
    """
    is_held = held_back(days)
    if min(is_fraud[is_held].sum(), is_fraud[~is_held].sum()) < MIN_FRAUDS:
        return tuple(names)

    def fitted(columns: npt.NDArray[np.int64]) -> tuple[FittedModel, float]:
        own = np.ascontiguousarray(features[:, columns])
        chosen = [names[int(column)] for column in columns]
        model = fit(chosen, np.ascontiguousarray(own[~is_held]), is_fraud[~is_held],
                    weights[~is_held])  # fmt: skip
        score = model.predict_score(np.ascontiguousarray(own[is_held]))
        return model, average_precision(is_fraud[is_held], score, weights[is_held])

    columns = np.arange(len(names))
    model, precision = fitted(columns)
    ranked = np.argsort(-model.feature_importance(), kind="stable")
    found = [(columns, precision)]
    size = len(names) // 2
    while size >= LEAST_FEATURES:
        columns = np.sort(ranked[:size])
        found.append((columns, fitted(columns)[1]))
        size //= 2
    greatest = max(precision for _, precision in found)
    smallest = [columns for columns, precision in found if precision >= greatest - MARGIN][-1]
    return tuple(names[int(column)] for column in smallest)
