"""The fraud team's choices: the quarantine limit, training, the A/B test, promotion.

Here: these choices and limits, with defaults.
Not here: constants of the data contract (`fraud_platform.contracts`), which are not configurable.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from fraud_platform.settings.base import HomeSettings
from fraud_platform.settings.choices import require_estimator
from fraud_platform.settings.days import require_day

SEED = 20_180_401
"""Of every random choice, unless a deployment sets another."""


class DecisionSettings(HomeSettings):
    """From drops to a decision about a model."""

    first_day: str = Field(
        default="2018-04-01",
        description="Days before it are never built; the UI begins with the data.",
    )
    max_quarantined_share: float = Field(
        default=0.01, ge=0, le=1, description="A drop with a larger quarantined share is held."
    )
    max_class_quarantined_share: float = Field(
        default=0.05,
        ge=0,
        le=1,
        description="The same of each label, kind of fraud and day: above it a drop is held.",
    )
    max_taken_share: float = Field(
        default=0.01,
        ge=0,
        le=1,
        description="Share of a drop's ids that another drop may have with other contents.",
    )
    max_fraud_share_factor: float = Field(
        default=4.0,
        ge=1,
        description="By which a drop's share of frauds may differ from that of published drops.",
    )
    max_days_from_name: int = Field(
        default=92, ge=0, description="Days that a drop's days may lie from those of its name."
    )
    catch_up_weeks: int = Field(
        default=4,
        ge=1,
        description="Maximum number of knowledge dates decided after a backlog; the latest ones.",
    )
    estimator: str = Field(default="xgboost", description="Estimator of the weekly candidate.")
    model_features: Literal["chosen", "all", "auto"] = Field(
        default="chosen",
        description=(
            "Declared features that a candidate uses, see [features.md](features.md): those that "
            "the data set names, all, or those that training chooses within its own days."
        ),
    )
    training_days: int = Field(
        default=28, ge=7, description="Maximum number of days that a candidate is trained on."
    )
    max_training_rows: int = Field(
        default=3_000_000,
        ge=1_000,
        description="If there are more training rows, genuine ones are sampled by id.",
    )
    seed: int = Field(default=SEED, description="Seed of every random choice.")
    max_alerts_per_day: float = Field(
        default=100.0, gt=0, description="Alerts a day that the fraud team can review."
    )
    max_false_positive_rate: float = Field(
        default=0.01, gt=0, lt=1, description="Maximum share of genuine rows that may alert."
    )
    review_cost: float = Field(
        default=5.0, ge=0, description="Cost of reviewing one alert, in currency units."
    )
    bootstrap_resamples: int = Field(
        default=2_000, ge=200, description="Number of bootstrap resamples in the A/B test."
    )
    card_precision_margin: float = Field(
        default=0.02, ge=0, description="Non-inferiority margin of card precision."
    )
    expected_loss_margin: float = Field(
        default=0.05, ge=0, description="Relative non-inferiority margin of expected loss."
    )
    cards_per_day: int = Field(
        default=100, ge=1, description="Cards reviewed a day: k of card precision at k."
    )
    min_defrauded_customers: int = Field(
        default=20,
        ge=2,
        description="Minimum number of defrauded customers for a verdict of the A/B test.",
    )
    min_card_precision: float = Field(
        default=0.0, ge=0, le=1, description="Guardrail: minimum card precision of a champion."
    )
    min_card_precision_share: float = Field(
        default=0.2,
        ge=0,
        le=1,
        description="Guardrail: minimum card precision as a share of a perfect model's.",
    )
    min_scenario_recall: float = Field(
        default=0.0, ge=0, le=1, description="Guardrail: minimum recall of each fraud scenario."
    )
    promotion_mode: Literal["automatic", "approval"] = Field(
        default="automatic",
        description="Whether a verdict is applied at once or after a person approves it.",
    )

    @field_validator("estimator")
    @classmethod
    def _check_estimator(cls, name: str) -> str:
        return require_estimator(name)

    @field_validator("first_day")
    @classmethod
    def _check_first_day(cls, day: str) -> str:
        return require_day(day)
