"""Recovering the state from the lake: a snapshot, and everything scored since.

Here: `RecoveredState`, with which any process rebuilds the state after the last micro-batch.
Not here: making snapshots (`scoring.state.snapshot`), the state itself
(`scoring.state.scorer_state`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from copy import copy
from dataclasses import dataclass, fields
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fraud_platform.contracts.active import DECLARATION, LABEL_LOOKBACK_HOURS
from fraud_platform.contracts.arrays import LabelTiles, Tiles, Transactions
from fraud_platform.contracts.feature_language.terms import Entity
from fraud_platform.contracts.feature_language.tiles import Tile
from fraud_platform.contracts.feature_language.times import FIRST_TIMES
from fraud_platform.contracts.tables import ID_TEXT
from fraud_platform.contracts.time import SECONDS_PER_DAY, TILE_SECONDS, day_number
from fraud_platform.contracts.uniqueness import require_unique
from fraud_platform.errors import SchemaMismatchError
from fraud_platform.features.compatibility import first_layout
from fraud_platform.features.compute.ordering import group_bounds
from fraud_platform.labels.book import LandedLabels
from fraud_platform.labels.of_drops import (
    READ_COLUMNS,
    drop_labels_of,
    drop_rows_of,
    transactions_of,
    worth_noting,
)
from fraud_platform.labels.rule import LANDING_ORDER, NEVER_LANDED
from fraud_platform.scoring.log import ScoringLog, carried_in
from fraud_platform.scoring.state.scorer_state import Ints, ScoringState, noted_seconds
from fraud_platform.stream.clock import WINDOW_ROWS, resumed
from fraud_platform.stream.corrections import (
    Corrections,
    corrected_landings,
    corrections_in,
    is_left_out,
)
from fraud_platform.stream.event_time import Carried
from fraud_platform.tables.features import CUSTOMER_TILES, LABEL_TILES
from fraud_platform.tables.scoring import LANDING, SCORED, SCORING_STATE, TOPIC_LABELS

if TYPE_CHECKING:
    from fraud_platform.scoring.ports import StateTables

NO_SNAPSHOT = "none"
STREAM_PART = "stream"
"""The part of a snapshot, one row, that holds its `StreamMark`."""
_DECADE = 3_653 * SECONDS_PER_DAY
"""A label known that much later than its landing has a wrong date: years may land at once."""
_MANY_LABELS = 5
_FLAGS = [flag.name for flag in DECLARATION.flags]
_REPLAYED = [
    *READ_COLUMNS,
    *_FLAGS,
    *("source_partition", "source_offset"),
    *(column.name for column in ID_TEXT),
]


@dataclass(frozen=True)
class Snapshot:
    """One version of `scoring_state`: the days before `as_of`, at a version of the table."""

    as_of: date
    table_version: int

    def __str__(self) -> str:
        return f"{self.as_of}@{self.table_version}"

    @classmethod
    def parse(cls, text: str) -> Snapshot | None:
        """Parse the text that `str` returns; None for `NO_SNAPSHOT`."""
        if text == NO_SNAPSHOT:
            return None
        day, version = text.split("@")
        return cls(date.fromisoformat(day), int(version))

    @property
    def first_second(self) -> int:
        """The first second, since 1970, that is not in the snapshot."""
        return day_number(self.as_of) * SECONDS_PER_DAY


@dataclass(frozen=True)
class StreamMark:
    """The part of the stream that a snapshot contains.

    Attributes:
        first_second: the snapshot's days from here on come from the stream, seconds since 1970.
        micro_batch: the last micro-batch whose rows are in those days.
        first_micro_batch: rows of earlier micro-batches are forgotten, and get no label.
        first_landing: labels of earlier landings belong to such rows.
    """

    first_second: int = 0
    micro_batch: int = 0
    first_micro_batch: int = 1
    first_landing: int = 1


MARKS = tuple(field.name for field in fields(StreamMark))


class RecoveredState:
    """A state, with the number of the last micro-batch in it.

    Args:
        lake: the tables.
        state_version: the snapshot to start from.
        duplicate_horizon_days: see `ScoringState`.
    """

    def __init__(self, lake: StateTables, state_version: str, duplicate_horizon_days: int) -> None:
        self._lake, self._horizon_days = lake, duplicate_horizon_days
        self._snapshot = Snapshot.parse(state_version)
        self._topic_labels = lake.numbered(TOPIC_LABELS, LANDING)
        self._corrections: Corrections = []
        self._start()

    def _start(self) -> None:
        """Begin with the snapshot alone."""
        first_second = self._snapshot.first_second if self._snapshot else 0
        self.state = ScoringState(self._horizon_days, first_second)
        self.number = 0
        self.carried: Carried = {}
        self._mark = StreamMark()
        if self._snapshot is not None:
            self._mark = _add_snapshot(self.state, self._lake, self._snapshot)
        self._landing = self._mark.first_landing - 1

    def catch_up(self, log: ScoringLog) -> None:
        """Take in the rows scored and the labels landed since the last call.

        Raises:
            RepeatedRowsError: a table holds rows more than once; none of them is taken in.
        """
        corrections = corrections_in(log.last())
        if self.number and corrections != self._corrections:
            # history was dropped by a wrong clock
            self._start()
        self._corrections = corrections
        if log.number > self.number:
            after = max(self.number, self._mark.first_micro_batch - 1)
            rows = log.rows_above(after, [*_REPLAYED, "micro_batch"])
            rows = rows.sort_by([(name, "ascending") for name in SCORED.unique_by])
            require_unique(SCORED, rows)
            transactions = transactions_of(rows)
            noted = self._noted(_longs(rows["micro_batch"]), transactions.second)
            recent = self.state.clock.recent
            if self.number:
                recent = np.concatenate((recent, transactions.second))
            else:
                recent = log.last_seconds(WINDOW_ROWS)
            self.state.set_clock(resumed(log.last(), recent))
            self._replay(rows, transactions, noted)
            self.number = log.number
            self.carried = carried_in(log.last())
        self._land()

    def _replay(self, rows: pa.Table, transactions: Transactions, noted: Ints) -> None:
        """Take in scored rows in scoring order, as far back as they still matter."""
        flags, second = flags_of(rows), transactions.second
        micro_batch = _longs(rows["micro_batch"])
        first = self._snapshot.first_second if self._snapshot else 0
        is_new = second >= first
        # in the snapshot's days, but scored after the snapshot was made
        is_new |= (micro_batch > self._mark.micro_batch) & (second >= self._mark.first_second)
        is_new &= ~is_left_out(self._corrections, micro_batch, second)
        is_kept = noted >= self.state.rows.oldest_second
        places = np.flatnonzero(is_new & is_kept)
        own = transactions.take(places)
        self.state.replay(own, {n: flags[n][places] for n in flags}, noted[places])
        places = np.flatnonzero(~is_new & is_kept)
        own = transactions.take(places)
        self.state.remember(own, noted[places])
        oldest = first - LABEL_LOOKBACK_HOURS * TILE_SECONDS
        self._note_drop_labels(own.take(np.flatnonzero(own.second >= oldest)))

    def _noted(self, micro_batch: Ints, second: Ints) -> Ints:
        """Return `noted_seconds` as of each micro-batch's scoring, with corrections applied."""
        clock = copy(self.state.clock)
        noted = np.empty_like(second)
        due = [one for one in self._corrections if one.number > self.number]
        for start, end in group_bounds(micro_batch):
            while due and due[0].number < micro_batch[start]:
                clock.second = due.pop(0).second
                noted[:start] = np.minimum(noted[:start], clock.second)
            clock.advance(second[start:end])
            noted[start:end] = noted_seconds(second[start:end], clock.second)
        return np.minimum(noted, due[-1].second) if due else noted

    def _note_drop_labels(self, rows: Transactions) -> None:
        """Record labels that came with a drop: the snapshot's tiles already hold them.

        A label from the topic then counts only if it differs.
        """
        if not rows.transaction_id.size:
            return
        drop_labels = drop_labels_of(self._lake, rows.transaction_id, int(rows.second.min()))
        self.state.rows.label(*drop_labels.known)

    def _land(self) -> None:
        self._topic_labels.refresh()
        if self._topic_labels.number > self._landing:
            columns = TOPIC_LABELS.column_names
            landed = self._topic_labels.rows_above(self._landing, "landing", columns)
            landed = landed.sort_by([(name, "ascending") for name in LANDING_ORDER])
            require_unique(TOPIC_LABELS, landed)
            labels = landed_of(landed, self._corrections)
            self._note_rows_of_drops(labels)
            self.state.land(labels)
            self._landing = self._topic_labels.number

    def _note_rows_of_drops(self, labels: LandedLabels) -> None:
        """Record transactions that came only with a drop, if these labels correct the drop's.

        The snapshot's tiles hold them with the drop's labels.
        """
        if self._snapshot is None:
            return
        oldest = self._snapshot.first_second - LABEL_LOOKBACK_HOURS * TILE_SECONDS
        is_open = labels.known_at_second >= oldest
        is_open &= ~self.state.can_be_labelled(labels.transaction_id)
        if not is_open.any():
            return
        labels = labels.take(np.flatnonzero(is_open))
        drop_labels = worth_noting(
            drop_labels_of(self._lake, labels.transaction_id, oldest),
            labels.transaction_id,
            labels.scenario,
            labels.known_at_second,
        )
        rows = transactions_of(drop_rows_of(self._lake, drop_labels.transaction_id, oldest))
        in_tiles = rows.take(np.flatnonzero(rows.second < self._snapshot.first_second))
        self.state.add_rows_of_drops(in_tiles, *drop_labels.known)


