"""Writers that were stopped on the way and go on later: what decides which commit counts."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from fraud_platform.adapters.storage.schemes import create_once
from fraud_platform.adapters.tables.compaction import Compaction
from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.adapters.tables.swapping import Swap, swap_files
from fraud_platform.contracts.tables import Column, DataFile, TableContract
from fraud_platform.errors import Outage
from fraud_platform.tables.row_files import write_rows
from fraud_platform.tables.scoring import TOPIC_LABELS
from fraud_platform_tests.testing.tables import open_table
from fraud_platform_tests.testing.worlds.stopped_writers import (
    APP,
    MERGE_ALL,
    expected,
    go_on,
    ids,
    label_rows,
    stopped_child,
)

DAYS = TableContract(
    name="days",
    description="A table of the test's own.",
    columns=(Column("day", "string", "A day."), Column("rows", "long", "A count.")),
    key=("day", "rows"),
    partition_by=("day",),
)
LOOK = f"""
import sys
{MERGE_ALL}
from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.adapters.tables.compaction import Compaction
from fraud_platform.tables.scoring import TOPIC_LABELS
Compaction(Lake(sys.argv[1]), (TOPIC_LABELS,)).look()
"""


class StaleLake(Lake):
    """Opens each table first as it was when it was asked to remember it."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._stale: dict[str, DeltaTable] = {}

    def remember(self, table: TableContract) -> None:
        handle = super().open(table)
        assert handle is not None
        self._stale[table.name] = handle

    def open(self, table: TableContract, version: int | None = None) -> DeltaTable | None:
        return self._stale.pop(table.name, None) or super().open(table, version)


def land(lake: Lake, *numbers: int) -> None:
    table = lake.numbered(TOPIC_LABELS, APP)
    for number in numbers:
        files = write_rows(lake.files, lake.uri(TOPIC_LABELS), TOPIC_LABELS, label_rows(number))
        assert table.append(files, number)


@pytest.fixture
def merge_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fraud_platform.adapters.tables.merging.LEVELS", ((64 << 20, 2),))


def test_a_merge_that_began_before_another_merged_the_files_changes_nothing(
    lake: Lake, merge_all: None
) -> None:
    land(lake, 1, 2, 3)
    late = StaleLake(lake.url)
    late.remember(TOPIC_LABELS)
    Compaction(lake, (TOPIC_LABELS,)).look()
    late_upkeep = Compaction(late, (TOPIC_LABELS,))
    late_upkeep.try_look()
    assert ids(lake) == expected(1, 2, 3)
    assert late_upkeep.problem == ""
    assert len(list(Path(lake.uri(TOPIC_LABELS)).glob("*.parquet"))) == 4


@pytest.mark.parametrize("point", ["merge.written", "swap.listed", "swap.committed"])
def test_a_merge_that_was_stopped_while_others_merged_and_appended_leaves_each_row_once(
    lake: Lake, merge_all: None, point: str
) -> None:
    land(lake, 1, 2, 3)
    with stopped_child(LOOK, lake, point) as child:
        land(lake, 4)
        Compaction(lake, (TOPIC_LABELS,)).look()
        land(lake, 5, 6)
        Compaction(lake, (TOPIC_LABELS,)).look()
        go_on(child)
    assert ids(lake) == expected(1, 2, 3, 4, 5, 6)
    assert lake.data_files(TOPIC_LABELS).num_rows == 1


def test_a_merge_that_was_stopped_while_others_appended_is_committed_after_them(
    lake: Lake, merge_all: None
) -> None:
    land(lake, 1, 2, 3)
    with stopped_child(LOOK, lake, "swap.listed") as child:
        land(lake, 4)
        go_on(child)
    assert ids(lake) == expected(1, 2, 3, 4)
    assert lake.data_files(TOPIC_LABELS).num_rows == 2


def test_merging_keeps_a_column_that_a_later_version_of_the_platform_added(
    lake: Lake, merge_all: None
) -> None:
    land(lake, 1, 2)
    later = replace(TOPIC_LABELS, columns=(*TOPIC_LABELS.columns, Column("added", "long", "New.")))
    rows = label_rows(3).append_column(later.arrow_schema.field("added"), pa.array(range(5)))
    table = lake.numbered(later, APP)
    assert table.append(write_rows(lake.files, lake.uri(later), later, rows), 3)
    Compaction(lake, (TOPIC_LABELS,)).look()
    assert lake.data_files(TOPIC_LABELS).num_rows == 1
    assert ids(lake) == expected(1, 2, 3)
    found = lake.read_arrow(later).to_pylist()
    assert {row["transaction_id"]: row["added"] for row in found} == {
        **dict.fromkeys(expected(1, 2)), **{300 + i: i for i in range(5)}
    }  # fmt: skip


