"""A follower's reports where the process that tells Dagster takes none: scoring does not wait."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import pytest

from fraud_platform.defs import follow_reports
from fraud_platform.defs.follow_reports import Report, Reporter
from fraud_platform.scoring.scorer import Progress
from fraud_platform.settings import Settings

LARGE = np.zeros(1_000_000)
"""More than a pipe holds."""


def hang(settings: Settings, reports: Connection) -> None:
    """Take no report, and do not end with the pipe."""
    time.sleep(600)


def test_a_hung_child_costs_the_oldest_reports_and_no_waiting(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(follow_reports, "_tell_all", hang)
    monkeypatch.setattr(follow_reports, "_END_SECONDS", 1.0)
    report = Report(Progress(probabilities=[LARGE]), 1, 0.5, {}, datetime.now(UTC))
    told = 3 * follow_reports._MOST_UNTOLD
    with Reporter(Settings(home=tmp_path)) as reporter:
        began = time.monotonic()
        for _ in range(told):
            reporter.tell(report)
        assert time.monotonic() - began < 1
        # the one that is being sent waits beside the queue
        assert told - reporter.dropped in (
            follow_reports._MOST_UNTOLD,
            follow_reports._MOST_UNTOLD + 1,
        )
        assert reporter.problem == f"{reporter.dropped} reports to Dagster dropped"
        ending = time.monotonic()
    assert time.monotonic() - ending < 10
    reporter._process.join(10)
    assert not reporter._process.is_alive()
