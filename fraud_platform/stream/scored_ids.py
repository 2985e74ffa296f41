"""Scored transactions by id, to find duplicates and the transactions of labels.

Here: `ScoredRows`, sorted runs of ids with the columns that a label needs of its transaction.
Not here: features (`fraud_platform.features.live.state`), the scored table (`tables.scoring`).
"""

from __future__ import annotations

from copy import copy

import numpy as np
import numpy.typing as npt

from fraud_platform.contracts.arrays import ID_CHECK, Transactions
from fraud_platform.stream.runs import merge_small

Ints = npt.NDArray[np.int64]
NO_LABEL = -1

_OF_TRANSACTION = ("customer_id", "terminal_id", "second", "amount_cents")
_NOTED = "noted_second"
_OF_LABEL = ("scenario", "counts_from_hour", "known_at_second")


class _Run:
    def __init__(self, ids: Ints, columns: dict[str, Ints]) -> None:
        self.ids, self.columns = ids, columns
        self.is_shared = False

    def of(self, name: str) -> Ints:
        """Return a column; 0 in all rows if there is none."""
        return self.columns[name] if name in self.columns else np.zeros_like(self.ids)

    def merged_with(self, other: _Run, oldest: int) -> _Run:
        ids = np.concatenate((self.ids, other.ids))
        noted = np.concatenate((self.columns[_NOTED], other.columns[_NOTED]))
        order = np.argsort(ids, kind="stable")
        order = order[noted[order] >= oldest]
        names = self.columns.keys() | other.columns.keys()
        columns = {n: np.concatenate((self.of(n), other.of(n)))[order] for n in names}
        return _Run(ids[order], columns)


class ScoredRows:
    """Scored transactions by id; of an id scored twice, the last scoring counts."""

    def __init__(self) -> None:
        self._runs: list[_Run] = []
        self.oldest_second = 0
        """Rows noted before this second may be dropped."""

    def fork(self) -> ScoredRows:
        """Return a copy that can grow without changing these rows."""
        fork = copy(self)
        fork._runs = list(self._runs)
        for run in self._runs:
            run.is_shared = True
        return fork

    @property
    def size(self) -> int:
        """The number of rows."""
        return sum(run.ids.size for run in self._runs)

    def add(self, rows: Transactions, noted_second: Ints | None = None) -> None:
        """Add scored rows; none has a label yet.

        Args:
            noted_second: when each row counts as known; None for its event time.
        """
        if not rows.transaction_id.size:
            return
        order = np.argsort(rows.transaction_id, kind="stable")
        columns = {name: getattr(rows, name)[order] for name in _OF_TRANSACTION}
        if ID_CHECK in rows.facts:
            columns[ID_CHECK] = rows.facts[ID_CHECK][order]
        columns[_NOTED] = (rows.second if noted_second is None else noted_second)[order]
        columns |= {name: np.full(order.size, NO_LABEL, np.int64) for name in _OF_LABEL}
        self._runs.append(_Run(rows.transaction_id[order], columns))
        merge_small(self._runs, lambda run: run.ids.size, self.oldest_second)

    def find(self, ids: Ints, *names: str) -> tuple[npt.NDArray[np.bool_], list[Ints]]:
        """Return which ids were scored, and the named columns (0 for ids that were not)."""
        is_found = np.zeros(ids.size, dtype=bool)
        values = [np.zeros(ids.size, dtype=np.int64) for _ in names]
        for run in self._runs:
            if not ids.size or run.ids[0] > ids.max() or run.ids[-1] < ids.min():
                continue
            at = _last_places(run.ids, ids)
            rows = np.flatnonzero((at >= 0) & (run.ids[np.maximum(at, 0)] == ids))
            is_found[rows] = True
            for column, name in zip(values, names, strict=True):
                column[rows] = run.of(name)[at[rows]]
        return is_found, values

    def label(self, ids: Ints, scenario: Ints, counts_from_hour: Ints, known_at: Ints) -> None:
        """Set the current label of ids that were scored."""
        values = dict(zip(_OF_LABEL, (scenario, counts_from_hour, known_at), strict=True))
        for number, known in enumerate(self._runs):
            run = known
            at = _last_places(run.ids, ids)
            rows = np.flatnonzero((at >= 0) & (run.ids[np.maximum(at, 0)] == ids))
            if rows.size and run.is_shared:
                run = self._runs[number] = _Run(
                    run.ids, {**run.columns, **{n: run.columns[n].copy() for n in values}}
                )
            for name, column in values.items():
                run.columns[name][at[rows]] = column[rows]


def _last_places(sorted_ids: Ints, ids: Ints) -> Ints:
    return np.searchsorted(sorted_ids, ids, side="right") - 1
