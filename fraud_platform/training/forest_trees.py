"""A forest's trees as arrays, scored by numpy with the bits that Spark gives.

Here: the arrays and their score.
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
        roots: first node of each tree, int32 (trees,).
        feature: feature that a node splits on, int32 (nodes,); -1 at a leaf.
        threshold: values up to and with it go left, float64 (nodes,).
        left, right: children as nodes of the forest, int32 (nodes,); a leaf's are itself.
        fraud_share: weight of frauds among the training rows of a node, float64 (nodes,).
        weight: of a node's training rows, float64 (nodes,).
        gain: impurity decrease times weight of a node's rows, float64 (nodes,); 0 at a leaf.
        depth: the longest path of any tree.
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
        """Return the mean fraud share of the leaves that each row ends in, shape (n,)."""
        score = np.empty(len(features))
        for start in range(0, len(features), _CHUNK_ROWS):
            rows = features[start : start + _CHUNK_ROWS]
            score[start : start + _CHUNK_ROWS] = self._score_chunk(rows)
        return score

    def _score_chunk(self, features: Features) -> Floats:
        at = np.repeat(self.roots[:, None], len(features), axis=1)
        row = np.arange(len(features))[None, :]
        for _ in range(self.depth):
            value = features[row, np.maximum(self.feature[at], 0)]
            at = np.where(value <= self.threshold[at], self.left[at], self.right[at])
        total = np.zeros(len(features))
        genuine = np.zeros(len(features))
        # Spark adds tree after tree, then divides by both classes' sum: so does this, for its bits.
        for leaves in at:
            total += self.fraud_share[leaves]
            genuine += 1.0 - self.fraud_share[leaves]
        return total / (total + genuine)
