"""The past events of customers in sorted runs, for live scoring of a few rows at a time.

Here: `EventRuns`, to which scored rows are added, and which computes windows, last times and
visits over the events before a row. A window costs a few binary searches, independent of the
length of the history.
Not here: the batch engine's single pass over all events (`features.compute.customers`), labels
(`features.compute.windows`), the complete state (`features.live.state`).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from copy import copy
from dataclasses import dataclass

import numpy as np

from fraud_platform.contracts.feature_language.declarables import Declaration
from fraud_platform.contracts.feature_language.expressions import Array, Expression
from fraud_platform.contracts.feature_language.terms import (
    LAST_SECOND,
    MAX_SINCE_SECONDS,
    TERMINAL,
    VisitSum,
)
from fraud_platform.contracts.time import TILE_SECONDS
from fraud_platform.features.compute.ordering import sort_order
from fraud_platform.features.compute.windows import compact_sums, expand, prefix_sums
from fraud_platform.stream.runs import merge_small

_SECOND_BITS = 32
_SECOND_MASK = (1 << _SECOND_BITS) - 1
_EXPANDED_ROWS = 4_000_000
_FITS_32_BITS = 1 << 31
TILE_ID = -1
"""The transaction id of an event that is a whole tile."""


@dataclass(frozen=True)
class Events:
    """Transactions or tiles of customers; int64 columns of shape (events,).

    Attributes:
        entity: the customer, an integer below 2^31.
        second: the second (since 1970) of a transaction; the first second of a tile's hour.
        transaction_id: the id of a transaction, or `TILE_ID`.
        terminal_id: the terminal.
        measures: the event's measures and last times, by name.
    """

    entity: Array
    second: Array
    transaction_id: Array
    terminal_id: Array
    measures: Mapping[str, Array]


class _Run:
    """Events ordered by customer, second and id, with prefix sums."""

    def __init__(self, events: Events, declaration: Declaration, order: Array) -> None:
        self._declaration = declaration
        self.keys = (events.entity[order] << _SECOND_BITS) + events.second[order]
        self.ids = _compact_ids(events.transaction_id[order])
        self.columns = {
            TERMINAL: _narrow(events.terminal_id[order]),
            **{name: _narrow(events.measures[name][order]) for name in declaration.split_by},
        }
        """The values that distinguish visits, by `VisitSum.each`."""
        sums = {term.measure for term in declaration.customer_sums}
        sums |= {term.measure for term in declaration.visit_sums}
        self.sums = {n: compact_sums(events.measures[n][order]) for n in sorted(sums)}
        lasts = {since.measure for since in declaration.customer_sinces} | {LAST_SECOND}
        entity = self.keys >> _SECOND_BITS << _SECOND_BITS
        self.latest_of = {
            n: (np.maximum.accumulate(entity + events.measures[n][order]) & _SECOND_MASK).astype(
                np.uint32
            )
            for n in sorted(lasts)
        }
        """By last-time measure: the customer's latest time up to each event, 0 if there is none."""
        tiles = self.keys[self.ids == TILE_ID] & _SECOND_MASK
        self._tiles_end = int(tiles.max()) + TILE_SECONDS if tiles.size else 0

    def merged_with(self, other: _Run, oldest: int) -> _Run:
        """Return a run with the events of both that are not older than `oldest`.

        The last event of every customer is kept, even if it is older.
        """
        parts = (self, other)
        keys = np.concatenate([p.keys for p in parts])
        measures = {
            n: np.concatenate([np.diff(p.sums[n]) for p in parts]).astype(np.int64)
            for n in self.sums
        }
        # A running maximum may replace the single values: it stays valid if events are inserted
        # or removed, because the new run takes the maximum again.
        measures |= {
            n: np.concatenate([p.latest_of[n] for p in parts]).astype(np.int64)
            for n in self.latest_of
        }
        measures |= {
            n: np.concatenate([p.columns[n] for p in parts]).astype(np.int64)
            for n in self._declaration.split_by
        }
        ids = np.concatenate([p.ids for p in parts])
        events = Events(
            keys >> _SECOND_BITS,
            keys & _SECOND_MASK,
            ids,
            np.concatenate([p.columns[TERMINAL] for p in parts]).astype(np.int64),
            measures,
        )
        order = _merge_order(keys, ids)
        is_last = np.append(np.diff(events.entity[order]) > 0, True)
        return _Run(events, self._declaration, order[(events.second[order] >= oldest) | is_last])

    def ends(self, entity: Array, second: Array, ids: Array) -> Array:
        """Return the number of events before each row; a tile of the row's hour never counts."""
        keys = (entity << _SECOND_BITS) + second
        places = np.searchsorted(self.keys, keys)
        size = self.keys.size
        open_rows = np.flatnonzero(places < size)
        while open_rows.size:
            at = places[open_rows]
            is_before = (self.keys[at] == keys[open_rows]) & (self.ids[at] < ids[open_rows])
            open_rows = open_rows[is_before]
            places[open_rows] += 1
            open_rows = open_rows[places[open_rows] < size]
        among_tiles = np.flatnonzero(second < self._tiles_end)
        if among_tiles.size:
            hour = second[among_tiles] // TILE_SECONDS * TILE_SECONDS
            start = np.searchsorted(self.keys, (entity[among_tiles] << _SECOND_BITS) + hour)
            at = np.minimum(start, size - 1)
            is_tile = (start < places[among_tiles]) & (self.ids[at] == TILE_ID)
            places[among_tiles] = np.where(is_tile, start, places[among_tiles])
        return places

    def starts(self, entity: Array, second: Array) -> Array:
        """Return the number of events before each (customer, second)."""
        return np.searchsorted(self.keys, (entity << _SECOND_BITS) + second)

    def latest(self, measure: str, entity: Array, ends: Array) -> Array:
        """Return each customer's latest time before a position, 0 if there is none."""
        if not self.keys.size:
            return np.zeros(entity.size, dtype=np.int64)
        at = np.maximum(ends - 1, 0)
        is_same = (ends > 0) & (self.keys[at] >> _SECOND_BITS == entity)
        return np.where(is_same, self.latest_of[measure][at].astype(np.int64), 0)


