"""Every table, written by its real writer, is found whole by any filter of any reader.

Here: filtered reads by deltalake, its SQL, DuckDB and polars, against the unfiltered rows filtered
in memory, with values that break file statistics: NaN, infinities, the ends of each type, long
texts, nulls.
Not here: whole drops as others read them (`integration.cleaning.test_read_by_others`), the writer
of one file (`unit.tables.test_data_files`).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pytest
from deltalake import DeltaTable, QueryBuilder, write_deltalake

from fraud_platform.adapters.tables import merging
from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.cleaning.parquet_files import CleanFile, LabelFile, QuarantineFile, TextFile
from fraud_platform.contracts.cluster_tables import CLUSTERS
from fraud_platform.contracts.model_tables import AB_REPORT, PROMOTION_HISTORY
from fraud_platform.contracts.tables import (
    DROP_LABELS,
    QUARANTINE,
    TRANSACTIONS,
    Column,
    DataFile,
    TableContract,
)
from fraud_platform.contracts.time import HOURS_PER_DAY
from fraud_platform.features.batch.files import DayFiles, TableFolder
from fraud_platform.rows.canonical import CleanRows
from fraud_platform.rows.judge import REASONS
from fraud_platform.tables.catalog import ALL_TABLES
from fraud_platform.tables.features import (
    CUSTOMER_TILES,
    LABEL_TILES,
    TERMINAL_TILES,
    TRANSACTION_FEATURES,
)
from fraud_platform.tables.row_files import write_rows
from fraud_platform.tables.scoring import OF_MANY_COMMITS, SCORED_DAYS, SCORING_STATE
from fraud_platform.tables.texts import TEXTS
from fraud_platform.tables.training import TRAINING_SET

ROWS = 24
LONG = 2**63 - 1
VALUES: dict[str, Sequence[Any]] = {
    "long": (0, 1, -1, 2**53 + 1, LONG, -LONG - 1),
    "int": (0, 1, -1, 2**31 - 1, -(2**31)),
    "boolean": (True, False),
    "string": ("a", "", "it's", "z" * 5_000, "é" * 40, "\U0010ffff" * 40, "promoted"),
    "date": (date(2018, 4, 1), date(1970, 1, 1), date(9999, 12, 31), date(1, 1, 1)),
    "timestamp": (
        datetime(2018, 4, 1, 12, 30, 15, 123_457, tzinfo=UTC),
        datetime(1970, 1, 1, tzinfo=UTC),
        datetime(2262, 1, 1, 23, 59, 59, 999_999, tzinfo=UTC),
        datetime(1700, 1, 1, 0, 0, 0, 1, tzinfo=UTC),
    ),
    "double": (0.5, float("nan"), float("inf"), float("-inf"), -0.0, 1e300, 5e-324),
    "float": (0.5, float("nan"), float("inf"), float("-inf"), -0.0, 3e38),
    "binary": (b"", b"\x00\xff", b"x" * 5_000),
    "array<string>": ((), ("a",), ("a", "b")),
}
"""Values with which file statistics are incomplete, shortened or wrong, after a plain one."""
PARTITIONS = {"drop": "2018-04-01", "part": "fit", "entity": "customer"}
SCALAR = frozenset(VALUES) - {"binary", "array<string>"}
Writer = Callable[[Lake, TableContract, pa.Table, int], None]
Counts = tuple[int, ...]


def values_of(column: Column, table: TableContract, count: int, turn: int) -> list[Any]:
    """Return a column's values; the first of each type come first in the first file."""
    if column.name in table.partition_by:
        return [PARTITIONS.get(column.name, date(2018, 4, 1 + turn))] * count
    if column.name in table.unique_by:
        return [turn * 1_000 + row for row in range(count)]
    kinds = VALUES[column.type]
    if column.nullable:
        # the first file has values and nulls, the second nulls alone
        kinds = (*kinds, None) if turn == 0 else (None,)
    return list(itertools.islice(itertools.cycle(kinds), turn, turn + count))


def rows_of(table: TableContract, turn: int) -> pa.Table:
    """Return rows for one commit; a column's extreme values are not in step with another's."""
    counts = itertools.count()
    arrays = []
    for field, column in zip(table.arrow_schema, table.columns, strict=True):
        values = values_of(column, table, ROWS, turn)
        arrays.append(pa.array(values[next(counts) % 3 :] + values[: next(counts) % 3], field.type))
    return pa.table([array.slice(0, ROWS - 3) for array in arrays], schema=table.arrow_schema)


def replaced(lake: Lake, table: TableContract, rows: pa.Table, turn: int) -> None:
    """Write as the batch half does: a table whole, later what one value of its key selects."""
    column = next(column for column in table.columns if column.name == table.key[0])
    plain = rows[column.name][0].as_py() if column.name in table.partition_by else None
    value = plain or VALUES[column.type][0]
    chosen = rows.filter(pc.equal(rows[column.name], value))
    assert chosen.num_rows
    if turn:
        lake.replace_arrow(table, chosen, f"{column.name} = '{value}'")
    else:
        lake.replace_arrow(table, rows, None)


