"""The kernel: transactions and tiles of many customers or terminals to terms and features.

Here: numpy arrays in, numpy arrays out; what the batch engine and the scorer share.
Not here: Arrow and Spark (`features.engine`), window arithmetic (`features.windows`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from fraud_platform.contracts.time import HOURS_PER_DAY, LABEL_DELAY_HOURS, TILE_SECONDS
from fraud_platform.features.declarables import Declaration
from fraud_platform.features.expressions import Array, Expression
from fraud_platform.features.terms import MAX_SINCE_SECONDS, RowTerm
from fraud_platform.features.windows import (
    HourlySums,
    LabelHistory,
    dense_ids,
    hour_keys,
    prefix_sums,
    split_keys,
)

CHUNK_ROWS = 32_768
"""Rows that formulas are evaluated for at once: enough to hide Python, few enough for the cache."""

Terms = dict[Expression, Array]


@dataclass(frozen=True)
class Transactions:
    """Transactions, each column an int64 array of shape (rows,)."""

    transaction_id: Array
    customer_id: Array
    terminal_id: Array
    second: Array
    amount_cents: Array

    @property
    def hour(self) -> Array:
        """Hours since 1970, the hour that every window ends in."""
        return self.second // TILE_SECONDS


@dataclass(frozen=True)
class Tiles:
    """Transaction tiles of customers or terminals.

    Attributes:
        entity: customer or terminal ids, int64 of shape (tiles,).
        hour: hours since 1970.
        measures: int64 columns by name.
        terminal: of customer tiles, the terminal visited.
    """

    entity: Array
    hour: Array
    measures: Mapping[str, Array]
    terminal: Array = field(default_factory=lambda: np.zeros(0, dtype=np.int64))


@dataclass(frozen=True)
class LabelTiles:
    """Label tiles of customers or terminals, int64 columns of shape (tiles,)."""

    entity: Array
    event_hour: Array
    counts_from_hour: Array
    measures: Mapping[str, Array]


@dataclass(frozen=True)
class FeatureBatch:
    """Features of some transactions.

    Attributes:
        rows: which transactions, as positions in the arrays that came in.
        flags: int64 columns of 0 and 1, by name.
        features: float32 columns by name.
    """

    rows: Array
    flags: dict[str, Array]
    features: dict[str, Array]


def evaluate_features(
    declaration: Declaration, terms: Mapping[Expression, Array]
) -> dict[str, Array]:
    """Return every feature as a float32 array, from int64 terms of the same shape (rows,)."""
    shape = next(iter(terms.values())).shape
    return {
        feature.name: np.broadcast_to(feature.formula.evaluate(terms), shape).astype(np.float32)
        for feature in declaration.features
    }


def row_terms(second: Array, amount_cents: Array) -> Terms:
    """Return the terms of the transactions themselves."""
    hour = second // TILE_SECONDS
    return {
        RowTerm("amount_cents"): amount_cents,
        RowTerm("hour_of_day"): hour % HOURS_PER_DAY,
        RowTerm("day_of_week"): (hour // HOURS_PER_DAY + 3) % 7,
    }


def terminal_terms(
    declaration: Declaration,
    terminal_id: Array,
    hour: Array,
    tiles: Tiles,
    labels: LabelTiles,
) -> Array:
    """Return the terminal terms of each (terminal, hour), int64 of shape (rows, terms).

    Columns follow `declaration.terminal_terms`. They are constant through an hour and computed
    once for each hour of a terminal, however many transactions it holds.
    """
    terminals, tile_entities, label_entities = dense_ids(terminal_id, tiles.entity, labels.entity)
    keys, inverse = np.unique(hour_keys(terminals, hour), return_inverse=True)
    terminals, hours = split_keys(keys)
    history = LabelHistory(
        label_entities, labels.event_hour, labels.counts_from_hour, labels.measures
    )
    values: Terms = {**history.terms(terminals, hours, declaration.label_terms("terminal"))}
    sums = HourlySums(tile_entities, tiles.hour, tiles.measures)
    end = hours - LABEL_DELAY_HOURS
    ends = sums.position(terminals, end)
    for term in declaration.terminal_sums:
        starts = sums.position(terminals, end - term.days * HOURS_PER_DAY)
        values[term] = sums.between(term.measure, starts, ends)
    columns = [values[wanted] for wanted in declaration.terminal_terms]
    return np.stack(columns, axis=1)[inverse] if columns else np.zeros((hour.size, 0), np.int64)


class CustomerPass:
    """Features of the transactions of many customers, from tiles before them and one another.

    The transactions may span any number of hours; tiles must all lie before the first of them.

    Args:
        declaration: what to compute.
        transactions: in any order.
        terminal_matrix: terminal terms of each transaction, as `terminal_terms` returns them.
        tiles: customer tiles of the hours before.
        labels: customer label tiles.
    """

    def __init__(
        self,
        declaration: Declaration,
        transactions: Transactions,
        terminal_matrix: Array,
        tiles: Tiles,
        labels: LabelTiles,
    ) -> None:
        self._declaration = declaration
        self._terminal_matrix = terminal_matrix
        of_rows, of_tiles, of_labels = dense_ids(
            transactions.customer_id, tiles.entity, labels.entity
        )
        self._sort(transactions, tiles, of_rows, of_tiles)
        history = LabelHistory(
            of_labels, labels.event_hour, labels.counts_from_hour, labels.measures
        )
        self._label_terms = history.terms(
            self._customer[self._places],
            self._hour[self._places],
            declaration.label_terms("customer"),
        )
        self._flags = self._evaluate_flags()
        self._index_history(tiles)
        self._index_visits(transactions, tiles)

    def batches(self) -> Iterator[FeatureBatch]:
        """Yield the features, by customer, time and transaction id."""
        for start in range(0, self._places.size, CHUNK_ROWS):
            chunk = slice(start, start + CHUNK_ROWS)
            terms = self._own_terms(chunk)
            terms.update(self._history_terms(chunk))
            yield FeatureBatch(
                rows=self._rows[chunk],
                flags={name: flag[chunk] for name, flag in self._flags.items()},
                features=evaluate_features(self._declaration, terms),
            )

    def _sort(
        self, transactions: Transactions, tiles: Tiles, of_rows: Array, of_tiles: Array
    ) -> None:
        """Order tiles and transactions by customer, time and id, as one sequence of events."""
        n_tiles = tiles.entity.size
        customer = np.concatenate((of_tiles, of_rows))
        second = np.concatenate((tiles.hour * TILE_SECONDS, transactions.second))
        ids = np.concatenate((np.full(n_tiles, -1), transactions.transaction_id))
        order = np.lexsort((ids, (customer << 32) + second))
        self._order = order
        self._customer = customer[order]
        self._second = second[order]
        self._hour = self._second // TILE_SECONDS
        self._places = np.flatnonzero(order >= n_tiles)
        self._rows = order[self._places] - n_tiles
        self._amounts = transactions.amount_cents[self._rows]

    def _own_terms(self, chunk: slice) -> Terms:
        """Return the terms that no customer window enters."""
        terms = row_terms(self._second[self._places[chunk]], self._amounts[chunk])
        for label_term, values in self._label_terms.items():
            terms[label_term] = values[chunk]
        matrix = self._terminal_matrix[self._rows[chunk]]
        for column, term in enumerate(self._declaration.terminal_terms):
            terms[term] = matrix[:, column]
        return terms

    def _evaluate_flags(self) -> dict[str, Array]:
        flags = {
            flag.name: np.empty(self._places.size, dtype=np.int64)
            for flag in self._declaration.flags
        }
        for start in range(0, self._places.size, CHUNK_ROWS):
            chunk = slice(start, start + CHUNK_ROWS)
            terms = self._own_terms(chunk)
            for flag in self._declaration.flags:
                flags[flag.name][chunk] = flag.condition.evaluate(terms)
        return flags

    def _index_history(self, tiles: Tiles) -> None:
        """Lay prefix sums and running last times over the events."""
        in_rows = {
            "n_transactions": np.ones(self._places.size, dtype=np.int64),
            "amount_cents": self._amounts,
            **self._flags,
        }
        for last in self._declaration.last_times:
            seconds = self._second[self._places]
            in_rows[last.name] = seconds if last.flag is None else seconds * self._flags[last.flag]
        self._columns: dict[str, Array] = {}
        is_tile = np.ones(self._order.size, dtype=bool)
        is_tile[self._places] = False
        tile_rows = self._order[is_tile]
        for name, values in in_rows.items():
            column = np.empty(self._order.size, dtype=np.int64)
            column[self._places] = values
            column[is_tile] = tiles.measures[name][tile_rows]
            self._columns[name] = column
        self._keys = hour_keys(self._customer, self._hour)
        self._sums = {
            name: prefix_sums(self._columns[name])
            for name in {term.measure for term in self._declaration.customer_sums}
        }
        self._latest = {
            last.name: np.maximum.accumulate((self._customer << 32) + self._columns[last.name])
            for last in self._declaration.last_times
        }

    def _index_visits(self, transactions: Transactions, tiles: Tiles) -> None:
        """Order the events by customer and terminal too, for windows of one customer there."""
        if not self._declaration.visit_sums:
            return
        of_tiles, of_rows = dense_ids(tiles.terminal, transactions.terminal_id)
        terminal = np.concatenate((of_tiles, of_rows))[self._order]
        pair = (self._customer << 32) + terminal
        order = np.argsort(pair, kind="stable")
        rank = np.cumsum(np.diff(pair[order], prepend=-1) != 0)
        self._visit_place = np.empty_like(order)
        self._visit_place[order] = np.arange(order.size)
        self._visit_rank = rank
        self._visit_keys = hour_keys(rank, self._hour[order])
        self._visit_totals = {
            name: prefix_sums(self._columns[name][order])
            for name in {term.measure for term in self._declaration.visit_sums}
        }

    def _history_terms(self, chunk: slice) -> Terms:
        """Return the terms of the customer's earlier transactions."""
        places = self._places[chunk]
        customer, hour = self._customer[places], self._hour[places]
        terms: Terms = {}
        starts: dict[int, Array] = {}
        for term in self._declaration.customer_sums:
            if term.days not in starts:
                first = hour_keys(customer, hour - term.days * HOURS_PER_DAY)
                starts[term.days] = np.searchsorted(self._keys, first)
            sums = self._sums[term.measure]
            terms[term] = sums[places] - sums[starts[term.days]]
        for since in self._declaration.customer_sinces:
            before = self._latest[since.measure][np.maximum(places - 1, 0)]
            last = np.where((places > 0) & (before >> 32 == customer), before & 0xFFFFFFFF, 0)
            elapsed = np.minimum(self._second[places] - last, MAX_SINCE_SECONDS)
            terms[since] = np.where(last > 0, elapsed, MAX_SINCE_SECONDS)
        for visit in self._declaration.visit_sums:
            place = self._visit_place[places]
            first = hour_keys(self._visit_rank[place], hour - visit.days * HOURS_PER_DAY)
            sums = self._visit_totals[visit.measure]
            terms[visit] = sums[place] - sums[np.searchsorted(self._visit_keys, first)]
        return terms


def features_of(
    declaration: Declaration,
    transactions: Transactions,
    customer_tiles: Tiles,
    terminal_tiles: Tiles,
    customer_labels: LabelTiles,
    terminal_labels: LabelTiles,
) -> Iterator[FeatureBatch]:
    """Yield all features of transactions whose customers and terminals are both at hand."""
    matrix = terminal_terms(
        declaration, transactions.terminal_id, transactions.hour, terminal_tiles, terminal_labels
    )
    work = CustomerPass(declaration, transactions, matrix, customer_tiles, customer_labels)
    yield from work.batches()
