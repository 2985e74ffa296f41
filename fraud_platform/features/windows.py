"""Windows over sorted integer histories: prefix sums, last values, known labels.

Here: numpy arrays of many entities at once; no loop over entities or rows.
Not here: which windows a feature takes (`features.terms`), rows and their order
(`features.kernel`).

An (entity, hour) pair is one int64 key, so that a window's two ends are two binary searches, and
a sum over it one subtraction of prefix sums.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from fraud_platform.contracts.time import HOURS_PER_DAY, LABEL_DELAY_HOURS
from fraud_platform.features.expressions import Array, Expression
from fraud_platform.features.ordering import group_starts, group_sums, sort_order
from fraud_platform.features.terms import (
    MAX_WINDOW_HOURS,
    LabelRun,
    LabelSince,
    LabelSum,
    LabelTerm,
)

HOUR_BITS = 21
"""Hours since 1970 fit in 21 bits until the year 2209."""
ENTITY_BITS = 31
_HOUR_MASK = (1 << HOUR_BITS) - 1
_EXPANDED_ROWS = 2_000_000


def dense_ids(*columns: Array) -> tuple[Array, ...]:
    """Return the columns with every id as an integer below 2^31, equal where the ids are equal."""
    greatest = max((int(c.max()) for c in columns if c.size), default=0)
    least = min((int(c.min()) for c in columns if c.size), default=0)
    if least >= 0 and greatest < 1 << ENTITY_BITS:
        return columns
    _, dense = np.unique(np.concatenate(columns), return_inverse=True)
    ends = np.cumsum([c.size for c in columns])[:-1]
    return tuple(np.split(dense.astype(np.int64), ends))


def hour_keys(entities: Array, hours: Array) -> Array:
    """Return one sortable key for each (entity, hour) pair."""
    return (entities << HOUR_BITS) + hours


def prefix_sums(column: Array) -> Array:
    """Return the sums of the first 0, 1, .. n values, of shape (n + 1,).

    Sums may wrap around; a difference of two is exact where it fits in 64 bits itself.
    """
    sums = np.zeros(column.size + 1, dtype=np.int64)
    np.cumsum(column, out=sums[1:])
    return sums


class HourlySums:
    """Sums of integer columns over any hours of any entity.

    Args:
        entities, hours: int64 arrays of shape (n,); pairs may repeat.
        columns: int64 arrays of shape (n,) by measure.
    """

    def __init__(self, entities: Array, hours: Array, columns: Mapping[str, Array]) -> None:
        order = sort_order(entities, hours)
        keys = hour_keys(entities[order], hours[order])
        starts = group_starts(keys)
        self.keys = keys[starts]
        self.columns = {n: group_sums(column[order], starts) for n, column in columns.items()}
        self.sums = {name: prefix_sums(column) for name, column in self.columns.items()}

    def position(self, entities: Array, hours: Array) -> Array:
        """Return how many rows lie before each (entity, hour)."""
        return np.searchsorted(self.keys, hour_keys(entities, hours))

    def between(self, measure: str, starts: Array, ends: Array) -> Array:
        """Return a measure's sum over rows [start, end) for each pair of positions."""
        sums = self.sums[measure]
        return sums[ends] - sums[starts]