def appended(lake: Lake, table: TableContract, rows: pa.Table, turn: int) -> None:
    assert lake.numbered(table, "test").append_rows(rows, turn + 1)


def numbered(lake: Lake, table: TableContract, rows: pa.Table, turn: int) -> None:
    log = lake.numbered(table, "test")
    assert log.append(write_rows(lake.files, lake.uri(table), table, rows), turn + 1)


def by_spark_tasks(lake: Lake, table: TableContract, rows: pa.Table, turn: int) -> None:
    """Write with the function that Spark's tasks run, in this process."""

    def map_in_arrow(task: Callable[..., Iterator[pa.RecordBatch]], ddl: str) -> Any:
        lines = [line for batch in task(iter(rows.to_batches())) for line in batch[0].to_pylist()]
        return SimpleNamespace(collect=lambda: [SimpleNamespace(file=line) for line in lines])

    types = [
        SimpleNamespace(name=c.name, dataType=SimpleNamespace(simpleString=lambda c=c: c.type))
        for c in table.columns
    ]
    frame: Any = SimpleNamespace(schema=SimpleNamespace(fields=types), mapInArrow=map_in_arrow)
    column = table.partition_by[0]
    lake.replace(table, frame, column, sorted({str(v) for v in rows[column].to_pylist()}))


def by_days(lake: Lake, table: TableContract, rows: pa.Table, turn: int) -> None:
    """Write as the feature engine does, one file for each day."""
    lake.ensure(table)
    others = {name: PARTITIONS[name] for name in table.partition_by[1:]}
    files = DayFiles(TableFolder(lake.files, lake.uri(table)), table, others)
    day = pc.cast(rows[table.partition_by[0]], pa.int32())[0].as_py()
    columns = {name: _array(rows[name]) for name in rows.column_names}
    files.write_hours(np.full(rows.num_rows, day * HOURS_PER_DAY), columns)
    commit(lake, table, files.written)


def _array(column: pa.ChunkedArray) -> Any:
    kind = pa.int64() if pa.types.is_timestamp(column.type) else column.type
    return column.cast(kind).to_numpy()


def by_cleaning(lake: Lake, table: TableContract, rows: pa.Table, turn: int) -> None:
    """Write as cleaning's tasks do."""
    lake.ensure(table)
    drop = f"2018-04-0{turn + 1}"
    folder = f"{lake.uri(table)}/drop={drop}"
    file: Any
    if table is DROP_LABELS:
        with LabelFile(lake.files, folder, "some") as file:
            file.write_versions(rows.drop_columns(["drop"]).combine_chunks().to_batches()[0])
    elif table is QUARANTINE:
        with QuarantineFile(lake.files, folder, "some") as file:
            bits = [1 << row % len(REASONS) for row in range(rows.num_rows)]
            ids = rows["transaction_id"].combine_chunks()
            file.write_rows(bits, rows["raw_line"].combine_chunks(), ids)
    elif table is TEXTS:
        with TextFile(lake.files, folder, "some") as file:
            for field in sorted(set(rows["field"].to_pylist())):
                file.write_new(field, rows["code"].to_numpy(), pl.Series(rows["text"]))
    else:
        with CleanFile(lake.files, folder, "some") as file:
            file.write_rows(clean_rows(rows))
    commit(lake, table, [file.written().in_table(lake.uri(table), {"drop": drop})])


