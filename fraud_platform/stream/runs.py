"""Sorted runs that grow by a few rows at a time.

Here: the rule that keeps their number small.
Not here: the content of a run (`stream.scored_ids`, `features.live.events`,
`features.compute.windows`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_RUN_RATIO = 4


def merge_small(runs: list[Any], size: Callable[[Any], int], oldest: int) -> None:
    """Merge the last runs until each is at least `_RUN_RATIO` times as large as the next.

    If n rows are added a few at a time, there are O(log n) runs and each row is merged O(log n)
    times (a log-structured merge: O'Neil, Cheng, Gawlick, O'Neil, 1996).

    Args:
        runs: the runs, oldest first; changed in place.
        size: returns the number of rows of a run.
        oldest: merging drops older rows, so that an endless history holds at most 1.25 times the
            rows that must be kept.
    """
    while len(runs) > 1 and size(runs[-2]) < _RUN_RATIO * size(runs[-1]):
        last = runs.pop()
        runs[-1] = runs[-1].merged_with(last, oldest)
