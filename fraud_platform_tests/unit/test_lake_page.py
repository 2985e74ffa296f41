"""Every snippet of docs/lake.md runs, and counts each row once where reading files does not."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.contracts.tables import TRANSACTIONS, TableContract
from fraud_platform.tables.scoring import SCORED

PAGE = Path(__file__).parents[2] / "docs" / "lake.md"
SNIPPETS = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
ROWS = 40
_EXPECTED = ("30", "[('2026-08-01', 30, 3), ('2026-08-31', 10, 1)]", "10", "(30, 1)", "[(40,)]")


def _rows(table: TableContract, rows: int, **columns: object) -> pa.Table:
    """Return rows of a table; columns that are not given are zero, empty or one moment."""
    moment = datetime(2026, 8, 1, tzinfo=UTC)
    arrays = []
    for field in table.arrow_schema:
        value: object = columns.get(field.name)
        if value is None:
            empty: object = None if field.nullable else 0
            if pa.types.is_timestamp(field.type):
                empty = moment
            elif pa.types.is_date(field.type):
                empty = date(2026, 8, 1)
            elif field.type == pa.string():
                empty = "x"
            elif field.type == pa.bool_():
                empty = False
            value = [empty] * rows
        arrays.append(pa.array(value, field.type))
    return pa.Table.from_arrays(arrays, schema=table.arrow_schema)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a lake in which one drop was delivered twice."""
    folder = tmp_path_factory.mktemp("work")
    lake = Lake(str(folder / ".fraud_platform" / "lake"))

    def write(drop: str, first: int, rows: int) -> None:
        frauds = [n % 10 == 0 for n in range(rows)]
        ids = list(range(first, first + rows))
        table = _rows(TRANSACTIONS, rows, transaction_id=ids, is_fraud=frauds, drop=[drop] * rows)
        lake.replace_arrow(TRANSACTIONS, table, f"\"drop\" = '{drop}'")

    for drop, first, rows in (("2026-08-01", 0, 30), ("2026-08-31", 30, 10), ("2026-08-01", 0, 30)):
        write(drop, first, rows)
    scored = _rows(SCORED, 10, transaction_id=list(range(10)), model_version=[1] * 10)
    lake.replace_arrow(SCORED, scored, None)
    return folder


@pytest.mark.parametrize("number", range(len(SNIPPETS)))
def test_a_snippet_of_the_page_runs_as_it_is_written(number: int, folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SNIPPETS[number]], cwd=folder, capture_output=True, text=True,
        timeout=120, check=False, env={**os.environ, "POLARS_FMT_MAX_ROWS": "50"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2_000:]
    assert _EXPECTED[number] in done.stdout, done.stdout


def test_the_page_has_a_snippet_for_each_reader() -> None:
    assert len(SNIPPETS) == len(_EXPECTED)
    text = "\n".join(SNIPPETS)
    assert all(reader in text for reader in ("pl.scan_delta", "duckdb.sql", "to_pandas"))


def test_reading_the_files_of_the_folder_counts_replaced_rows_twice(folder: Path) -> None:
    table = folder / ".fraud_platform" / "lake" / "transactions"
    files = [path for path in table.rglob("*.parquet") if "_delta_log" not in path.parts]
    assert sum(pl.read_parquet(path, hive_partitioning=False).height for path in files) > ROWS
    assert pl.scan_delta(str(table)).select(pl.len()).collect().item() == ROWS