class EventRuns:
    """All past events of customers, in a few sorted runs.

    Args:
        declaration: the terms to compute.
    """

    def __init__(self, declaration: Declaration) -> None:
        self._declaration = declaration
        self._runs: list[_Run] = []
        self.oldest_second = 0
        """Older events may be dropped, except the last one of each customer."""

    def fork(self) -> EventRuns:
        """Return an independent copy that shares the immutable runs."""
        fork = copy(self)
        fork._runs = list(self._runs)
        return fork

    @property
    def size(self) -> int:
        """The number of events."""
        return sum(run.keys.size for run in self._runs)

    def add(self, events: Events) -> None:
        """Add events; they become a new run, and small runs are merged."""
        if events.entity.size:
            order = sort_order(events.entity, events.second, events.transaction_id)
            self._runs.append(_Run(events, self._declaration, order))
            merge_small(self._runs, lambda run: run.keys.size, self.oldest_second)

    def terms(
        self,
        entity: Array,
        second: Array,
        transaction_id: Array,
        terminal_id: Array,
        facts: Mapping[str, Array],
    ) -> dict[Expression, Array]:
        """Return the customer and visit terms of rows; the rows may already be among the events."""
        ends = [run.ends(entity, second, transaction_id) for run in self._runs]
        hour = second // TILE_SECONDS
        starts: dict[int, list[Array]] = {}

        def start(hours: int) -> list[Array]:
            if hours not in starts:
                first = (hour - hours) * TILE_SECONDS
                starts[hours] = [run.starts(entity, first) for run in self._runs]
            return starts[hours]

        terms: dict[Expression, Array] = {}
        for term in self._declaration.customer_sums:
            total = np.zeros(entity.size, dtype=np.int64)
            for run, first, end in zip(self._runs, start(term.window_hours), ends, strict=True):
                sums = run.sums[term.measure]
                total += sums[end] - sums[first]
            terms[term] = total
        for since in self._declaration.customer_sinces:
            last = np.zeros(entity.size, dtype=np.int64)
            for run, end in zip(self._runs, ends, strict=True):
                np.maximum(last, run.latest(since.measure, entity, end), out=last)
            elapsed = np.minimum(second - last, MAX_SINCE_SECONDS)
            terms[since] = np.where(last > 0, elapsed, MAX_SINCE_SECONDS)
        for visit in self._declaration.visit_sums:
            here = terminal_id if visit.each == TERMINAL else facts[visit.each]
            terms[visit] = self._visits(visit, here, start(visit.window_hours), ends)
        return terms

    def _visits(
        self, visit: VisitSum, here: Array, starts: list[Array], ends: list[Array]
    ) -> Array:
        """Return the sums over each row's events with its own value, by scanning its window."""
        total = np.zeros(here.size, dtype=np.int64)
        for run, first, end in zip(self._runs, starts, ends, strict=True):
            for rows in _bounded(end - first):
                owner, places = expand(first[rows], end[rows])
                is_here = run.columns[visit.each][places] == here[rows][owner]
                places, owner = places[is_here], owner[is_here]
                sums = run.sums[visit.measure]
                values = (sums[places + 1] - sums[places]).astype(np.int64, copy=False)
                bounds = np.searchsorted(owner, np.arange(rows.stop - rows.start))
                total[rows] += _sums_between(values, bounds)
        return total

    def last_second(self, entity: Array) -> tuple[Array, Array]:
        """Return each customer's greatest (second, transaction id), or (-1, -1) without events."""
        second = np.full(entity.size, -1, dtype=np.int64)
        ids = np.full(entity.size, -1, dtype=np.int64)
        for run in self._runs:
            ends = np.searchsorted(run.keys, (entity + 1) << _SECOND_BITS)
            at = np.maximum(ends - 1, 0)
            is_same = (ends > 0) & (run.keys[at] >> _SECOND_BITS == entity)
            run_second = np.where(is_same, run.latest(LAST_SECOND, entity, ends), -1)
            run_ids = np.where(is_same, run.ids[at], -1)
            is_later = (run_second > second) | ((run_second == second) & (run_ids > ids))
            second, ids = np.where(is_later, run_second, second), np.where(is_later, run_ids, ids)
        return second, ids


