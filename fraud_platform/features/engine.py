"""The Spark engine: features of a range of days, in two passes of hash-partitioned entities.

Here: `build_features`; rows and tiles travel to one task a group of entities, as columns of
integers with a column that says what they are, and the kernel does the rest.
Not here: the arithmetic (`features.kernel`), tiles (`features.tiles`), the lake
(`features.materialize`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from fraud_platform.contracts.time import HOURS_PER_DAY, LABEL_DELAY_DAYS, TILE_SECONDS
from fraud_platform.features.declarables import Declaration
from fraud_platform.features.declaration import DECLARATION
from fraud_platform.features.expressions import Array
from fraud_platform.features.kernel import (
    CustomerPass,
    LabelTiles,
    Tiles,
    Transactions,
    terminal_terms,
)
from fraud_platform.features.terms import MAX_WINDOW_DAYS

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

ROWS_PER_PARTITION = 1_000_000
_ROW, _TILE, _LABEL = 0, 1, 2
_ROW_COLUMNS = ("transaction_id", "other_id", "second", "amount_cents")
_TERMINAL_MEASURES = ("n_transactions", "amount_cents")


def build_features(
    transactions: DataFrame,
    customer_tiles: DataFrame,
    terminal_tiles: DataFrame,
    label_tiles: DataFrame,
    first_day: date,
    last_day: date,
    partitions: int | None = None,
    declaration: Declaration = DECLARATION,
) -> DataFrame:
    """Return `transaction_features` of the days [first_day, last_day].

    Args:
        transactions: clean transactions that hold those days.
        customer_tiles: tiles of the 30 days before first_day; others are left out.
        terminal_tiles: tiles up to 7 days before last_day.
        label_tiles: labels that count from an hour up to last_day.
        partitions: tasks of each pass; by the number of rows and tiles where None.

    A feature of a transaction in hour h reads nothing older than 37 days before h.
    """
    days = _inputs_of_days(
        transactions, customer_tiles, terminal_tiles, label_tiles, first_day, last_day
    )
    count = partitions or _partition_count(*days)
    rows, customers, terminals, labels = days
    with_terms = _terminal_pass(rows, terminals, labels, count, declaration)
    return _customer_pass(with_terms, customers, labels, count, declaration)


def _inputs_of_days(
    transactions: DataFrame,
    customer_tiles: DataFrame,
    terminal_tiles: DataFrame,
    label_tiles: DataFrame,
    first_day: date,
    last_day: date,
) -> tuple[DataFrame, DataFrame, DataFrame, DataFrame]:
    """Return the rows of the days, and the tiles that can enter one of their windows."""
    from pyspark.sql import functions as F

    def before(days: int) -> date:
        return first_day - timedelta(days=days)

    return (
        transactions.where(F.col("tx_date").between(first_day, last_day)),
        customer_tiles.where(F.col("tile_date").between(before(MAX_WINDOW_DAYS), before(1))),
        terminal_tiles.where(
            F.col("tile_date").between(
                before(MAX_WINDOW_DAYS + LABEL_DELAY_DAYS),
                last_day - timedelta(days=LABEL_DELAY_DAYS),
            )
        ),
        label_tiles.where(
            F.col("counts_from_date").between(before(MAX_WINDOW_DAYS + LABEL_DELAY_DAYS), last_day)
        ),
    )


def _partition_count(*frames: DataFrame) -> int:
    return max(1, -(-sum(frame.count() for frame in frames) // ROWS_PER_PARTITION))


def _terminal_pass(
    rows: DataFrame,
    tiles: DataFrame,
    labels: DataFrame,
    partitions: int,
    declaration: Declaration,
) -> DataFrame:
    """Return each row's identity and its packed terminal terms."""
    from pyspark.sql import functions as F

    measures = declaration.label_measures_of("terminal")
    width = max(len(_ROW_COLUMNS), 1 + len(_TERMINAL_MEASURES), 2 + len(measures))
    second = F.unix_seconds("tx_datetime")
    stacked = (
        _stack(
            rows,
            _ROW,
            "terminal_id",
            ("transaction_id", "customer_id", second, "amount_cents"),
            width,
        )
        .unionAll(_stack(tiles, _TILE, "terminal_id", ("tile_hour", *_TERMINAL_MEASURES), width))
        .unionAll(
            _stack(
                labels.where("entity = 'terminal'"),
                _LABEL,
                "entity_id",
                ("event_hour", "counts_from_hour", *measures),
                width,
            )
        )
    )
    task = partial(_terminal_task, declaration=declaration, measures=measures)
    schema = (
        "customer_id long, transaction_id long, terminal_id long, second long, "
        "amount_cents long, terms binary"
    )
    return stacked.repartition(partitions, "key").mapInArrow(task, schema)


