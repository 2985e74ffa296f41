"""Every feature, declared once: the batch engine, the scorer, docs and signature read this.

Here: flags, tile measures, label measures and features, in their order.
To add a feature, add one `Feature` at the end of `FEATURES` (docs/new_feature.md).
Not here: what terms mean (`contracts.feature_language.terms`), how they are computed
(`features.compute.kernel`).
"""

from __future__ import annotations

from fraud_platform.contracts.feature_language.declarables import (
    Declaration,
    Feature,
    Flag,
    LabelMeasure,
    LastTime,
)
from fraud_platform.contracts.feature_language.expressions import (
    Expression,
    greatest,
    least,
    ratio,
    square_root,
)
from fraud_platform.contracts.feature_language.terms import (
    GENUINE,
    LAST_SECOND,
    CustomerSince,
    CustomerSum,
    Entity,
    LabelRun,
    LabelSince,
    LabelSum,
    RowTerm,
    TerminalSum,
    VisitSum,
)
from fraud_platform.contracts.time import SECONDS_PER_HOUR
from fraud_platform.datasets.handbook.posterior import PRIOR_NAME, SUSPICION, posterior_features

AMOUNT = RowTerm("amount_cents")
_HOUR = RowTerm("hour_of_day")


def _customer(measure: str, days: int) -> Expression:
    return CustomerSum(measure, days)


def _known(entity: Entity, measure: str, days: int) -> Expression:
    return LabelSum(entity, measure, days)


_GENUINE_N = _known("customer", GENUINE, 30)
_GENUINE_CENTS = _known("customer", "genuine_cents", 30)
_GENUINE_SQUARES = _known("customer", "genuine_squares", 30)

LABEL_MEASURES: tuple[LabelMeasure, ...] = (
    LabelMeasure(GENUINE, "Genuine labels.", frozenset({0})),
    LabelMeasure("genuine_cents", "Amount of genuine labels, cents.", frozenset({0}), "cents"),
    LabelMeasure(
        "genuine_squares",
        "Squared amounts of genuine labels, in whole currency units.",
        frozenset({0}),
        "squares",
    ),
    LabelMeasure("n_fraud", "Fraud labels.", frozenset({1, 2, 3})),
    LabelMeasure("n_fraud_amount", "Fraud labels of scenario 1, amount.", frozenset({1})),
    LabelMeasure("n_fraud_terminal", "Fraud labels of scenario 2, terminal.", frozenset({2})),
    LabelMeasure("n_fraud_customer", "Fraud labels of scenario 3, customer.", frozenset({3})),
)

FLAGS: tuple[Flag, ...] = (
    Flag(
        "n_suspicious",
        "Amount above 2.2 times the customer's known-genuine mean.",
        AMOUNT * _GENUINE_N * 10 > _GENUINE_CENTS * 22,
    ),
    Flag(
        "n_very_suspicious",
        "Amount above 3 times the customer's known-genuine mean.",
        AMOUNT * _GENUINE_N > _GENUINE_CENTS * 3,
    ),
    SUSPICION,
)

LAST_TIMES: tuple[LastTime, ...] = (
    LastTime(LAST_SECOND, "Second (since 1970) of the last transaction."),
    LastTime(
        "last_suspicious_second",
        "Second (since 1970) of the last suspicious transaction; 0 if there is none.",
        flag="n_suspicious",
    ),
)

_HANDBOOK_DAYS = (1, 7, 30)
_RISK_DAYS = (1, 2, 3, 5, 7, 14, 21, 28, 30)


def _handbook() -> tuple[Feature, ...]:
    """Return the Fraud Detection Handbook's 15 features, in hourly windows."""
    customer = []
    for n in _HANDBOOK_DAYS:
        count = _customer("n_transactions", n) + 1
        customer += [
            Feature(
                f"customer_n_transactions_{n}d",
                f"The customer's transactions of the last {n} days, this one included.",
                count,
            ),
            Feature(
                f"customer_mean_amount_{n}d",
                f"Mean amount of the customer's last {n} days, this one included.",
                ratio(_customer("amount_cents", n) + AMOUNT, count * 100),
            ),
        ]
    terminal = []
    for n in _HANDBOOK_DAYS:
        count = TerminalSum("n_transactions", n)
        terminal += [
            Feature(
                f"terminal_n_transactions_{n}d",
                f"Transactions at the terminal in the {n} days before the label delay.",
                count,
            ),
            Feature(
                f"terminal_risk_{n}d",
                f"Known frauds for each transaction at the terminal, {n} days before the delay.",
                ratio(_known("terminal", "n_fraud", n), count),
            ),
        ]
    return (
        Feature("amount", "Amount of the transaction.", ratio(AMOUNT, 100), rises=True),
        Feature("is_weekend", "1 on Saturday and Sunday.", RowTerm("day_of_week") >= 5),
        Feature("is_night", "1 from 00:00 to 06:59.", _HOUR <= 6),
        *customer,
        *terminal,
    )


def _amounts() -> tuple[Feature, ...]:
    """Return the amount against the customer's own history."""
    own = tuple(
        Feature(
            f"amount_to_mean_{n}d",
            f"Amount over the customer's mean of the last {n} days, this one included.",
            ratio(
                AMOUNT * (_customer("n_transactions", n) + 1),
                _customer("amount_cents", n) + AMOUNT,
            ),
        )
        for n in _HANDBOOK_DAYS
    )
    mean = ratio(_GENUINE_CENTS, _GENUINE_N * 100)
    variance = ratio(_GENUINE_SQUARES, _GENUINE_N) - mean * mean
    return (
        *own,
        Feature("known_genuine_count", "The customer's known genuine transactions.", _GENUINE_N),
        Feature("known_genuine_mean", "Mean amount of the customer's known genuine ones.", mean),
        Feature(
            "amount_to_known_genuine_mean",
            "Amount over the customer's known-genuine mean; 1 where none is known.",
            ratio(AMOUNT * _GENUINE_N, _GENUINE_CENTS, default=1.0),
            rises=True,
        ),
        Feature(
            "amount_known_genuine_z",
            "Distance of the amount from the known-genuine mean, in standard deviations.",
            ratio(
                (ratio(AMOUNT, 100) - mean) * least(_GENUINE_N, 1),
                greatest(square_root(variance), 1),
            ),
        ),
    )