def flags_of(rows: pa.Table) -> dict[str, np.ndarray]:
    """Return the frozen flags of rows, int64 by name; 0 for rows older than a flag."""
    return {name: _longs(pc.fill_null(rows[name], 0)) for name in _FLAGS}


def landed_of(rows: pa.Table, corrections: Corrections) -> LandedLabels:
    """Return rows of `topic_labels` as labels, without those that would block every correction.

    Older versions did not check known_at and accepted labels that are known decades ahead.

    Args:
        corrections: corrections of the stream time at which they landed.
    """
    landed = rows["landed_at"].cast(pa.int64())
    seconds = pc.fill_null(pc.divide(landed, 1_000_000), NEVER_LANDED)
    labels = LandedLabels(
        _longs(rows["transaction_id"]),
        _longs(rows["fraud_scenario"]),
        _longs(rows["known_at"].cast(pa.int64())) // 1_000_000,
        corrected_landings(corrections, _longs(rows["landing"]), _longs(seconds)),
    )
    is_wrong = labels.known_at_second > labels.landed_second + _DECADE
    if not is_wrong.any():
        return labels
    is_wrong &= labels.known_at_second > _medians(_longs(rows["landing"]), labels) + _DECADE
    return labels.take(np.flatnonzero(~is_wrong))


