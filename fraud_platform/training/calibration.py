"""Calibration: maps a model's score to the probability of fraud.

Here: the beta calibrator and its fit.
Not here: which rows it is fitted on (`training.candidate`), thresholds (`training.thresholds`).
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
    """p = logistic(a log s - b log(1 - s) + c), with a, b >= 0 and not both 0.

    Beta calibration (Kull, Silva Filho, Flach, 2017). Its three parameters can be fitted on a few
    dozen frauds. It is strictly increasing, so that it preserves ranks and average precision;
    isotonic regression would tie most rows.
    """

    a: float
    b: float
    c: float

    def probability(self, score: Floats) -> Floats:
        """Return probabilities for scores in [0, 1], shape (n,)."""
        return 1.0 / (1.0 + np.exp(-self.log_odds(score)))

    def log_odds(self, score: Floats) -> Floats:
        """Return the log-odds of those probabilities, shape (n,)."""
        low, high = _logs(score)
        return self.a * low + self.b * high + self.c


def fit_calibrator(
    score: Floats, is_fraud: npt.NDArray[np.bool_], weights: Floats
) -> BetaCalibrator:
    """Fit by weighted maximum likelihood with a weak ridge penalty towards a = b = 1, c = 0.

    If a and b are not both positive, the fit is repeated with b = 0, then with a = 0; the first
    with a positive slope is returned. If there is none, the calibrator is the identity.

    Args:
        score: model scores in [0, 1], shape (n,).
        is_fraud: labels, shape (n,).
        weights: number of rows that each row represents, shape (n,).
    """
    low, high = _logs(score)
    for columns in ((0, 1), (0,), (1,)):
        design = np.column_stack([low, high, np.ones_like(low)])[:, [*columns, 2]]
        fitted = _newton(design, is_fraud.astype(np.float64), weights)
        if (fitted[:-1] > 0).all():
            a, b = (fitted[columns.index(i)] if i in columns else 0.0 for i in (0, 1))
            return BetaCalibrator(float(a), float(b), float(fitted[-1]))
    return BetaCalibrator(1.0, 1.0, 0.0)


def _logs(score: Floats) -> tuple[Floats, Floats]:
    """Return log s and -log(1 - s), with scores clipped away from 0 and 1."""
    inside = np.clip(score, _SMALLEST, 1 - _SMALLEST)
    return np.log(inside), -np.log1p(-inside)


def _newton(design: Floats, labels: Floats, weights: Floats) -> Floats:
    """Return the coefficients of a ridge-penalised weighted logistic regression (Newton)."""
    prior = np.r_[np.ones(design.shape[1] - 1), 0.0]
    coefficients = prior.copy()
    for _ in range(_STEPS):
        probability = 1.0 / (1.0 + np.exp(-(design * coefficients).sum(axis=1)))
        penalty = _RIDGE * (coefficients - prior)
        gradient = _moments(design, weights * (labels - probability)) - penalty
        variance = weights * probability * (1 - probability)
        information = np.array([_moments(design, variance * column) for column in design.T])
        step = np.linalg.solve(information + _RIDGE * np.eye(len(prior)), gradient)
        coefficients = coefficients + np.clip(step, -2.0, 2.0)
        if np.abs(step).max() < 1e-10:
            break
    return coefficients


def _moments(design: Floats, values: Floats) -> Floats:
    """Return the sum of column * values for each column; the order of additions is fixed."""
    return np.array([(column * values).sum() for column in design.T])
