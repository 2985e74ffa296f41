"""Tables of cleaning as other readers see them: a filter on any column finds its rows."""

from __future__ import annotations

import polars as pl
import pyarrow.dataset as ds
import pytest
from deltalake import DeltaTable

from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.adapters.tables.log_keeping import BOUNDED
from fraud_platform.contracts.tables import DROP_LABELS, QUARANTINE, TRANSACTIONS, TableContract
from fraud_platform_tests.oracles.drop_text import Publish, row, text
from fraud_platform_tests.testing.tables import open_table

DROP = "2019-09-01"
TABLES = pytest.mark.parametrize(
    "table", [TRANSACTIONS, QUARANTINE, DROP_LABELS], ids=lambda table: table.name
)


def publish_some(publish: Publish, drop: str = DROP, first: int = 0) -> None:
    bad = row(first + 90, amount="-1"), b"%d,nonsense\n" % (first + 91)
    rows = [row(first + key, 1 + key, label=key % 4) for key in range(20)]
    assert publish(drop, text(*rows, *bad)).is_published


def found_by_filters(table: TableContract, url: str) -> dict[str, tuple[int, int]]:
    """Return for each column how many rows have its first value, counted and by a filter."""
    handle = DeltaTable(url)
    rows = handle.to_pyarrow_table()
    counts = {}
    for name in table.column_names:
        column = rows[name].drop_null()
        if name in ("reasons", "raw_line") or not len(column):
            continue
        value = column[0]
        there = sum(other == value for other in column)
        found = handle.to_pyarrow_dataset().to_table(filter=ds.field(name) == value).num_rows
        counts[name] = (there, found)
    return counts


@TABLES
def test_a_filter_on_each_column_finds_its_rows(
    publish: Publish, lake: Lake, table: TableContract
) -> None:
    publish_some(publish)
    counts = found_by_filters(table, lake.uri(table))
    assert len(counts) >= 3
    assert all(there == found > 0 for there, found in counts.values()), counts


def test_frauds_are_found_by_pandas_and_polars(publish: Publish, lake: Lake) -> None:
    publish_some(publish)
    handle = DeltaTable(lake.uri(TRANSACTIONS))
    assert len(handle.to_pandas(filters=[("is_fraud", "=", True)])) == 15
    assert len(handle.to_pandas(filters=[("fraud_scenario", ">", 1)])) == 10
    frame = pl.scan_delta(lake.uri(TRANSACTIONS), use_pyarrow=True)
    assert frame.filter(pl.col("customer_id") == 1).collect().height == 20


@TABLES
def test_a_table_of_an_earlier_version_is_read_whole_after_the_next_drop(
    publish: Publish, lake: Lake, table: TableContract
) -> None:
    publish_some(publish)
    open_table(lake, table).alter.set_table_properties({BOUNDED: ",".join(table.column_names[:4])})
    publish_some(publish, "2019-08-30", 1_000)
    counts = found_by_filters(table, lake.uri(table))
    assert all(there == found > 0 for there, found in counts.values()), counts
