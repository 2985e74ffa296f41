"""What a follower counts between two reports."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace

import pytest

from fraud_platform.adapters.patience import Patience
from fraud_platform.defs.pages.follow_reports import Reporter
from fraud_platform.operations.live import follow
from fraud_platform.operations.live.reports import Report
from fraud_platform.scoring.scorer import Progress
from fraud_platform.settings import Settings

COUNTS = {"scored": 5, "alerts": 1, "dead_letters": 0, "duplicates": 0}


@pytest.fixture
def messages() -> list[str]:
    return []


@pytest.fixture
def loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, messages: list[str]) -> follow._Loop:
    """A follower's loop in the middle of a session, one minute after the report before."""
    monkeypatch.setattr(follow, "REPORT_SECONDS", -1.0)
    monkeypatch.setattr(follow._Loop, "_what_waits", lambda self: "")
    loop = follow._Loop(
        Settings(home=tmp_path, kafka_bootstrap="127.0.0.1:1"),
        SimpleNamespace(),  # type: ignore[arg-type]
        ExitStack(),
        Patience(messages.append, lambda: False),
        messages.append,
        Reporter,
    )
    threshold = SimpleNamespace(threshold=SimpleNamespace(value=0.5))
    loop._model = SimpleNamespace(version=1, candidate=threshold)  # type: ignore[assignment]
    loop._watch = SimpleNamespace(problem="")  # type: ignore[assignment]
    loop._scorer = SimpleNamespace(progress=loop._progress)  # type: ignore[assignment]
    reports: list[Report] = []
    loop._reporter = SimpleNamespace(  # type: ignore[assignment]
        send=reports.append, problem="", sent=reports
    )
    return loop


def test_a_minute_without_messages_is_said_and_later_messages_are_reported(
    loop: follow._Loop, messages: list[str]
) -> None:
    loop._now_and_then()
    assert [line.split(" ", 1)[1] for line in messages] == ["no new messages"]
    loop._scorer.progress.counts |= COUNTS
    loop._scorer.progress.micro_batches += 1
    loop._now_and_then()
    assert [report.progress.counts for report in loop._reporter.sent] == [COUNTS]  # type: ignore[attr-defined]
    assert messages[-1].endswith(
        "5 scored, 1 alerts, 0 dead letters, 0 duplicates in 1 micro-batches"
    )
    assert loop.total.counts == COUNTS
    loop._now_and_then()
    assert len(loop._reporter.sent) == 1  # type: ignore[attr-defined]
    assert loop._scorer.progress is loop._progress
    assert loop._progress == Progress()