def _compact_ids(ids: Array) -> Array:
    """Return the ids; if all events are tiles, as a broadcast of one number to save memory."""
    is_tiles = ids.size > 0 and bool((ids == TILE_ID).all())
    return np.broadcast_to(np.int64(TILE_ID), ids.shape) if is_tiles else ids


def _narrow(values: Array) -> Array:
    """Return the values as int32 if all fit, else unchanged."""
    fits = values.size == 0 or (values.min() >= 0 and values.max() < _FITS_32_BITS)
    return values.astype(np.int32) if fits else values


def _merge_order(keys: Array, ids: Array) -> Array:
    """Return the order by key, then id, of two concatenated sorted runs."""
    order = np.argsort(keys, kind="stable")
    keys, ids = keys[order], ids[order]
    if ((keys[1:] == keys[:-1]) & (ids[1:] < ids[:-1])).any():
        return order[sort_order(keys, ids)]
    return order


def _bounded(sizes: Array) -> Iterator[slice]:
    """Yield slices of rows whose sizes sum to about `_EXPANDED_ROWS`; a larger row stays whole."""
    groups = np.cumsum(sizes) // _EXPANDED_ROWS
    cuts = [0, *(np.flatnonzero(np.diff(groups)) + 1).tolist(), sizes.size]
    for start, stop in itertools.pairwise(cuts):
        if stop > start:
            yield slice(start, stop)


def _sums_between(values: Array, bounds: Array) -> Array:
    """Return the sums of values[bounds[i]:bounds[i + 1]]; the last one ends with the array."""
    sums = prefix_sums(values)
    return sums[np.append(bounds[1:], values.size)] - sums[bounds]
