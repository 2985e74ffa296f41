"""The Spark tasks of the two passes: over terminals, then over customers.

Here: functions for `mapInArrow`. A task receives the rows, tiles and labels of its entities,
computes tiles and features with the kernel and writes them to Parquet files itself. A terminal
task returns rows with terminal terms in blocks; a customer task returns one line of JSON that
names its files. Features are never transferred from Python to the JVM, which would be most of
their cost.
Not here: the arithmetic (`features.compute.terminals`, `features.compute.customers`), the Spark
plan (`features.batch.engine`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial

import numpy as np
import pyarrow as pa

from fraud_platform.contracts.active import SOURCE
from fraud_platform.contracts.arrays import LabelTiles, Tiles, Transactions
from fraud_platform.contracts.feature_language.declarables import Declaration
from fraud_platform.contracts.feature_language.expressions import Array
from fraud_platform.contracts.feature_language.tiles import Tile
from fraud_platform.contracts.time import TILE_SECONDS
from fraud_platform.features.batch.blocks import blocks_of, manifest_block
from fraud_platform.features.batch.files import DayFiles, TableFolder, manifest_of
from fraud_platform.features.batch.stacked import (
    CUSTOMER_LABEL,
    CUSTOMER_ROW,
    LABEL,
    LABEL_TILE,
    LABEL_TILE_COLUMNS,
    MANIFEST,
    NO_LABEL,
    ROW,
    TERMINAL_LABEL,
    TERMINAL_ROW,
    TILE,
    Stacked,
    labels_of,
    labels_on,
    term_names,
)
from fraud_platform.features.compute.customers import CustomerPass
from fraud_platform.features.compute.kernel import FeatureBatch
from fraud_platform.features.compute.terminals import TerminalPass
from fraud_platform.features.compute.tiles import join_label_tiles, join_labels, label_tiles
from fraud_platform.tables.features import (
    CUSTOMER_TILES,
    LABEL_TILES,
    TERMINAL_TILES,
    TRANSACTION_FEATURES,
)

Task = Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]
Layouts = Mapping[int, Sequence[str]]
Folders = Mapping[str, TableFolder]

MANIFEST_SCHEMA = "manifest string"
_MICROSECONDS = 1_000_000


def terminal_layouts(declaration: Declaration) -> Layouts:
    """Return the names of the columns v0, v1, .. of each kind in the terminal pass."""
    return {
        ROW: TERMINAL_ROW,
        TILE: _history_columns(declaration.terminal_tile),
        LABEL_TILE: (*LABEL_TILE_COLUMNS, *declaration.label_measures_of("terminal")),
        LABEL: TERMINAL_LABEL,
    }


def customer_layouts(declaration: Declaration) -> Layouts:
    """Return the names of each kind's columns in the customer pass, as v0, v1, .. or in blocks."""
    return {
        ROW: CUSTOMER_ROW,
        LABEL: CUSTOMER_LABEL,
        TILE: _history_columns(declaration.customer_tile),
        LABEL_TILE: (*LABEL_TILE_COLUMNS, *declaration.label_measures_of("customer")),
    }


def _history_columns(tile: Tile) -> tuple[str, ...]:
    others = (column for column in tile.key if column != tile.entity_column)
    return (*others, *tile.names)


def terminal_task(
    declaration: Declaration, folders: Folders, first_second: int, parts: int
) -> Task:
    """Return the function of a terminal task; it yields `features.batch.blocks.BETWEEN_PASSES`.

    Args:
        declaration: the features to compute.
        folders: destination of the files, by table name.
        first_second: start of the days; earlier transactions contribute only their labels.
        parts: number of tasks of the customer pass.
    """
    return partial(
        _run_terminal_task,
        declaration=declaration,
        folders=folders,
        first_second=first_second,
        parts=parts,
    )


def customer_task(declaration: Declaration, folders: Folders) -> Task:
    """Return the function of a customer task; it yields `MANIFEST_SCHEMA`."""
    return partial(_run_customer_task, declaration=declaration, folders=folders)


def _run_terminal_task(
    batches: Iterable[pa.RecordBatch],
    declaration: Declaration,
    folders: Folders,
    first_second: int,
    parts: int,
) -> Iterator[pa.RecordBatch]:
    part = Stacked(batches, terminal_layouts(declaration))
    all_rows, tiles = part.take(ROW), part.take(TILE)
    new_labels = _new_label_tiles(declaration, all_rows, part.take(LABEL))
    label_files = _write_label_tiles(folders, "terminal", new_labels)
    is_in_days = all_rows["second"] >= first_second
    rows = _where(all_rows, is_in_days)
    work = TerminalPass(
        declaration,
        rows["key"],
        rows["second"] // TILE_SECONDS,
        rows["amount_cents"],
        Tiles(tiles.pop("key"), tiles.pop("tile_hour"), tiles),
        join_label_tiles(part.label_tiles(), new_labels),
        rows["second"],
        {name: rows[name] for name in SOURCE.fact_names},
    )
    tile_files = _write_terminal_tiles(folders, work.tiles)
    of_customers = {**rows, "key": rows["customer_id"], "terminal_id": rows["key"]}
    names = term_names(declaration)
    for places, terms in work.batches():
        columns = {name: of_customers[name][places] for name in ("key", *CUSTOMER_ROW)}
        columns.update(zip(names, terms, strict=True))
        yield blocks_of(ROW, columns["key"], columns, parts)
    yield _labels_for_customers(_where(all_rows, ~is_in_days), part.take(LABEL), parts)
    yield manifest_block(
        MANIFEST, manifest_of((LABEL_TILES.name, label_files), (TERMINAL_TILES.name, tile_files))
    )


