"""The live state: point-in-time features of transactions as they arrive.

Here: `LiveState`, which holds the history of every customer and terminal, gives each arriving row
its features, and takes the row in. Equal, bit for bit, to what the batch engine computes later.
Not here: how events, tiles and labels are held (`features.events`, `features.windows`), where the
state is loaded from and how messages become rows (`fraud_platform.scoring`).
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass

import numpy as np

from fraud_platform.contracts.time import HOURS_PER_DAY, LABEL_DELAY_HOURS, TILE_SECONDS
from fraud_platform.features.declarables import Declaration
from fraud_platform.features.declaration import DECLARATION
from fraud_platform.features.events import TILE_ID, EventRuns, Events
from fraud_platform.features.expressions import Array
from fraud_platform.features.kernel import (
    Labels,
    LabelTiles,
    Terms,
    Tiles,
    Transactions,
    evaluate_features,
    evaluate_flags,
    row_terms,
)
from fraud_platform.features.ordering import group_starts, sort_order
from fraud_platform.features.terms import LABEL_LOOKBACK_HOURS, MAX_WINDOW_HOURS, Entity
from fraud_platform.features.tiles import label_tiles
from fraud_platform.features.windows import HourlySums, LabelHistory, merge_small

_SMALL_ID = 1 << 30
_NEVER = 1 << 62


@dataclass(frozen=True)
class ScoredFeatures:
    """What the state knows of arriving rows, in the order in which they came.

    Attributes:
        flags: int64 columns by name.
        features: float32 columns by name.
        is_late: whether a later event of the customer was there already.
    """

    flags: dict[str, Array]
    features: dict[str, Array]
    is_late: Array


class LiveState:
    """The history of all customers and terminals, and the features of the next rows.

    Args:
        declaration: what to compute.
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
        """Return a state that goes on from this one and leaves it as it is; costs next to nothing.

        Runs are never changed, only replaced, so both share them.
        """
        fork = LiveState(self._declaration)
        fork._ids = self._ids
        fork._events = self._events.fork()
        fork._labels = {entity: labels.fork() for entity, labels in self._labels.items()}
        fork._terminals = self._terminals.fork()
        return fork

    def keep_since(self, second: int) -> None:
        """Let go, in time, of what no row at this second or later looks back to."""
        hour = second // TILE_SECONDS
        self._events.oldest_second = (hour - MAX_WINDOW_HOURS) * TILE_SECONDS
        self._terminals.oldest_hour = hour - LABEL_LOOKBACK_HOURS
        for labels in self._labels.values():
            labels.oldest_hour = hour - LABEL_LOOKBACK_HOURS

    def settle(self) -> None:
        """Do at once what the next rows would have to wait for: order what was taken in."""
        self._terminals.settle()

    @property
    def n_events(self) -> int:
        """How many customer events the state holds."""
        return self._events.size

    def add_customer_tiles(self, tiles: Tiles) -> None:
        """Take in tiles of hours of which no transaction will be added again."""
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
        """Take in tiles of hours of which no transaction will be added again."""
        self._terminals.add(self._ids["terminal"].of(tiles.entity), tiles.hour, tiles.measures)

    def add_label_tiles(self, entity: Entity, tiles: LabelTiles) -> None:
        """Take in label tiles of customers or of terminals."""
        self._labels[entity].add(
            self._ids[entity].of(tiles.entity),
            tiles.event_hour,
            tiles.counts_from_hour,
            tiles.measures,
        )

    def add_labels(self, customer_id: Array, terminal_id: Array, labels: Labels) -> None:
        """Take in versions of labels, of transactions by these customers at these terminals."""
        self.add_label_tiles("customer", label_tiles(self._declaration, customer_id, labels))
        self.add_label_tiles("terminal", label_tiles(self._declaration, terminal_id, labels))

    def add_transactions(self, rows: Transactions, flags: Mapping[str, Array]) -> None:
        """Take in transactions whose flags were frozen before."""
        self._add_at_terminals(rows)
        self._add_events(rows, flags)

    def _add_at_terminals(self, rows: Transactions) -> None:
        measures = {
            "n_transactions": np.ones(rows.second.size, dtype=np.int64),
            "amount_cents": rows.amount_cents,
        }
        self._terminals.add(self._ids["terminal"].of(rows.terminal_id), rows.hour, measures)

    def _add_events(self, rows: Transactions, flags: Mapping[str, Array]) -> None:
        measures = {
            "n_transactions": np.ones(rows.second.size, dtype=np.int64),
            "amount_cents": rows.amount_cents,
            **flags,
        }
        for last in self._declaration.last_times:
            measures[last.name] = (
                rows.second if last.flag is None else rows.second * (flags[last.flag] > 0)
            )
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
        """Return the features of rows that arrive in this order, and take the rows in.

        A row sees the rows before it in event time that arrived before it, so how arriving rows
        are cut into calls changes nothing.
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
            # in order of customer, so that neighbours are searched in neighbouring memory
            places = places[sort_order(entity[places])]
            own_flags, own_features = self._score_round(rows.take(places), entity[places])
            for name, column in own_flags.items():
                flags[name][places] = column
            parts.append(own_features)
            place[places] = np.arange(n_done, n_done + places.size)
            n_done += places.size
        features = np.concatenate(parts, axis=1).take(place, axis=1)
        by_name = dict(zip(self._declaration.names, features, strict=True))
        return ScoredFeatures(flags, by_name, is_late)

    def _score_round(self, rows: Transactions, entity: Array) -> tuple[dict[str, Array], Array]:
        terms = row_terms(rows.second, rows.amount_cents)
        own_labels = self._declaration.label_terms("customer")
        terms.update(self._labels["customer"].terms(entity, rows.hour, own_labels))
        terms.update(self._terminal_terms(rows))
        flags = evaluate_flags(self._declaration, terms)
        self._add_events(rows, flags)
        terms.update(self._events.terms(entity, rows.second, rows.transaction_id, rows.terminal_id))
        return flags, evaluate_features(self._declaration, terms)

    def _terminal_terms(self, rows: Transactions) -> Terms:
        """Return terminal terms, computed once for each hour of a terminal."""
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
        """Return for each row how many late ones its customer has up to it, and whether it is.

        Rows of one round are in event order behind all rows of earlier rounds that they may see.
        """
        size = entity.size
        order = sort_order(entity)
        last_second, last_id = self._events.last_second(entity[order])
        second, ids = rows.second[order], rows.transaction_id[order]
        rank = np.empty(size, dtype=np.int64)
        by_time = np.lexsort((ids, second))
        rank[by_time] = np.arange(1, size + 1)
        is_behind = (second < last_second) | ((second == last_second) & (ids < last_id))
        starts = group_starts(entity[order])
        group = np.repeat(np.arange(starts.size), np.diff(np.append(starts, size)))
        seen = np.maximum.accumulate(group * (size + 1) + rank) - group * (size + 1)
        is_late = is_behind | (rank < seen)
        total = np.cumsum(is_late)
        before = (total - is_late)[starts] if size else total
        rounds = np.empty(size, dtype=np.int64)
        rounds[order] = total - before[group]
        late = np.empty(size, dtype=bool)
        late[order] = is_late
        return rounds, late


class _TerminalTiles:
    """Transactions at terminals by hour; they matter one label delay later."""

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
            own = {name: measures[name] for name in self._measures}
            self._waiting.append((entity, hour, own))
            self._waiting_from = min(self._waiting_from, int(hour.min()))

    def terms(self, entity: Array, hour: Array) -> Terms:
        end = hour - LABEL_DELAY_HOURS
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
    """Ids as integers below 2^31: small ones as they are, the others numbered as they come."""

    def __init__(self) -> None:
        self._numbers: dict[int, int] = {}

    def of(self, ids: Array) -> Array:
        is_large = (ids < 0) | (ids >= _SMALL_ID)
        if not is_large.any():
            return ids
        found = ids.copy()
        large, inverse = np.unique(ids[is_large], return_inverse=True)
        numbers = self._numbers
        numbered = [numbers.setdefault(int(i), _SMALL_ID + len(numbers)) for i in large.tolist()]
        found[is_large] = np.array(numbered, dtype=np.int64)[inverse]
        return found
