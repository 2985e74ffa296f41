"""The live state: point-in-time features of transactions as they arrive.

Here: `LiveState`, which keeps the history of every customer and terminal, computes the features of
each arriving row, and adds the row to the history. The features equal those that the batch engine
computes later, bit for bit, unless rows arrive late.
Not here: how events, tiles and labels are stored (`features.live.events`,
`features.compute.windows`), loading the state and decoding messages (`fraud_platform.scoring`).
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass

import numpy as np

from fraud_platform.contracts.active import DECLARATION, LABEL_LOOKBACK_HOURS
from fraud_platform.contracts.arrays import Labels, LabelTiles, Tiles, Transactions
from fraud_platform.contracts.feature_language.declarables import Declaration
from fraud_platform.contracts.feature_language.expressions import Array
from fraud_platform.contracts.feature_language.row_terms import row_terms
from fraud_platform.contracts.feature_language.terms import MAX_WINDOW_HOURS, Entity
from fraud_platform.contracts.time import HOURS_PER_DAY, TILE_SECONDS
from fraud_platform.features.compute.kernel import (
    Terms,
    evaluate_features,
    evaluate_flags,
)
from fraud_platform.features.compute.ordering import group_starts, sort_order
from fraud_platform.features.compute.tiles import label_tiles, transaction_values
from fraud_platform.features.compute.windows import HourlySums, LabelHistory
from fraud_platform.features.live.events import TILE_ID, EventRuns, Events
from fraud_platform.labels.rule import on_time_end
from fraud_platform.stream.runs import merge_small

_SMALL_ID = 1 << 30
_NEVER = 1 << 62


@dataclass(frozen=True)
class ScoredFeatures:
    """Flags and features of arriving rows, in order of arrival.

    Attributes:
        flags: int64 columns by name.
        features: float32 columns by name.
        is_late: whether a later event of the same customer had already arrived.
    """

    flags: dict[str, Array]
    features: dict[str, Array]
    is_late: Array


class LiveState:
    """The history of all customers and terminals, which gives the features of the next rows.

    Args:
        declaration: the features to compute.
    """

    def __init__(self, declaration: Declaration = DECLARATION) -> None:
        self._declaration = declaration
        self._ids = {"customer": _DenseIds(), "terminal": _DenseIds()}
        self._events = EventRuns(declaration)
        self._labels = {
            "customer": LabelHistory(declaration.label_measures_of("customer")),
            "terminal": LabelHistory(declaration.label_measures_of("terminal")),
        }
        self._terminals = _TerminalTiles(declaration)

    def fork(self) -> LiveState:
        """Return a copy that can be changed without changing this state.

        It is cheap, because runs are immutable and both states share them.
        """
        fork = LiveState(self._declaration)
        fork._ids = self._ids
        fork._events = self._events.fork()
        fork._labels = {entity: labels.fork() for entity, labels in self._labels.items()}
        fork._terminals = self._terminals.fork()
        return fork

    def keep_since(self, second: int) -> None:
        """Drop, at the next merge, state that is older than the lookback of rows at `second`."""
        hour = second // TILE_SECONDS
        self._events.oldest_second = (hour - MAX_WINDOW_HOURS) * TILE_SECONDS
        self._terminals.oldest_hour = hour - LABEL_LOOKBACK_HOURS
        for labels in self._labels.values():
            labels.oldest_hour = hour - LABEL_LOOKBACK_HOURS

    def settle(self) -> None:
        """Sort the pending terminal tiles now, so that the next rows do not wait for it."""
        self._terminals.settle()

    @property
    def n_events(self) -> int:
        """The number of customer events in the state."""
        return self._events.size

    def add_customer_tiles(self, tiles: Tiles) -> None:
        """Add customer tiles; their hours' transactions must not be added as well."""
        self._events.add(
            Events(
                self._ids["customer"].of(tiles.entity),
                tiles.hour * TILE_SECONDS,
                np.full(tiles.entity.size, TILE_ID),
                tiles.terminal,
                tiles.measures,
            )
        )

    def add_terminal_tiles(self, tiles: Tiles) -> None:
        """Add terminal tiles; their hours' transactions must not be added as well."""
        self._terminals.add(self._ids["terminal"].of(tiles.entity), tiles.hour, tiles.measures)

    def add_label_tiles(self, entity: Entity, tiles: LabelTiles) -> None:
        """Add label tiles of customers or of terminals."""
        self._labels[entity].add(
            self._ids[entity].of(tiles.entity),
            tiles.event_hour,
            tiles.counts_from_hour,
            tiles.measures,
        )

    def add_labels(self, customer_id: Array, terminal_id: Array, labels: Labels) -> None:
        """Add label versions of transactions by these customers at these terminals."""
        self.add_label_tiles("customer", label_tiles(self._declaration, customer_id, labels))
        self.add_label_tiles("terminal", label_tiles(self._declaration, terminal_id, labels))

    def add_transactions(self, rows: Transactions, flags: Mapping[str, Array]) -> None:
        """Add transactions whose flags were computed before."""
        self._add_at_terminals(rows)
        self._add_events(rows, flags)

    def _add_at_terminals(self, rows: Transactions) -> None:
        tile = self._declaration.terminal_tile
        measures = transaction_values(tile, rows.amount_cents, rows.second, facts=rows.facts)
        self._terminals.add(self._ids["terminal"].of(rows.terminal_id), rows.hour, measures)

    def _add_events(self, rows: Transactions, flags: Mapping[str, Array]) -> None:
        tile = self._declaration.customer_tile
        measures = transaction_values(tile, rows.amount_cents, rows.second, flags, rows.facts)
        self._events.add(
            Events(
                self._ids["customer"].of(rows.customer_id),
                rows.second,
                rows.transaction_id,
                rows.terminal_id,
                measures,
            )
        )

    def score(self, rows: Transactions) -> ScoredFeatures:
        """Return the features of rows in order of arrival, and add the rows to the state.

        The features of a row depend on rows that are earlier in event time and arrived before it.
        Therefore it does not matter how arriving rows are divided into calls.
        """
        entity = self._ids["customer"].of(rows.customer_id)
        rounds, is_late = self._rounds(entity, rows)
        size = rows.second.size
        self._add_at_terminals(rows)
        parts = [np.empty((len(self._declaration.features), 0), np.float32)]
        flags = {f.name: np.empty(size, np.int64) for f in self._declaration.flags}
        place = np.empty(size, np.int64)
        n_done = 0
        for number in range(int(rounds.max(initial=-1)) + 1):
            places = np.flatnonzero(rounds == number)
            # Ordered by customer, so that consecutive searches access neighbouring memory.
            places = places[sort_order(entity[places])]
            round_flags, round_features = self._score_round(rows.take(places), entity[places])
            for name, column in round_flags.items():
                flags[name][places] = column
            parts.append(round_features)
            place[places] = np.arange(n_done, n_done + places.size)
            n_done += places.size
        features = np.concatenate(parts, axis=1).take(place, axis=1)
        by_name = dict(zip(self._declaration.names, features, strict=True))
        return ScoredFeatures(flags, by_name, is_late)

    def _score_round(self, rows: Transactions, entity: Array) -> tuple[dict[str, Array], Array]:
        terms = row_terms(rows.second, rows.amount_cents, rows.facts)
        label_terms = self._declaration.label_terms("customer")
        terms.update(self._labels["customer"].terms(entity, rows.hour, label_terms))
        terms.update(self._terminal_terms(rows))
        flags = evaluate_flags(self._declaration, terms)
        self._add_events(rows, flags)
        terms.update(
            self._events.terms(
                entity, rows.second, rows.transaction_id, rows.terminal_id, rows.facts
            )
        )
        return flags, evaluate_features(self._declaration, terms)

    def _terminal_terms(self, rows: Transactions) -> Terms:
        """Return the terminal terms of rows; each (terminal, hour) is computed once."""
        entity = self._ids["terminal"].of(rows.terminal_id)
        order = sort_order(entity, rows.hour)
        starts = group_starts(entity[order], rows.hour[order])
        group = np.empty(order.size, dtype=np.int64)
        group[order] = np.repeat(np.arange(starts.size), np.diff(np.append(starts, order.size)))
        firsts = order[starts]
        entity, hour = entity[firsts], rows.hour[firsts]
        terms = self._labels["terminal"].terms(
            entity, hour, self._declaration.label_terms("terminal")
        )
        terms.update(self._terminals.terms(entity, hour))
        return {term: values[group] for term, values in terms.items()}

    def _rounds(self, entity: Array, rows: Transactions) -> tuple[Array, Array]:
        """Return each row's round and whether the row is late.

        The round is the number of late rows of the same customer up to and including the row.
        Within a round a customer's rows are in event order, and no row of a later round has an
        effect on an earlier one, so that each round can be scored at once.
        """
        size = entity.size
        order = sort_order(entity)
        last_second, last_id = self._events.last_second(entity[order])
        second, ids = rows.second[order], rows.transaction_id[order]
        rank = np.empty(size, dtype=np.int64)
        by_time = np.lexsort((ids, second))
        rank[by_time] = np.arange(1, size + 1)
        is_older = (second < last_second) | ((second == last_second) & (ids < last_id))
        starts = group_starts(entity[order])
        group = np.repeat(np.arange(starts.size), np.diff(np.append(starts, size)))
        seen = np.maximum.accumulate(group * (size + 1) + rank) - group * (size + 1)
        is_late = is_older | (rank < seen)
        total = np.cumsum(is_late)
        before = (total - is_late)[starts] if size else total
        rounds = np.empty(size, dtype=np.int64)
        rounds[order] = total - before[group]
        late = np.empty(size, dtype=bool)
        late[order] = is_late
        return rounds, late