def clean_rows(rows: pa.Table) -> CleanRows:
    names = ("transaction_id", "customer_id", "terminal_id", "amount_cents")
    ids = {name: rows[name].to_numpy() for name in names}
    seconds = rows["tx_datetime"].cast(pa.int64()).to_numpy() // 1_000_000
    scenario = rows["fraud_scenario"].to_numpy()
    days = (seconds // 86_400).astype(np.int32)
    return CleanRows(seconds=seconds, days=days, scenario=scenario, **ids)


def commit(lake: Lake, table: TableContract, files: Sequence[DataFile]) -> None:
    column = table.partition_by[0]
    lake.commit_files(table, files, column, sorted({file.partition[column] for file in files}))


WRITERS: Mapping[str, Writer] = {
    **{table.name: replaced for table in ALL_TABLES},
    **{table.name: appended for table in (SCORED_DAYS, CLUSTERS)},
    **{table.name: numbered for table in (*OF_MANY_COMMITS, PROMOTION_HISTORY)},
    **{table.name: by_spark_tasks for table in (TRAINING_SET, SCORING_STATE)},
    **{
        table.name: by_days
        for table in (CUSTOMER_TILES, TERMINAL_TILES, LABEL_TILES, TRANSACTION_FEATURES)
    },
    **{table.name: by_cleaning for table in (TRANSACTIONS, QUARANTINE, DROP_LABELS, TEXTS)},
}


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"))


@pytest.fixture(params=ALL_TABLES, ids=lambda table: table.name)
def written(lake: Lake, request: pytest.FixtureRequest) -> tuple[TableContract, DeltaTable]:
    """A table of two commits."""
    table = request.param
    for turn in (0, 1):
        WRITERS[table.name](lake, table, rows_of(table, turn), turn)
    handle = lake.open(table)
    assert handle is not None
    return table, handle


def filters_of(name: str, column: pa.ChunkedArray) -> Iterator[ds.Expression]:
    """Yield filters on a column: nulls, and comparisons with each value that it has."""
    field = ds.field(name)
    yield field.is_null()
    for value in column.unique().drop_null():
        yield field == value
        if not pa.types.is_boolean(column.type):
            yield from (field < value, field >= value)


def differing(handle: DeltaTable, columns: Sequence[Column]) -> list[str]:
    """Return the columns by which a reader of the table finds other rows than in memory."""
    dataset = handle.to_pyarrow_dataset()
    rows = dataset.to_table()
    return [
        f"{column.name}: expected {here} rows, found {there}"
        for column in columns
        if column.type in SCALAR
        for wanted in filters_of(column.name, rows[column.name])
        if (here := rows.filter(wanted).num_rows) != (there := dataset.count_rows(filter=wanted))
    ]


def test_a_filter_on_any_column_finds_what_it_finds_in_memory(
    written: tuple[TableContract, DeltaTable],
) -> None:
    table, handle = written
    assert differing(handle, table.columns) == []


@pytest.mark.parametrize("table", OF_MANY_COMMITS, ids=lambda table: table.name)
def test_merged_files_are_found_by_any_column(
    lake: Lake, table: TableContract, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(merging, "LEVELS", ((64 << 20, 2),))
    for turn in (0, 1):
        numbered(lake, table, rows_of(table, turn), turn)
    assert len(merging.merge_small_files(lake, table)) == 2
    assert differing(DeltaTable(lake.uri(table)), table.columns) == []


def test_a_table_of_an_earlier_version_is_found_whole_after_the_next_write(lake: Lake) -> None:
    """Its files have a bound of `value` in one direction alone, because no log holds infinity."""
    rows = rows_of(AB_REPORT, 0).filter(~pc.is_nan(ds.field("value")))
    write_deltalake(lake.uri(AB_REPORT), rows, partition_by=list(AB_REPORT.partition_by))
    columns = [column for column in AB_REPORT.columns if column.name == "value"]
    assert differing(DeltaTable(lake.uri(AB_REPORT)), columns) != []
    replaced(lake, AB_REPORT, rows_of(AB_REPORT, 1), 1)
    assert differing(DeltaTable(lake.uri(AB_REPORT)), columns) == []


def test_other_readers_find_a_value_and_the_rows_without_one_by_any_column(
    written: tuple[TableContract, DeltaTable],
) -> None:
    table, handle = written
    dataset = handle.to_pyarrow_dataset()
    rows = dataset.to_table()
    engines = readers(handle, dataset)
    wrong: dict[tuple[str, str], tuple[object, object]] = {}
    for column in table.columns:
        if column.type in SCALAR:
            name, value = column.name, plain_value(rows[column.name])
            expected = (rows[name].to_pylist().count(value), rows[name].null_count)
            found = {engine: count(name, value) for engine, count in engines.items()}
            wrong |= {(name, e): (expected, n) for e, n in found.items() if n != expected}
    assert wrong == {}


def plain_value(column: pa.ChunkedArray) -> Any:
    """Return a value that every engine compares in the same way."""
    values = column.drop_null()
    is_float = pa.types.is_floating(column.type)
    return (values.filter(pc.is_finite(values)) if is_float else values)[0].as_py()


def readers(handle: DeltaTable, dataset: ds.Dataset) -> dict[str, Callable[[str, Any], Counts]]:
    """Return engines that count the rows with a value in a column, and those with none."""
    sql, lazy, duck = QueryBuilder().register("t", handle), pl.scan_delta(handle), duckdb.connect()
    duck.execute("set timezone = 'UTC'").register("t", dataset)

    def queries(name: str, value: Any) -> tuple[str, str]:
        start = f'select "{name}" from t where "{name}"'
        return f"{start} = {_literal(value)}", f"{start} is null"

    def by_sql(name: str, value: Any) -> Counts:
        return tuple(pa.table(sql.execute(q).read_all()).num_rows for q in queries(name, value))

    def by_duckdb(name: str, value: Any) -> Counts:
        return tuple(len(duck.execute(query).fetchall()) for query in queries(name, value))

    def by_polars(name: str, value: Any) -> Counts:
        filters = pl.col(name) == value, pl.col(name).is_null()
        return tuple(lazy.filter(wanted).collect().height for wanted in filters)

    return {"SQL": by_sql, "DuckDB": by_duckdb, "polars": by_polars}


def _literal(value: Any) -> str:
    if isinstance(value, bool | int | float):
        return str(value)
    spelt = f"{value:%Y-%m-%dT%H:%M:%S.%fZ}" if isinstance(value, datetime) else str(value)
    return "'" + spelt.replace("'", "''") + "'"


def test_a_bounded_column_has_bounds_of_all_its_values() -> None:
    number = Column("x", "double", "A number.")
    with pytest.raises(ValueError, match=r"table t: expected a bounded column .*, found x double"):
        TableContract("t", "A table.", (number,), ("x",), bounded=("x",))
