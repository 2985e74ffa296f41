"""Features that are probabilities: what known behaviour of fraud says of a transaction.

Here: how likely the customer is compromised, the terminal is compromised, and both together.
A week of training holds a few hundred frauds: what is known of how the three fraud scenarios act
(amounts of a compromised customer are five times as great for 14 days; a compromised terminal
defrauds everyone for 28 days) says more than trees can learn from them. The constants are those of
the published simulator, never fitted to its later weeks; the weight of each probability is learned
with every model (`training.boosted_trees`).
Not here: the other features (`features.declaration`), what terms mean (`features.terms`).
"""

from __future__ import annotations

from fraud_platform.features.declarables import Feature, Flag
from fraud_platform.features.expressions import (
    Expression,
    greatest,
    least,
    power_of_two,
    ratio,
    where,
    wrap,
)
from fraud_platform.features.terms import CustomerSum, LabelRun, LabelSince, LabelSum, RowTerm

PRIOR_NAME = "fraud_prior"
"""The feature that is the probability of fraud itself: a model may start from it."""

_AMOUNT = RowTerm("amount_cents")
_GENUINE_N = LabelSum("customer", "n_genuine", 30)
_GENUINE_CENTS = LabelSum("customer", "genuine_cents", 30)
_AMOUNT_RATIO = least(ratio(_AMOUNT * _GENUINE_N, _GENUINE_CENTS, default=1.0), 5)

_HALF_BIT_STEPS = (
    *(193, 216, 229, 238, 245, 252, 258, 263, 269, 274),
    *(279, 283, 288, 292, 296, 301, 305, 309, 313),
)
"""Hundredths of the known-genuine mean at which the evidence grows by another half bit."""


def _half_bits() -> Expression:
    """Return round(2 log2(2/3 + LR/3)) of an amount, at most 18, as a sum of comparisons.

    A third of a compromised customer's transactions are fraudulent, so the likelihood ratio of
    "compromised" is 2/3 + LR/3, where LR is the ratio of `_fraud_bits`.
    """
    scaled = _AMOUNT * _GENUINE_N * 100
    half_bits: Expression = wrap(-1)
    for hundredths in _HALF_BIT_STEPS:
        half_bits = half_bits + (scaled > _GENUINE_CENTS * hundredths)
    return half_bits


SUSPICION = Flag(
    "suspicion_half_bits",
    "Evidence that the customer is compromised by the amount over the known-genuine mean, in half "
    "bits, -1 to 18.",
    _half_bits(),
)


def _fraud_bits() -> Expression:
    """Return log2 of LR: an amount r times the mean, of a compromised customer or a genuine one.

    Amounts are close to normal with half their mean as standard deviation, and five times as great
    under fraud: ln LR = 2 (r - 1)^2 - 2 (r/5 - 1)^2 - ln 5, in bits, for r up to 5.
    """
    r = _AMOUNT_RATIO
    bits = ratio(277, 100) * r * r - ratio(462, 100) * r - ratio(232, 100)
    return least(bits, ratio(166, 10))


def _customer_compromised() -> Expression:
    """Return P(fraud | amount, suspicions) by Bayes' rule; 1 customer in 333 is compromised.

    The customer's evidence so far is the greatest of the sums over 1, 3 and 7 days: when the
    compromise began is not known.
    """
    sums = [CustomerSum(SUSPICION.name, days) for days in (1, 3, 7)]
    half_bits = greatest(greatest(sums[0], sums[1]), sums[2])
    bits = greatest(least(ratio(half_bits, 2), 30), -30)
    innocence = power_of_two(0 - bits) * 333 + ratio(2, 3)
    return ratio(1, 1 + innocence * 3 * power_of_two(0 - _fraud_bits()))


def _terminal_compromised() -> Expression:
    """Return P(the terminal is compromised now) from its run of known terminal frauds.

    A compromise lasts 672 hours, and what happened in the last 168 is not known yet. With a run of
    known frauds that began `age` hours before the delay, the last `last` hours before it, and no
    genuine one since `genuine` hours, the start is uniform between the last genuine hour and the
    first fraud: the share of starts whose 672 hours are not over. Without a run, one may have
    begun in the hours not seen, at one in 120,000 an hour (two of 10,000 terminals a day).
    """
    age = LabelRun("terminal", "n_fraud_terminal", "age_hours")
    last = LabelSince("terminal", "n_fraud_terminal")
    genuine = LabelSince("terminal", "n_genuine")
    lasting = ratio(
        greatest(least(genuine, 504) - age, 0), greatest(least(genuine, last + 672) - age, 1)
    )
    return where(
        age > 0,
        lasting + (1 - lasting) * ratio(14, 10_000),
        ratio(least(genuine + 168, 672), 120_000),
    )


def posterior_features() -> tuple[Feature, ...]:
    """Return both probabilities and the one of either."""
    customer, terminal = _customer_compromised(), _terminal_compromised()
    return (
        Feature(
            "customer_fraud_probability",
            "Probability of fraud by a compromised customer, from amounts of the last 7 days.",
            customer,
            rises=True,
        ),
        Feature(
            "terminal_fraud_probability",
            "Probability that the terminal is compromised, from its run of known frauds.",
            terminal,
            rises=True,
        ),
        Feature(
            PRIOR_NAME,
            "Probability of fraud by either, as if they were independent.",
            1 - (1 - customer) * (1 - terminal),
            rises=True,
        ),
    )
