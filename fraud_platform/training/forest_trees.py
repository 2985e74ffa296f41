"""A forest's trees as arrays; numpy scores them with the same bits as Spark.

Here: the arrays and scoring.
Not here: fitting and files (`training.forest`), SHAP values (`training.forest_shap`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fraud_platform.training.fitting import Features, Floats

_CHUNK_ROWS = 4_096


@dataclass(frozen=True)
class Trees:
    """All nodes of a forest, tree after tree; the first node of a tree is its root.

    Attributes:
        roots: index of each tree's root, int32 (trees,).
        feature: index of the feature that a node splits on, int32 (nodes,); -1 in a leaf.
        threshold: values <= threshold go left, float64 (nodes,).
        left, right: indices of the children, int32 (nodes,); a leaf points to itself.
        fraud_share: weighted share of frauds among a node's training rows, float64 (nodes,).
        weight: total weight of a node's training rows, float64 (nodes,).
        gain: impurity decrease times `weight`, float64 (nodes,); 0 in a leaf.
        depth: number of splits on the longest path of any tree.
    """

    roots: npt.NDArray[np.int32]
    feature: npt.NDArray[np.int32]
    threshold: Floats
    left: npt.NDArray[np.int32]
    right: npt.NDArray[np.int32]
    fraud_share: Floats
    weight: Floats
    gain: Floats
    depth: int

    def score(self, features: Features) -> Floats:
        """Return the mean fraud share of each row's leaves, shape (n,)."""
        score = np.empty(len(features))
        for start in range(0, len(features), _CHUNK_ROWS):
            rows = features[start : start + _CHUNK_ROWS]
            score[start : start + _CHUNK_ROWS] = self._score_chunk(rows)
        return score

    def _score_chunk(self, features: Features) -> Floats:
        node = np.repeat(self.roots[:, None], len(features), axis=1)
        row = np.arange(len(features))[None, :]
        for _ in range(self.depth):
            value = features[row, np.maximum(self.feature[node], 0)]
            node = np.where(value <= self.threshold[node], self.left[node], self.right[node])
        fraud = np.zeros(len(features))
        genuine = np.zeros(len(features))
        # Add tree after tree and divide by the sum of both classes: Spark's order, so its bits.
        for leaves in node:
            fraud += self.fraud_share[leaves]
            genuine += 1.0 - self.fraud_share[leaves]
        return fraud / (fraud + genuine)
