"""Features that are fraud probabilities, derived from the known behaviour of the fraud scenarios.

Here: the probability that the customer is compromised, that the terminal is compromised, and of
either. A week of training contains only a few hundred frauds. The known mechanics of the three
scenarios (a compromised customer's frauds have five times the amount, for 14 days; a compromised
terminal makes every transaction fraud, for 28 days) carry more information than trees can learn
from so few frauds. The constants are those of the published simulator; they are not fitted to its
later weeks. Every model calibrates the probabilities again (`training.boosted_trees`).
Not here: the other features (`datasets.handbook.features`), the meaning of terms
(`contracts.feature_language.terms`).
"""

from __future__ import annotations

from fraud_platform.contracts.feature_language.declarables import Feature, Flag
from fraud_platform.contracts.feature_language.expressions import (
    Expression,
    greatest,
    least,
    power_of_two,
    ratio,
    where,
    wrap,
)
from fraud_platform.contracts.feature_language.terms import (
    CustomerSum,
    LabelRun,
    LabelSince,
    LabelSum,
    RowTerm,
)

PRIOR_NAME = "fraud_prior"
"""Name of the feature that is the probability of fraud; a model may use it as its base margin."""

_AMOUNT = RowTerm("amount_cents")
_GENUINE_N = LabelSum("customer", "n_genuine", 30)
_GENUINE_CENTS = LabelSum("customer", "genuine_cents", 30)
_AMOUNT_RATIO = least(ratio(_AMOUNT * _GENUINE_N, _GENUINE_CENTS, default=1.0), 5)

_HALF_BIT_STEPS = (
    *(193, 216, 229, 238, 245, 252, 258, 263, 269, 274),
    *(279, 283, 288, 292, 296, 301, 305, 309, 313),
)
"""Amounts at which the evidence increases by half a bit, in percent of the known-genuine mean."""


def _half_bits() -> Expression:
    """Return round(2 log2(2/3 + LR/3)) of an amount, at most 18, as a sum of comparisons.

    One third of a compromised customer's transactions are fraud, so the likelihood ratio of
    "compromised" is 2/3 + LR/3. LR is the likelihood ratio of `_fraud_bits`.
    """
    scaled = _AMOUNT * _GENUINE_N * 100
    half_bits: Expression = wrap(-1)
    for hundredths in _HALF_BIT_STEPS:
        half_bits = half_bits + (scaled > _GENUINE_CENTS * hundredths)
    return half_bits


SUSPICION = Flag(
    "suspicion_half_bits",
    "Evidence that the customer is compromised, from the ratio of the amount to the known-genuine "
    "mean, in half bits, -1 to 18.",
    _half_bits(),
)


def _fraud_bits() -> Expression:
    """Return log2 LR of an amount that is r times the mean: fraud against genuine.

    Genuine amounts are approximately normal with a standard deviation of half the mean; fraudulent
    ones are five times as large. So ln LR = 2 (r - 1)^2 - 2 (r/5 - 1)^2 - ln 5, here in bits, for
    r up to 5.
    """
    r = _AMOUNT_RATIO
    bits = ratio(277, 100) * r * r - ratio(462, 100) * r - ratio(232, 100)
    return least(bits, ratio(166, 10))


def _customer_compromised() -> Expression:
    """Return P(fraud | amount, earlier evidence) by Bayes' rule, with a prior of 1 in 333.

    The start of a compromise is unknown, so the earlier evidence is the largest of the customer's
    sums over 1, 3 and 7 days.
    """
    sums = [CustomerSum(SUSPICION.name, days) for days in (1, 3, 7)]
    half_bits = greatest(greatest(sums[0], sums[1]), sums[2])
    bits = greatest(least(ratio(half_bits, 2), 30), -30)
    innocence = power_of_two(0 - bits) * 333 + ratio(2, 3)
    return ratio(1, 1 + innocence * 3 * power_of_two(0 - _fraud_bits()))


def _terminal_compromised() -> Expression:
    """Return P(the terminal is compromised now) from its run of known terminal frauds.

    A compromise lasts 672 hours, and labels of the last 168 hours are not known yet. Hours are
    counted back from h - 168: the run of known frauds began `age` hours ago, its last fraud was
    `last` hours ago, and the last known genuine transaction `genuine` hours ago. The start is
    uniform between that genuine transaction and the first fraud, so the probability is the share
    of possible starts whose 672 hours are not over. Without a run, a compromise may have started
    in the hours without known labels, with a rate of 1 in 120,000 an hour (two of 10,000 terminals
    a day).
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
    """Return the customer's and the terminal's probability, and the probability of either."""
    customer, terminal = _customer_compromised(), _terminal_compromised()
    return (
        Feature(
            "customer_fraud_probability",
            "Probability of fraud because the customer is compromised, from amounts of the last "
            "7 days.",
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
            "Probability of fraud because either is compromised, assuming independence.",
            1 - (1 - customer) * (1 - terminal),
            rises=True,
        ),
    )