def _suspicions() -> tuple[Feature, ...]:
    """Return how many suspicious amounts the customer had lately."""
    return tuple(
        Feature(
            f"customer_{flag}_{n}d",
            f"The customer's earlier amounts of the last {n} days over {ratio_} times the "
            "known-genuine mean.",
            _customer(flag, n),
        )
        for flag, ratio_ in (("n_suspicious", "2.2"), ("n_very_suspicious", "3"))
        for n in (1, 3, 7, 14)
    )


def _customers() -> tuple[Feature, ...]:
    """Return times since, known frauds and the first visit."""
    since = tuple(
        Feature(f"hours_since_{name}", f"Hours since the customer's {words}; at most 720.", formula)
        for name, words, formula in (
            (
                "last_transaction",
                "last transaction",
                ratio(CustomerSince("last_second"), SECONDS_PER_HOUR),
            ),
            (
                "last_suspicious",
                "last suspicious amount",
                ratio(CustomerSince("last_suspicious_second"), SECONDS_PER_HOUR),
            ),
        )
    )
    frauds = tuple(
        Feature(
            f"customer_known_frauds_{n}d",
            f"The customer's known frauds, {n} days before the label delay.",
            _known("customer", "n_fraud", n),
        )
        for n in (7, 14, 30)
    )
    first_visit = Feature(
        "is_first_visit",
        "1 where the customer was not at this terminal in the last 30 days.",
        VisitSum("n_transactions", 30) <= 0,
    )
    return (*since, *frauds, first_visit)


def _terminal_risks() -> tuple[Feature, ...]:
    """Return counts and shares of the terminal's known frauds."""
    counts: list[Feature] = []
    for n in _RISK_DAYS:
        frauds = _known("terminal", "n_fraud", n)
        counts += [
            Feature(
                f"terminal_known_frauds_{n}d",
                f"Known frauds at the terminal, {n} days before the label delay.",
                frauds,
            ),
            Feature(
                f"terminal_known_fraud_share_{n}d",
                f"Share of frauds in the terminal's known labels, {n} days before the delay.",
                ratio(frauds, frauds + _known("terminal", GENUINE, n)),
            ),
        ]
    return tuple(counts)


def _terminal_kinds() -> tuple[Feature, ...]:
    """Return the terminal's known frauds by kind."""
    unexplained = tuple(
        Feature(
            f"terminal_frauds_beside_amount_{n}d",
            f"Known frauds at the terminal not explained by amount, {n} days before the delay.",
            _known("terminal", "n_fraud", n) - _known("terminal", "n_fraud_amount", n),
        )
        for n in (2, 5, 7, 14, 28)
    )
    scenarios = tuple(
        Feature(
            f"terminal_{name}_{n}d",
            f"Known frauds at the terminal of scenario {scenario}, {n} days before the delay.",
            _known("terminal", name, n),
        )
        for scenario, name in ((2, "n_fraud_terminal"), (3, "n_fraud_customer"))
        for n in (7, 28)
    )
    return (*unexplained, *scenarios)


def _terminal_runs() -> tuple[Feature, ...]:
    """Return times since the terminal's last known labels, and its run of frauds."""
    return (
        Feature(
            "terminal_hours_since_known_genuine",
            "Hours from the terminal's last known genuine hour to the delay; at most 720.",
            LabelSince("terminal", GENUINE),
        ),
        Feature(
            "terminal_hours_since_known_fraud",
            "Hours from the terminal's last known fraud's hour to the delay; at most 720.",
            LabelSince("terminal", "n_fraud"),
        ),
        Feature(
            "terminal_fraud_run",
            "Known frauds at the terminal after its last known genuine hour.",
            LabelRun("terminal", "n_fraud", "length"),
        ),
        Feature(
            "terminal_fraud_run_age_hours",
            "Hours from the first fraud of that run to the delay; 0 if there is none.",
            LabelRun("terminal", "n_fraud", "age_hours"),
        ),
    )


FEATURES: tuple[Feature, ...] = (
    *_handbook(),
    *_amounts(),
    *_suspicions(),
    *_customers(),
    *_terminal_risks(),
    *_terminal_kinds(),
    *_terminal_runs(),
    *posterior_features(),
)
DECLARATION = Declaration(FEATURES, FLAGS, LAST_TIMES, LABEL_MEASURES)
HANDBOOK_NAMES: tuple[str, ...] = tuple(feature.name for feature in _handbook())
CHOSEN_NAMES: tuple[str, ...] = (
    "amount",
    "amount_to_known_genuine_mean",
    "known_genuine_count",
    "customer_fraud_probability",
    "terminal_fraud_probability",
    PRIOR_NAME,
)
"""The features that models use by default. A week holds a few hundred frauds, from which trees
learn noise as soon as features repeat one another: on folds that end before 2018-06-27, average
precision is .774 and AUC ROC .899 with these, .771 and .885 with all, .765 and .888 without
probabilities.
"""
RISING_NAMES: frozenset[str] = frozenset(f.name for f in FEATURES if f.rises)
"""Features with which risk only rises."""
