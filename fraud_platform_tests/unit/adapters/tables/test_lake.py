"""The lake without a JVM: contracts at the edge, one commit a write, versions that stay."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest
from aiohttp import ClientOSError
from botocore.exceptions import EndpointConnectionError
from deltalake.exceptions import CommitFailedError, DeltaError
from deltalake.fs import DeltaStorageHandler

from fraud_platform.adapters.storage.failures import is_refusal
from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.contracts.tables import TRANSACTIONS, Column, TableContract
from fraud_platform.errors import SchemaMismatchError

DROP_DAYS = TableContract(
    name="days",
    description="A table of the test's own.",
    columns=(
        Column("drop", "string", "A drop."),
        Column("tx_date", "date", "A day."),
        Column("rows", "long", "A count."),
        Column("frauds", "long", "Another count."),
    ),
    key=("drop", "tx_date"),
)


def rows(drop: str, count: int) -> pa.Table:
    return pa.Table.from_pylist(
        [
            {
                "drop": drop,
                "tx_date": date(2018, 4, 1 + i),
                "rows": i,
                "frauds": 0,
            }
            for i in range(count)
        ],
        schema=DROP_DAYS.arrow_schema,
    )


def test_an_absent_table_reads_as_empty(lake: Lake) -> None:
    assert lake.version(DROP_DAYS) is None
    assert lake.read_arrow(DROP_DAYS).num_rows == 0
    assert lake.read_arrow(DROP_DAYS, columns=["rows"]).column_names == ["rows"]


def test_reading_a_local_table_runs_no_python_in_threads_that_outlive_it(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such a thread aborts a process that ends at that moment, after its work was done."""
    lake.replace_arrow(DROP_DAYS, rows("2018-04-01", 3), None)
    for name in ("open_input_file", "open_input_stream", "get_file_info"):
        monkeypatch.setattr(DeltaStorageHandler, name, None)
    found = lake.read_arrow(DROP_DAYS, [("rows", ">", 0)], ["drop", "rows"])
    assert sorted(found["rows"].to_pylist()) == [1, 2]


def test_replacing_one_drop_leaves_the_others(lake: Lake) -> None:
    lake.replace_arrow(DROP_DAYS, rows("2018-04-01", 3), "drop = '2018-04-01'")
    lake.replace_arrow(DROP_DAYS, rows("2018-05-01", 2), "drop = '2018-05-01'")
    lake.replace_arrow(DROP_DAYS, rows("2018-04-01", 1), "drop = '2018-04-01'")
    found = lake.read_arrow(DROP_DAYS).to_pylist()
    assert sorted((r["drop"], r["rows"]) for r in found) == [
        ("2018-04-01", 0),
        ("2018-05-01", 0),
        ("2018-05-01", 1),
    ]


def test_writing_twice_equals_writing_once(lake: Lake) -> None:
    lake.replace_arrow(DROP_DAYS, rows("2018-04-01", 3), "drop = '2018-04-01'")
    once = lake.read_arrow(DROP_DAYS).sort_by("tx_date")
    lake.replace_arrow(DROP_DAYS, rows("2018-04-01", 3), "drop = '2018-04-01'")
    assert lake.read_arrow(DROP_DAYS).sort_by("tx_date").equals(once)


def test_a_mismatch_lists_every_difference_and_writes_nothing(lake: Lake) -> None:
    wrong = rows("2018-04-01", 1).drop_columns(["frauds"]).append_column("extra", pa.array(["a"]))
    with pytest.raises(SchemaMismatchError) as error:
        lake.replace_arrow(DROP_DAYS, wrong, None)
    assert "missing column frauds" in str(error.value)
    assert "unexpected column extra" in str(error.value)
    assert lake.read_arrow(DROP_DAYS).num_rows == 0


def test_vacuum_keeps_the_versions_that_a_model_names(lake: Lake) -> None:
    first = lake.replace_arrow(DROP_DAYS, rows("2018-04-01", 3), None)
    second = lake.replace_arrow(DROP_DAYS, rows("2018-04-01", 2), None)
    lake.replace_arrow(DROP_DAYS, rows("2018-04-01", 1), None)
    removed = lake.vacuum(DROP_DAYS, [first], retention_hours=0)
    assert removed == 1
    assert lake.read_arrow(DROP_DAYS, version=first).num_rows == 3
    assert lake.read_arrow(DROP_DAYS).num_rows == 1
    with pytest.raises(OSError, match=r"(?i)no such file|not found"):
        lake.read_arrow(DROP_DAYS, version=second)


def test_a_number_is_committed_once(lake: Lake) -> None:
    assert lake.numbered(DROP_DAYS, "days").append_rows(rows("2018-04-01", 2), 1)
    assert not lake.numbered(DROP_DAYS, "days").append_rows(rows("2018-05-01", 2), 1)
    assert lake.numbered(DROP_DAYS, "days").append_rows(rows("2018-06-01", 1), 2)
    assert lake.read_arrow(DROP_DAYS).num_rows == 3


def test_of_two_writers_with_one_number_one_is_refused_and_leaves_no_file(lake: Lake) -> None:
    first, second = (lake.numbered(DROP_DAYS, "days") for _ in range(2))
    assert first.append_rows(rows("2018-04-01", 2), 1)
    assert not second.append_rows(rows("2018-05-01", 2), 1)
    assert second.number == 1
    assert Lake(lake.url).read_arrow(DROP_DAYS).num_rows == 2
    assert len(list(Path(lake.uri(DROP_DAYS)).rglob("*.parquet"))) == 1


def test_rows_of_a_partitioned_table_are_not_appended_as_one_file(lake: Lake) -> None:
    empty = TRANSACTIONS.arrow_schema.empty_table()
    with pytest.raises(ValueError, match="transactions: expected one without partitions"):
        lake.numbered(TRANSACTIONS, "days").append_rows(empty, 1)


def test_rows_with_other_columns_are_not_appended(lake: Lake) -> None:
    wrong = rows("2018-04-01", 1).drop_columns(["frauds"])
    with pytest.raises(SchemaMismatchError, match="missing column frauds"):
        lake.numbered(DROP_DAYS, "days").append_rows(wrong, 1)
    assert lake.read_arrow(DROP_DAYS).num_rows == 0


def test_of_those_that_create_a_table_at_once_one_commits(tmp_path: Path) -> None:
    lakes = [Lake(str(tmp_path / str(number))) for number in range(20)]
    with ThreadPoolExecutor(2) as pool:
        for lake in lakes:
            both = list(pool.map(lambda _, lake=lake: lake.ensure(DROP_DAYS), range(2)))
            assert [handle.version() for handle in both] == [0, 0]
            assert lake.version(DROP_DAYS) == 0


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (EndpointConnectionError(endpoint_url="http://127.0.0.1:9"), True),
        (ClientOSError(104, "Connection reset by peer"), True),
        (DeltaError("Generic DeltaTable error: Error interacting with object store: .."), True),
        (
            RuntimeError('RPCError("org.apache.hadoop.hdfs.SafeModeException")'),
            True,
        ),
        (OSError(28, "No space left on device"), True),
        (FileNotFoundError("a file"), False),
        (CommitFailedError("version 7 exists"), False),
        (RuntimeError("dictionary changed size during iteration"), False),
        (KeyError("unforeseen"), False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_a_storage_refuses_is_told_from_what_is_wrong_here(
    error: Exception, expected: bool
) -> None:
    assert is_refusal(error) is expected
