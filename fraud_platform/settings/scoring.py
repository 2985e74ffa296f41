"""Live scoring.

Here: the engine, the sizes of plans and micro-batches, the duplicate horizon.
Not here: scoring (`fraud_platform.scoring`), Kafka (`settings.kafka`).
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from fraud_platform.settings.base import HomeSettings
from fraud_platform.settings.days import require_day


class ScoringSettings(HomeSettings):
    """Live scoring."""

    scoring_engine: Literal["spark", "inprocess"] = Field(
        default="spark", description="Engine of the scoring runs that the sensor starts."
    )
    max_plan_messages: int = Field(
        default=1_000_000, ge=1, description="Maximum number of messages in one scoring run."
    )
    max_batch_messages: int = Field(
        default=50_000,
        ge=1,
        description="Maximum number of messages in one micro-batch, which is one commit.",
    )
    duplicate_horizon_days: int = Field(
        default=30,
        ge=1,
        description="Days of stream time in which a repeated id counts as a duplicate.",
    )
    # much less than an hour, so that a wrong time zone or a missed summer time is found
    max_ahead_seconds: int = Field(
        default=900,
        ge=60,
        le=86_400,
        description="Maximum seconds by which a message may be dated ahead of its arrival.",
    )
    follow_interval_ms: int = Field(
        default=100,
        ge=10,
        le=5_000,
        description="Maximum time in milliseconds that `score --follow` waits for messages.",
    )
    first_planning_day: str = Field(
        default="2026-01-01", description="First partition of the inference batches."
    )

    @field_validator("first_planning_day")
    @classmethod
    def _check_first_planning_day(cls, day: str) -> str:
        return require_day(day)