class KnownLabels:
    """Label terms where every label counts from the hour after its delay, the rule on time."""

    def __init__(self, entities: Array, event_hours: Array, columns: Mapping[str, Array]) -> None:
        self._hourly = HourlySums(entities, event_hours, columns)
        self._last: dict[str, Array] = {}
        self._next: dict[str, Array] = {}

    def terms(
        self, entities: Array, hours: Array, wanted: Sequence[LabelTerm]
    ) -> dict[Expression, Array]:
        """Return int64 values of shape (queries,) for each wanted term."""
        ends = self._hourly.position(entities, hours - LABEL_DELAY_HOURS)
        starts: dict[int, Array] = {}

        def start(window_hours: int) -> Array:
            if window_hours not in starts:
                first = hours - LABEL_DELAY_HOURS - window_hours
                starts[window_hours] = self._hourly.position(entities, first)
            return starts[window_hours]

        values: dict[Expression, Array] = {}
        for term in wanted:
            if isinstance(term, LabelSum):
                first = start(term.days * HOURS_PER_DAY)
                values[term] = self._hourly.between(term.measure, first, ends)
            elif isinstance(term, LabelSince):
                values[term] = self._since(term.measure, hours, start(MAX_WINDOW_HOURS), ends)
            else:
                values[term] = self._run(term, hours, start(MAX_WINDOW_HOURS), ends)
        return values

    def _last_index(self, measure: str, starts: Array, ends: Array) -> Array:
        """Return the last row in [start, end) with a measure above 0, or start - 1."""
        if measure not in self._last:
            column = self._hourly.columns[measure]
            index = np.where(column > 0, np.arange(column.size), -1)
            self._last[measure] = np.concatenate(([-1], np.maximum.accumulate(index)))
        return np.maximum(self._last[measure][ends], starts - 1)

    def _next_index(self, measure: str) -> Array:
        """Return, for each row and the end, the first row from there with a measure above 0."""
        if measure not in self._next:
            column = self._hourly.columns[measure]
            index = np.where(column > 0, np.arange(column.size), column.size)
            index = np.concatenate((index, [column.size]))
            self._next[measure] = np.minimum.accumulate(index[::-1])[::-1]
        return self._next[measure]

    def _event_hours(self, rows: Array) -> Array:
        keys = self._hourly.keys
        if not keys.size:
            return np.zeros(rows.shape, dtype=np.int64)
        return keys[np.clip(rows, 0, keys.size - 1)] & _HOUR_MASK

    def _since(self, measure: str, hours: Array, starts: Array, ends: Array) -> Array:
        rows = self._last_index(measure, starts, ends)
        since = hours - LABEL_DELAY_HOURS - self._event_hours(rows)
        return np.where(rows >= starts, since, MAX_WINDOW_HOURS)

    def _run(self, term: LabelRun, hours: Array, starts: Array, ends: Array) -> Array:
        firsts = self._last_index("n_genuine", starts, ends) + 1
        if term.what == "length":
            return self._hourly.between(term.measure, firsts, ends)
        rows = self._next_index(term.measure)[firsts]
        age = hours - LABEL_DELAY_HOURS - self._event_hours(rows)
        return np.where(rows < ends, age, 0)


class LabelHistory:
    """Label terms where labels may come late or be corrected.

    A label row counts at hour h where counts_from <= h and its event hour lies in the window.
    Queries whose windows hold no row that came late take `KnownLabels`' prefix sums over all rows;
    the others get a history of their own, of the rows that counted at their hour.

    Args:
        entities, event_hours, counts_from: int64 arrays of shape (n,).
        columns: int64 arrays of shape (n,) by label measure; negative where a version leaves.
    """

    def __init__(
        self,
        entities: Array,
        event_hours: Array,
        counts_from: Array,
        columns: Mapping[str, Array],
    ) -> None:
        is_late = counts_from > event_hours + LABEL_DELAY_HOURS + 1
        on_time = ~is_late
        self._on_time = KnownLabels(
            entities[on_time],
            event_hours[on_time],
            {name: column[on_time] for name, column in columns.items()},
        )
        self._late_keys = np.sort(hour_keys(entities[is_late], event_hours[is_late]))
        if self._late_keys.size:
            order = sort_order(entities, event_hours)
            self._keys = hour_keys(entities[order], event_hours[order])
            self._counts_from = counts_from[order]
            self._columns = {name: column[order] for name, column in columns.items()}

    def terms(
        self, entities: Array, hours: Array, wanted: Sequence[LabelTerm]
    ) -> dict[Expression, Array]:
        """Return int64 values of shape (queries,) for each wanted term."""
        values = self._on_time.terms(entities, hours, wanted)
        if not self._late_keys.size:
            return values
        lows, highs = _lookback(self._late_keys, entities, hours)
        touched = np.flatnonzero(highs > lows)
        for queries, known in self._own_histories(touched, entities, hours):
            exact = known.terms(np.arange(queries.size), hours[queries], wanted)
            for term in wanted:
                values[term][queries] = exact[term]
        return values

    def _own_histories(
        self, queries: Array, entities: Array, hours: Array
    ) -> Iterator[tuple[Array, KnownLabels]]:
        """Yield queries in bounded groups, each with the labels that counted at its own hour."""
        lows, highs = _lookback(self._keys, entities[queries], hours[queries])
        sizes = highs - lows
        groups = np.cumsum(sizes) // _EXPANDED_ROWS
        for group in np.split(np.arange(queries.size), np.flatnonzero(np.diff(groups)) + 1):
            own = np.repeat(np.arange(group.size), sizes[group])
            offsets = np.cumsum(sizes[group]) - sizes[group]
            rows = np.arange(own.size) - offsets[own] + lows[group][own]
            counted = self._counts_from[rows] <= hours[queries[group]][own]
            rows, own = rows[counted], own[counted]
            columns = {name: column[rows] for name, column in self._columns.items()}
            yield queries[group], KnownLabels(own, self._keys[rows] & _HOUR_MASK, columns)


def _lookback(keys: Array, entities: Array, hours: Array) -> tuple[Array, Array]:
    """Return the positions of the longest label window's two ends."""
    end = hours - LABEL_DELAY_HOURS
    return (
        np.searchsorted(keys, hour_keys(entities, end - MAX_WINDOW_HOURS)),
        np.searchsorted(keys, hour_keys(entities, end)),
    )
