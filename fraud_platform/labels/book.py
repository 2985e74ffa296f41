"""Labels from the topic: from when each counts, and what it takes back.

Here: `LabelBook`, which holds labels until their transactions are scored and turns them into
signed versions.
Not here: when a label counts (`labels.rule`), windows over labels
(`fraud_platform.features.compute.windows`), the labels of drops (`fraud_platform.cleaning.labels`).
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from fraud_platform.contracts.arrays import Labels, Transactions
from fraud_platform.contracts.time import TILE_SECONDS
from fraud_platform.labels.rule import confirms, corrects, counts_from_hour
from fraud_platform.stream.scored_ids import NO_LABEL, ScoredRows

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class LandedLabels:
    """Labels as they landed, int64 columns of shape (labels,), in order of landing.

    Attributes:
        known_at_second: when each became known, seconds since 1970.
        landed_second: stream time when it landed, or `labels.rule.NEVER_LANDED`.
    """

    transaction_id: Ints
    scenario: Ints
    known_at_second: Ints
    landed_second: Ints

    def take(self, rows: Ints) -> LandedLabels:
        """Return the labels at these positions."""
        return LandedLabels(*(getattr(self, f.name)[rows] for f in fields(self)))

    @classmethod
    def join(cls, *parts: LandedLabels) -> LandedLabels:
        """Return the labels of all parts, in order."""
        columns = ([getattr(part, f.name) for part in parts] for f in fields(cls))
        return cls(*(np.concatenate(c) if c else np.zeros(0, np.int64) for c in columns))


@dataclass(frozen=True)
class LabelVersions:
    """Signed versions of labels, with their transactions and those's customer and terminal."""

    transaction_id: Ints
    known_at_second: Ints
    customer_id: Ints
    terminal_id: Ints
    labels: Labels


class LabelBook:
    """Labels by transaction id, those of transactions that are still to come among them.

    Args:
        rows: the scored transactions.
        first_hour: versions that count before it are somewhere else already.
    """

    def __init__(self, rows: ScoredRows, first_hour: int = 0) -> None:
        self._rows, self._first_hour = rows, first_hour
        self._of_drops = ScoredRows()
        empty = np.zeros(0, dtype=np.int64)
        self._waiting = LandedLabels(empty, empty, empty, empty)

    def fork(self, rows: ScoredRows) -> LabelBook:
        """Return a book that continues this one, of a fork of its rows."""
        fork = copy(self)
        fork._rows, fork._of_drops = rows, self._of_drops.fork()
        return fork

    def add_rows_of_drops(self, rows: Transactions, *label: Ints) -> None:
        """Take in transactions that no message brought, so that labels can correct their drops'.

        Args:
            label: what `ScoredRows.label` takes: ids, scenarios, hours, seconds.
        """
        self._of_drops.oldest_second = self._rows.oldest_second
        self._of_drops.add(rows)
        self._of_drops.label(*label)

    def is_known(self, ids: Ints) -> npt.NDArray[np.bool_]:
        """Return which transactions a label could be about now."""
        return self._find(ids)[0]

    @property
    def waiting(self) -> LandedLabels:
        """Labels whose transaction was not scored yet."""
        return self._waiting

    def land(self, labels: LandedLabels) -> list[LabelVersions]:
        """Take in labels; return the versions of those whose transaction is known."""
        is_known = self.is_known(labels.transaction_id)
        self._wait(labels.take(np.flatnonzero(~is_known)))
        return self._versions(labels.take(np.flatnonzero(is_known)))

    def on_scored(self, rows: Transactions) -> list[LabelVersions]:
        """Return the versions of labels that waited for these rows, which are scored now."""
        waiting = self._waiting.transaction_id
        if not waiting.size:
            return []
        wanted = np.sort(rows.transaction_id)
        at = np.minimum(np.searchsorted(wanted, waiting), max(wanted.size - 1, 0))
        if not wanted.size:
            return []
        is_due = wanted[at] == waiting
        due = self._waiting.take(np.flatnonzero(is_due))
        if due.transaction_id.size:
            self._waiting = self._waiting.take(np.flatnonzero(~is_due))
        return self._versions(due)

    def _wait(self, labels: LandedLabels) -> None:
        if labels.transaction_id.size:
            waiting = LandedLabels.join(self._waiting, labels)
            # a label of so long ago affects no row any more
            is_open = waiting.known_at_second >= self._rows.oldest_second
            self._waiting = waiting.take(np.flatnonzero(is_open))

    def _versions(self, labels: LandedLabels) -> list[LabelVersions]:
        """Return one set of versions a round: a second label of an id corrects the first."""
        found = []
        while labels.transaction_id.size:
            _, firsts = np.unique(labels.transaction_id, return_index=True)
            firsts = np.sort(firsts)
            found += self._round(labels.take(firsts))
            left = np.setdiff1d(np.arange(labels.transaction_id.size), firsts)
            labels = labels.take(left)
        return found

    def _round(self, labels: LandedLabels) -> list[LabelVersions]:
        names = (
            "customer_id", "terminal_id", "second", "amount_cents",
            "scenario", "counts_from_hour", "known_at_second",
        )  # fmt: skip
        _, columns = self._find(labels.transaction_id, *names)
        row = dict(zip(names, columns, strict=True))
        held = row["known_at_second"], row["scenario"]
        again = np.flatnonzero(confirms(labels.known_at_second, labels.scenario, *held))
        self._label(
            labels.transaction_id[again],
            row["scenario"][again],
            row["counts_from_hour"][again],
            labels.known_at_second[again],
        )
        is_correction = corrects(labels.known_at_second, labels.scenario, *held)
        chosen = np.flatnonzero((row["scenario"] == NO_LABEL) | is_correction)
        if not chosen.size:
            return []
        labels, row = labels.take(chosen), {n: c[chosen] for n, c in row.items()}
        hours = counts_from_hour(
            row["second"], labels.known_at_second, labels.landed_second, row["counts_from_hour"]
        )
        self._label(labels.transaction_id, labels.scenario, hours, labels.known_at_second)
        return [self._signed(labels, row, hours)]

    def _find(self, ids: Ints, *names: str) -> tuple[npt.NDArray[np.bool_], list[Ints]]:
        is_scored, scored = self._rows.find(ids, *names)
        is_of_drop, of_drop = self._of_drops.find(ids, *names)
        values = [np.where(is_scored, a, b) for a, b in zip(scored, of_drop, strict=True)]
        return is_scored | is_of_drop, values

    def _label(self, *label: Ints) -> None:
        self._rows.label(*label)
        self._of_drops.label(*label)

    def _signed(self, labels: LandedLabels, row: dict[str, Ints], hours: Ints) -> LabelVersions:
        """Return the labels as versions that enter, and what they correct as ones that leave."""
        corrected = np.flatnonzero(row["scenario"] != NO_LABEL)
        both = np.concatenate((np.arange(hours.size), corrected))
        signs = np.ones(both.size, dtype=np.int64)
        signs[hours.size :] = -1
        scenario = np.concatenate((labels.scenario, row["scenario"][corrected]))
        is_wanted = hours[both] >= self._first_hour
        both, signs, scenario = both[is_wanted], signs[is_wanted], scenario[is_wanted]
        event_hours, cents = row["second"][both] // TILE_SECONDS, row["amount_cents"][both]
        return LabelVersions(
            labels.transaction_id[both],
            labels.known_at_second[both],
            row["customer_id"][both],
            row["terminal_id"][both],
            Labels(event_hours, hours[both], cents, scenario, signs),
        )
