"""A lake before and after a feature is added: what older and newer code read from it.

Here: the inputs of a world's days, scores by a snapshot's state.
Not here: newer code (`testing.newer_code`), the test.
"""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np

from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.tables.features import CUSTOMER_TILES
from fraud_platform_tests.oracles.feature_lake import FIRST_DAY

DAYS = 12


LAST_DAY = FIRST_DAY + timedelta(days=DAYS - 1)


def inputs() -> dict[date, str]:
    """Return what each day is to be built from: the same for both codes."""
    return {FIRST_DAY + timedelta(days=n): f"drop {n}" for n in range(DAYS)}


def scored_by(lake: Lake, snapshot: str) -> dict[str, list[float]]:
    """Return the features of ten rows after a snapshot, as the running code finds them."""
    from fraud_platform.contracts.arrays import Transactions
    from fraud_platform.scoring.state.recovery import RecoveredState

    state = RecoveredState(lake, snapshot, 30).state
    own = lake.read_arrow(CUSTOMER_TILES).sort_by([(n, "ascending") for n in CUSTOMER_TILES.key])
    own = own.slice(0, 10)
    second = ((LAST_DAY - FIRST_DAY.replace(year=1970, month=1, day=1)).days + 1) * 86_400 + 1
    rows = Transactions(
        np.arange(10) + 10**9,
        np.asarray(own["customer_id"]),
        np.asarray(own["terminal_id"]),
        np.arange(10) + second,
        np.full(10, 12_345),
    )
    return {name: values.tolist() for name, values in state.score(rows).features.items()}