def _labels_for_customers(
    earlier_rows: Mapping[str, Array], labels: Mapping[str, Array], parts: int
) -> pa.RecordBatch:
    """Return the labels that the customer pass does not receive with a row of the days."""
    customers = np.concatenate((earlier_rows["customer_id"], labels["customer_id"]))
    joined = join_labels(labels_on(earlier_rows), labels_of(labels))
    columns = {name: getattr(joined, name) for name in CUSTOMER_LABEL}
    return blocks_of(LABEL, customers, {"key": customers, **columns}, parts)


def _new_label_tiles(
    declaration: Declaration, rows: Mapping[str, Array], labels: Mapping[str, Array]
) -> LabelTiles:
    """Return the tiles of the labels in rows and of the separate labels."""
    labelled = _where(rows, rows["label"] != NO_LABEL)
    entity = np.concatenate((labelled["key"], labels["key"]))
    return label_tiles(declaration, entity, join_labels(labels_on(labelled), labels_of(labels)))


def _where(columns: Mapping[str, Array], condition: Array) -> dict[str, Array]:
    if condition.all():
        return dict(columns)
    return {name: column[condition] for name, column in columns.items()}


def _run_customer_task(
    batches: Iterable[pa.RecordBatch], declaration: Declaration, folders: Folders
) -> Iterator[pa.RecordBatch]:
    part = Stacked(batches, customer_layouts(declaration), in_blocks=(ROW, LABEL))
    rows, tiles = part.take(ROW), part.take(TILE)
    new_labels = _new_label_tiles(declaration, rows, part.take(LABEL))
    label_files = _write_label_tiles(folders, "customer", new_labels)

    transactions = Transactions(
        rows["transaction_id"],
        rows["key"],
        rows["terminal_id"],
        rows["second"],
        rows["amount_cents"],
        {name: rows[name] for name in SOURCE.fact_names},
    )
    history = Tiles(
        tiles.pop("key"), tiles.pop("tile_hour"), tiles, terminal=tiles.pop("terminal_id")
    )
    work = CustomerPass(
        declaration,
        transactions,
        part.terms(declaration),
        history,
        join_label_tiles(part.label_tiles(), new_labels),
    )
    feature_files = DayFiles(folders[TRANSACTION_FEATURES.name], TRANSACTION_FEATURES)
    for day, feature_batches in work.by_day():
        feature_files.write_day(day, (_columns(transactions, b) for b in feature_batches))
    tile_files = _write_customer_tiles(folders, work.tiles)
    manifest = manifest_of(
        (LABEL_TILES.name, label_files),
        (TRANSACTION_FEATURES.name, feature_files),
        (CUSTOMER_TILES.name, tile_files),
    )
    yield pa.RecordBatch.from_arrays([pa.array([manifest, *part.manifests])], ["manifest"])


def _write_label_tiles(folders: Folders, entity: str, tiles: LabelTiles) -> DayFiles:
    files = DayFiles(folders[LABEL_TILES.name], LABEL_TILES, {"entity": entity})
    files.write_hours(
        tiles.counts_from_hour,
        {
            "entity_id": tiles.entity,
            "event_hour": tiles.event_hour,
            "counts_from_hour": tiles.counts_from_hour,
            **tiles.measures,
        },
    )
    return files


def _write_terminal_tiles(folders: Folders, tiles: Tiles) -> DayFiles:
    files = DayFiles(folders[TERMINAL_TILES.name], TERMINAL_TILES)
    files.write_hours(
        tiles.hour, {"terminal_id": tiles.entity, "tile_hour": tiles.hour, **tiles.measures}
    )
    return files


def _write_customer_tiles(folders: Folders, tiles: Tiles) -> DayFiles:
    files = DayFiles(folders[CUSTOMER_TILES.name], CUSTOMER_TILES)
    files.write_hours(
        tiles.hour,
        {
            "customer_id": tiles.entity,
            "terminal_id": tiles.terminal,
            "tile_hour": tiles.hour,
            **tiles.measures,
        },
    )
    return files


def _columns(transactions: Transactions, batch: FeatureBatch) -> dict[str, Array]:
    """Return the columns of `transaction_features`."""
    return {
        "transaction_id": transactions.transaction_id[batch.rows],
        "tx_datetime": transactions.second[batch.rows] * _MICROSECONDS,
        "customer_id": transactions.customer_id[batch.rows],
        "terminal_id": transactions.terminal_id[batch.rows],
        "amount_cents": transactions.amount_cents[batch.rows],
        **{name: fact[batch.rows] for name, fact in transactions.facts.items()},
        **{name: flag.astype(np.int32) for name, flag in batch.flags.items()},
        **batch.features,
    }
