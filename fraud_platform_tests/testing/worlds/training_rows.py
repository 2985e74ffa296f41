"""Training rows with a known fraud probability, for tests of models and thresholds."""

from __future__ import annotations

import numpy as np
import pandas as pd

NAMES = ("signal", "other", "noise")
_PART_DAYS = {"fit": 5, "calibration": 1, "threshold": 1}


def labelled_rows(rows_a_day: int = 2_000, seed: int = 0) -> pd.DataFrame:
    """Return a week of rows whose fraud probability is logistic in two of three features."""
    draw = np.random.default_rng(seed)
    days = sum(_PART_DAYS.values())
    n = rows_a_day * days
    day = np.repeat(np.arange(days), rows_a_day)
    features = draw.normal(size=(n, 3)).astype(np.float32)
    truth = 1 / (1 + np.exp(4.5 - 2.0 * features[:, 0] - 1.0 * features[:, 1]))
    is_fraud = draw.random(n) < truth
    part = np.repeat(list(_PART_DAYS), [d * rows_a_day for d in _PART_DAYS.values()])
    frame = pd.DataFrame(
        {
            "knowledge_date": pd.Timestamp("2018-06-04").date(),
            "part": part,
            "transaction_id": draw.permutation(n),
            "tx_datetime": pd.Timestamp("2018-05-07", tz="UTC")
            + pd.to_timedelta(day * 86_400 + draw.integers(0, 86_400, n), unit="s"),
            "customer_id": draw.integers(0, 500, n),
            "terminal_id": draw.integers(0, 900, n),
            "amount_cents": draw.integers(100, 20_000, n),
            "is_fraud": is_fraud,
            "fraud_scenario": np.where(is_fraud, 1, 0),
            "sample_weight": 1.0,
        }
    )
    return pd.concat([frame, pd.DataFrame(features, columns=list(NAMES))], axis=1)
