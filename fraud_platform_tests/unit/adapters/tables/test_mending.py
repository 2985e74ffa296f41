"""Tables with repeated rows or unknown features: refused, and repaired."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable, TableFeatures

from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.adapters.tables.mending import MENDED, mend_table
from fraud_platform.adapters.tables.uniqueness import overlapping_files, repeated_rows
from fraud_platform.contracts.tables import TableContract
from fraud_platform.errors import DataError, RepeatedRowsError, TableFeatureError
from fraud_platform.operations.doctor import check_tables
from fraud_platform.operations.live.mending import mend
from fraud_platform.scoring.log import ScoringLog
from fraud_platform.scoring.state.recovery import NO_SNAPSHOT, RecoveredState
from fraud_platform.settings import Settings
from fraud_platform.tables.row_files import write_rows
from fraud_platform.tables.scoring import (
    LANDING,
    OF_MANY_COMMITS,
    SCORED,
    SCORING,
    TOPIC_LABELS,
)
from fraud_platform_tests.testing.tables import open_table
from fraud_platform_tests.testing.worlds.stopped_writers import (
    expected,
    go_on,
    ids,
    label_rows,
    stopped_child,
)

MEND = """
import sys
from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.adapters.tables.mending import mend_table
from fraud_platform.tables.scoring import TOPIC_LABELS
mend_table(Lake(sys.argv[1]), TOPIC_LABELS, "a test", "a tester")
"""


def land(lake: Lake, *numbers: int) -> None:
    table = lake.numbered(TOPIC_LABELS, LANDING)
    for number in numbers:
        files = write_rows(lake.files, lake.uri(TOPIC_LABELS), TOPIC_LABELS, label_rows(number))
        assert table.append(files, number)


def double(lake: Lake, table: TableContract = TOPIC_LABELS) -> None:
    """Compact the table twice from one version, as delta-rs 1.6.6 allows."""
    first, second = (DeltaTable(lake.uri(table)) for _ in range(2))
    first.optimize.compact()
    second.optimize.compact()


def test_a_state_is_not_loaded_from_labels_that_count_twice(lake: Lake) -> None:
    land(lake, 1, 2, 3)
    double(lake)
    land(lake, 4)
    state = RecoveredState(lake, NO_SNAPSHOT, 30)
    with pytest.raises(RepeatedRowsError, match=r"topic_labels: .* found 15 .* landing 1.*offset "
                       r"100\. .* mend-table topic_labels"):  # fmt: skip
        state.catch_up(ScoringLog(lake))
    mend_table(lake, TOPIC_LABELS, "a test", "a tester")
    state.catch_up(ScoringLog(lake))


def test_a_state_is_not_loaded_from_scores_that_count_twice(lake: Lake, settings: Settings) -> None:
    table = lake.numbered(SCORED, SCORING)
    for number in (1, 2, 3):
        files = write_rows(lake.files, lake.uri(SCORED), SCORED, some_rows(SCORED, number))
        metadata = {"stream_second": 1_533_000_000, "end_offsets": {}, "counts": {}}
        assert table.append(files, number, metadata)
    double(lake, SCORED)
    words = r"table scored: .* found 6 .* micro_batch 1, .* fraud-platform mend-table scored"
    with pytest.raises(RepeatedRowsError, match=words):
        RecoveredState(lake, NO_SNAPSHOT, 30).catch_up(ScoringLog(lake))
    with pytest.raises(RepeatedRowsError, match=words):
        ScoringLog(lake).last_seconds(10_000)
    assert "replay --range" in mend(settings, "scored", "a test")
    assert len(ScoringLog(lake).last_seconds(10_000)) == 6


def test_a_whole_table_is_judged_by_the_files_that_overlap(lake: Lake) -> None:
    land(lake, 1, 2, 3)
    open_table(lake, TOPIC_LABELS).optimize.compact()
    land(lake, 4, 5)
    assert overlapping_files(TOPIC_LABELS, open_table(lake, TOPIC_LABELS)) == []
    lake.require_unique(TOPIC_LABELS)
    double(lake)
    (group,) = overlapping_files(TOPIC_LABELS, open_table(lake, TOPIC_LABELS))
    assert len(group) == 2
    with pytest.raises(RepeatedRowsError, match="found 25 that repeat another"):
        lake.require_unique(TOPIC_LABELS)


def test_files_of_one_number_that_hold_other_rows_are_no_repetition(lake: Lake) -> None:
    rows = label_rows(1, 6)
    parts = [
        write_rows(lake.files, lake.uri(TOPIC_LABELS), TOPIC_LABELS, rows.slice(start, 3))[0]
        for start in (0, 3)
    ]
    assert lake.numbered(TOPIC_LABELS, LANDING).append(parts, 1)
    assert len(overlapping_files(TOPIC_LABELS, open_table(lake, TOPIC_LABELS))) == 1
    lake.require_unique(TOPIC_LABELS)


def test_mending_keeps_one_of_each_row_and_says_so_for_good(lake: Lake) -> None:
    land(lake, 1, 2, 3)
    double(lake)
    land(lake, 4)
    mended = mend_table(lake, TOPIC_LABELS, "two followers", "a tester")
    assert (mended.removed, mended.kept, mended.files) == (15, 15, 2)
    assert (mended.first, mended.last) == (1, 3)
    assert ids(lake) == expected(1, 2, 3, 4)
    assert list(repeated_rows(lake, TOPIC_LABELS)) == []
    commit = open_table(lake, TOPIC_LABELS).history(1)[0]
    assert (commit["operation"], commit["why"], commit["removed"]) == (
        "MEND",
        "two followers",
        "15",
    )
    kept = json.loads(open_table(lake, TOPIC_LABELS).metadata().configuration[MENDED])
    assert [(one["who"], one["removed"]) for one in kept] == [("a tester", 15)]
    assert mend_table(lake, TOPIC_LABELS, "again", "a tester").version is None
    land(lake, 5)
    assert ids(lake) == expected(1, 2, 3, 4, 5)


def test_many_rows_are_mended_some_at_a_time(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fraud_platform.adapters.tables.mending._WINDOW_ROWS", 7)
    land(lake, *range(1, 9))
    double(lake)
    assert mend_table(lake, TOPIC_LABELS, "a test", "a tester").removed == 40
    assert ids(lake) == expected(*range(1, 9))


def test_copies_that_differ_are_left_to_a_person(lake: Lake) -> None:
    land(lake, 1, 2)
    other = label_rows(2)
    at = other.schema.get_field_index("is_fraud")
    changed = pa.array([False, False, True, False, False])
    other = other.set_column(at, other.schema.field("is_fraud"), changed)
    files = write_rows(lake.files, lake.uri(TOPIC_LABELS), TOPIC_LABELS, other)
    assert lake.numbered(TOPIC_LABELS, "other").append(files, 1)
    version = lake.version(TOPIC_LABELS)
    with pytest.raises(DataError, match=r"1 that differ in is_fraud, the first at landing 2.*202"):
        mend_table(lake, TOPIC_LABELS, "a test", "a tester")
    assert lake.version(TOPIC_LABELS) == version


@pytest.mark.parametrize("point", ["mend.written", "swap.listed", "swap.committed"])
def test_mending_that_is_killed_leaves_the_table_before_or_after(lake: Lake, point: str) -> None:
    land(lake, 1, 2, 3)
    double(lake)
    with stopped_child(MEND, lake, point):
        pass
    is_done = point == "swap.committed"
    assert ids(lake) == sorted(expected(1, 2, 3) * (1 if is_done else 2))
    mend_table(lake, TOPIC_LABELS, "a test", "a tester")
    assert ids(lake) == expected(1, 2, 3)


@pytest.mark.parametrize("point", ["mend.written", "swap.listed"])
def test_two_that_mend_one_table_mend_it_once(lake: Lake, point: str) -> None:
    land(lake, 1, 2, 3)
    double(lake)
    with stopped_child(MEND, lake, point) as child:
        assert mend_table(lake, TOPIC_LABELS, "a test", "a tester").removed == 15
        land(lake, 4)
        go_on(child)
    assert ids(lake) == expected(1, 2, 3, 4)


@pytest.fixture
def settings(lake: Lake, tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home", lake_url=lake.url)


@pytest.mark.parametrize("table", OF_MANY_COMMITS, ids=lambda table: table.name)
def test_a_doubled_table_of_each_kind_is_found_by_doctor_and_mended(
    lake: Lake, settings: Settings, table: TableContract
) -> None:
    log = lake.numbered(table, "test")
    for number in (1, 2, 3):
        rows = some_rows(table, number)
        assert log.append(write_rows(lake.files, lake.uri(table), table, rows), number)
    assert [finding.ok for finding in check_tables(settings)] == [True]
    count = lake.read_arrow(table).num_rows
    double(lake, table)
    (finding,) = check_tables(settings)
    assert (finding.ok, finding.subject) == (False, f"Table {table.name}")
    assert f"found {count} that repeat another" in finding.message
    assert f"removed {count} rows" in mend(settings, table.name, "a test")
    assert lake.read_arrow(table).num_rows == count
    assert [finding.ok for finding in check_tables(settings)] == [True]


def some_rows(table: TableContract, number: int) -> pa.Table:
    """Return two rows of commit `number` of any table, with nulls and NaN where they may be."""
    columns = []
    for field in table.arrow_schema:
        kind = field.type
        values: list[Any]
        if field.name == table.unique_by[0]:
            values = [number, number]
        elif pa.types.is_integer(kind):
            values = [number, 7]
        elif pa.types.is_floating(kind):
            values = [float("nan"), 0.5]
        elif pa.types.is_boolean(kind):
            values = [True, False]
        elif pa.types.is_timestamp(kind):
            values = [number, 1]
        elif pa.types.is_list(kind):
            values = [["a", "b"], None if field.nullable else ["c"]]
        else:
            values = [b"x" if pa.types.is_binary(kind) else "x"] * 2
        columns.append(pa.array(values, kind))
    rows = pa.Table.from_arrays(columns, schema=table.arrow_schema)
    return rows.slice(0, 1) if len(table.unique_by) == 1 else rows


def test_a_table_that_is_not_mendable_is_named(settings: Settings) -> None:
    with pytest.raises(DataError, match=r"expected one of .*scored.*, found transactions"):
        mend(settings, "transactions", "a test")


def enable_deletion_vectors(lake: Lake, table: TableContract) -> None:
    handle = DeltaTable(lake.uri(table))
    handle.alter.add_feature(
        TableFeatures.DeletionVectors, allow_protocol_versions_increase=True
    )  # fmt: skip


def test_a_table_with_deletion_vectors_is_refused_by_name(lake: Lake, settings: Settings) -> None:
    land(lake, 1)
    enable_deletion_vectors(lake, TOPIC_LABELS)
    words = r"table topic_labels: .*deletionVectors.*REORG TABLE topic_labels APPLY \(PURGE\).*DROP"
    for use in (
        lambda: open_table(lake, TOPIC_LABELS),
        lambda: lake.ensure(TOPIC_LABELS),
        lambda: lake.read_arrow(TOPIC_LABELS),
        lambda: lake.data_files(TOPIC_LABELS),
        lambda: lake.numbered(TOPIC_LABELS, LANDING),
    ):
        with pytest.raises(TableFeatureError, match=words):
            use()
    (finding,) = check_tables(settings)
    assert not finding.ok
    assert "deletionVectors" in finding.message


@pytest.mark.parametrize(
    ("properties", "feature"),
    [
        ({"delta.enableDeletionVectors": "true"}, "deletionVectors"),
        ({"delta.enableChangeDataFeed": "true"}, "changeDataFeed"),
    ],
)
def test_a_table_whose_properties_enable_a_feature_is_refused(
    lake: Lake, properties: dict[str, str], feature: str
) -> None:
    lake.ensure(SCORED)
    DeltaTable(lake.uri(SCORED)).alter.set_table_properties(properties)
    with pytest.raises(TableFeatureError, match=f"table scored: .*{feature}"):
        lake.open(SCORED)
