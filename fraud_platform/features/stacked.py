"""How rows, tiles and labels travel to one task: stacked, as integers with a kind.

Here: the kinds, the columns of each, and a task's view of them as numpy arrays; packing many
integers into one binary value, which a shuffle moves as bytes.
Not here: what tasks do with them (`features.tasks`), the Spark plan (`features.engine`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pyarrow as pa

from fraud_platform.contracts.time import TILE_SECONDS
from fraud_platform.features.expressions import Array
from fraud_platform.features.kernel import Labels, LabelTiles

ROW, TILE, LABEL_TILE, LABEL, MANIFEST = range(5)
"""A transaction, tiles of the days before, a label that does not travel with its transaction, and
the files that a task of the first pass wrote."""

TERMINAL_ROW = ("transaction_id", "customer_id", "second", "amount_cents", "label")
CUSTOMER_ROW = ("transaction_id", "terminal_id", "second", "amount_cents", "label")
NO_LABEL = -1
_SCENARIO_BITS = 2
LABEL_CODE = f"(counts_from_hour << {_SCENARIO_BITS}) | scenario"
"""A first label in one integer, as SQL; `NO_LABEL` where none begins to count in the days."""

TERMINAL_LABEL = (
    "event_hour",
    "counts_from_hour",
    "amount_cents",
    "scenario",
    "sign",
    "customer_id",
)
CUSTOMER_LABEL = TERMINAL_LABEL[:-1]
LABEL_TILE_COLUMNS = ("event_hour", "counts_from_hour")

BETWEEN_PASSES = (
    "kind byte, key long, "
    + ", ".join(f"v{i} long" for i in range(len(CUSTOMER_LABEL)))
    + ", packed binary"
)
"""Schema of what the terminal pass hands to the customer pass."""


class Stacked:
    """One task's rows, tiles and labels.

    Args:
        batches: columns kind, key, v0, v1, .. and, if any, packed.
        layouts: names of v0, v1, .. by kind.
        packed: type and number of the integers that each row's packed value holds.
    """

    def __init__(
        self,
        batches: Iterable[pa.RecordBatch],
        layouts: Mapping[int, Sequence[str]],
        packed: tuple[type[np.integer], int] = (np.int32, 0),
    ) -> None:
        self._layouts = layouts
        self.manifests: list[str] = []
        kinds: list[Array] = []
        columns: list[list[Array]] = []
        matrices = [np.zeros((0, packed[1]), packed[0])]
        for batch in batches:
            kind = batch.column(0).to_numpy()
            kinds.append(kind)
            if batch.schema.names[-1] == "packed":
                values = batch.column(batch.num_columns - 1)
                if (kind == MANIFEST).any():
                    self.manifests += _texts(values.filter(pa.array(kind == MANIFEST)))
                    values = values.filter(pa.array(kind == ROW))
                matrices.append(_unpack(values, *packed))
                batch = batch.select(range(batch.num_columns - 1))
            columns.append([column.to_numpy() for column in batch.columns[1:]])
        self.matrix = np.concatenate(matrices)
        self._kind = np.concatenate(kinds) if kinds else np.zeros(0, np.int8)
        self._columns = [np.concatenate(c) for c in zip(*columns, strict=True)]

    def take(self, kind: int) -> dict[str, Array]:
        """Return the columns of one kind, by name, int64 of shape (n,); `key` is the entity."""
        names = ("key", *self._layouts[kind])
        if not self._columns:
            return {name: np.zeros(0, np.int64) for name in names}
        rows = np.flatnonzero(self._kind == kind)
        columns = zip(names, self._columns, strict=False)
        return {name: column[rows] for name, column in columns}

    def label_tiles(self) -> LabelTiles:
        """Return the label tiles."""
        columns = self.take(LABEL_TILE)
        entity, event_hour, counts_from = (
            columns.pop(name) for name in ("key", *LABEL_TILE_COLUMNS)
        )
        return LabelTiles(entity, event_hour, counts_from, columns)


def labels_of(columns: Mapping[str, Array]) -> Labels:
    """Return the labels of columns that a task took."""
    return Labels(**{name: columns[name] for name in CUSTOMER_LABEL})


def labels_on(rows: Mapping[str, Array]) -> Labels:
    """Return the labels of transactions that all have one travelling with them."""
    code = rows["label"]
    return Labels(
        event_hour=rows["second"] // TILE_SECONDS,
        counts_from_hour=code >> _SCENARIO_BITS,
        amount_cents=rows["amount_cents"],
        scenario=code & ((1 << _SCENARIO_BITS) - 1),
        sign=np.ones(code.size, np.int64),
    )


def stack_rows(
    kind: int, key: Array, columns: Sequence[Array], matrix: Array | None = None
) -> pa.RecordBatch:
    """Return rows of one kind with the schema `BETWEEN_PASSES`.

    Args:
        key: the customer of each row.
        columns: v0, v1, ..; zeros follow where there are fewer than the schema has.
        matrix: integers to pack, of shape (rows, k).
    """
    zeros = np.zeros(key.size, np.int64)
    longs = [*columns, *[zeros] * (len(CUSTOMER_LABEL) - len(columns))]
    return _record_batch(
        kind, key, longs, _pack(np.zeros((key.size, 0), np.int8) if matrix is None else matrix)
    )


def stack_manifest(text: str) -> pa.RecordBatch:
    """Return a manifest as one row with the schema `BETWEEN_PASSES`."""
    zero = np.zeros(1, np.int64)
    return _record_batch(
        MANIFEST, zero, [zero] * len(CUSTOMER_LABEL), pa.array([text.encode()], pa.binary())
    )


def _record_batch(
    kind: int, key: Array, longs: Sequence[Array], packed: pa.Array
) -> pa.RecordBatch:
    names = ["kind", "key", *(f"v{i}" for i in range(len(longs))), "packed"]
    kinds = pa.array(np.full(key.size, kind, np.int8))
    return pa.RecordBatch.from_arrays([kinds, *map(pa.array, (key, *longs)), packed], names)


def _pack(matrix: Array) -> pa.Array:
    width = matrix.shape[1] * matrix.itemsize
    offsets = np.arange(matrix.shape[0] + 1, dtype=np.int32) * width
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(matrix))]
    return pa.Array.from_buffers(pa.binary(), matrix.shape[0], buffers)


def _unpack(values: pa.Array, dtype: type[np.integer], width: int) -> Array:
    """Return the integers of all values that are not empty, of shape (values, width)."""
    offsets = np.frombuffer(values.buffers()[1], dtype=np.int32)
    first, last = int(offsets[values.offset]), int(offsets[values.offset + len(values)])
    if first == last:
        return np.zeros((0, width), dtype)
    data = np.frombuffer(values.buffers()[2], np.uint8)[first:last]
    return data.view(dtype).reshape(-1, width)


def _texts(values: pa.Array) -> list[str]:
    return [value.decode() for value in values.to_pylist()]