def _medians(landing: Ints, labels: LandedLabels) -> Ints:
    """Return the median known_at of each label's landing; 0 if stream time is enough."""
    medians = np.zeros(landing.size, np.int64)
    for number in np.unique(landing).tolist():
        own = np.flatnonzero(landing == number)
        if own.size >= _MANY_LABELS or labels.landed_second[own[0]] == NEVER_LANDED:
            medians[own] = int(np.median(labels.known_at_second[own]))
    return medians


def _add_snapshot(state: ScoringState, lake: StateTables, snapshot: Snapshot) -> StreamMark:
    """Take in a snapshot, some rows at a time: all at once need three times the state's memory.

    Returns:
        The part of the stream that it contains.
    """
    stored = _layout(lake, snapshot)
    for tile in DECLARATION.tiles:
        for entity in tile.entities:
            of_entity = [("entity", "=", entity)] if "entity" in tile.key else []
            for rows in _part(lake, snapshot, tile.name, stored[tile.name], *of_entity):
                _add_tiles(state, tile, entity, rows)
    marks = next(_part(lake, snapshot, STREAM_PART, MARKS), None)
    if marks is None:
        # written by an older version, which assumed that all of its days were complete
        return StreamMark(first_second=snapshot.first_second)
    return StreamMark(**{name: int(marks[name][0]) for name in MARKS})


