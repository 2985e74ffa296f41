"""The metrics of the A/B report, each declared once.

Here: `Metric`. A member's declaration decides its value, its place and format in the tables, the
family of the Holm adjustment, the forest plot, and its names in `ab_report`, MLflow and Dagster.
To add a metric, add one member (docs/extending.md).
Not here: the sums that formulas read (`fraud_platform.comparison.weighted_sums`), the same metrics
as functions of numpy arrays (`fraud_platform.comparison.plain_metrics`), which metrics decide a
promotion (`fraud_platform.comparison.gate`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Self

import numpy as np

from fraud_platform.comparison.weighted_sums import (
    ALERTED_FRAUDS,
    ALERTED_GENUINE,
    FRAUDS,
    GENUINE,
    MISSED_CENTS,
    SQUARED_ERROR,
    Floats,
    Formula,
    RowSum,
    WeightedSums,
    share,
)
from fraud_platform.contracts.active import MINOR_UNITS, SOURCE


def _expected_loss(weighted: WeightedSums) -> Floats:
    """Return missed amounts plus the cost of reviews, in currency units a day."""
    alerts = weighted[ALERTED_FRAUDS] + weighted[ALERTED_GENUINE]
    reviews = weighted.config.review_cost * alerts
    return (weighted[MISSED_CENTS] / MINOR_UNITS + reviews) / weighted.days


def _brier(weighted: WeightedSums) -> Floats:
    return weighted[SQUARED_ERROR] / (weighted[FRAUDS] + weighted[GENUINE])


def _recall_of_scenario(scenario: int) -> Formula:
    """Return the share of a scenario's frauds that alert."""
    return share(
        RowSum(lambda rows, model: (rows.fraud_scenario == scenario) & model.is_alert),
        RowSum(lambda rows, model: rows.fraud_scenario == scenario, per_model=False),
    )


@dataclass(frozen=True)
class Declaration:
    """Everything about one metric.

    Attributes:
        name: its name in tables, MLflow and Dagster.
        label: its name for people.
        formula: its value as a function of weighted sums.
        decimals: number of decimals that a report shows.
        higher_is_better: whether a greater value is better.
        is_tested: whether its difference has an interval, a p-value and a row in the forest plot.
            Holm's adjustment is stricter with each tested metric. A metric that is not tested is
            listed for each model only.
    """

    name: str
    label: str
    formula: Formula
    decimals: int = 4
    higher_is_better: bool = True
    is_tested: bool = True


def _recall_of_kind(number: int) -> Declaration:
    """Return the recall of one kind of fraud, by the name that the data set gives it."""
    kind = SOURCE.label.kinds[number - 1]
    return Declaration(
        f"recall_scenario_{number}", f"recall, {kind}", _recall_of_scenario(number),
        is_tested=False,
    )  # fmt: skip


class Metric(StrEnum):
    """The metrics of a comparison, in the order in which reports list them.

    A member is a string, the metric's name, with the attributes of its `Declaration`.
    """

    label: str
    formula: Formula
    decimals: int
    higher_is_better: bool
    is_tested: bool

    def __new__(cls, declared: Declaration) -> Self:
        """Return the member with the attributes of its declaration."""
        member = str.__new__(cls, declared.name)
        member._value_ = declared.name
        member.label, member.formula = declared.label, declared.formula
        member.decimals, member.is_tested = declared.decimals, declared.is_tested
        member.higher_is_better = declared.higher_is_better
        return member

    AVERAGE_PRECISION = Declaration(
        "average_precision", "average precision", Formula(lambda x: x.average_precision)
    )
    AUC_ROC = Declaration("auc_roc", "AUC ROC", Formula(lambda x: x.auc_roc))
    CARD_PRECISION = Declaration(
        "card_precision", "card precision at k", Formula(lambda x: x.card_precision)
    )
    RECALL = Declaration("recall", "recall at threshold", share(ALERTED_FRAUDS, FRAUDS))
    FALSE_POSITIVE_RATE = Declaration(
        "false_positive_rate",
        "false positive rate",
        share(ALERTED_GENUINE, GENUINE),
        decimals=5,
        higher_is_better=False,
    )
    EXPECTED_LOSS = Declaration(
        "expected_loss",
        "expected loss a day",
        Formula(_expected_loss, (ALERTED_FRAUDS, ALERTED_GENUINE, MISSED_CENTS)),
        decimals=2,
        higher_is_better=False,
    )
    BRIER = Declaration(
        "brier",
        "Brier score",
        Formula(_brier, (SQUARED_ERROR, FRAUDS, GENUINE)),
        decimals=5,
        higher_is_better=False,
    )
    RECALL_SCENARIO_1 = _recall_of_kind(1)
    if len(SOURCE.label.kinds) >= 2:
        RECALL_SCENARIO_2 = _recall_of_kind(2)
    if len(SOURCE.label.kinds) >= 3:
        RECALL_SCENARIO_3 = _recall_of_kind(3)

    def show(self, value: float, signed: bool = False) -> str:
        """Return a value in the metric's number of decimals."""
        return "-" if np.isnan(value) else f"{value:{'+' if signed else ''},.{self.decimals}f}"

    def show_difference(self, value: float, low: float, high: float) -> str:
        """Return a signed difference and its interval."""
        return f"{self.show(value, True)} [{self.show(low, True)}, {self.show(high, True)}]"


TESTED_METRICS: tuple[Metric, ...] = tuple(metric for metric in Metric if metric.is_tested)
"""The family of the Holm adjustment; recalls by kind of fraud only inform."""
