"""The follower's child process: it keeps tables small, and the follower never waits for it."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.adapters.tables.merging import LEVELS
from fraud_platform.defs.pages import follow_reports
from fraud_platform.defs.pages.follow_reports import Reporter
from fraud_platform.operations.live.reports import Report
from fraud_platform.scoring.scorer import Progress
from fraud_platform.settings import Settings
from fraud_platform.tables.row_files import write_rows
from fraud_platform.tables.scoring import DEAD_LABELS, LANDING
from fraud_platform_tests.testing.waiting import comes_true, pace

LARGE = np.zeros(1_000_000)
"""More than a pipe holds."""


def hang(settings: Settings, reports: Connection) -> None:
    """Take no report, and do not end with the pipe."""
    pace(600)


def test_a_hung_child_costs_the_oldest_reports_and_no_waiting(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(follow_reports, "_tell_all", hang)
    monkeypatch.setattr(follow_reports, "_END_SECONDS", 1.0)
    report = Report(Progress(probabilities=[LARGE]), 1, 0.5, {}, datetime.now(UTC))
    output = 3 * follow_reports._MOST_UNTOLD
    with Reporter(Settings(home=tmp_path)) as reporter:
        began = time.monotonic()
        for _ in range(output):
            reporter.send(report)
        assert time.monotonic() - began < 1
        # the one that is being sent waits beside the queue
        assert output - reporter.dropped in (
            follow_reports._MOST_UNTOLD,
            follow_reports._MOST_UNTOLD + 1,
        )
        assert reporter.problem == f"{reporter.dropped} reports to Dagster dropped"
        ending = time.monotonic()
    assert time.monotonic() - ending < 10
    reporter._process.join(10)
    assert not reporter._process.is_alive()


def test_a_child_that_ended_by_itself_is_started_anew(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(follow_reports, "_tell_all", hang)
    monkeypatch.setattr(follow_reports, "_END_SECONDS", 1.0)
    with Reporter(Settings(home=tmp_path)) as reporter:
        first = reporter._process
        first.kill()
        first.join(10)
        reporter.send(Report(Progress(), 1, 0.5, {}, datetime.now(UTC)))
        assert comes_true(lambda: reporter._process is not first, 60)
        second = reporter._process
        assert second is not first
        assert second.is_alive()
        assert reporter.problem == ""
    second.join(10)
    assert not second.is_alive()


def test_small_files_are_merged_beside_the_follower(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    lake = Lake(settings.lake)
    table, (_, most) = lake.numbered(DEAD_LABELS, LANDING), LEVELS[0]
    for number in range(1, most + 1):
        row = {"detail": "", "landing": number, "source_partition": 0, "source_offset": number}
        rows = pa.Table.from_pylist([row], schema=DEAD_LABELS.arrow_schema)
        assert table.append(
            write_rows(lake.files, lake.uri(DEAD_LABELS), DEAD_LABELS, rows), number
        )
    with Reporter(settings) as reporter:
        assert reporter.problem == ""
        assert comes_true(lambda: lake.data_files(DEAD_LABELS).num_rows == 1, 60)
    assert lake.data_files(DEAD_LABELS).num_rows == 1
    landed = lake.read_arrow(DEAD_LABELS, columns=["landing"])["landing"].to_pylist()
    assert sorted(landed) == list(range(1, most + 1))
    assert not reporter._process.is_alive()
