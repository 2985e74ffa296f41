"""The alert threshold: the probability from which a transaction alerts.

Here: choosing it on held-out rows within the fraud team's limits, and explaining the choice.
Not here: probabilities (`training.calibration`), metrics at a threshold
(`comparison.plain_metrics`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from fraud_platform.contracts.active import MINOR_UNITS

if TYPE_CHECKING:
    from fraud_platform.settings import Settings

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Constraints:
    """The fraud team's limits and costs.

    Attributes:
        max_alerts_per_day: mean number of alerts a day that the team can review.
        max_false_positive_rate: maximum share of genuine rows that may alert.
        review_cost: cost of reviewing one alert, in currency units.
    """

    max_alerts_per_day: float
    max_false_positive_rate: float
    review_cost: float

    @classmethod
    def from_settings(cls, settings: Settings) -> Constraints:
        """Return what the operator set."""
        return cls(
            settings.max_alerts_per_day, settings.max_false_positive_rate, settings.review_cost
        )


@dataclass(frozen=True)
class Threshold:
    """The lowest probability that alerts, its results on the given rows, and the reason for it.

    `expected_loss_per_day` is in currency units.
    """

    value: float
    alerts_per_day: float
    false_positive_rate: float
    recall: float
    expected_loss_per_day: float
    reason: str


def choose_threshold(
    probability: Floats,
    is_fraud: npt.NDArray[np.bool_],
    amount_cents: npt.NDArray[np.int64],
    weights: Floats,
    days: int,
    constraints: Constraints,
) -> Threshold:
    """Return the threshold with the least expected loss among those within both limits.

    Expected loss a day is the amount of missed frauds plus `review_cost` for each alert. Rows of
    equal probability alert together. If even the highest threshold exceeds a limit, the returned
    one is above 1, so that no row alerts: limits are never exceeded.

    Args:
        probability: calibrated probabilities, shape (n,).
        is_fraud: labels, shape (n,).
        amount_cents: amounts in the smallest unit of the currency, shape (n,).
        weights: number of rows that each row represents, shape (n,).
        days: number of days that the rows cover.
        constraints: the limits and the review cost.
    """
    order = np.argsort(-probability, kind="stable")
    scores = probability[order]
    is_cut = np.append(scores[1:] != scores[:-1], True)
    weight, fraud = weights[order], is_fraud[order]
    alerts = np.cumsum(weight)[is_cut] / days
    false_rate = np.cumsum(weight * ~fraud)[is_cut] / max(weight[~fraud].sum(), 1.0)
    caught = np.cumsum(weight * fraud * amount_cents[order])[is_cut] / MINOR_UNITS / days
    recall = np.cumsum(weight * fraud)[is_cut] / max(weight[fraud].sum(), 1.0)
    total = weight[fraud] @ amount_cents[order][fraud] / MINOR_UNITS / days
    loss = total - caught + constraints.review_cost * alerts
    within_alerts = alerts <= constraints.max_alerts_per_day
    within_rate = false_rate <= constraints.max_false_positive_rate
    allowed = within_alerts & within_rate
    if not allowed.any():
        return _silent(scores[0], float(total), constraints)
    best = int(np.flatnonzero(allowed)[np.argmin(loss[allowed])])
    return Threshold(
        value=float(scores[is_cut][best]),
        alerts_per_day=float(alerts[best]),
        false_positive_rate=float(false_rate[best]),
        recall=float(recall[best]),
        expected_loss_per_day=float(loss[best]),
        reason=_reason(loss, allowed, within_alerts, within_rate, constraints),
    )


def _silent(highest: float, missed: float, limits: Constraints) -> Threshold:
    return Threshold(
        value=float(np.nextafter(max(highest, 1.0), np.inf)),
        alerts_per_day=0.0,
        false_positive_rate=0.0,
        recall=0.0,
        expected_loss_per_day=missed,
        reason=(
            f"no threshold keeps both limits ({limits.max_alerts_per_day:g} alerts a day, false "
            f"positive rate {limits.max_false_positive_rate:g}), so nothing alerts"
        ),
    )


def _reason(
    loss: Floats,
    allowed: npt.NDArray[np.bool_],
    within_alerts: npt.NDArray[np.bool_],
    within_rate: npt.NDArray[np.bool_],
    limits: Constraints,
) -> str:
    """Return which limits, if any, exclude the threshold with the lowest loss."""
    cheapest = int(np.argmin(loss))
    chosen = f"least expected loss at {limits.review_cost:g} a review"
    if allowed[cheapest]:
        return f"{chosen}; both limits would allow more alerts"
    exceeded = [
        limit
        for limit, within in (
            (f"{limits.max_alerts_per_day:g} alerts a day", within_alerts),
            (f"a false positive rate of {limits.max_false_positive_rate:g}", within_rate),
        )
        if not within[cheapest]
    ]
    return f"{chosen} that stays within {' and '.join(exceeded)}"