class _TerminalTiles:
    """Transactions at terminals by hour; features use them only after the label delay.

    New tiles therefore wait unsorted until a row's window reaches them.
    """

    def __init__(self, declaration: Declaration) -> None:
        self._terms = declaration.terminal_sums
        self._measures = sorted({term.measure for term in self._terms})
        self._runs: list[HourlySums] = []
        self.oldest_hour = 0
        self._waiting: list[tuple[Array, Array, dict[str, Array]]] = []
        self._waiting_from = _NEVER

    def fork(self) -> _TerminalTiles:
        fork = copy(self)
        fork._runs, fork._waiting = list(self._runs), list(self._waiting)
        return fork

    def add(self, entity: Array, hour: Array, measures: Mapping[str, Array]) -> None:
        if entity.size:
            needed = {name: measures[name] for name in self._measures}
            self._waiting.append((entity, hour, needed))
            self._waiting_from = min(self._waiting_from, int(hour.min()))

    def terms(self, entity: Array, hour: Array) -> Terms:
        end = on_time_end(hour)
        if int(end.max(initial=0)) > self._waiting_from:
            self.settle()
        terms: Terms = {term: np.zeros(entity.size, np.int64) for term in self._terms}
        for run in self._runs:
            ends = run.position(entity, end)
            starts: dict[int, Array] = {}
            for term in self._terms:
                if term.days not in starts:
                    starts[term.days] = run.position(entity, end - term.days * HOURS_PER_DAY)
                terms[term] += run.between(term.measure, starts[term.days], ends)
        return terms

    def settle(self) -> None:
        if not self._waiting:
            return
        entities, hours, columns = zip(*self._waiting, strict=True)
        joined = {n: np.concatenate([c[n] for c in columns]) for n in self._measures}
        self._runs.append(HourlySums(np.concatenate(entities), np.concatenate(hours), joined))
        merge_small(self._runs, lambda run: run.keys.size, self.oldest_hour)
        self._waiting, self._waiting_from = [], _NEVER


class _DenseIds:
    """Maps ids to integers below 2^31: small ids to themselves, others to the next free number."""

    def __init__(self) -> None:
        self._numbers: dict[int, int] = {}

    def of(self, ids: Array) -> Array:
        is_large = (ids < 0) | (ids >= _SMALL_ID)
        if not is_large.any():
            return ids
        dense = ids.copy()
        large, inverse = np.unique(ids[is_large], return_inverse=True)
        numbers = self._numbers
        numbered = [numbers.setdefault(int(i), _SMALL_ID + len(numbers)) for i in large.tolist()]
        dense[is_large] = np.array(numbered, dtype=np.int64)[inverse]
        return dense
