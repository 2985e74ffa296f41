"""Exact SHAP values of a forest that Spark fitted.

Here: converting the forest to an XGBoost model with the same splits, leaves and node weights, and
computing its tree SHAP values (Lundberg and others, 2020), which equal the forest's.
Not here: fitting (`training.forest`) or scoring (`training.forest_trees`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import xgboost as xgb

    from fraud_platform.training.fitting import Features, Floats
    from fraud_platform.training.forest_trees import Trees


def explainer(trees: Trees, n_features: int) -> xgb.Booster:
    """Return an XGBoost model whose prediction is the mean fraud share of the trees' leaves."""
    import xgboost as xgb

    ends = np.append(trees.roots[1:], len(trees.feature)).tolist()
    described = [
        _tree(trees, number, slice(start, end), n_features)
        for number, (start, end) in enumerate(zip(trees.roots.tolist(), ends, strict=True))
    ]
    count = len(described)
    model = {
        "gbtree_model_param": {"num_parallel_tree": "1", "num_trees": str(count)},
        "iteration_indptr": list(range(count + 1)),
        "tree_info": [0] * count,
        "trees": described,
    }
    learner = {
        "attributes": {},
        "feature_names": [],
        "feature_types": [],
        "gradient_booster": {"model": model, "name": "gbtree"},
        "learner_model_param": {
            "base_score": "0E0",
            "boost_from_average": "1",
            "num_class": "0",
            "num_feature": str(n_features),
            "num_target": "1",
        },
        "objective": {
            "name": "reg:squarederror",
            "reg_loss_param": {"scale_pos_weight": "1"},
        },
    }
    booster = xgb.Booster({"nthread": 1})
    text = json.dumps({"learner": learner, "version": [3, 2, 0]})
    booster.load_model(bytearray(text.encode()))
    return booster


def shap_values(model: xgb.Booster, features: Features) -> Floats:
    """Return each feature's contribution to each row's score, shape (n, k)."""
    import xgboost as xgb

    data = xgb.DMatrix(features, nthread=1)
    shap: Floats = model.predict(data, pred_contribs=True)[:, :-1].astype(np.float64)
    return shap


def _tree(trees: Trees, number: int, nodes: slice, n_features: int) -> Mapping[str, Any]:
    order = _level_order(trees, nodes.start)
    place = np.zeros(nodes.stop - nodes.start, dtype=np.int64)
    place[order - nodes.start] = np.arange(order.size)
    is_leaf = trees.feature[order] < 0
    size = is_leaf.size
    left, right = (
        np.where(is_leaf, -1, place[children[order] - nodes.start])
        for children in (trees.left, trees.right)
    )
    parents = np.full(size, 2**31 - 1)
    for children in (left, right):
        parents[children[~is_leaf]] = np.flatnonzero(~is_leaf)
    # Spark sends values equal to the threshold left; XGBoost sends only smaller values left.
    threshold = np.nextafter(_not_above(trees.threshold[order]), np.float32(np.inf))
    value = (trees.fraud_share[order] / len(trees.roots)).astype(np.float32)
    zeros = [0] * size
    return {
        "base_weights": value.tolist(),
        "categories": [],
        "categories_nodes": [],
        "categories_segments": [],
        "categories_sizes": [],
        "default_left": zeros,
        "id": number,
        "left_children": left.tolist(),
        "loss_changes": trees.gain[order].astype(np.float32).tolist(),
        "parents": parents.tolist(),
        "right_children": right.tolist(),
        "split_conditions": np.where(is_leaf, value, threshold).tolist(),
        "split_indices": np.maximum(trees.feature[order], 0).tolist(),
        "split_type": zeros,
        "sum_hessian": trees.weight[order].astype(np.float32).tolist(),
        "tree_param": {
            "num_deleted": "0",
            "num_feature": str(n_features),
            "num_nodes": str(size),
            "size_leaf_vector": "1",
        },
    }


def _level_order(trees: Trees, root: int) -> npt.NDArray[np.int64]:
    """Return a tree's nodes in level order.

    XGBoost's tree SHAP assumes that a right child directly follows the left one, while Spark
    numbers nodes depth first.
    """
    levels, level = [], np.array([root])
    while level.size:
        levels.append(level)
        inner = level[trees.feature[level] >= 0]
        level = np.column_stack((trees.left[inner], trees.right[inner])).ravel()
    return np.concatenate(levels).astype(np.int64)


def _not_above(values: Floats) -> Any:
    """Return, for each value, the greatest float32 that is not above it."""
    rounded = values.astype(np.float32)
    return np.where(rounded > values, np.nextafter(rounded, np.float32(-np.inf)), rounded)