def test_a_merge_that_was_killed_before_its_commit_leaves_the_table_as_it_was(
    lake: Lake, merge_all: None
) -> None:
    land(lake, 1, 2, 3)
    version = lake.version(TOPIC_LABELS)
    with stopped_child(LOOK, lake, "swap.listed"):
        pass
    assert (lake.version(TOPIC_LABELS), ids(lake)) == (version, expected(1, 2, 3))


def clean_log_up_to(lake: Lake, table: TableContract) -> None:
    """Remove all entries but the last, as cleaning does once they are old enough."""
    handle = DeltaTable(lake.uri(table))
    handle.create_checkpoint()
    for version in range(handle.version()):
        (Path(lake.uri(table)) / "_delta_log" / f"{version:020}.json").unlink(missing_ok=True)


def test_a_merge_that_was_stopped_until_its_place_in_the_log_was_cleaned_does_not_count(
    lake: Lake, merge_all: None
) -> None:
    land(lake, 1, 2, 3)
    with stopped_child(LOOK, lake, "swap.listed") as child:
        Compaction(lake, (TOPIC_LABELS,)).look()
        land(lake, 4, 5)
        clean_log_up_to(lake, TOPIC_LABELS)
        go_on(child)
    assert ids(lake) == expected(1, 2, 3, 4, 5)
    land(lake, 6)
    Compaction(lake, (TOPIC_LABELS,)).look()
    assert ids(lake) == expected(1, 2, 3, 4, 5, 6)