def _customer_pass(
    rows: DataFrame,
    tiles: DataFrame,
    labels: DataFrame,
    partitions: int,
    declaration: Declaration,
) -> DataFrame:
    """Return the features of each row."""
    from pyspark.sql import functions as F

    label_measures = declaration.label_measures_of("customer")
    tile_measures = declaration.customer_measures
    width = max(len(_ROW_COLUMNS), 2 + len(tile_measures), 2 + len(label_measures))
    none = F.lit(b"")
    row_columns = ("transaction_id", "terminal_id", "second", "amount_cents")
    stacked = (
        _stack(rows, _ROW, "customer_id", row_columns, width, F.col("terms"))
        .unionAll(
            _stack(
                tiles,
                _TILE,
                "customer_id",
                ("terminal_id", "tile_hour", *tile_measures),
                width,
                none,
            )
        )
        .unionAll(
            _stack(
                labels.where("entity = 'customer'"),
                _LABEL,
                "entity_id",
                ("event_hour", "counts_from_hour", *label_measures),
                width,
                none,
            )
        )
    )
    task = partial(_customer_task, declaration=declaration, label_measures=label_measures)
    features = ", ".join(f"`{name}` float" for name in declaration.names)
    flags = "".join(f"`{flag.name}` int, " for flag in declaration.flags)
    schema = (
        "transaction_id long, tx_datetime timestamp, tx_date date, customer_id long, "
        f"terminal_id long, amount_cents long, {flags}{features}"
    )
    return stacked.repartition(partitions, "key").mapInArrow(task, schema)


def _stack(
    frame: DataFrame, kind: int, key: str, columns: Sequence[object], width: int, *more: object
) -> DataFrame:
    """Return kind, key and `width` integer columns, zeros where the frame has fewer."""
    from pyspark.sql import functions as F

    padded = [*columns, *[F.lit(0).cast("long")] * (width - len(columns))]
    return frame.select(
        F.lit(kind).cast("byte").alias("kind"),
        F.col(key).alias("key"),
        *(
            (F.col(c) if isinstance(c, str) else c).alias(f"v{i}")  # type: ignore[attr-defined]
            for i, c in enumerate(padded)
        ),
        *(column.alias("packed") for column in more),  # type: ignore[attr-defined]
    )


class _Partition:
    """One task's rows and tiles, as int64 arrays by kind."""

    def __init__(self, batches: Iterator[pa.RecordBatch], packed_width: int = 0) -> None:
        columns: list[list[Array]] = []
        kinds: list[Array] = []
        packed: list[Array] = []
        for batch in batches:
            kinds.append(batch.column(0).to_numpy(zero_copy_only=False))
            integers = batch.schema.get_all_field_indices("packed")
            names = [i for i in range(1, batch.num_columns) if i not in integers]
            columns.append([batch.column(i).to_numpy(zero_copy_only=False) for i in names])
            if integers:
                packed.append(_unpack(batch.column(integers[0]), packed_width))
        self.is_empty = not kinds or not any((k == _ROW).any() for k in kinds)
        if self.is_empty:
            return
        kind = np.concatenate(kinds)
        self._where = {k: np.flatnonzero(kind == k) for k in (_ROW, _TILE, _LABEL)}
        self._columns = [np.concatenate(parts) for parts in zip(*columns, strict=True)]
        self.packed = np.concatenate(packed) if packed else np.zeros((0, packed_width), np.int64)

    def take(self, kind: int) -> list[Array]:
        """Return key, v0, v1, .. of one kind."""
        return [column[self._where[kind]] for column in self._columns]

    def labels(self, measures: Sequence[str]) -> LabelTiles:
        key, event_hour, counts_from, *values = self.take(_LABEL)
        return LabelTiles(key, event_hour, counts_from, dict(zip(measures, values, strict=False)))


