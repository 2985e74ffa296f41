"""The customer pass: customer terms, tiles and features of the transactions of many customers.

Here: ordering a customer's events, windows over them, frozen flags, features by day.
Not here: terminals (`features.compute.terminals`), formulas (`features.compute.kernel`), window
arithmetic (`features.compute.windows`).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fraud_platform.contracts.arrays import LabelTiles, Tiles, Transactions
from fraud_platform.contracts.feature_language.declarables import Declaration
from fraud_platform.contracts.feature_language.expressions import Array
from fraud_platform.contracts.feature_language.row_terms import row_terms
from fraud_platform.contracts.feature_language.terms import MAX_SINCE_SECONDS, TERMINAL
from fraud_platform.contracts.time import SECONDS_PER_DAY, TILE_SECONDS
from fraud_platform.features.compute.kernel import (
    FeatureBatch,
    Terms,
    evaluate_features,
    evaluate_flags,
)
from fraud_platform.features.compute.ordering import (
    group_bounds,
    group_starts,
    sort_order,
)
from fraud_platform.features.compute.tiles import combine, transaction_values
from fraud_platform.features.compute.windows import LabelHistory, dense_ids, hour_keys, prefix_sums

CHUNK_ROWS = 32_768
"""Rows for which formulas are evaluated at once: amortizes Python's overhead and fits the cache."""

_SECOND_BITS = 32
_SECOND_MASK = (1 << _SECOND_BITS) - 1


class CustomerPass:
    """Features of the transactions of many customers.

    They are computed from the tiles of earlier hours and from the transactions themselves, which
    may span any number of days. All tiles must be earlier than the first transaction.

    Args:
        declaration: the features to compute.
        transactions: transactions in any order.
        terminal_matrix: terminal terms of each transaction, as `TerminalPass.matrix` returns them.
        history: customer tiles of earlier hours.
        labels: customer label tiles.
    """

    def __init__(
        self,
        declaration: Declaration,
        transactions: Transactions,
        terminal_matrix: Array,
        history: Tiles,
        labels: LabelTiles,
    ) -> None:
        self._declaration = declaration
        self._transactions = transactions
        self._matrix = terminal_matrix
        of_rows, of_history, of_labels = dense_ids(
            transactions.customer_id, history.entity, labels.entity
        )
        events = _Events(transactions, history, of_rows, of_history)
        self._rows = events.row_order
        self._second = transactions.second[self._rows]
        known = LabelHistory(declaration.label_measures_of("customer")).add(
            of_labels, labels.event_hour, labels.counts_from_hour, labels.measures
        )
        self._terms = known.terms(
            of_rows[self._rows],
            self._second // TILE_SECONDS,
            declaration.label_terms("customer"),
        )
        self._flags = self._evaluate_flags()
        events.fill(declaration, self._flags)
        self._terms.update(events.customer_terms())
        self._terms.update(events.visit_terms())
        self.tiles = events.tiles()
        """The customer tiles of the transactions, by customer, terminal and hour."""

    def by_day(self) -> Iterator[tuple[int, Iterator[FeatureBatch]]]:
        """Yield each day (since 1970) with its features, ordered by customer, time and id."""
        days = self._second // (SECONDS_PER_DAY)
        order = sort_order(days)
        for start, end in group_bounds(days[order]):
            yield int(days[order[start]]), self._batches(order[start:end])

    def _batches(self, places: Array) -> Iterator[FeatureBatch]:
        for start in range(0, places.size, CHUNK_ROWS):
            chunk = places[start : start + CHUNK_ROWS]
            terms = self._own_terms(chunk)
            terms.update(self._terminal_terms(chunk))
            yield FeatureBatch(
                rows=self._rows[chunk],
                flags={name: flag[chunk] for name, flag in self._flags.items()},
                features=dict(
                    zip(
                        self._declaration.names,
                        evaluate_features(self._declaration, terms),
                        strict=True,
                    )
                ),
            )

    def _own_terms(self, chunk: Array) -> Terms:
        """Return the row terms and all customer terms that are computed so far."""
        rows = self._rows[chunk]
        facts = {n: column[rows] for n, column in self._transactions.facts.items()}
        amounts = self._transactions.amount_cents[rows]
        terms = row_terms(self._second[chunk], amounts, facts)
        terms.update({term: values[chunk] for term, values in self._terms.items()})
        return terms

    def _terminal_terms(self, chunk: Array) -> Terms:
        matrix = self._matrix[self._rows[chunk]]
        return {
            term: matrix[:, column].astype(np.int64)
            for column, term in enumerate(self._declaration.terminal_terms)
        }

    def _evaluate_flags(self) -> dict[str, Array]:
        size = self._rows.size
        flags = {flag.name: np.empty(size, np.int64) for flag in self._declaration.flags}
        for start in range(0, size, CHUNK_ROWS):
            chunk = np.arange(start, min(start + CHUNK_ROWS, size))
            terms = self._own_terms(chunk)
            if self._declaration.flags_need_terminals:
                terms.update(self._terminal_terms(chunk))
            for name, column in evaluate_flags(self._declaration, terms).items():
                flags[name][chunk] = column
        return flags


