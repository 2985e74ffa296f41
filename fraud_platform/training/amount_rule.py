"""The baseline "amount above k", whose k is learned like a candidate's threshold.

Here: choosing k on the candidate's threshold days, under the same limits of the fraud team.
Not here: the choice of a threshold (`training.thresholds`), the baseline as a model
(`comparison.inputs.baseline_models`).

A fixed amount would only suit one currency and one kind of fraud. A rule that exceeds the team's
limits would not be an alternative to a model that stays within them.
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
    """Return the amount in cents above which a transaction alerts, or None without rows.

    Args:
        amount_cents: amounts on the candidate's threshold days, shape (n,).
        is_fraud: labels, shape (n,).
        weights: number of rows that each row represents, shape (n,).
        days: number of days that the rows cover.
        constraints: the candidate's limits and review cost.
    """
    if not len(amount_cents):
        return None
    chosen = choose_threshold(
        amount_cents.astype(np.float64), is_fraud, amount_cents, weights, days, constraints
    )
    return math.ceil(chosen.value) - 1