def _terminal_task(
    batches: Iterator[pa.RecordBatch], declaration: Declaration, measures: Sequence[str]
) -> Iterator[pa.RecordBatch]:
    part = _Partition(batches)
    if part.is_empty:
        return
    terminal, transaction, customer, second, cents, *_ = part.take(_ROW)
    key, hour, *values = part.take(_TILE)
    tiles = Tiles(key, hour, dict(zip(_TERMINAL_MEASURES, values, strict=False)))
    matrix = terminal_terms(
        declaration, terminal, second // TILE_SECONDS, tiles, part.labels(measures)
    )
    names = ["customer_id", "transaction_id", "terminal_id", "second", "amount_cents", "terms"]
    for start in range(0, terminal.size, _BATCH_ROWS):
        piece = slice(start, start + _BATCH_ROWS)
        longs = [pa.array(c[piece]) for c in (customer, transaction, terminal, second, cents)]
        yield pa.RecordBatch.from_arrays([*longs, _pack(matrix[piece])], names)


def _customer_task(
    batches: Iterator[pa.RecordBatch], declaration: Declaration, label_measures: Sequence[str]
) -> Iterator[pa.RecordBatch]:
    part = _Partition(batches, packed_width=len(declaration.terminal_terms))
    if part.is_empty:
        return
    customer, transaction, terminal, second, cents, *_ = part.take(_ROW)
    key, visited, hour, *values = part.take(_TILE)
    measures = dict(zip(declaration.customer_measures, values, strict=False))
    rows = Transactions(transaction, customer, terminal, second, cents)
    tiles = Tiles(key, hour, measures, terminal=visited)
    work = CustomerPass(declaration, rows, part.packed, tiles, part.labels(label_measures))
    for batch in work.batches():
        seconds = second[batch.rows]
        columns = {
            "transaction_id": pa.array(transaction[batch.rows]),
            "tx_datetime": pa.array(seconds * 1_000_000).cast(pa.timestamp("us", tz="UTC")),
            "tx_date": pa.array((seconds // (TILE_SECONDS * HOURS_PER_DAY)).astype(np.int32)).cast(
                pa.date32()
            ),
            "customer_id": pa.array(customer[batch.rows]),
            "terminal_id": pa.array(terminal[batch.rows]),
            "amount_cents": pa.array(cents[batch.rows]),
            **{name: pa.array(flag.astype(np.int32)) for name, flag in batch.flags.items()},
            **{name: pa.array(values) for name, values in batch.features.items()},
        }
        yield pa.RecordBatch.from_pydict(columns)


_BATCH_ROWS = 32_768


def _pack(matrix: Array) -> pa.Array:
    """Return each row's integers as one binary value, so that a shuffle moves them as bytes."""
    width = matrix.shape[1] * 8
    offsets = np.arange(matrix.shape[0] + 1, dtype=np.int32) * width
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(matrix))]
    return pa.Array.from_buffers(pa.binary(), matrix.shape[0], buffers)


def _unpack(column: pa.Array, width: int) -> Array:
    """Return the integers of all values that are not empty, of shape (values, width)."""
    offsets = np.frombuffer(column.buffers()[1], dtype=np.int32)
    first, last = offsets[column.offset], offsets[column.offset + len(column)]
    data = column.buffers()[2]
    if first == last or data is None:
        return np.zeros((0, width), dtype=np.int64)
    return np.frombuffer(data, dtype=np.int64, count=(last - first) // 8, offset=first).reshape(
        -1, width
    )
