"""The values of categories that a model distinguishes.

Here: `CategoryLevels`, which a model keeps with its trees and applies to every row that it scores.
Not here: codes of texts (`rows.surrogates`), trees (`training.boosted_trees`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fraud_platform.training.fitting import Features

MIN_ROWS = 20
"""A value that fewer training rows have is `other`: trees would learn its rows by heart."""


@dataclass(frozen=True)
class CategoryLevels:
    """The codes that a model distinguishes, by column; all others are one level, number 0.

    Attributes:
        codes: index of the column to its codes, rising; the level of a code is its place plus 1.
    """

    codes: Mapping[int, tuple[int, ...]]

    @classmethod
    def fit(
        cls, features: Features, names: Sequence[str], keep: Mapping[str, int]
    ) -> CategoryLevels:
        """Take the most frequent codes of each category in training rows.

        Args:
            features: training rows, shape (n, k).
            names: of the columns.
            keep: how many codes to distinguish at most, by the name of a category.
        """
        codes = {}
        for column, name in enumerate(names):
            if name in keep:
                values, counts = np.unique(features[:, column].astype(np.int64), return_counts=True)
                often = np.flatnonzero(counts >= MIN_ROWS)
                # the most frequent first, and of equals the smaller code
                ranked = often[np.lexsort((values[often], -counts[often]))][: keep[name]]
                codes[column] = tuple(sorted(values[ranked].tolist()))
        return cls(codes)

    @classmethod
    def from_lists(cls, stored: Mapping[str, Sequence[int]]) -> CategoryLevels:
        """Read what `as_lists` returned."""
        return cls({int(column): tuple(codes) for column, codes in stored.items()})

    def as_lists(self) -> dict[str, list[int]]:
        """Return the codes for JSON."""
        return {str(column): list(codes) for column, codes in self.codes.items()}

    def applied(self, features: Features) -> Features:
        """Return the features with levels in place of codes; the same array without categories."""
        if not self.codes:
            return features
        found = features.copy()
        for column, codes in self.codes.items():
            found[:, column] = _levels(features[:, column], np.array(codes, np.float32))
        return found

    def types(self, columns: int) -> list[str] | None:
        """Return the columns' types as XGBoost names them; None without categories."""
        if not self.codes:
            return None
        return ["c" if column in self.codes else "float" for column in range(columns)]


def _levels(values: npt.NDArray[np.float32], codes: npt.NDArray[np.float32]) -> Features:
    if not codes.size:
        return np.zeros_like(values)
    places = np.minimum(np.searchsorted(codes, values), codes.size - 1)
    return np.where(codes[places] == values, places + 1, 0).astype(np.float32)
