"""Scored rows by day: always equal to a count of the table, without reading a row."""

from __future__ import annotations

from collections import Counter
from datetime import date
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from rich.console import Console

from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.adapters.tables.mending import mend_table
from fraud_platform.adapters.tables.merging import merge_small_files
from fraud_platform.adapters.tables.numbered import NumberedTable
from fraud_platform.calendar.due import STREAM, DropDay, fingerprint
from fraud_platform.contracts.clock_tables import DROP_DAYS
from fraud_platform.contracts.tables import TableContract
from fraud_platform.errors import ConservationError
from fraud_platform.operations.platform_state import read_state
from fraud_platform.reporting.status import _scored_line
from fraud_platform.reporting.terminal import _print_live
from fraud_platform.scoring.log import ScoredBatch, ScoringLog
from fraud_platform.settings import Settings
from fraud_platform.stream import scored_counts
from fraud_platform.stream.corrections import Correction, as_metadata
from fraud_platform.stream.scored_counts import KEPT_DAYS, MOST_DAYS, count_rows, read_counts
from fraud_platform.tables.row_files import write_rows
from fraud_platform.tables.scoring import DEAD_LETTERS, SCORED, SCORED_DAYS, SCORING

DAY = 86_400
FIRST = 17_500 * DAY
"""2017-11-30, in seconds since 1970."""


class Killed(BaseException):
    """Ends what a process does, at this place."""


def rows_of(number: int, seconds: list[int], random: np.random.Generator) -> pa.Table:
    """Return rows of a micro-batch whose models and flags are random."""
    size = len(seconds)
    known = {
        "transaction_id": random.integers(-(2**62), 2**62, size),
        "tx_datetime": np.array(seconds, np.int64) * 1_000_000,
        "micro_batch": np.full(size, number),
        "source_offset": np.arange(size),
        "is_alert": random.random(size) < 0.3,
        "is_late": random.random(size) < 0.1,
        "model_version": random.choice([1, 2, 2, 7], size),
    }
    columns = []
    for column in SCORED.arrow_schema:
        if column.name in known:
            values = pa.array(known[column.name])
            is_time = pa.types.is_timestamp(column.type)
            columns.append(values.view(column.type) if is_time else values.cast(column.type))
        elif pa.types.is_string(column.type):
            columns.append(pa.array([""] * size))
        elif pa.types.is_list(column.type):
            columns.append(pa.nulls(size, column.type))
        else:
            columns.append(pa.array(np.zeros(size, np.int64)).cast(column.type))
    return pa.Table.from_arrays(columns, schema=SCORED.arrow_schema)


class World:
    """Scorers of one lake, with rows of many days."""

    def __init__(self, lake: Lake) -> None:
        self.lake, self.random = lake, np.random.default_rng(7)

    def batch(self, number: int, seconds: list[int]) -> ScoredBatch:
        rows = rows_of(number, seconds, self.random)
        files = write_rows(self.lake.files, self.lake.uri(SCORED), SCORED, rows)
        empty = DEAD_LETTERS.arrow_schema.empty_table()
        second = max(seconds, default=0)
        return ScoredBatch(number, files, empty, {}, {}, second, {}, count_rows(rows))

    def scorer(self) -> ScoringLog:
        """Return the log as a scorer has it that starts now."""
        log = ScoringLog(self.lake)
        log.settle()
        return log

    def score(
        self, seconds: list[int], scorer: ScoringLog | None = None, **metadata: object
    ) -> None:
        log = scorer or self.scorer()
        assert log.commit(self.batch(log.number + 1, seconds), metadata)

    def score_days(self, first: int, end: int, rows: int = 5) -> None:
        """Let one scorer score days one by one, each with a row that is up to a week late."""
        scorer = self.scorer()
        for day in range(first, end):
            late = max(0, day - int(self.random.integers(0, 8)))
            seconds = self.random.integers(0, DAY, rows) + FIRST + day * DAY
            self.score([*seconds.tolist(), FIRST + late * DAY], scorer)

    def as_before(self, number: int, seconds: list[int]) -> None:
        """Commit as an earlier version of the platform did, which carried no counts."""
        batch = self.batch(number, seconds)
        metadata = {"stream_second": batch.stream_second}
        assert self.lake.numbered(SCORED, SCORING).append(batch.files, number, metadata)

    def forget_rows(self) -> None:
        """Remove every file of rows; the log stays, so reading a row fails."""
        folder = Path(self.lake.uri(SCORED))
        paths = list(folder.glob("*.parquet"))
        assert paths
        for path in paths:
            path.unlink()


