"""The inputs of a comparison: its rows, scored models and rules.

Here: typed inputs and their validation.
Not here: reading them from the lake (`fraud_platform.defs`), which rows count
(`fraud_platform.comparison.evaluation`), metrics (`fraud_platform.comparison.metrics`), results
(`fraud_platform.comparison.results`).
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fraud_platform.contracts.active import MINOR_UNITS, SOURCE
from fraud_platform.errors import NotEnoughDataError

if TYPE_CHECKING:
    from fraud_platform.settings import Settings

SCENARIOS: tuple[int, ...] = tuple(range(1, len(SOURCE.label.kinds) + 1))
"""The data set's kinds of fraud."""


class Role(StrEnum):
    """The role of a model in a comparison."""

    CANDIDATE = "candidate"
    CHAMPION = "champion"
    NEVER_FRAUD = "never_fraud"
    AMOUNT_ABOVE = "amount_above"


BASELINES: tuple[Role, ...] = (Role.NEVER_FRAUD, Role.AMOUNT_ABOVE)


@dataclass(frozen=True)
class ScoredModel:
    """A model's scores of the comparison's rows.

    Attributes:
        name: name of the registered model.
        version: its version.
        probability: fraud probability of each row, shape (n,), in the order of the rows.
        threshold: a row alerts if its probability is >= threshold.
    """

    name: str
    version: str
    probability: npt.NDArray[np.float64]
    threshold: float

    @property
    def is_alert(self) -> npt.NDArray[np.bool_]:
        """Whether each row alerts, shape (n,)."""
        return self.probability >= self.threshold


@dataclass(frozen=True)
class ComparisonRows:
    """The out-of-time rows that all models of a comparison scored; all columns have shape (n,).

    Attributes:
        day: the transaction's day, integers or dates.
        transaction_id: unique id.
        customer_id: the card's holder.
        terminal_id: the terminal.
        amount_cents: the amount in cents.
        is_fraud: the label.
        fraud_scenario: 0 for genuine rows, else 1 to 3.
    """

    day: npt.NDArray[Any]
    transaction_id: npt.NDArray[np.int64]
    customer_id: npt.NDArray[np.int64]
    terminal_id: npt.NDArray[np.int64]
    amount_cents: npt.NDArray[np.int64]
    is_fraud: npt.NDArray[np.bool_]
    fraud_scenario: npt.NDArray[np.int64]

    @classmethod
    def from_columns(cls, columns: Any, day: str = "tx_date") -> ComparisonRows:
        """Return the rows of a pandas frame or a mapping of columns, named as `transactions`.

        Args:
            columns: anything that returns an array for a column name.
            day: name of the column with the day.
        """
        named = {f.name: np.asarray(columns[f.name]) for f in fields(cls) if f.name != "day"}
        return cls(day=np.asarray(columns[day]), **named)

    def __len__(self) -> int:
        return len(self.transaction_id)

    def order(self) -> npt.NDArray[np.intp]:
        """Return the positions that sort the rows by transaction_id.

        Raises:
            NotEnoughDataError: there is no row, no fraud or no genuine row.
            ValueError: columns differ in length, or a transaction_id is repeated.
        """
        lengths = {f.name: len(getattr(self, f.name)) for f in fields(self)}
        if len(set(lengths.values())) != 1:
            raise ValueError(f"expected columns of equal length, found {lengths}")
        frauds = int(np.sum(self.is_fraud))
        if not 0 < frauds < len(self):
            raise NotEnoughDataError(
                f"a comparison needs frauds and genuine rows, found {frauds} frauds in "
                f"{len(self)} rows. Wait for labels, or choose another knowledge date."
            )
        order = np.argsort(self.transaction_id, kind="stable")
        ids = self.transaction_id[order]
        repeated = ids[1:][ids[1:] == ids[:-1]]
        if len(repeated):
            raise ValueError(
                f"expected distinct transaction_ids, found {len(repeated)} repeated, the first "
                f"{repeated[0]}"
            )
        return order

    def take(self, positions: npt.NDArray[np.intp]) -> ComparisonRows:
        """Return the rows at the positions, in that order."""
        return ComparisonRows(**{f.name: getattr(self, f.name)[positions] for f in fields(self)})


@dataclass(frozen=True)
class ComparisonConfig:
    """The rules of a comparison; the defaults are those of `Settings`.

    Attributes:
        resamples: bootstrap resamples for each clustering.
        seed: seed of the resamples.
        confidence_level: level of the two-sided intervals.
        k: number of cards reviewed a day, for card precision at k.
        review_cost: cost of reviewing one alert, in currency units.
        card_precision_margin: largest tolerated loss of card precision, absolute.
        expected_loss_margin: largest tolerated increase of expected loss, relative to the
            reference's.
        amount_rule_cents: the baseline "amount above k" alerts above this amount, see
            `training.amount_rule`; None if none was learned: it then never alerts.
        min_defrauded_customers: with fewer there are too few independent frauds for a reliable
            interval, and the verdict is `not_enough_evidence`.
    """

    resamples: int
    seed: int
    k: int
    review_cost: float
    card_precision_margin: float
    expected_loss_margin: float
    min_defrauded_customers: int
    confidence_level: float = 0.95
    amount_rule_cents: int | None = None

    @classmethod
    def from_settings(
        cls, settings: Settings, amount_rule_cents: int | None = None
    ) -> ComparisonConfig:
        """Return the rules from the settings.

        Args:
            settings: the settings.
            amount_rule_cents: the learned amount of the baseline "amount above k".
        """
        return cls(
            resamples=settings.bootstrap_resamples,
            seed=settings.seed,
            k=settings.cards_per_day,
            review_cost=settings.review_cost,
            card_precision_margin=settings.card_precision_margin,
            expected_loss_margin=settings.expected_loss_margin,
            amount_rule_cents=amount_rule_cents,
            min_defrauded_customers=settings.min_defrauded_customers,
        )


def baseline_models(rows: ComparisonRows, amount_rule_cents: int | None) -> dict[Role, ScoredModel]:
    """Return the two baselines, which any model must beat, in the form of scored models.

    "Never fraud" gives every row the probability 0. "Amount above k" alerts above k; its score is
    a / (a + k) for the amount a, and 0 for a refund. It is one half at k but not a calibrated
    probability. Without a k it only ranks and never alerts.
    """
    # a refund of more than k would have a score above 1
    amounts = np.maximum(rows.amount_cents, 0).astype(np.float64)
    name = "amount, no alerts"
    if amount_rule_cents is None:
        amount_rule_cents = int(amounts.max(initial=0.0))
    else:
        name = f"amount above {amount_rule_cents / MINOR_UNITS:,.{SOURCE.amount.digits}f}"
    cut = max(amount_rule_cents, 0) + 0.5
    return {
        Role.NEVER_FRAUD: ScoredModel("never fraud", "", np.zeros(len(rows)), 0.5),
        Role.AMOUNT_ABOVE: ScoredModel(name, "", amounts / (amounts + cut), 0.5),
    }
