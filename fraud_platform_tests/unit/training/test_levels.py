"""Categories in models: which values are kept, and what becomes of the rest."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fraud_platform.training.boosted_trees import BoostedTrees
from fraud_platform.training.fitting import FitContext
from fraud_platform.training.forest import ForestModel, RandomForest
from fraud_platform.training.forest_trees import Trees
from fraud_platform.training.levels import MIN_ROWS, CategoryLevels

CODES = (16_777_215, 5, 900, 8_000_001)
NAMES = ("amount", "kind")


def rows(n: int = 4_000) -> tuple[np.ndarray, np.ndarray]:
    """Return features and labels: fraud depends on the code and the amount together."""
    random = np.random.default_rng(4)
    code = random.choice(CODES, n)
    amount = random.uniform(0, 10, n)
    is_fraud = (random.random(n) < 0.02) | ((code == CODES[0]) & (amount > 7))
    return np.column_stack((amount, code)).astype(np.float32), is_fraud


def test_the_most_frequent_codes_that_enough_rows_have_are_kept() -> None:
    codes = np.repeat(CODES, (30, MIN_ROWS - 1, 60, 40)).astype(np.float32)
    features = np.column_stack((codes, codes))
    levels = CategoryLevels.fit(features, ("a", "b"), {"a": 2, "b": 64})
    assert levels.codes == {0: (900, 8_000_001), 1: (900, 8_000_001, 16_777_215)}
    found = levels.applied(np.array([[5, 5], [900, 16_777_215], [7, 8_000_001]], np.float32))
    assert found.tolist() == [[0, 0], [1, 3], [0, 2]]


def test_a_model_keeps_its_codes_and_scores_a_row_alike_alone_and_after_loading(
    tmp_path: Path,
) -> None:
    features, is_fraud = rows()
    context = FitContext(NAMES, categories={"kind": 64})
    model = BoostedTrees(context).fit(features, is_fraud, np.ones(len(features)), seed=1)
    model.save(tmp_path)
    loaded = BoostedTrees(FitContext(NAMES)).load(tmp_path)
    together = model.predict_score(features[:200])
    assert (loaded.predict_score(features[:200]) == together).all()
    alone = [loaded.predict_score(features[i : i + 1])[0] for i in range(200)]
    assert alone == list(together)
    scores = {code: model.predict_score(np.array([[9, code]], np.float32))[0] for code in CODES}
    assert scores[CODES[0]] > 0.8 > 0.2 > max(scores[code] for code in CODES[1:])


def test_reasons_name_the_category_and_sum_to_the_score() -> None:
    features, is_fraud = rows()
    context = FitContext(NAMES, categories={"kind": 64})
    model = BoostedTrees(context).fit(features, is_fraud, np.ones(len(features)), seed=1)
    explained = model.explain(features[:300])
    scores = model.predict_score(features[:300])
    margin = np.log(scores / (1 - scores))
    rest = margin - explained.sum(axis=1)
    assert rest == pytest.approx(np.full(300, rest[0]), abs=1e-4)
    own = (features[:300, 0] > 7.5) & (features[:300, 1] == CODES[0])
    assert (explained[own, 1] > 1).all()


def test_a_code_that_training_never_saw_is_scored_as_other() -> None:
    features, is_fraud = rows()
    features[:50, 1] = np.arange(50) + 100
    model = BoostedTrees(FitContext(NAMES, categories={"kind": 64})).fit(
        features, is_fraud, np.ones(len(features)), seed=1
    )
    unseen, rare = np.array([[3, 77]], np.float32), np.array([[3, 101]], np.float32)
    assert model.predict_score(unseen) == model.predict_score(rare)


def test_a_forest_splits_a_category_by_its_levels(tmp_path: Path) -> None:
    whole = np.int32
    split_at_level_1 = Trees(
        np.array([0], whole), np.array([1, -1, -1], whole), np.array([1.5, 0, 0]),
        np.array([1, 1, 2], whole), np.array([2, 1, 2], whole), np.array([0.5, 0.1, 0.9]),
        np.array([2.0, 1, 1]), np.array([1.0, 0, 0]), 1,
    )  # fmt: skip
    ForestModel(split_at_level_1, 2, {}, CategoryLevels({1: (5, 900)})).save(tmp_path)
    loaded = RandomForest(FitContext(NAMES)).load(tmp_path)
    codes = np.array([[3, 5], [3, 900], [3, 77]], np.float32)
    assert loaded.predict_score(codes) == pytest.approx([0.1, 0.9, 0.1])
