"""Sizes of trees and choices of features: made on the last of the fit days alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from fraud_platform.training.boosted_trees import BoostedTrees
from fraud_platform.training.choosing import choose_features
from fraud_platform.training.fitting import FitContext
from fraud_platform.training.sizing import (
    FIRST_SIZE,
    MAX_ROUNDS,
    SHAPES,
    STEP,
    TreeSize,
    choose_size,
    held_back,
)

Flags = npt.NDArray[np.bool_]
DAYS = np.repeat(np.arange(10), 100)
IS_FRAUD = np.arange(1_000) % 4 == 0
ONES = np.ones(1_000)


def test_the_last_fifth_of_the_days_is_held_back() -> None:
    assert set(DAYS[held_back(DAYS)]) == {8, 9}
    assert set(held_back(np.repeat([3, 4], 5)).tolist()) == {False, True}


def test_the_size_with_the_greatest_average_precision_on_days_not_seen_wins() -> None:
    fitted: list[Flags] = []

    def staged(shape: Mapping[str, Any], rows: Flags) -> list[np.ndarray]:
        fitted.append(rows)
        right = IS_FRAUD[~rows].astype(float)
        good, bad = right + 0.1, np.zeros(right.size)
        steps = MAX_ROUNDS // STEP
        return [good if shape is SHAPES[1] and n >= 2 else bad for n in range(steps)]

    assert choose_size(DAYS, IS_FRAUD, ONES, staged) == TreeSize(3 * STEP, SHAPES[1])
    left_out = [sorted(set(DAYS[~rows])) for rows in fitted]
    assert left_out == [[0, 1, 2, 3], [4, 5, 6], [7, 8, 9]] * len(SHAPES)
    assert all(set(DAYS[rows]).isdisjoint(DAYS[~rows]) for rows in fitted)


def test_too_few_frauds_give_the_first_size() -> None:
    few = np.arange(1_000) < 15
    assert choose_size(DAYS, few, ONES, lambda *_: []) is FIRST_SIZE


def world() -> tuple[np.ndarray, Flags, np.ndarray]:
    """Return rows of ten days with two features that decide and ten that do not."""
    random = np.random.default_rng(2)
    features = random.normal(size=(6_000, 12)).astype(np.float32)
    is_fraud = features[:, 3] + features[:, 7] + random.normal(size=6_000) * 0.3 > 2.3
    return features, is_fraud, np.repeat(np.arange(10), 600)


def test_choices_and_sizes_are_repeatable_and_find_what_decides() -> None:
    features, is_fraud, days = world()
    names = tuple(f"f{n}" for n in range(12))
    ones = np.ones(len(days))

    def chosen() -> tuple[str, ...]:
        return choose_features(
            names, features, is_fraud, ones, days,
            lambda own, rows, labels, weights: BoostedTrees(FitContext(own)).fit(
                rows, labels, weights, 1
            ),
        )  # fmt: skip

    assert {"f3", "f7"} <= set(chosen())
    assert len(chosen()) < 12
    assert chosen() == chosen()
    context = FitContext(names, days=days)
    a, b = (BoostedTrees(context).fit(features, is_fraud, ones, seed=5) for _ in range(2))
    assert a.parameters == b.parameters
    assert (a.predict_score(features) == b.predict_score(features)).all()
    again = BoostedTrees(FitContext(names, like=a)).fit(features, is_fraud, ones, seed=5)
    assert again.parameters == a.parameters
