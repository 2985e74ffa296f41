"""SHAP values: they equal Shapley's formula and, with the mean, sum to the model's output."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
import pytest

from fraud_platform.datasets.handbook.posterior import PRIOR_NAME
from fraud_platform.training.boosted_trees import BoostedTrees
from fraud_platform.training.fitting import FitContext
from fraud_platform.training.forest import ForestModel
from fraud_platform.training.forest_trees import Trees

RANDOM = np.random.default_rng(11)


class TreeBuilder:
    """Builds random trees with node weights and fraud shares computed from their leaves."""

    def __init__(self) -> None:
        self.nodes: list[list[float]] = []

    def grow(self, depth: int, n_features: int, level: int = 0) -> int:
        node = len(self.nodes)
        self.nodes.append([])
        if depth == 0 or (level and RANDOM.random() < 0.2):
            weight = float(RANDOM.integers(1, 50))
            self.nodes[node] = [-1, 0.0, node, node, RANDOM.random(), weight, 0.0]
            return node
        left = self.grow(depth - 1, n_features, level + 1)
        right = self.grow(depth - 1, n_features, level + 1)
        weight = self.nodes[left][5] + self.nodes[right][5]
        share = sum(self.nodes[n][4] * self.nodes[n][5] for n in (left, right)) / weight
        feature, threshold = RANDOM.integers(n_features), RANDOM.integers(-3, 4) / 2
        self.nodes[node] = [float(feature), threshold, left, right, share, weight, 1.0]
        return node


def random_forest(n_trees: int, depth: int, n_features: int) -> Trees:
    builder = TreeBuilder()
    roots = [builder.grow(depth, n_features) for _ in range(n_trees)]
    feature, threshold, left, right, share, weight, gain = map(
        np.array, zip(*builder.nodes, strict=True)
    )
    whole = np.int32
    return Trees(
        np.array(roots, whole), feature.astype(whole), threshold, left.astype(whole),
        right.astype(whole), share, weight, gain, depth,
    )  # fmt: skip


def expected_value(trees: Trees, root: int, row: np.ndarray, known: Sequence[int]) -> float:
    """Return a tree's value with some features known and the others averaged by node weight."""
    if trees.feature[root] < 0:
        return float(trees.fraud_share[root])
    children = int(trees.left[root]), int(trees.right[root])
    if trees.feature[root] in known:
        goes_left = row[trees.feature[root]] <= trees.threshold[root]
        return expected_value(trees, children[0] if goes_left else children[1], row, known)
    weights = [trees.weight[child] for child in children]
    values = [expected_value(trees, child, row, known) for child in children]
    return float(np.dot(weights, values) / sum(weights))


def shapley(trees: Trees, row: np.ndarray, n_features: int) -> list[float]:
    """Return the Shapley values of a row by the formula over all coalitions."""

    def value(known: Sequence[int]) -> float:
        return float(np.mean([expected_value(trees, int(r), row, known) for r in trees.roots]))

    shares = []
    for feature in range(n_features):
        others = [f for f in range(n_features) if f != feature]
        total = 0.0
        for size in range(n_features):
            factor = math.factorial(size) * math.factorial(n_features - size - 1)
            for known in itertools.combinations(others, size):
                total += factor * (value([*known, feature]) - value(known))
        shares.append(total / math.factorial(n_features))
    return shares


@pytest.mark.parametrize("depth", [1, 3, 5])
def test_shap_values_of_a_forest_equal_shapleys_formula(depth: int) -> None:
    trees = random_forest(4, depth, 4)
    # Multiples of one half, so that values equal to thresholds occur: Spark sends those left.
    rows = (RANDOM.integers(-4, 5, (12, 4)) / 2).astype(np.float32)
    shares = ForestModel(trees, 4, {}).explain(rows)
    for row, given in zip(rows, shares, strict=True):
        np.testing.assert_allclose(given, shapley(trees, row, 4), atol=1e-6)


def test_shap_values_of_a_forest_and_its_mean_sum_to_the_score() -> None:
    trees = random_forest(30, 7, 9)
    rows = (RANDOM.integers(-6, 7, (500, 9)) / 4).astype(np.float32)
    model = ForestModel(trees, 9, {})
    mean = float(np.mean([expected_value(trees, int(r), rows[0], []) for r in trees.roots]))
    np.testing.assert_allclose(
        model.explain(rows).sum(axis=1) + mean, model.predict_score(rows), atol=1e-6
    )


@pytest.mark.parametrize("names", [("a", "b", "c"), ("a", PRIOR_NAME, "c")])
def test_shap_values_of_boosted_trees_and_a_constant_sum_to_the_log_odds(
    names: tuple[str, ...],
) -> None:
    rows = RANDOM.random((4_000, 3)).astype(np.float32)
    odds = 4 * rows[:, 1] + 2 * rows[:, 0] * rows[:, 2] - 4
    is_fraud = RANDOM.random(4_000) < 1 / (1 + np.exp(-odds))
    model = BoostedTrees(FitContext(names)).fit(rows, is_fraud, np.ones(4_000), seed=1)
    score = model.predict_score(rows)
    rest = np.log(score / (1 - score)) - model.explain(rows).sum(axis=1)
    assert np.ptp(rest) < 1e-4
    assert np.std(model.explain(rows)[:, 1]) > np.std(model.explain(rows)[:, 2])
