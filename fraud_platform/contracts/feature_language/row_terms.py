"""The values of a transaction itself, as terms of formulas.

Here: `row_terms`, the same for features, for tiles and for a data set's own quarantine reasons.
Not here: what terms mean (`contracts.feature_language.terms`), terms of history
(`features.compute`).
"""

from __future__ import annotations

from collections.abc import Mapping

from fraud_platform.contracts.feature_language.expressions import Array, Expression
from fraud_platform.contracts.feature_language.terms import RowTerm
from fraud_platform.contracts.time import HOURS_PER_DAY, TILE_SECONDS


def row_terms(
    second: Array, amount_cents: Array, facts: Mapping[str, Array]
) -> dict[Expression, Array]:
    """Return the terms of the transactions themselves."""
    hour = second // TILE_SECONDS
    return {
        **{RowTerm(name): values for name, values in facts.items()},
        RowTerm("amount_cents"): amount_cents,
        RowTerm("second"): second,
        RowTerm("hour_of_day"): hour % HOURS_PER_DAY,
        RowTerm("day_of_week"): (hour // HOURS_PER_DAY + 3) % 7,
    }
