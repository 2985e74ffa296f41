"""The scorer's state: everything that the next score depends on except the message.

Here: `ScoringState`, rolled forward from scored rows and landed labels of either engine; equal rows
give an equal state for any split into micro-batches.
Not here: how features are held (`features.live.state`), reading the lake
(`scoring.state.recovery`).
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy

import numpy as np
import numpy.typing as npt

from fraud_platform.contracts.active import LABEL_LOOKBACK_HOURS
from fraud_platform.contracts.arrays import ID_CHECK, Transactions
from fraud_platform.contracts.time import LATE_DAYS, SECONDS_PER_DAY, TILE_SECONDS
from fraud_platform.features.live.state import LiveState, ScoredFeatures
from fraud_platform.labels.book import LabelBook, LabelVersions, LandedLabels
from fraud_platform.stream.clock import StreamClock
from fraud_platform.stream.scored_ids import ScoredRows

Ints = npt.NDArray[np.int64]
_LATE_SECONDS = LATE_DAYS * SECONDS_PER_DAY
_LOOKBACK_SECONDS = LABEL_LOOKBACK_HOURS * TILE_SECONDS


class ScoringState:
    """Histories, scored ids, labels and the clock.

    Args:
        duplicate_horizon_days: how long an id is remembered, in stream time.
        first_second: labels that count before it are already in the label tiles.
    """

    def __init__(self, duplicate_horizon_days: int, first_second: int = 0) -> None:
        self.live = LiveState()
        self.rows = ScoredRows()
        self.clock = StreamClock()
        self._labels = LabelBook(self.rows, first_second // TILE_SECONDS)
        self._horizon_seconds = duplicate_horizon_days * SECONDS_PER_DAY
        self._memory_seconds = memory_seconds(duplicate_horizon_days)

    def fork(self) -> ScoringState:
        """Return a copy that can advance without changing this state."""
        fork = copy(self)
        fork.live, fork.rows, fork.clock = self.live.fork(), self.rows.fork(), copy(self.clock)
        fork._labels = self._labels.fork(fork.rows)
        return fork

    def is_duplicate(self, transaction_ids: Ints) -> npt.NDArray[np.bool_]:
        """Return which ids were scored before, or occur earlier in the same array."""
        is_known = self.was_scored(transaction_ids)
        _, firsts = np.unique(transaction_ids, return_index=True)
        is_repeated = np.ones(transaction_ids.size, dtype=bool)
        is_repeated[firsts] = False
        return is_known | is_repeated

    def was_scored(self, transaction_ids: Ints) -> npt.NDArray[np.bool_]:
        """Return a mask of the ids that were scored before, within the duplicate horizon."""
        is_known, (noted,) = self.rows.find(transaction_ids, "noted_second")
        if self.clock.second is not None:
            is_known &= noted >= self.clock.second - self._horizon_seconds
        return is_known

    def is_collision(self, rows: Transactions) -> npt.NDArray[np.bool_]:
        """Return which rows have the id of another transaction, whose text is another one.

        The other one was scored within the duplicate horizon, or comes earlier among the rows.
        """
        checks = rows.facts.get(ID_CHECK)
        if checks is None:
            return np.zeros(rows.transaction_id.size, dtype=bool)
        _, firsts, group = np.unique(rows.transaction_id, return_index=True, return_inverse=True)
        is_scored = self.was_scored(rows.transaction_id)
        _, (known,) = self.rows.find(rows.transaction_id, ID_CHECK)
        other = np.where(is_scored, known, checks[firsts][group])
        return (other != 0) & (other != checks)

    def score(self, rows: Transactions) -> ScoredFeatures:
        """Return the features of new rows in order of arrival, and take in the rows."""
        self.clock.advance(rows.second)
        self.remember(rows, noted_seconds(rows.second, self.clock.second))
        self._let_go()
        return self.live.score(rows)

    def set_clock(self, clock: StreamClock) -> None:
        """Set a clock that already includes the rows that are replayed next."""
        self.clock = clock
        self._let_go()

    def replay(self, rows: Transactions, flags: Mapping[str, Ints], noted_second: Ints) -> None:
        """Take in rows that were scored before, with their frozen flags."""
        self.remember(rows, noted_second)
        self.live.add_transactions(rows, flags)

    def remember(self, rows: Transactions, noted_second: Ints) -> None:
        """Take in rows that the tiles already contain, only for duplicates and labels."""
        self.rows.add(rows, noted_second)
        self._add(self._labels.on_scored(rows))

    def add_rows_of_drops(self, rows: Transactions, *label: Ints) -> None:
        """See `LabelBook.add_rows_of_drops`; such rows do not count as duplicates."""
        self._labels.add_rows_of_drops(rows, *label)

    def can_be_labelled(self, transaction_ids: Ints) -> npt.NDArray[np.bool_]:
        """Return for which transactions a label would be taken in at once."""
        return self._labels.is_known(transaction_ids)

    def land(self, labels: LandedLabels) -> None:
        """Take in labels from the topic."""
        self._add(self._labels.land(labels))

    def _let_go(self) -> None:
        if self.clock.second is not None:
            self.live.keep_since(self.clock.second - _LATE_SECONDS)
            self.rows.oldest_second = self.clock.second - self._memory_seconds

    def _add(self, versions: list[LabelVersions]) -> None:
        for found in versions:
            self.live.add_labels(found.customer_id, found.terminal_id, found.labels)


def memory_seconds(duplicate_horizon_days: int) -> int:
    """Return how long a scored row is remembered, for duplicates and later labels."""
    return _LATE_SECONDS + max(duplicate_horizon_days * SECONDS_PER_DAY, _LOOKBACK_SECONDS)


def noted_seconds(event_second: Ints, stream_second: int | None) -> Ints:
    """Return when each row counts as scored, for the duplicate horizon.

    That is its event time. For a row more than a week late it is stream time; otherwise its copy
    would be scored again.
    """
    if stream_second is None:
        return event_second
    is_far_behind = event_second < stream_second - _LATE_SECONDS
    return np.where(is_far_behind, stream_second, event_second)
