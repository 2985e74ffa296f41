"""Compressed blocks that carry transactions and labels from the terminal to the customer pass.

Here: assigning customers to tasks of the customer pass, packing columns into one block for each of
these tasks, and reading blocks. A block is an Arrow stream compressed with LZ4, which Spark moves
as one binary value. Moving single rows between the passes was the largest cost in the JVM.
Not here: tiles, which come from tables as rows (`features.batch.stacked`), the meaning of the
columns (`features.batch.tasks`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pyarrow as pa

from fraud_platform.contracts.feature_language.expressions import Array
from fraud_platform.features.compute.ordering import group_bounds, sort_order

BETWEEN_PASSES = "part int, kind byte, block binary"
"""Schema of the rows that the terminal pass sends to the customer pass."""

BLOCK = "block"
_LZ4 = pa.ipc.IpcWriteOptions(compression="lz4")
_PRIME, _FACTOR = 2**31 - 1, 950_706_376
"""One step of a generator of Fishman and Moore (1986), which distributes patterned ids evenly."""


def part_of(customer: Array, parts: int) -> Array:
    """Return the number of each customer's task, from 0 to parts - 1."""
    return customer % _PRIME * _FACTOR % _PRIME % parts


def part_sql(customer: str, parts: int) -> str:
    """Return `part_of` as a SQL expression over the column `customer`."""
    step = f"pmod({customer}, {_PRIME}L) * {_FACTOR}L"
    return f"cast(pmod(pmod({step}, {_PRIME}L), {parts}L) as int)"


def blocks_of(
    kind: int, customer: Array, columns: Mapping[str, Array], parts: int
) -> pa.RecordBatch:
    """Return one block for each task that gets any of the rows, in the schema `BETWEEN_PASSES`."""
    part = part_of(customer, parts)
    order = sort_order(part)
    rows = pa.record_batch({name: column[order] for name, column in columns.items()})
    bounds = group_bounds(part[order])
    blocks = [_to_block(rows.slice(start, end - start)) for start, end in bounds]
    return _batch([int(part[order[start]]) for start, _ in bounds], kind, blocks)


def manifest_block(kind: int, text: str) -> pa.RecordBatch:
    """Return a text as a block for task 0, in the schema `BETWEEN_PASSES`."""
    return _batch([0], kind, [text.encode()])


def rows_in(blocks: pa.Array) -> list[pa.RecordBatch]:
    """Return the rows of each block as a record batch."""
    return [_from_block(block.as_buffer()) for block in blocks]


def column_of(batches: Iterable[pa.RecordBatch], name: str) -> Array:
    """Return one int64 column of all batches, concatenated."""
    columns = [batch.column(name).to_numpy() for batch in batches]
    return np.concatenate(columns) if columns else np.zeros(0, np.int64)


def matrix_of(
    batches: Sequence[pa.RecordBatch], names: Sequence[str], dtype: type[np.integer]
) -> Array:
    """Return the named columns of all batches, shape (rows, columns)."""
    matrix = np.empty((sum(batch.num_rows for batch in batches), len(names)), dtype)
    start = 0
    for batch in batches:
        end = start + batch.num_rows
        for place, name in enumerate(names):
            matrix[start:end, place] = batch.column(name).to_numpy()
        start = end
    return matrix


def _to_block(rows: pa.RecordBatch) -> pa.Buffer:
    stream = pa.BufferOutputStream()
    with pa.ipc.new_stream(stream, rows.schema, options=_LZ4) as writer:
        writer.write_batch(rows)
    return stream.getvalue()


def _from_block(block: pa.Buffer) -> pa.RecordBatch:
    with pa.ipc.open_stream(block) as reader:
        return reader.read_next_batch()


def _batch(parts: list[int], kind: int, blocks: list[pa.Buffer] | list[bytes]) -> pa.RecordBatch:
    columns = [
        pa.array(parts, pa.int32()),
        pa.array([kind] * len(parts), pa.int8()),
        pa.array([memoryview(block) for block in blocks], pa.binary()),
    ]
    return pa.RecordBatch.from_arrays(columns, ["part", "kind", BLOCK])