def test_an_append_that_was_written_into_a_cleaned_part_of_the_log_is_made_again(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of a process that was stopped between reading the log and writing to it."""
    land(lake, 1, 2, 3)
    sleeper, log = lake.numbered(TOPIC_LABELS, APP), Path(lake.uri(TOPIC_LABELS)) / "_delta_log"
    entry = log / f"{sleeper.version:020}.json"
    kept, aside = entry.read_bytes(), log.with_name("aside")
    other = lake.numbered(TOPIC_LABELS, "other")
    for number in (1, 2, 3):
        assert other.append([], number)
    clean_log_up_to(lake, TOPIC_LABELS)
    commit = sleeper._commit

    def commit_too_late(*arguments: Any) -> None:
        monkeypatch.setattr(sleeper, "_commit", commit)
        shutil.move(log, aside)
        log.mkdir()
        entry.write_bytes(kept)
        commit(*arguments)
        entry.unlink()
        shutil.copytree(aside, log, dirs_exist_ok=True)

    monkeypatch.setattr(sleeper, "_commit", commit_too_late)
    files = write_rows(lake.files, lake.uri(TOPIC_LABELS), TOPIC_LABELS, label_rows(4))
    assert sleeper.append(files, 4)
    assert ids(lake) == expected(1, 2, 3, 4)
    assert lake.numbered(TOPIC_LABELS, APP).number == 4


def test_an_append_without_rows_counts_though_others_committed_at_once(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    table, other = (lake.numbered(TOPIC_LABELS, name) for name in (APP, "other"))
    refresh = table.refresh

    def after_another() -> None:
        monkeypatch.setattr(table, "refresh", refresh)
        assert other.append([], 1)
        refresh()

    monkeypatch.setattr(table, "refresh", after_another)
    assert table.append([], 1)
    assert table.number == 1


def test_replaced_files_that_the_table_names_again_stay(
    lake: Lake, merge_all: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fraud_platform.adapters.tables.compaction.GRACE_SECONDS", -1.0)
    land(lake, 1, 2)
    before = lake.version(TOPIC_LABELS)
    assert before is not None
    compaction = Compaction(lake, (TOPIC_LABELS,))
    restored: list[dict[str, Any]] = []
    removed = compaction._remove

    def restore_first(*arguments: Any) -> None:
        if not restored:
            restored.append(open_table(lake, TOPIC_LABELS).restore(before))
        removed(*arguments)

    monkeypatch.setattr(compaction, "_remove", restore_first)
    compaction.look()
    assert restored
    assert ids(lake) == expected(1, 2)


def test_a_swap_of_a_file_that_is_gone_commits_nothing(lake: Lake) -> None:
    land(lake, 1)
    version = lake.version(TOPIC_LABELS)
    assert swap_files(lake, TOPIC_LABELS, Swap(["gone.parquet"], [], {"operation": "T"})) is None
    assert lake.version(TOPIC_LABELS) == version


def test_of_many_that_create_one_file_exactly_one_does(tmp_path: Path) -> None:
    url = str(tmp_path / "entry.json")
    assert [create_once(url, b"%d" % i) for i in range(3)] == [True, False, False]
    assert [path.name for path in tmp_path.iterdir()] == ["entry.json"]
    assert Path(url).read_bytes() == b"0"


def day_files(lake: Lake, day: str, rows: int) -> list[DataFile]:
    import pyarrow.parquet as pq

    path = f"day={day}/{rows}.parquet"
    target = Path(lake.uri(DAYS)) / path
    target.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"rows": [rows]}), target)
    stats = f'{{"numRecords": 1, "minValues": {{"rows": {rows}}}, "maxValues": {{"rows": {rows}}}}}'
    return [DataFile(path, target.stat().st_size, 1, {"day": day}, stats)]


def held(lake: Lake) -> list[tuple[str, int]]:
    return sorted((row["day"], row["rows"]) for row in lake.read_arrow(DAYS).to_pylist())


def test_of_two_writers_that_fill_one_new_partition_one_is_refused(lake: Lake) -> None:
    lake.ensure(DAYS)
    late = StaleLake(lake.url)
    late.remember(DAYS)
    lake.commit_files(DAYS, day_files(lake, "1", 10), "day", ["1"])
    with pytest.raises(Outage, match=r"day 1 held at version 0, found .* version 1"):
        late.commit_files(DAYS, day_files(lake, "1", 20), "day", ["1"])
    assert held(lake) == [("1", 10)]


def test_writers_of_different_partitions_do_not_meet(lake: Lake) -> None:
    lake.commit_files(DAYS, day_files(lake, "1", 10), "day", ["1"])
    late = StaleLake(lake.url)
    late.remember(DAYS)
    assert lake.commit_files(DAYS, day_files(lake, "1", 11), "day", ["1"]) == 2
    assert late.commit_files(DAYS, day_files(lake, "2", 20), "day", ["2"]) == 3
    assert held(lake) == [("1", 11), ("2", 20)]


def test_a_partition_that_was_merged_meanwhile_is_not_kept_beside_its_replacement(
    lake: Lake,
) -> None:
    files = day_files(lake, "1", 10) + day_files(lake, "1", 11)
    lake.commit_files(DAYS, files, "day", ["1"])
    late = StaleLake(lake.url)
    late.remember(DAYS)
    open_table(lake, DAYS).optimize.compact()
    with pytest.raises(Outage, match="another writer has replaced it"):
        late.commit_files(DAYS, day_files(lake, "1", 20), "day", ["1"])
    assert held(lake) == [("1", 10), ("1", 11)]


def test_files_that_were_made_from_an_older_version_do_not_replace_newer_ones(lake: Lake) -> None:
    since = lake.ensure(DAYS).version()
    lake.commit_files(DAYS, day_files(lake, "1", 10), "day", ["1"])
    with pytest.raises(Outage, match="another writer has replaced it"):
        lake.commit_files(DAYS, day_files(lake, "1", 5), "day", ["1"], since=since)
    assert lake.commit_files(DAYS, day_files(lake, "2", 5), "day", ["2"], since=since) == 2
    assert held(lake) == [("1", 10), ("2", 5)]


def test_a_whole_table_that_was_merged_or_appended_to_is_not_kept_beside_its_replacement(
    lake: Lake,
) -> None:
    rows = pa.table({"day": ["1"], "rows": [1]}, schema=DAYS.arrow_schema)
    for number in (1, 2):
        assert lake.numbered(DAYS, APP).append(day_files(lake, "1", number), number)
    late = StaleLake(lake.url)
    late.remember(DAYS)
    open_table(lake, DAYS).optimize.compact()
    with pytest.raises(Outage, match="another writer committed first"):
        late.replace_arrow(DAYS, rows, None)
    assert held(lake) == [("1", 1), ("1", 2)]


def test_a_restore_undoes_no_commit_that_came_after_the_look(lake: Lake) -> None:
    first = lake.commit_files(DAYS, day_files(lake, "1", 10), "day", ["1"])
    looked = lake.commit_files(DAYS, day_files(lake, "1", 11), "day", ["1"])
    lake.commit_files(DAYS, day_files(lake, "2", 20), "day", ["2"])
    with pytest.raises(Outage, match="another writer committed first"):
        lake.restore(DAYS, first, {}, looked)
    assert held(lake) == [("1", 11), ("2", 20)]
