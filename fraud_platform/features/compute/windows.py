"""Windows over sorted integer histories: prefix sums, first and last hours, known labels.

Here: vectorized over many entities, without loops over entities or rows.
Not here: the windows of each feature (`contracts.feature_language.terms`), events
(`features.live.events`, `features.compute.customers`).

An (entity, hour) pair is packed into one int64 key. The two ends of a window are then two binary
searches, and the sum over it is one subtraction of prefix sums.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import copy

import numpy as np

from fraud_platform.contracts.feature_language.expressions import Array, Expression
from fraud_platform.contracts.feature_language.terms import (
    GENUINE,
    MAX_WINDOW_HOURS,
    LabelRun,
    LabelSince,
    LabelSum,
    LabelTerm,
)
from fraud_platform.contracts.time import HOURS_PER_DAY
from fraud_platform.features.compute.ordering import group_starts, group_sums, sort_order
from fraud_platform.labels.rule import counts_at, on_time_end, on_time_hour
from fraud_platform.stream.runs import merge_small

HOUR_BITS = 21
"""Hours since 1970 fit in 21 bits until the year 2209."""
ENTITY_BITS = 31
_HOUR_MASK = (1 << HOUR_BITS) - 1
NO_HOUR = 1 << 62
"""Later than any hour."""
_EXPANDED_ROWS = 2_000_000
_FITS_32_BITS = 1 << 30
"""Half of the int32 range, so that a difference of two values also fits."""


def dense_ids(*columns: Array) -> tuple[Array, ...]:
    """Return the columns with ids mapped to integers below 2^31; equal ids stay equal."""
    greatest = max((int(c.max()) for c in columns if c.size), default=0)
    least = min((int(c.min()) for c in columns if c.size), default=0)
    if least >= 0 and greatest < 1 << ENTITY_BITS:
        return columns
    _, dense = np.unique(np.concatenate(columns), return_inverse=True)
    ends = np.cumsum([c.size for c in columns])[:-1]
    return tuple(np.split(dense.astype(np.int64), ends))


def hour_keys(entities: Array, hours: Array) -> Array:
    """Return one key for each (entity, hour) pair, which sorts by entity, then hour."""
    return (entities << HOUR_BITS) + hours


def prefix_sums(column: Array) -> Array:
    """Return the sums of the first 0, 1, .. n values, shape (n + 1,).

    Sums may overflow and wrap around; a difference of two is exact if it fits in 64 bits.
    """
    sums = np.zeros(column.size + 1, dtype=np.int64)
    np.cumsum(column, out=sums[1:])
    return sums


def compact_sums(column: Array) -> Array:
    """Return the prefix sums as int32 if all of them fit, else as int64."""
    sums = prefix_sums(column)
    fits = int(sums.min()) > -_FITS_32_BITS and int(sums.max()) < _FITS_32_BITS
    return sums.astype(np.int32) if fits else sums


class HourlySums:
    """Sums of integer columns over any hours of any entity.

    Args:
        entities, hours: int64 arrays of shape (n,); pairs may repeat.
        columns: int64 arrays of shape (n,) by measure.
    """

    def __init__(self, entities: Array, hours: Array, columns: Mapping[str, Array]) -> None:
        self._set(hour_keys(entities, hours), sort_order(entities, hours), columns)

    def _set(self, keys: Array, order: Array, columns: Mapping[str, Array]) -> None:
        keys = keys[order]
        starts = group_starts(keys)
        self.keys = keys[starts]
        grouped = {n: group_sums(column[order], starts) for n, column in columns.items()}
        self._is_rising = all((column >= 0).all() for column in grouped.values())
        self.sums = {name: compact_sums(column) for name, column in grouped.items()}

    def merged_with(self, other: HourlySums, oldest: int) -> HourlySums:
        """Return the sums of both from hour `oldest` on; both must have the same measures."""
        merged = HourlySums.__new__(HourlySums)
        keys = np.concatenate((self.keys, other.keys))
        kept = keys & _HOUR_MASK >= oldest
        keys = keys[kept]
        columns = {
            n: np.concatenate((np.diff(s), np.diff(other.sums[n])))[kept].astype(np.int64)
            for n, s in self.sums.items()
        }
        merged._set(keys, np.argsort(keys, kind="stable"), columns)
        return merged

    def position(self, entities: Array, hours: Array) -> Array:
        """Return the number of rows before each (entity, hour)."""
        return np.searchsorted(self.keys, hour_keys(entities, hours))

    def between(self, measure: str, starts: Array, ends: Array) -> Array:
        """Return a measure's sum over rows [start, end) for each pair of positions."""
        sums = self.sums[measure]
        return (sums[ends] - sums[starts]).astype(np.int64, copy=False)

    def values(self, measure: str, rows: Array) -> Array:
        """Return a measure of the given rows."""
        return self.between(measure, rows, rows + 1)

    def last_hour(self, measure: str, starts: Array, ends: Array) -> Array:
        """Return the hour of the last row in [start, end) with a measure above 0, or -1."""
        sums = self.sums[measure]
        if self._is_rising:
            # The row that raised the sum to its value at the end.
            rows = np.searchsorted(sums, sums[ends]) - 1
        else:
            index = np.where(np.diff(sums) > 0, np.arange(sums.size - 1), -1)
            rows = np.concatenate(([-1], np.maximum.accumulate(index)))[ends]
        return np.where(rows >= starts, self._hours(rows), -1)

    def first_hour(self, measure: str, starts: Array, ends: Array) -> Array:
        """Return the hour of the first row in [start, end) with a measure above 0, or NO_HOUR."""
        sums = self.sums[measure]
        if self._is_rising:
            rows = np.searchsorted(sums, sums[starts], side="right") - 1
        else:
            index = np.where(np.diff(sums) > 0, np.arange(sums.size - 1), sums.size - 1)
            index = np.concatenate((index, [sums.size - 1]))
            rows = np.minimum.accumulate(index[::-1])[::-1][starts]
        return np.where(rows < ends, self._hours(rows), NO_HOUR)

    def _hours(self, rows: Array) -> Array:
        if not self.keys.size:
            return np.zeros(rows.shape, dtype=np.int64)
        return self.keys[np.clip(rows, 0, self.keys.size - 1)] & _HOUR_MASK