def counted_by_hand(lake: Lake) -> dict[tuple[int, int], tuple[int, int, int, int, int]]:
    """Count the table row by row."""
    found: dict[tuple[int, int], list[int]] = {}
    batches: dict[tuple[int, int], int] = {}
    for row in lake.read_arrow(SCORED).to_pylist():
        day, version = int(row["tx_datetime"].timestamp()) // DAY, row["model_version"]
        cell = found.setdefault((day, version), [0, 0, 0, 0])
        cell[0] += 1
        cell[1] += row["is_alert"]
        cell[2] += row["is_late"]
        cell[3] ^= row["transaction_id"]
        place = (row["micro_batch"], version)
        batches[place] = min(day, batches.get(place, day))
    of_day = Counter((day, version) for (_, version), day in batches.items())
    return {key: (a, b, c, of_day[key], d) for key, (a, b, c, d) in found.items()}


def counted(lake: Lake) -> dict[tuple[int, int], tuple[int, int, int, int, int]]:
    return {
        key: (one.rows, one.alerts, one.late, one.micro_batches, one.content)
        for key, one in read_counts(lake).items()
    }


@pytest.fixture
def world(lake: Lake) -> World:
    return World(lake)


def carried_days(lake: Lake) -> int:
    metadata = lake.numbered(SCORED, SCORING).metadata()
    return len({day for day, *_ in metadata["scored_days"]})


def test_nothing_scored_is_nothing_counted(lake: Lake) -> None:
    assert read_counts(lake) == {}


def test_counts_of_many_days_equal_those_of_the_rows_and_a_commit_carries_few(world: World) -> None:
    most = 0
    for first in range(0, 100, 20):
        world.score_days(first, first + 20)
        most = max(most, carried_days(world.lake))
        assert counted(world.lake) == counted_by_hand(world.lake)
    assert KEPT_DAYS <= most <= MOST_DAYS + 2
    assert world.lake.read_arrow(SCORED_DAYS).num_rows > 50


def _model_lines(lake: Lake) -> str:
    console = Console(width=120, record=True, file=StringIO())
    _print_live(console, lake)
    return console.export_text()


def test_a_tick_status_and_report_read_no_scored_row(world: World, tmp_path: Path) -> None:
    """With a month more or ten times the rows they read the same: the files are gone."""
    world.score_days(0, 70)
    drops = [DropDay("2017-12-01", date(2017, 12, 3), 1, "x", "y")]
    row = {"drop": "2017-12-01", "publication": "p", "tx_date": drops[0].day, "rows": 1}
    row |= {"frauds": 0, "content": "x", "labels": "y"}
    world.lake.replace_arrow(
        DROP_DAYS, pa.Table.from_pylist([row], schema=DROP_DAYS.arrow_schema), None
    )
    rows = world.lake.read_arrow(SCORED).to_pylist()
    by_day: dict[date, list[int]] = {}
    for one in rows:
        by_day.setdefault(one["tx_datetime"].date(), []).append(one["transaction_id"])
    last = max(by_day)
    expected = [
        DropDay(
            STREAM, day, len(ids),
            fingerprint([(STREAM, len(ids), int(np.bitwise_xor.reduce(np.array(ids))))]),
        )
        for day, ids in sorted(by_day.items())
        if date(2017, 12, 4) <= day < last
    ]  # fmt: skip
    batches = {
        v: len({r["micro_batch"] for r in rows if r["model_version"] == v}) for v in (1, 2, 7)
    }
    world.forget_rows()
    settings = Settings(home=tmp_path)
    assert read_state(world.lake, settings).days == [*drops, *expected]
    alerts = sum(r["is_alert"] for r in rows)
    assert _scored_line(world.lake) == f"live: 420 scored, {alerts} alerts, 0 dead letters"
    lines = _model_lines(world.lake).splitlines()
    for version in (1, 2, 7):
        own = [r for r in rows if r["model_version"] == version]
        wanted = (version, len(own), *(sum(r[n] for r in own) for n in ("is_alert", "is_late")))
        cells = [line.replace("│", " ").split() for line in lines]
        assert [str(n) for n in (*wanted, batches[version])] in cells


