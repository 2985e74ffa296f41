"""The parts of a metric's formula: sums over weighted rows, and functions of them.

Here: `RowSum`, `WeightedSums`, `Formula`, `share`.
Not here: the metrics (`fraud_platform.comparison.metrics`), computing the sums for thousands of
weight vectors (`fraud_platform.comparison.replicates`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fraud_platform.comparison.inputs import ComparisonConfig, ComparisonRows, ScoredModel

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class RowSum:
    """A sum over rows, in which each row counts as often as its cluster was drawn.

    Attributes:
        of: what each row adds, shape (n,), from the rows and a model's scores: booleans for a
            count, numbers for a sum.
        per_model: False if the model makes no difference; the sum is then computed only once.
    """

    of: Callable[[ComparisonRows, ScoredModel], npt.NDArray[Any]]
    per_model: bool = True


@dataclass(frozen=True)
class WeightedSums:
    """What a formula reads of one model, for r weight vectors; each array has shape (r,).

    Attributes:
        average_precision: computed from the ranking of rows.
        auc_roc: computed from the ranking of rows.
        card_precision: computed from the ranking of cards.
        days: number of distinct days in the rows.
        config: the rules of the comparison, such as the review cost.
        sums: the sums that the formulas declare; read them as `weighted[FRAUDS]`.
    """

    average_precision: Floats
    auc_roc: Floats
    card_precision: Floats
    days: int
    config: ComparisonConfig
    sums: Mapping[RowSum, Floats]

    def __getitem__(self, row_sum: RowSum) -> Floats:
        """Return a sum.

        Raises:
            ValueError: no formula declares it.
        """
        if row_sum not in self.sums:
            raise ValueError(
                f"expected a sum that a formula declares, found {row_sum}. Name it in the `sums` "
                "of the metric's `Formula`."
            )
        return self.sums[row_sum]


@dataclass(frozen=True)
class Formula:
    """A metric as a function of weighted sums.

    Attributes:
        of: the metric, shape (r,); NaN if it is undefined. A division by 0 is allowed.
        sums: every sum that `of` reads.
    """

    of: Callable[[WeightedSums], Floats]
    sums: tuple[RowSum, ...] = ()


def share(part: RowSum, whole: RowSum) -> Formula:
    """Return the formula of a share: one sum divided by another, NaN for 0 by 0."""
    return Formula(lambda weighted: weighted[part] / weighted[whole], (part, whole))


FRAUDS = RowSum(lambda rows, model: rows.is_fraud.astype(bool), per_model=False)
GENUINE = RowSum(lambda rows, model: ~rows.is_fraud.astype(bool), per_model=False)
ALERTED_FRAUDS = RowSum(lambda rows, model: rows.is_fraud.astype(bool) & model.is_alert)
ALERTED_GENUINE = RowSum(lambda rows, model: ~rows.is_fraud.astype(bool) & model.is_alert)
MISSED_CENTS = RowSum(
    lambda rows, model: rows.amount_cents * (rows.is_fraud.astype(bool) & ~model.is_alert)
)
SQUARED_ERROR = RowSum(lambda rows, model: (model.probability - rows.is_fraud.astype(bool)) ** 2)