class KnownLabels:
    """Label terms of labels that all count from the hour after the label delay, that is, on time.

    Args:
        runs: sums of the labels; each label is in one of them.
    """

    def __init__(self, runs: Sequence[HourlySums]) -> None:
        self._runs = runs

    def terms(
        self, entities: Array, hours: Array, wanted: Sequence[LabelTerm]
    ) -> dict[Expression, Array]:
        """Return int64 values of shape (queries,) for each wanted term."""
        windows = _DelayedWindows(self._runs, entities, hours)
        values: dict[Expression, Array] = {}
        for term in wanted:
            if isinstance(term, LabelSum):
                values[term] = windows.sum(term.measure, term.days * HOURS_PER_DAY)
            elif isinstance(term, LabelSince):
                last = windows.last_hour(term.measure)
                since = on_time_end(hours) - last
                values[term] = np.where(last >= 0, since, MAX_WINDOW_HOURS)
            else:
                values[term] = windows.run(term)
        return values


class _DelayedWindows:
    """The label-delayed windows of queries over several runs; each end is searched once."""

    def __init__(self, runs: Sequence[HourlySums], entities: Array, hours: Array) -> None:
        self._runs, self._entities, self._end_hours = runs, entities, on_time_end(hours)
        self._ends = self._positions(self._end_hours)
        self._starts: dict[int, list[Array]] = {}
        self._run_starts: list[Array] | None = None

    def _positions(self, hours: Array) -> list[Array]:
        return [run.position(self._entities, hours) for run in self._runs]

    def _start(self, window_hours: int) -> list[Array]:
        if window_hours not in self._starts:
            self._starts[window_hours] = self._positions(self._end_hours - window_hours)
        return self._starts[window_hours]

    def sum(self, measure: str, window_hours: int) -> Array:
        return self._between(measure, self._start(window_hours))

    def _between(self, measure: str, starts: list[Array]) -> Array:
        total = np.zeros(self._entities.size, dtype=np.int64)
        for run, start, end in zip(self._runs, starts, self._ends, strict=True):
            total += run.between(measure, start, end)
        return total

    def last_hour(self, measure: str) -> Array:
        last = np.full(self._entities.size, -1, dtype=np.int64)
        starts = self._start(MAX_WINDOW_HOURS)
        for run, start, end in zip(self._runs, starts, self._ends, strict=True):
            np.maximum(last, run.last_hour(measure, start, end), out=last)
        return last

    def run(self, term: LabelRun) -> Array:
        if self._run_starts is None:
            genuine = self.last_hour(GENUINE)
            first = np.maximum(genuine + 1, self._end_hours - MAX_WINDOW_HOURS)
            self._run_starts = self._positions(first)
        if term.what == "length":
            return self._between(term.measure, self._run_starts)
        first_hour = np.full(self._entities.size, NO_HOUR, dtype=np.int64)
        for run, start, end in zip(self._runs, self._run_starts, self._ends, strict=True):
            np.minimum(first_hour, run.first_hour(term.measure, start, end), out=first_hour)
        return np.where(first_hour < NO_HOUR, self._end_hours - first_hour, 0)