@pytest.mark.parametrize(
    "point", ["scoring.days_closed", "scoring.dead_written", "scoring.committed"]
)
def test_counts_survive_a_kill_at_each_point_of_every_commit(
    world: World, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    def die(name: str) -> None:
        if name == point:
            raise Killed(name)

    kills = 0
    for day in range(MOST_DAYS * 2 + 20):
        with monkeypatch.context() as patch:
            patch.setattr("fraud_platform.scoring.pairs.kill_point", die)
            patch.setattr("fraud_platform.stream.scored_counts.kill_point", die)
            try:
                world.score_days(day, day + 1)
            except Killed:
                kills += 1
                patch.undo()
                world.score_days(day, day + 1)
    assert kills >= 2
    assert counted(world.lake) == counted_by_hand(world.lake)


def test_a_scorer_that_was_stopped_before_it_closed_days_changes_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.score_days(0, MOST_DAYS + 1)
    stale = ScoringLog(world.lake)
    batch = world.batch(stale.number + 1, [FIRST + MOST_DAYS * DAY])
    remember = scored_counts._remember

    def be_overtaken(*given: object) -> None:
        """Let another scorer work for weeks, with late rows of the days that are closed."""
        monkeypatch.setattr(scored_counts, "_remember", remember)
        world.score([FIRST + DAY] * 3)
        world.score_days(MOST_DAYS + 1, 3 * MOST_DAYS)
        remember(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(scored_counts, "_remember", be_overtaken)
    assert not stale.commit(batch, {})
    assert counted(world.lake) == counted_by_hand(world.lake)


def test_rows_of_closed_days_after_a_correction_of_stream_time_count(world: World) -> None:
    world.score_days(0, 80)
    number = ScoringLog(world.lake).number + 1
    back = as_metadata([Correction(number, FIRST + 5 * DAY, 0)])
    world.score([], **back)
    world.score_days(5, 60)
    assert counted(world.lake) == counted_by_hand(world.lake)
    assert ScoringLog(world.lake).last()["stream_corrections"]


def test_merging_and_a_cleaned_log_change_no_count(world: World) -> None:
    world.score_days(0, 110, rows=2)
    before = counted(world.lake)
    assert merge_small_files(world.lake, SCORED)
    assert counted(world.lake) == before == counted_by_hand(world.lake)
    world.score_days(110, 112)
    handle = world.lake.open(SCORED)
    assert handle is not None
    handle.create_checkpoint()
    handle.cleanup_metadata()
    for entry in sorted(Path(world.lake.uri(SCORED), "_delta_log").glob("*.json"))[:-1]:
        entry.unlink(missing_ok=True)
    assert counted(world.lake) == counted_by_hand(world.lake)
    world.score_days(112, 114)
    assert counted(world.lake) == counted_by_hand(world.lake)


@pytest.mark.parametrize("days", [3, MOST_DAYS + 20])
def test_a_table_of_an_earlier_version_is_counted_once(world: World, days: int) -> None:
    for number in range(1, days + 1):
        world.as_before(number, [FIRST + number * DAY + i for i in range(number % 4 + 1)])
    expected = counted_by_hand(world.lake)
    assert counted(world.lake) == expected
    reads: list[str] = []
    read = Lake.read_arrow

    def note(lake: Lake, table: TableContract, *given: Any, **named: Any) -> pa.Table:
        reads.append(table.name)
        return read(lake, table, *given, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Lake, "read_arrow", note)
        assert counted(world.lake) == expected
        world.score_days(days + 1, days + 4)
    assert SCORED.name not in reads
    assert counted(world.lake) == counted_by_hand(world.lake)


def test_the_first_commit_after_an_upgrade_counts_what_was_before(world: World) -> None:
    """Even if an older version of the platform worked on, after a newer one had counted."""
    world.as_before(1, [FIRST, FIRST + DAY])
    world.score_days(0, 3)
    world.as_before(5, [FIRST + DAY])
    world.score_days(3, 6)
    assert counted(world.lake) == counted_by_hand(world.lake)


def test_rows_that_stand_twice_count_once_before_and_after_mending(world: World) -> None:
    for number in range(1, 4):
        world.as_before(number, [FIRST + number * DAY] * 3)
    expected = counted_by_hand(world.lake)
    rows = world.lake.read_arrow(SCORED, [("micro_batch", "=", 2)])
    files = write_rows(world.lake.files, world.lake.uri(SCORED), SCORED, rows)
    assert NumberedTable(world.lake, SCORED, "another").append(files, 1)
    assert counted(world.lake) == expected != counted_by_hand(world.lake)
    mend_table(world.lake, SCORED, "a test", "somebody")
    assert counted(world.lake) == expected == counted_by_hand(world.lake)


def test_a_micro_batch_whose_rows_are_not_counted_is_refused(world: World) -> None:
    counted = world.batch(1, [FIRST])
    with pytest.raises(ConservationError, match="expected counts by day of the 1 rows"):
        ScoredBatch(1, counted.files, counted.dead, {}, {}, FIRST)
