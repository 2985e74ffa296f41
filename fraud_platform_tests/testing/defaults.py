"""What the settings decide if a deployment sets nothing, with what a test chooses instead.

Here: limits of cleaning, rules of the comparison and guardrails, made from the settings' defaults,
so that no test repeats one.
Not here: settings of a whole platform (`fraud_platform_tests.testing.worlds.platform`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from fraud_platform.cleaning.holding import Limits
from fraud_platform.cleaning.raw_text import UnpackLimits
from fraud_platform.comparison.inputs import ComparisonConfig
from fraud_platform.promotion.guardrails import Guardrails
from fraud_platform.settings import Settings

DEFAULTS = Settings()


def limits(**chosen: Any) -> Limits:
    """Return when a drop is held; without a first day of the data unless one is chosen."""
    return replace(Limits.from_settings(DEFAULTS), **{"first_day": None, **chosen})


def unpacking(**chosen: Any) -> UnpackLimits:
    """Return how much text a packed drop may have."""
    return replace(UnpackLimits.from_settings(DEFAULTS), **chosen)


def comparison(**chosen: Any) -> ComparisonConfig:
    """Return the rules of a comparison."""
    return replace(ComparisonConfig.from_settings(DEFAULTS), **chosen)


def guardrails(**chosen: Any) -> Guardrails:
    """Return guardrails of which only the chosen ones refuse anything."""
    none = {"min_card_precision": 0, "min_scenario_recall": 0, "min_card_precision_share": 0}
    return replace(Guardrails.from_settings(DEFAULTS), **{**none, **chosen})
