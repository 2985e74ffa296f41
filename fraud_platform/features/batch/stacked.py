"""One stream of rows, tiles and labels for a Spark task, distinguished by a `kind` column.

Here: the kinds, the columns of each, and `Stacked`, which splits a task's input into numpy arrays
by kind, whether it arrives as rows of integers or as blocks.
Not here: the format of a block (`features.batch.blocks`), what tasks compute
(`features.batch.tasks`), the Spark plan (`features.batch.engine`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pyarrow as pa

from fraud_platform.contracts.active import SOURCE
from fraud_platform.contracts.arrays import Labels, LabelTiles
from fraud_platform.contracts.feature_language.declarables import Declaration
from fraud_platform.contracts.feature_language.expressions import Array
from fraud_platform.contracts.time import TILE_SECONDS
from fraud_platform.features.batch.blocks import BLOCK, column_of, matrix_of, rows_in

ROW, TILE, LABEL_TILE, LABEL, MANIFEST = range(5)
"""A transaction, tiles of earlier days, a label that is sent without its transaction, and the
manifest of the files that a task of the terminal pass wrote."""

CUSTOMER_ROW = (
    "transaction_id", "terminal_id", "second", "amount_cents", "label", *SOURCE.fact_names,
)  # fmt: skip
CUSTOMER_LABEL = ("event_hour", "counts_from_hour", "amount_cents", "scenario", "sign")
TERMINAL_ROW = (
    "transaction_id", "customer_id", "second", "amount_cents", "label", *SOURCE.fact_names,
)  # fmt: skip
NO_LABEL = -1
_SCENARIO_BITS = 2
LABEL_CODE = f"(counts_from_hour << {_SCENARIO_BITS}) | scenario"
"""SQL that packs a first label into one integer; rows without one have `NO_LABEL`."""

TERMINAL_LABEL = (*CUSTOMER_LABEL, "customer_id")
LABEL_TILE_COLUMNS = ("event_hour", "counts_from_hour")


class Stacked:
    """One task's rows, tiles and labels.

    Args:
        batches: columns kind, key, v0, v1, .. and, if some kinds arrive in blocks, block.
        layouts: by kind, the names of its columns after `key`: of v0, v1, .. or in its blocks.
        in_blocks: the kinds that arrive in blocks.
    """

    def __init__(
        self,
        batches: Iterable[pa.RecordBatch],
        layouts: Mapping[int, Sequence[str]],
        in_blocks: Sequence[int] = (),
    ) -> None:
        self._layouts = layouts
        self.manifests: list[str] = []
        self._blocks: dict[int, list[pa.RecordBatch]] = {kind: [] for kind in in_blocks}
        kinds: list[Array] = []
        columns: list[list[Array]] = []
        for batch in batches:
            kind = batch.column(0).to_numpy()
            kinds.append(kind)
            if batch.schema.names[-1] == BLOCK:
                self._take_blocks(kind, batch.column(BLOCK))
                columns.append([column.to_numpy() for column in batch.columns[1:-1]])
            else:
                columns.append([column.to_numpy() for column in batch.columns[1:]])
        self._kind = np.concatenate(kinds) if kinds else np.zeros(0, np.int8)
        self._columns = [np.concatenate(c) for c in zip(*columns, strict=True)]

    def _take_blocks(self, kind: Array, blocks: pa.Array) -> None:
        for block_kind, rows in self._blocks.items():
            rows += rows_in(blocks.filter(pa.array(kind == block_kind)))  # noqa: PLW2901 - extends the list in the dictionary
        manifests = blocks.filter(pa.array(kind == MANIFEST))
        self.manifests += [manifest.decode() for manifest in manifests.to_pylist()]

    def take(self, kind: int) -> dict[str, Array]:
        """Return the columns of one kind by name, int64 of shape (n,); `key` is the entity id."""
        names = ("key", *self._layouts[kind])
        if kind in self._blocks:
            return {name: column_of(self._blocks[kind], name) for name in names}
        if not self._columns:
            return {name: np.zeros(0, np.int64) for name in names}
        rows = np.flatnonzero(self._kind == kind)
        columns = zip(names, self._columns, strict=False)
        return {name: column[rows] for name, column in columns}

    def terms(self, declaration: Declaration) -> Array:
        """Return the terminal terms of the transactions in blocks, shape (rows, terms)."""
        names = term_names(declaration)
        return matrix_of(self._blocks[ROW], names, declaration.terminal_dtype)

    def label_tiles(self) -> LabelTiles:
        """Return the label tiles."""
        columns = self.take(LABEL_TILE)
        entity, event_hour, counts_from = (
            columns.pop(name) for name in ("key", *LABEL_TILE_COLUMNS)
        )
        return LabelTiles(entity, event_hour, counts_from, columns)


def term_names(declaration: Declaration) -> list[str]:
    """Return the column names of the terminal terms in a block."""
    return [f"t{place}" for place in range(len(declaration.terminal_terms))]


def labels_of(columns: Mapping[str, Array]) -> Labels:
    """Return the labels in columns of kind `LABEL`."""
    return Labels(**{name: columns[name] for name in CUSTOMER_LABEL})


def labels_on(rows: Mapping[str, Array]) -> Labels:
    """Return the labels of transactions that all have one in their `label` column."""
    code = rows["label"]
    return Labels(
        event_hour=rows["second"] // TILE_SECONDS,
        counts_from_hour=code >> _SCENARIO_BITS,
        amount_cents=rows["amount_cents"],
        scenario=code & ((1 << _SCENARIO_BITS) - 1),
        sign=np.ones(code.size, np.int64),
    )
