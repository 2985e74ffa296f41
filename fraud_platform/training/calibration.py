"""From a model's score to the probability of fraud.

Here: beta calibration, fitted on its own slice of days.
Not here: thresholds on the probability (`training.thresholds`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_SMALLEST = 1e-9
_RIDGE = 0.1
_STEPS = 100


@dataclass(frozen=True)
class BetaCalibrator:
    """p = logistic(a log s - b log(1 - s) + c), a and b not negative, not both 0.

    Beta calibration (Kull, Silva Filho, Flach, 2017): three numbers, so that a slice with a few
    dozen frauds is enough, and strictly increasing, so that ranks and average precision stay;
    isotonic regression would tie most rows.
    """

    a: float
    b: float
    c: float

    def probability(self, score: Floats) -> Floats:
        """Return probabilities for scores in [0, 1], shape (n,)."""
        return 1.0 / (1.0 + np.exp(-self.log_odds(score)))

    def log_odds(self, score: Floats) -> Floats:
        """Return the logarithms of the odds of those probabilities, shape (n,)."""
        low, high = _logs(score)
        return self.a * low + self.b * high + self.c


def fit_calibrator(
    score: Floats, is_fraud: npt.NDArray[np.bool_], weights: Floats
) -> BetaCalibrator:
    """Fit by weighted maximum likelihood with a slight pull towards a = b = 1, c = 0.

    Args:
        score: model scores in [0, 1], shape (n,).
        is_fraud: labels, shape (n,).
        weights: rows that each row stands for, shape (n,).
    """
    low, high = _logs(score)
    for columns in ((0, 1), (0,), (1,)):
        design = np.column_stack([low, high, np.ones_like(low)])[:, [*columns, 2]]
        found = _newton(design, is_fraud.astype(np.float64), weights)
        if (found[:-1] > 0).all():
            a, b = (found[columns.index(i)] if i in columns else 0.0 for i in (0, 1))
            return BetaCalibrator(float(a), float(b), float(found[-1]))
    return BetaCalibrator(1.0, 1.0, 0.0)


def _logs(score: Floats) -> tuple[Floats, Floats]:
    inside = np.clip(score, _SMALLEST, 1 - _SMALLEST)
    return np.log(inside), -np.log1p(-inside)


def _newton(design: Floats, labels: Floats, weights: Floats) -> Floats:
    """Return the coefficients of a weighted logistic regression, by Newton's method."""
    prior = np.r_[np.ones(design.shape[1] - 1), 0.0]
    coefficients = prior.copy()
    for _ in range(_STEPS):
        probability = 1.0 / (1.0 + np.exp(-(design * coefficients).sum(axis=1)))
        slope = _moments(design, weights * (labels - probability)) - _RIDGE * (coefficients - prior)
        spread = weights * probability * (1 - probability)
        curve = np.array([_moments(design, spread * column) for column in design.T])
        step = np.linalg.solve(curve + _RIDGE * np.eye(len(prior)), slope)
        coefficients = coefficients + np.clip(step, -2.0, 2.0)
        if np.abs(step).max() < 1e-10:
            break
    return coefficients


def _moments(design: Floats, values: Floats) -> Floats:
    """Return each column's sum times values, added in one order whatever the number of threads."""
    return np.array([(column * values).sum() for column in design.T])
