"""What the fraud team decides: cleaning's limit, training, the A/B test, promotion.

Here: their choices and constraints, with defaults.
Not here: facts of the data contract (`fraud_platform.contracts`), which nobody may set.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from fraud_platform.settings.base import HomeSettings
from fraud_platform.settings.days import require_day


class DecisionSettings(HomeSettings):
    """From drops to a decision about a model."""

    first_day: str = Field(
        default="2018-04-01", description="First day of the daily and weekly partitions."
    )
    max_quarantined_share: float = Field(
        default=0.01, ge=0, le=1, description="Quarantined share above which a drop is held."
    )
    catch_up_weeks: int = Field(
        default=4, ge=1, description="Most knowledge dates decided after a backlog, the latest."
    )
    estimator: Literal["xgboost", "random_forest"] = Field(
        default="xgboost", description="The estimator that the weekly candidate uses."
    )
    model_features: Literal["chosen", "all"] = Field(
        default="chosen", description="Which declared features a candidate takes, see docs."
    )
    training_days: int = Field(
        default=28, ge=7, description="Most days of history that a candidate is trained on."
    )
    max_training_rows: int = Field(
        default=3_000_000, ge=1_000, description="Above this, genuine rows are sampled by id."
    )
    seed: int = Field(default=20_180_401, description="Seed of every random choice.")
    max_alerts_per_day: float = Field(
        default=100.0, gt=0, description="Alerts a day that the fraud team can work through."
    )
    max_false_positive_rate: float = Field(
        default=0.01, gt=0, lt=1, description="Highest share of genuine rows that may alert."
    )
    review_cost: float = Field(
        default=5.0, ge=0, description="Cost of one alert's review, in currency units."
    )
    bootstrap_resamples: int = Field(
        default=2_000, ge=200, description="Resamples of the A/B test."
    )
    card_precision_margin: float = Field(
        default=0.02, ge=0, description="Non-inferiority margin of card precision."
    )
    expected_loss_margin: float = Field(
        default=0.05, ge=0, description="Non-inferiority margin of expected loss, relative."
    )
    cards_per_day: int = Field(
        default=100, ge=1, description="Cards a day that are looked at: k of card precision."
    )
    min_defrauded_customers: int = Field(
        default=20, ge=2, description="Defrauded customers that an A/B test needs for a verdict."
    )
    min_card_precision: float = Field(
        default=0.0, ge=0, le=1, description="Guardrail: lowest card precision of a champion."
    )
    min_card_precision_share: float = Field(
        default=0.2,
        ge=0,
        le=1,
        description="Guardrail: the same, as a share of what a perfect model reaches.",
    )
    min_scenario_recall: float = Field(
        default=0.0, ge=0, le=1, description="Guardrail: lowest recall of any fraud scenario."
    )
    promotion_mode: Literal["automatic", "approval"] = Field(
        default="automatic", description="Whether a verdict acts at once or after a person's word."
    )

    @field_validator("first_day")
    @classmethod
    def _check_first_day(cls, day: str) -> str:
        return require_day(day)