def _add_tiles(state: ScoringState, tile: Tile, entity: Entity, rows: Mapping[str, Ints]) -> None:
    live, measures = state.live, {name: _measure(rows, name) for name in tile.names}
    ids, hour = rows["entity_id"], rows["hour"]
    if tile.rows == "labels":
        live.add_label_tiles(entity, LabelTiles(ids, hour, rows["counts_from_hour"], measures))
    elif entity == "terminal":
        live.add_terminal_tiles(Tiles(ids, hour, measures))
    else:
        live.add_customer_tiles(Tiles(ids, hour, measures, terminal=rows["terminal_id"]))


def layout() -> str:
    """Return the names of the measures in a snapshot's parts, in order, as stored.

    The times of features follow if they are not the first ones, and the measures of terminal tiles
    if they are not the first ones: an older snapshot names neither.
    """
    tiles = {tile.name: list(tile.names) for tile in DECLARATION.tiles}
    customer, labels = (tiles.pop(name) for name in (CUSTOMER_TILES.name, LABEL_TILES.name))
    times, first = DECLARATION.times, first_layout()
    named: list[Any] = [] if times == FIRST_TIMES else [str(times)]
    further = {name: names for name, names in tiles.items() if tuple(names) != first[name]}
    return json.dumps([customer, labels, *named, *([further] if further else [])])


def _layout(lake: StateTables, snapshot: Snapshot) -> dict[str, tuple[str, ...]]:
    """Return the measures that a snapshot holds of each tile, in its own order.

    A snapshot outlives its feature declaration: a scorer reads it by name, and a measure declared
    since then is 0 in it.

    Raises:
        SchemaMismatchError: it was made with another label delay, window span or tile.
    """
    rows = lake.read_arrow(
        SCORING_STATE,
        [("as_of", "=", snapshot.as_of), ("part", "=", STREAM_PART)],
        ["entity"],
        snapshot.table_version,
    )
    stored = rows["entity"].to_pylist()
    if not stored or not stored[0]:
        _check_times(snapshot, str(FIRST_TIMES))
        return first_layout()
    customer, labels, *more = json.loads(stored[0])
    _check_times(snapshot, next((one for one in more if isinstance(one, str)), str(FIRST_TIMES)))
    further = next((one for one in more if isinstance(one, dict)), {})
    named = {CUSTOMER_TILES.name: customer, LABEL_TILES.name: labels, **further}
    return first_layout() | {name: tuple(names) for name, names in named.items()}


def _check_times(snapshot: Snapshot, stored: str) -> None:
    if stored != str(DECLARATION.times):
        raise SchemaMismatchError(
            f"snapshot of {snapshot.as_of}: expected {DECLARATION.times}, found a snapshot made "
            f"with {stored}. Build the days of features again, then materialize scoring_state."
        )


def _measure(rows: Mapping[str, Ints], name: str) -> Ints:
    return rows[name] if name in rows else np.zeros(len(rows["entity_id"]), np.int64)


def _part(
    lake: StateTables, snapshot: Snapshot, part: str, measures: tuple[str, ...], *more: Any
) -> Iterator[dict[str, Ints]]:
    """Yield one part of a snapshot, with its measures by name."""
    stored = {f"v{i}": name for i, name in enumerate(measures)}
    names = {n: n for n in ("entity_id", "terminal_id", "hour", "counts_from_hour")} | stored
    for rows in lake.read_in_batches(
        SCORING_STATE,
        [("as_of", "=", snapshot.as_of), ("part", "=", part), *more],
        list(names),
        snapshot.table_version,
    ):
        yield {name: _longs(rows[column]) for column, name in names.items()}


def _longs(column: pa.ChunkedArray) -> np.ndarray:
    return column.to_numpy().astype(np.int64, copy=False)
