"""Numbered commits: one sequence for all writers, and its log as long as it is needed."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from fraud_platform.adapters.tables import compaction as compaction_module
from fraud_platform.adapters.tables import log_keeping
from fraud_platform.adapters.tables import merging as merging_module
from fraud_platform.adapters.tables.compaction import Compaction, shorten_log
from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.adapters.tables.numbered import NumberedTable
from fraud_platform.contracts.tables import DataFile
from fraud_platform.defs.automation.maintenance import _vacuum
from fraud_platform.errors import DataError
from fraud_platform.scoring.pairs import PairedTables
from fraud_platform.tables.row_files import write_rows
from fraud_platform.tables.scoring import (
    DEAD_LABELS,
    INFERENCE_PLANS,
    LANDING,
    TOPIC_LABELS,
)
from fraud_platform_tests.testing.tables import open_table
from fraud_platform_tests.testing.waiting import comes_true, pace

APP = "test"


def label_rows(landing: int, count: int) -> pa.Table:
    moment = datetime(2018, 8, 6, tzinfo=UTC)
    return pa.Table.from_pylist(
        [
            {
                "transaction_id": 100 * landing + i, "is_fraud": False, "fraud_scenario": 0,
                "known_at": moment, "source": "topic", "landed_at": None, "landing": landing,
                "source_partition": i % 2, "source_offset": i,
            }
            for i in range(count)
        ],
        schema=TOPIC_LABELS.arrow_schema,
    )  # fmt: skip


def dead_rows(landing: int, *values: bytes) -> pa.Table:
    return pa.Table.from_pylist(
        [
            {
                "detail": "none", "message_key": None, "message_value": value,
                "landing": landing, "source_partition": 0, "source_offset": i,
            }
            for i, value in enumerate(values)
        ],
        schema=DEAD_LABELS.arrow_schema,
    )  # fmt: skip


def files(lake: Lake, number: int, count: int = 3) -> list[DataFile]:
    return write_rows(lake.files, lake.uri(TOPIC_LABELS), TOPIC_LABELS, label_rows(number, count))


def landings(table: NumberedTable, above: int) -> list[int]:
    return sorted(table.rows_above(above, "landing", ["landing"])["landing"].to_pylist())


@pytest.fixture
def table(lake: Lake) -> NumberedTable:
    return lake.numbered(TOPIC_LABELS, APP)


def test_before_the_first_commit_there_is_no_number_and_nothing_said(table: NumberedTable) -> None:
    assert (table.number, table.metadata(), list(table.commits())) == (0, {}, [])


def test_of_two_writers_with_one_number_the_second_commits_nothing(lake: Lake) -> None:
    first, second = (lake.numbered(TOPIC_LABELS, APP) for _ in range(2))
    assert first.append(files(lake, 1), 1, {"who": "first"})
    assert not second.append(files(lake, 1), 1, {"who": "second"})
    assert second.number == 1
    assert second.metadata() == {"who": "first", "number": 1}
    assert lake.read_arrow(TOPIC_LABELS).num_rows == 3
    assert second.append(files(lake, 2), 2, {"who": "second"})
    assert [metadata["number"] for metadata in second.commits()] == [2, 1]
    assert (first.number, first.metadata()["number"]) == (1, 1)


def test_a_commit_of_another_kind_in_between_takes_no_number(
    lake: Lake, table: NumberedTable
) -> None:
    other = lake.numbered(TOPIC_LABELS, "other")
    assert other.append(files(lake, 7), 7)
    open_table(lake, TOPIC_LABELS).optimize.compact()
    assert table.append(files(lake, 1), 1, {"ends": [3]})
    assert (table.number, table.metadata()) == (1, {"ends": [3], "number": 1})
    other.refresh()
    assert other.number == 7


def test_every_commit_is_found_in_a_long_log(lake: Lake, table: NumberedTable) -> None:
    for number in range(1, 41):
        assert table.append([], number, {"n": number})
    assert [metadata["n"] for metadata in table.commits()] == list(range(40, 0, -1))


def test_rows_above_a_number_are_those_of_later_commits_merged_or_not(
    lake: Lake, table: NumberedTable
) -> None:
    for number in (1, 2, 3):
        table.append(files(lake, number, number), number)
    assert landings(table, 1) == [2, 2, 3, 3, 3]
    assert len(table.files_above(2, "landing")) == 1
    open_table(lake, TOPIC_LABELS).optimize.compact()
    table.refresh()
    assert landings(table, 1) == [2, 2, 3, 3, 3]
    assert table.rows_above(3, "landing", ["transaction_id"]).num_rows == 0


def test_filters_find_rows_by_columns_with_bounds_and_without(
    lake: Lake, table: NumberedTable
) -> None:
    table.append(files(lake, 1), 1)
    for filters, count in (
        ([("transaction_id", "=", 101)], 1),
        ([("source", "=", "topic")], 3),
        ([("source_partition", "=", 1)], 1),
        ([("fraud_scenario", ">", 0)], 0),
    ):
        assert lake.read_arrow(TOPIC_LABELS, filters=filters).num_rows == count


@pytest.fixture
def nothing_kept(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> NumberedTable:
    chosen = {"delta.logRetentionDuration": "interval 0 seconds", "delta.checkpointInterval": "2"}
    for name, value in chosen.items():
        monkeypatch.setitem(log_keeping.MANY_COMMITS, name, value)
    return lake.numbered(TOPIC_LABELS, APP)


def test_a_cleaned_log_still_says_what_was_committed_last(
    lake: Lake, nothing_kept: NumberedTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fraud_platform.adapters.tables.merging.LEVELS", ((64 << 20, 2),))
    compaction = Compaction(lake, (TOPIC_LABELS,))
    for number in (1, 2, 3):
        assert nothing_kept.append(files(lake, number), number, {"n": number})
        compaction._log_at = -1e9
        compaction.look()
        assert lake.numbered(TOPIC_LABELS, APP).metadata() == {"n": number, "number": number}


def test_merging_leaves_files_of_a_level_before_alone(
    lake: Lake, table: NumberedTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(merging_module, "LEVELS", ((40_000, 4), (1 << 20, 3)))
    compaction, seen = Compaction(lake, (TOPIC_LABELS,)), []
    for number, size in enumerate((6_000, *[3] * 4, 6_000, *[3] * 4, 6_000), 1):
        assert table.append(files(lake, number, size), number)
        before = set(table_files(lake))
        compaction.look()
        after = set(table_files(lake))
        seen.append((len(before), len(after), len(before & after)))
    # small files become one and what was merged before stays, until enough of it has come
    assert seen[4] == (5, 2, 1)
    assert seen[8] == (6, 3, 2)
    assert seen[10] == (5, 1, 0)
    assert landings(lake.numbered(TOPIC_LABELS, APP), 0).count(11) == 6_000


def table_files(lake: Lake) -> list[str]:
    handle = lake.open(TOPIC_LABELS)
    assert handle is not None
    return handle.file_uris()


def test_no_commit_cleans_the_log_and_cleaning_waits_for_an_append(
    lake: Lake, nothing_kept: NumberedTable
) -> None:
    for number in range(1, 6):
        assert nothing_kept.append(files(lake, number), number, {"n": number})
        open_table(lake, TOPIC_LABELS).optimize.compact()
        pace(0.01)  # a file's age has milliseconds
        lake.vacuum(TOPIC_LABELS, [], 0)
        shorten_log(lake, TOPIC_LABELS)
        assert lake.numbered(TOPIC_LABELS, APP).metadata()["n"] == number
    assert len(list(lake.numbered(TOPIC_LABELS, APP).commits())) == 5
    assert nothing_kept.append(files(lake, 6), 6)
    pace(0.01)
    shorten_log(lake, TOPIC_LABELS)
    assert [metadata["number"] for metadata in lake.numbered(TOPIC_LABELS, APP).commits()] == [6]


def test_a_writer_that_slept_while_the_log_was_cleaned_commits_no_taken_number(
    lake: Lake, nothing_kept: NumberedTable
) -> None:
    sleeper = lake.numbered(TOPIC_LABELS, APP)
    for number in range(1, 9):
        assert nothing_kept.append(files(lake, number), number, {"n": number})
    pace(0.01)
    shorten_log(lake, TOPIC_LABELS)
    assert len(list(lake.numbered(TOPIC_LABELS, APP).commits())) == 1
    assert not sleeper.append(files(lake, 1), 1, {"n": "taken"})
    assert sleeper.metadata()["n"] == 8
    assert sleeper.append(files(lake, 9), 9)
    assert landings(sleeper, 7) == [8] * 3 + [9] * 3


def test_a_log_that_is_cleaned_while_it_is_read_is_read_again(
    lake: Lake, nothing_kept: NumberedTable
) -> None:
    def commit_and_clean() -> None:
        try:
            for number in range(1, 151):
                assert nothing_kept.append([], number, {"n": number})
                shorten_log(lake, TOPIC_LABELS)
        finally:
            is_done.set()

    is_done, reads = threading.Event(), 0
    with ThreadPoolExecutor(1) as pool:
        cleaning = pool.submit(commit_and_clean)
        reader = lake.numbered(TOPIC_LABELS, APP)
        while not is_done.is_set():
            reader.refresh()
            assert all(metadata["n"] <= reader.number for metadata in reader.commits())
            assert lake.open(TOPIC_LABELS) is not None
            reads += 1
        cleaning.result()
    reader.refresh()
    assert reader.number == 150
    assert reads > 10


EARLIER = {"delta.logRetentionDuration": "interval 0 seconds", "delta.checkpointInterval": "100"}
"""How an earlier version of the platform made tables, but for its retention of ten minutes."""


def test_a_table_of_an_earlier_version_keeps_its_last_words_from_now_on(lake: Lake) -> None:
    """Its own commits cleaned the log: merging after the hundredth lost the last number."""
    for last in (97, 98, 99):
        table = replace(TOPIC_LABELS, name=f"labels_{last}")
        made = {**EARLIER, log_keeping.BOUNDED: ",".join(table.bounded)}
        DeltaTable.create(lake.uri(table), table.arrow_schema, configuration=made)
        with pytest.MonkeyPatch.context() as earlier:
            earlier.setattr(log_keeping, "MANY_COMMITS", EARLIER)
            writer = lake.numbered(table, APP)
            for number in range(1, last + 1):
                rows = label_rows(number, 1) if number > last - 2 else label_rows(number, 0)
                found = write_rows(lake.files, lake.uri(table), table, rows)
                assert writer.append(found, number, {"n": number})
        pace(0.01)
        assert lake.numbered(table, APP).version == last + 1
        assert lake.numbered(table, APP).version == last + 1
        open_table(lake, table).optimize.compact()
        pace(0.01)
        lake.vacuum(table, [], 0)
        assert lake.numbered(table, APP).metadata()["n"] == last
        assert writer.append([], last + 1, {"n": last + 1})
        assert lake.numbered(table, APP).metadata()["n"] == last + 1


def test_a_number_is_found_that_enough_rows_lie_above(lake: Lake, table: NumberedTable) -> None:
    assert table.number_before(1, "landing") == 0
    for number in range(1, 6):
        table.append(files(lake, number), number)
    assert [table.number_before(n, "landing") for n in (1, 3, 4, 12, 13, 99)] == [4, 4, 3, 1, 0, 0]
    open_table(lake, TOPIC_LABELS).optimize.compact()
    table.refresh()
    table.append(files(lake, 6), 6)
    assert [table.number_before(n, "landing") for n in (3, 4)] == [5, 0]


def test_a_log_that_lost_its_last_words_stops_its_reader(lake: Lake, table: NumberedTable) -> None:
    table.append(files(lake, 1), 1, {"n": 1})
    handle = DeltaTable(lake.uri(TOPIC_LABELS))
    handle.alter.set_table_properties({"delta.logRetentionDuration": "interval 0 seconds"})
    handle = DeltaTable(lake.uri(TOPIC_LABELS))
    handle.create_checkpoint()
    handle.cleanup_metadata()
    with pytest.raises(DataError, match="expected commit 1 of test in its log, found none"):
        lake.numbered(TOPIC_LABELS, APP).metadata()


def pair(lake: Lake) -> PairedTables:
    return PairedTables(lake, TOPIC_LABELS, DEAD_LABELS, APP)


def dead_values(lake: Lake) -> list[bytes]:
    return sorted(lake.read_arrow(DEAD_LABELS)["message_value"].to_pylist())


def test_dead_messages_of_a_writer_that_lost_the_number_stay_out(lake: Lake) -> None:
    first, late = pair(lake), pair(lake)
    assert first.commit(1, files(lake, 1), dead_rows(1), {})
    assert not late.commit(1, files(lake, 1), dead_rows(1, b"a", b"b"), {})
    late.settle()
    assert dead_values(lake) == []
    assert first.commit(2, files(lake, 2), dead_rows(2, b"b"), {})
    assert dead_values(lake) == [b"b"]


def die_between(monkeypatch: pytest.MonkeyPatch, tables: PairedTables) -> None:
    """Commit results of number 1, and die before their dead messages are."""

    class Killed(BaseException):
        pass

    def kill(point: str) -> None:
        if point.endswith(".committed"):
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("fraud_platform.scoring.pairs.kill_point", kill)
        with pytest.raises(Killed):
            tables.commit(1, [], dead_rows(1, b"a"), {})


def test_vacuum_keeps_dead_labels_that_wait_for_their_commit(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    die_between(monkeypatch, PairedTables(lake, TOPIC_LABELS, DEAD_LABELS, LANDING))
    _vacuum(lake, SimpleNamespace(versions=list), retention_hours=0)  # type: ignore[arg-type]
    assert dead_values(lake) == [b"a"]


def test_dead_messages_that_a_killed_writer_left_open_are_added_once_by_the_next_writer(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    die_between(monkeypatch, pair(lake))
    assert dead_values(lake) == []
    comers = pair(lake), pair(lake)
    for comer in (*comers, *comers):
        comer.settle()
    assert dead_values(lake) == [b"a"]


def test_a_plan_reads_back_by_its_number(lake: Lake) -> None:
    from fraud_platform.scoring.plans import Plan, PlanLog

    moment = datetime(2018, 8, 1, tzinfo=UTC)
    plan = Plan(0, "topic", "id", {0: (1, 4), 3: (2, 2)}, 7, "none", moment, "0.1")
    log, other = PlanLog(lake), PlanLog(lake)
    assert (saved := log.save(plan)) is not None
    assert other.save(plan) is None
    assert (PlanLog(lake).read(1), PlanLog(lake).last()) == (saved, saved)
    assert saved.number == 1
    assert lake.read_arrow(INFERENCE_PLANS).num_rows == 1
    with pytest.raises(KeyError, match="no plan 9"):
        PlanLog(lake).read(9)


class _Broken(Compaction):
    """Fails with an unforeseen error, then succeeds."""

    looks = 0

    def look(self) -> None:
        self.looks += 1
        if self.looks == 1:
            raise KeyError("unforeseen")


def test_compaction_outlives_any_error_and_says_it(lake: Lake) -> None:
    compaction = _Broken(lake, (TOPIC_LABELS,), pause_seconds=0.3)
    messages = set()
    with compaction:

        def has_looked_twice() -> bool:
            messages.add(compaction.problem)
            return compaction.looks >= 2

        assert comes_true(has_looked_twice, 20, every=0.001)
    assert messages == {"", "compaction of tables: KeyError: 'unforeseen'"}
    assert (compaction.looks, compaction.problem) == (2, "")


def test_compaction_that_hangs_does_not_hold_its_block(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compaction_module, "END_SECONDS", 0.2)
    hung, released = threading.Event(), threading.Event()

    class Hanging(Compaction):
        def look(self) -> None:
            hung.set()
            released.wait(30)

    with Hanging(lake, (TOPIC_LABELS,), pause_seconds=0.0):
        assert hung.wait(20)
        began = time.monotonic()
    assert time.monotonic() - began < 10
    released.set()