class LabelHistory:
    """Label terms of labels that may be late or corrected; labels can be added at any time.

    A label row counts at hour h if counts_from <= h and its event hour is in the window. For rows
    on time, the second condition implies the first. A query whose window contains a late or
    correcting row is computed separately, from exactly the rows that count at its hour.

    Args:
        measures: the label measures that the terms need.
    """

    def __init__(self, measures: Sequence[str]) -> None:
        self._measures = tuple(measures)
        self._runs: list[HourlySums] = []
        self.oldest_hour = 0
        """Labels of earlier event hours may be dropped."""
        empty = np.zeros(0, dtype=np.int64)
        self._late = (empty, empty, dict.fromkeys(measures, empty))

    def fork(self) -> LabelHistory:
        """Return a copy that can be changed without changing this history; runs are shared."""
        fork = copy(self)
        fork._runs = list(self._runs)
        return fork

    def add(
        self,
        entities: Array,
        event_hours: Array,
        counts_from: Array,
        columns: Mapping[str, Array],
    ) -> LabelHistory:
        """Add label rows; return the history itself.

        Args:
            entities, event_hours, counts_from: int64 arrays of shape (n,).
            columns: int64 arrays of shape (n,) by label measure; negative in a row that removes a
                replaced version.
        """
        needed = {name: columns[name] for name in self._measures}
        is_late = counts_from > on_time_hour(event_hours)
        for column in needed.values():
            is_late |= column < 0
        if is_late.any():
            keys = hour_keys(entities[is_late], event_hours[is_late])
            old_keys, old_from, old_columns = self._late
            keys = np.concatenate((old_keys, keys))
            order = np.argsort(keys, kind="stable")
            order = order[keys[order] & _HOUR_MASK >= self.oldest_hour]
            late = {
                n: np.concatenate((old_columns[n], c[is_late]))[order] for n, c in needed.items()
            }
            counted = np.concatenate((old_from, counts_from[is_late]))[order]
            self._late = (keys[order], counted, late)
            on_time = ~is_late
            entities, event_hours = entities[on_time], event_hours[on_time]
            needed = {name: column[on_time] for name, column in needed.items()}
        if entities.size:
            self._runs.append(HourlySums(entities, event_hours, needed))
            merge_small(self._runs, lambda run: run.keys.size, self.oldest_hour)
        return self

    def terms(
        self, entities: Array, hours: Array, wanted: Sequence[LabelTerm]
    ) -> dict[Expression, Array]:
        """Return int64 values of shape (queries,) for each wanted term."""
        values = KnownLabels(self._runs).terms(entities, hours, wanted)
        late_keys = self._late[0]
        if not late_keys.size:
            return values
        lows, highs = _lookback(late_keys, entities, hours)
        touched = np.flatnonzero(highs > lows)
        for queries, known in self._exact_histories(touched, entities, hours):
            exact = known.terms(np.arange(queries.size), hours[queries], wanted)
            for term in wanted:
                values[term][queries] = exact[term]
        return values

    def _exact_histories(
        self, queries: Array, entities: Array, hours: Array
    ) -> Iterator[tuple[Array, KnownLabels]]:
        """Yield queries in bounded groups, each with the label rows that count at its hour."""
        late_keys, counts_from, late_columns = self._late
        sources = [late_keys, *(run.keys for run in self._runs)]
        bounds = [_lookback(keys, entities[queries], hours[queries]) for keys in sources]
        sizes = np.sum([highs - lows for lows, highs in bounds], axis=0, dtype=np.int64)
        groups = np.cumsum(sizes) // _EXPANDED_ROWS
        for group in np.split(np.arange(queries.size), np.flatnonzero(np.diff(groups)) + 1):
            owners, event_hours, columns = [], [], []
            for number, (keys, (lows, highs)) in enumerate(zip(sources, bounds, strict=True)):
                owner, rows = expand(lows[group], highs[group])
                if number == 0:
                    counted = counts_at(counts_from[rows], hours[queries[group]][owner])
                    owner, rows = owner[counted], rows[counted]
                    columns.append({name: late_columns[name][rows] for name in self._measures})
                else:
                    run = self._runs[number - 1]
                    columns.append({name: run.values(name, rows) for name in self._measures})
                owners.append(owner)
                event_hours.append(keys[rows] & _HOUR_MASK)
            joined = {n: np.concatenate([c[n] for c in columns]) for n in self._measures}
            sums = HourlySums(np.concatenate(owners), np.concatenate(event_hours), joined)
            yield queries[group], KnownLabels([sums])


def expand(lows: Array, highs: Array) -> tuple[Array, Array]:
    """Return (range number, position) for every position in the ranges [low, high)."""
    sizes = highs - lows
    owner = np.repeat(np.arange(sizes.size), sizes)
    offsets = np.cumsum(sizes) - sizes
    return owner, np.arange(owner.size) - offsets[owner] + lows[owner]


def _lookback(keys: Array, entities: Array, hours: Array) -> tuple[Array, Array]:
    """Return the positions of both ends of the longest label window."""
    end = on_time_end(hours)
    return (
        np.searchsorted(keys, hour_keys(entities, end - MAX_WINDOW_HOURS)),
        np.searchsorted(keys, hour_keys(entities, end)),
    )
