"""Plain metrics of scored transactions, one function each, on numpy arrays.

Here: average precision, AUC ROC, Brier score, card precision at k, recall and false positive rate
at a threshold, expected loss, recall by scenario; each takes optional row weights.
Not here: the metrics of the A/B report (`fraud_platform.comparison.metrics`), choosing thresholds
(`fraud_platform.training`).

Conventions: a row alerts if `probability >= threshold`. Rows of equal probability are tied, except
that tied cards are ranked by the smaller customer_id. A metric that is undefined (without frauds or
without genuine rows) is NaN. A row of weight 2 counts as two rows.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fraud_platform.contracts.active import MINOR_UNITS

Array = npt.NDArray[np.generic]
Floats = npt.NDArray[np.float64]


def average_precision(is_fraud: Array, probability: Array, weight: Array | None = None) -> float:
    """Return average precision, the mean precision over the steps of recall.

    Args:
        is_fraud: labels, shape (n,), boolean or 0/1.
        probability: scores, shape (n,); a higher score is more suspicious.
        weight: how often each row counts, shape (n,); None is once each.

    Returns:
        The sum over distinct scores s, descending, of (R(s) - R(s')) P(s), where s' is the previous
        score, R recall and P precision. Equal to scikit-learn's `average_precision_score`.
    """
    frauds, genuine = _weights_by_score(is_fraud, probability, weight)
    found, alerts = np.cumsum(frauds), np.cumsum(frauds + genuine)
    if len(found) == 0 or found[-1] == 0:
        return float("nan")
    precision = np.divide(found, alerts, out=np.zeros_like(found), where=alerts > 0)
    return float(np.sum(frauds * precision) / found[-1])


def auc_roc(is_fraud: Array, probability: Array, weight: Array | None = None) -> float:
    """Return the probability that a fraud scores above a genuine row; ties count half.

    Args:
        is_fraud: labels, shape (n,).
        probability: scores, shape (n,).
        weight: how often each row counts, shape (n,); None is once each.
    """
    frauds, genuine = _weights_by_score(is_fraud, probability, weight)
    pairs = frauds.sum() * genuine.sum()
    if pairs == 0:
        return float("nan")
    genuine_below = genuine.sum() - np.cumsum(genuine)
    return float(np.sum(frauds * (genuine_below + genuine / 2)) / pairs)


def brier(is_fraud: Array, probability: Array, weight: Array | None = None) -> float:
    """Return the mean squared difference between probability and label (Brier, 1950).

    Args:
        is_fraud: labels, shape (n,).
        probability: probabilities in [0, 1], shape (n,).
        weight: how often each row counts, shape (n,); None is once each.
    """
    labels, scores, weights = _rows(is_fraud, probability, weight)
    return _share(weights * (scores - labels) ** 2, weights)


def recall_at(
    is_fraud: Array, probability: Array, threshold: float, weight: Array | None = None
) -> float:
    """Return the share of frauds that alert at a threshold.

    Args:
        is_fraud: labels, shape (n,).
        probability: scores, shape (n,); a row alerts when its score is >= threshold.
        threshold: the least score that alerts.
        weight: how often each row counts, shape (n,); None is once each.
    """
    labels, scores, weights = _rows(is_fraud, probability, weight)
    return _share(weights * labels * (scores >= threshold), weights * labels)


def false_positive_rate_at(
    is_fraud: Array, probability: Array, threshold: float, weight: Array | None = None
) -> float:
    """Return the share of genuine rows that alert at a threshold.

    Args:
        is_fraud: labels, shape (n,).
        probability: scores, shape (n,); a row alerts when its score is >= threshold.
        threshold: the least score that alerts.
        weight: how often each row counts, shape (n,); None is once each.
    """
    labels, scores, weights = _rows(is_fraud, probability, weight)
    genuine = weights * (1 - labels)
    return _share(genuine * (scores >= threshold), genuine)


def recall_by_scenario(
    fraud_scenario: Array,
    probability: Array,
    threshold: float,
    scenarios: tuple[int, ...] = (1, 2, 3),
    weight: Array | None = None,
) -> dict[int, float]:
    """Return the recall at a threshold for each fraud scenario; NaN if it has no fraud.

    Args:
        fraud_scenario: 0 for genuine rows, else the scenario, shape (n,).
        probability: scores, shape (n,).
        threshold: the least score that alerts.
        scenarios: the scenarios to report.
        weight: how often each row counts, shape (n,); None is once each.
    """
    scenario = np.asarray(fraud_scenario)
    return {s: recall_at(scenario == s, probability, threshold, weight) for s in scenarios}


def expected_loss(
    day: Array,
    amount_cents: Array,
    is_fraud: Array,
    probability: Array,
    threshold: float,
    review_cost: float,
    weight: Array | None = None,
) -> float:
    """Return the expected loss a day: amounts of missed frauds plus the cost of reviewing alerts.

    Args:
        day: each row's day, shape (n,); the loss is divided by the number of distinct days.
        amount_cents: amounts in the smallest unit of the currency, shape (n,).
        is_fraud: labels, shape (n,).
        probability: scores, shape (n,).
        threshold: the least score that alerts.
        review_cost: cost of one alert's review, in currency units.
        weight: how often each row counts, shape (n,); None is once each.

    Returns:
        Units of the currency a day, not its smallest ones.
    """
    labels, scores, weights = _rows(is_fraud, probability, weight)
    alert = scores >= threshold
    missed = np.sum(weights * np.asarray(amount_cents) * labels * ~alert) / MINOR_UNITS
    days = len(np.unique(day))
    if days == 0:
        return float("nan")
    return float((missed + review_cost * np.sum(weights * alert)) / days)


def card_precision_at_k(
    day: Array,
    customer_id: Array,
    is_fraud: Array,
    probability: Array,
    k: int,
    weight: Array | None = None,
) -> float:
    """Return card precision at k: the share of compromised cards in the daily top k, averaged.

    Defined by the Fraud Detection Handbook (chapter 4, "Precision top-k metrics"): the score of a
    card on a day is that of its most suspicious transaction; a card is compromised if any of its
    transactions on that day is fraud; a compromised card that was found leaves the following days.
    The divisor is k on every day, even if fewer cards were used.

    Args:
        day: each row's day, shape (n,), integers or dates.
        customer_id: the card's holder, shape (n,).
        is_fraud: labels, shape (n,).
        probability: scores, shape (n,).
        k: number of cards that the team can review in a day.
        weight: number of cards that each row's customer represents, shape (n,), the same for all
            rows of a customer. A customer of weight 2 fills two of the k places; if only one place
            is left, one of its cards is reviewed and the other stays.
    """
    labels, scores, weights = _rows(is_fraud, probability, weight)
    if len(scores) == 0:
        return float("nan")
    _, days = np.unique(day, return_inverse=True)
    customers, cards = np.unique(customer_id, return_inverse=True)
    remaining = np.zeros(len(customers))
    remaining[cards] = weights
    found_by_day = []
    for today in range(days.max() + 1):
        rows = np.flatnonzero(days == today)
        order = rows[np.lexsort((-scores[rows], cards[rows]))]
        ids, first = np.unique(cards[order], return_index=True)
        compromised = np.bincount(cards[rows], labels[rows], len(customers))[ids] > 0
        ranked = np.lexsort((ids, -scores[order[first]]))
        ids, compromised = ids[ranked], compromised[ranked]
        held = remaining[ids]
        places_left = k - (np.cumsum(held) - held)
        found = np.where(compromised, np.clip(places_left, 0, held), 0.0)
        remaining[ids] -= found
        found_by_day.append(found.sum() / k)
    return float(np.mean(found_by_day))


def _rows(
    is_fraud: Array, probability: Array, weight: Array | None
) -> tuple[Floats, Floats, Floats]:
    labels = np.asarray(is_fraud, dtype=np.float64)
    scores = np.asarray(probability, dtype=np.float64)
    weights = np.ones(len(scores)) if weight is None else np.asarray(weight, dtype=np.float64)
    if not labels.shape == scores.shape == weights.shape or labels.ndim != 1:
        raise ValueError(
            "labels, scores and weights must be vectors of one length, found shapes "
            f"{labels.shape}, {scores.shape}, {weights.shape}"
        )
    if np.isnan(scores).any():
        raise ValueError(f"{np.isnan(scores).sum()} scores are NaN; every row needs a score")
    return labels, scores, weights


def _weights_by_score(
    is_fraud: Array, probability: Array, weight: Array | None
) -> tuple[Floats, Floats]:
    """Return the weight of frauds and of genuine rows at each distinct score, descending."""
    labels, scores, weights = _rows(is_fraud, probability, weight)
    distinct, cut = np.unique(-scores, return_inverse=True)
    frauds = np.bincount(cut, weights * labels, len(distinct))
    genuine = np.bincount(cut, weights * (1 - labels), len(distinct))
    return frauds.astype(np.float64), genuine.astype(np.float64)


def _share(part: Floats, whole: Floats) -> float:
    total = whole.sum()
    return float(part.sum() / total) if total > 0 else float("nan")
