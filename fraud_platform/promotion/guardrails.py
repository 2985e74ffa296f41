"""Guardrails: minimum values of a champion, independent of the comparison.

Here: the operator's minimum values, and the explanation of a refusal, with the value that a
perfect model reaches.
Not here: the verdict (`fraud_platform.comparison`), deciding (`promotion.decision`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fraud_platform.contracts.active import SOURCE
from fraud_platform.promotion.evidence import Evidence

if TYPE_CHECKING:
    from fraud_platform.settings import Settings


@dataclass(frozen=True)
class Guardrails:
    """Minimum values of a champion, independent of the comparison.

    Card precision depends on how many cards a day are defrauded: if there are fewer than k, no
    model reaches 1. A share of a perfect model's card precision on the same rows is therefore a
    better limit for a portfolio of unknown size.

    Attributes:
        min_card_precision: minimum card precision at k.
        min_scenario_recall: minimum recall of each fraud scenario in the test rows.
        min_card_precision_share: minimum card precision as a share of a perfect model's.
    """

    min_card_precision: float
    min_scenario_recall: float
    min_card_precision_share: float

    @classmethod
    def from_settings(cls, settings: Settings) -> Guardrails:
        """Return the guardrails from the settings."""
        return cls(
            settings.min_card_precision,
            settings.min_scenario_recall,
            settings.min_card_precision_share,
        )

    def refusal(self, evidence: Evidence) -> tuple[str, str] | None:
        """Return name and explanation of the first guardrail that is not met, or None."""
        if not evidence.card_precision >= self.min_card_precision:
            return "min_card_precision", _card_precision_words(
                "min_card_precision", self.min_card_precision, evidence
            )
        attainable = evidence.attainable_card_precision
        if attainable is not None:
            least = self.min_card_precision_share * attainable
            if not evidence.card_precision >= least:
                return "min_card_precision_share", _card_precision_words(
                    "min_card_precision_share", least, evidence
                )
        for scenario, recall in sorted(evidence.scenario_recall.items()):
            if recall < self.min_scenario_recall:
                return "min_scenario_recall", (
                    f"min_scenario_recall refuses: recall of {_kind(scenario)} fraud is "
                    f"{recall:.4f}, "
                    f"expected at least {self.min_scenario_recall:.4f}"
                )
        return None

    def unattainable(self, evidence: Evidence) -> str | None:
        """Return the explanation of a guardrail that no model can meet on these rows, or None."""
        attainable = evidence.attainable_card_precision
        if attainable is None or self.min_card_precision <= attainable:
            return None
        return (
            f"min_card_precision {self.min_card_precision:.4f} cannot be attained: a perfect model "
            f"reaches {attainable:.4f}. {_remedy(evidence, attainable)}"
        )


def _card_precision_words(name: str, least: float, evidence: Evidence) -> str:
    words = (
        f"{name} refuses: card precision is {evidence.card_precision:.4f}, "
        f"expected at least {least:.4f}"
    )
    attainable = evidence.attainable_card_precision
    if attainable is None:
        return words
    if least <= attainable:
        return f"{words}; a perfect model reaches {attainable:.4f} on these rows"
    return (
        f"{words}, but a perfect model reaches only {attainable:.4f} on these rows: no model can "
        f"pass. {_remedy(evidence, attainable)}"
    )


def _remedy(evidence: Evidence, attainable: float) -> str:
    k = evidence.cards_per_day or 0
    cards = max(1, round(attainable * k))
    return (
        f"Set FRAUD_MIN_CARD_PRECISION below {attainable:.4f}, or FRAUD_CARDS_PER_DAY (k, now {k}) "
        f"to about {cards}, the cards that are defrauded in a day; then materialize ab_report and "
        "promotion again"
    )


def _kind(scenario: int) -> str:
    """Return the name of a kind of fraud; its number if an older declaration had it."""
    kinds = SOURCE.label.kinds
    return kinds[scenario - 1] if scenario <= len(kinds) else f"kind {scenario}"