class _Events:
    """Tiles and transactions of customers as one sequence, ordered by customer, time and id.

    Call `fill` before the terms and the tiles.
    """

    def __init__(
        self, transactions: Transactions, history: Tiles, of_rows: Array, of_history: Array
    ) -> None:
        self._transactions, self._history = transactions, history
        self._n_tiles = history.entity.size
        customer = np.concatenate((of_history, of_rows))
        second = np.concatenate((history.hour * TILE_SECONDS, transactions.second))
        ids = np.concatenate((np.full(self._n_tiles, -1), transactions.transaction_id))
        self._order = sort_order(customer, second, ids)
        self._customer = customer[self._order]
        self._hour = second[self._order] // TILE_SECONDS
        self._places = np.flatnonzero(self._order >= self._n_tiles)
        self.row_order = self._order[self._places] - self._n_tiles
        """Transactions ordered by customer, time and id, as positions in the input arrays."""

    def fill(self, declaration: Declaration, flags: dict[str, Array]) -> None:
        """Set the measures of every event from the flags of the transactions in `row_order`."""
        self._declaration = declaration
        cents = self._transactions.amount_cents[self.row_order]
        second = self._transactions.second[self.row_order]
        facts = {n: fact[self.row_order] for n, fact in self._transactions.facts.items()}
        of_rows = transaction_values(declaration.customer_tile, cents, second, flags, facts)
        is_tile = self._order < self._n_tiles
        tiles = self._order[is_tile]
        self._columns: dict[str, Array] = {}
        for name, values in of_rows.items():
            column = np.empty(self._order.size, dtype=np.int64)
            column[self._places] = values
            column[is_tile] = self._history.measures[name][tiles]
            self._columns[name] = column

    def customer_terms(self) -> Terms:
        """Return the sums and times over each customer's earlier events, in `row_order`."""
        customer, hour = self._customer[self._places], self._hour[self._places]
        keys = hour_keys(self._customer, self._hour)
        sums = {
            name: prefix_sums(self._columns[name])
            for name in {term.measure for term in self._declaration.customer_sums}
        }
        terms: Terms = {}
        starts: dict[int, Array] = {}
        for term in self._declaration.customer_sums:
            hours = term.window_hours
            if hours not in starts:
                starts[hours] = np.searchsorted(keys, hour_keys(customer, hour - hours))
            of_measure = sums[term.measure]
            terms[term] = of_measure[self._places] - of_measure[starts[hours]]
        for since in self._declaration.customer_sinces:
            terms[since] = self._since(self._columns[since.measure], customer)
        return terms

    def _since(self, column: Array, customer: Array) -> Array:
        """Return the seconds since each customer's latest earlier time, at most 30 days."""
        latest = np.maximum.accumulate((self._customer << _SECOND_BITS) + column)
        before = latest[np.maximum(self._places - 1, 0)]
        is_same = (self._places > 0) & (before >> _SECOND_BITS == customer)
        last = np.where(is_same, before & _SECOND_MASK, 0)
        elapsed = self._transactions.second[self.row_order] - last
        return np.where(last > 0, np.minimum(elapsed, MAX_SINCE_SECONDS), MAX_SINCE_SECONDS)

    def visit_terms(self) -> Terms:
        """Return the sums over each customer's earlier events with the row's value of a column."""
        terms: Terms = {}
        for each in sorted({term.each for term in self._declaration.visit_sums}):
            order, group = self._groups(each)
            hour = self._hour[order]
            keys = hour_keys(group, hour)
            sums: dict[str, Array] = {}
            for term in self._declaration.visit_sums:
                if term.each != each:
                    continue
                if term.measure not in sums:
                    sums[term.measure] = prefix_sums(self._columns[term.measure][order])
                of_measure = sums[term.measure]
                first = np.searchsorted(keys, hour_keys(group, hour - term.window_hours))
                of_events = np.empty(self._order.size, dtype=np.int64)
                of_events[order] = of_measure[:-1] - of_measure[first]
                terms[term] = of_events[self._places]
        return terms

    def _groups(self, *columns: str) -> tuple[Array, Array]:
        """Return an order of events by customer and these columns, and the number of each group."""
        values = [self._column(name) for name in columns]
        order = sort_order(self._customer, *values)
        starts = group_starts(self._customer[order], *(column[order] for column in values))
        return order, np.repeat(np.arange(starts.size), np.diff(np.append(starts, order.size)))

    def _column(self, name: str) -> Array:
        """Return a column of events that groups them; values may be replaced by dense ones."""
        if name != TERMINAL:
            return dense_ids(self._columns[name])[0]
        of_history, of_rows = dense_ids(self._history.terminal, self._transactions.terminal_id)
        return np.concatenate((of_history, of_rows))[self._order]

    def tiles(self) -> Tiles:
        """Return the customer tiles of the transactions."""
        tile = self._declaration.customer_tile
        order, group = self._groups(TERMINAL, *tile.split_by)
        is_row = self._order[order] >= self._n_tiles
        order, group = order[is_row], group[is_row]
        starts = group_starts(group, self._hour[order])
        firsts = order[starts]
        rows = self._order[firsts] - self._n_tiles
        values = {name: column[order] for name, column in self._columns.items()}
        return Tiles(
            self._transactions.customer_id[rows],
            self._hour[firsts],
            combine(tile, values, starts),
            terminal=self._transactions.terminal_id[rows],
        )
