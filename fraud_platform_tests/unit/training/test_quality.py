"""The folds of `bench quality` give the Handbook's published baselines from its own features."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fraud_platform.training.quality import FOLD_STARTS, score_fold
from fraud_platform_tests.oracles import handbook

PUBLISHED = (0.884, 0.706, 0.300)
"""AUC ROC, average precision and card precision at 100 of 100 random trees, average of folds."""


@pytest.mark.slow
@pytest.mark.real_drops
def test_a_random_forest_on_the_handbooks_features_scores_as_published(real_drops: Path) -> None:
    rows = handbook.read_drops(real_drops)
    frame = handbook.handbook_features(rows).assign(
        transaction_id=rows["transaction_id"],
        customer_id=rows["customer_id"],
        tx_date=rows["tx_datetime"].dt.date,
        is_fraud=rows["tx_fraud"] == 1,
    )
    frame = frame[rows["tx_datetime"] >= "2018-06-13"]
    folds = [
        score_fold(frame, start, handbook.FEATURES, handbook.random_forest) for start in FOLD_STARTS
    ]
    found = [
        float(np.mean([getattr(fold, name) for fold in folds]))
        for name in ("auc_roc", "average_precision", "card_precision")
    ]
    assert found == pytest.approx(PUBLISHED, abs=0.004)
