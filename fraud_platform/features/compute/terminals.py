"""The terminal pass: terminal terms and tiles of the transactions of many terminals.

Here: ordering a terminal's transactions, its tiles, windows that end one label delay earlier.
Not here: customers (`features.compute.customers`), window arithmetic (`features.compute.windows`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from fraud_platform.contracts.arrays import LabelTiles, Tiles
from fraud_platform.contracts.feature_language.declarables import Declaration
from fraud_platform.contracts.feature_language.expressions import Array
from fraud_platform.contracts.time import HOURS_PER_DAY
from fraud_platform.features.compute.kernel import Terms
from fraud_platform.features.compute.ordering import group_starts, sort_order
from fraud_platform.features.compute.tiles import combine, join_tiles, transaction_values
from fraud_platform.features.compute.windows import HourlySums, LabelHistory, dense_ids
from fraud_platform.labels.rule import on_time_end

CHUNK_ROWS = 262_144
"""Rows that the terminal pass yields at once, so that every customer task gets large blocks."""


class TerminalPass:
    """Terminal terms of the transactions of many terminals.

    They are computed from the tiles of earlier hours and from the transactions themselves, which
    may span any number of days. All tiles must be earlier than the first transaction. Terms are
    constant within an hour, so each (terminal, hour) is computed once.

    Args:
        declaration: the terms to compute.
        terminal_id, hour, amount_cents: int64 of shape (rows,), in any order.
        history: terminal tiles of earlier hours.
        labels: terminal label tiles.
        second, facts: of the transactions; needed if a measure reads them.
    """

    def __init__(
        self,
        declaration: Declaration,
        terminal_id: Array,
        hour: Array,
        amount_cents: Array,
        history: Tiles,
        labels: LabelTiles,
        second: Array | None = None,
        facts: Mapping[str, Array] | None = None,
    ) -> None:
        self._declaration = declaration
        of_rows, of_history, of_labels = dense_ids(terminal_id, history.entity, labels.entity)
        self._order = sort_order(of_rows, hour)
        starts = group_starts(of_rows[self._order], hour[self._order])
        firsts = self._order[starts]
        counts = np.diff(np.append(starts, hour.size))
        tile = declaration.terminal_tile
        added = transaction_values(
            tile,
            amount_cents[self._order],
            None if second is None else second[self._order],
            facts={name: fact[self._order] for name, fact in (facts or {}).items()},
        )
        measures = combine(tile, added, starts)
        self.tiles = Tiles(terminal_id[firsts], hour[firsts], measures)
        """The terminal tiles of the transactions, by terminal and hour."""
        self._tile_of_row = np.repeat(np.arange(starts.size), counts)

        own = Tiles(of_rows[firsts], hour[firsts], measures)
        before = Tiles(of_history, history.hour, history.measures)
        known = LabelHistory(declaration.label_measures_of("terminal")).add(
            of_labels, labels.event_hour, labels.counts_from_hour, labels.measures
        )
        self._terms: Terms = {
            **known.terms(own.entity, own.hour, declaration.label_terms("terminal")),
            **self._sums(own, join_tiles(before, own)),
        }

    def batches(self) -> Iterator[tuple[Array, list[Array]]]:
        """Yield (positions of transactions, terms) in chunks of at most `CHUNK_ROWS` rows.

        Terms are a list with one array of shape (rows,) and type `Declaration.terminal_dtype` for
        each of `Declaration.terminal_terms`.
        """
        dtype = self._declaration.terminal_dtype
        values = [self._terms[term].astype(dtype) for term in self._declaration.terminal_terms]
        for start in range(0, self._order.size, CHUNK_ROWS):
            tiles = self._tile_of_row[start : start + CHUNK_ROWS]
            yield self._order[start : start + CHUNK_ROWS], [column[tiles] for column in values]

    def matrix(self) -> Array:
        """Return the terms of all transactions in input order, shape (rows, terms)."""
        width = len(self._declaration.terminal_terms)
        matrix = np.empty((self._order.size, width), self._declaration.terminal_dtype)
        for rows, columns in self.batches():
            for place, column in enumerate(columns):
                matrix[rows, place] = column
        return matrix

    def _sums(self, own: Tiles, tiles: Tiles) -> Terms:
        sums = HourlySums(tiles.entity, tiles.hour, tiles.measures)
        end = on_time_end(own.hour)
        ends = sums.position(own.entity, end)
        values: Terms = {}
        starts: dict[int, Array] = {}
        for term in self._declaration.terminal_sums:
            if term.days not in starts:
                starts[term.days] = sums.position(own.entity, end - term.days * HOURS_PER_DAY)
            values[term] = sums.between(term.measure, starts[term.days], ends)
        return values
