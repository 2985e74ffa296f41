"""The baseline "amount above k": its threshold, learned as a candidate's is.

Here: the choice of k on the threshold days of a candidate, under the same limits of the fraud team.
Not here: the choice itself (`training.thresholds`), the baseline as a model
(`comparison.inputs.baseline_models`).

A rule of a fixed amount is a fact of one currency and one kind of fraud, and one that breaks the
team's limits is no alternative to a model that keeps them.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from fraud_platform.training.thresholds import Constraints, choose_threshold


def learn_amount_rule(
    amount_cents: npt.NDArray[np.int64],
    is_fraud: npt.NDArray[np.bool_],
    weights: npt.NDArray[np.float64],
    days: int,
    constraints: Constraints,
) -> int | None:
    """Return the cents above which a transaction alerts, None where there are no rows.

    Args:
        amount_cents: of the days on which the candidate's threshold was set, shape (n,).
        is_fraud: labels, shape (n,).
        weights: rows that each row stands for, shape (n,).
        days: days that the rows cover.
        constraints: the limits and the cost, the candidate's own.
    """
    if not len(amount_cents):
        return None
    chosen = choose_threshold(
        amount_cents.astype(np.float64), is_fraud, amount_cents, weights, days, constraints
    )
    return math.ceil(chosen.value) - 1
