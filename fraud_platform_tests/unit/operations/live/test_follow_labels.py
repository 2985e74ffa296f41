"""A follower and labels: those that others landed, and looking whether any wait."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from fraud_platform.adapters.kafka.topics import TopicState
from fraud_platform.adapters.patience import Patience
from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.defs.pages.follow_reports import Reporter
from fraud_platform.operations.live import follow
from fraud_platform.operations.live import session as scoring_session
from fraud_platform.operations.live.session import LabelIntake
from fraud_platform.scoring.plans import TopicNow
from fraud_platform.settings import Settings


class _Log:
    def last(self) -> dict[str, Any]:
        return {}


class _Scorer:
    log = _Log()
    caught_up = 0

    def catch_up(self) -> None:
        self.caught_up += 1


class _NoLabels:
    def take_in(self, front_second: int | None) -> dict[str, int]:
        return {"labels": 0, "dead_labels": 0}


def test_labels_that_another_process_landed_are_taken_in_though_none_waits(tmp_path: Path) -> None:
    nothing: Any = None
    loop = follow._Loop(
        Settings(home=tmp_path),
        nothing,
        ExitStack(),
        Patience(print, lambda: False),
        print,
        Reporter,
    )
    scorer = _Scorer()
    loop._scorer, loop._labels = scorer, _NoLabels()  # type: ignore[assignment]
    loop._labels_at -= 2 * follow.LOOK_SECONDS
    loop._now_and_then()
    assert scorer.caught_up == 1


class _Topics:
    """A topic of two partitions that a test lets grow."""

    def __init__(self) -> None:
        self.high = 3

    def describe(self, topic: str) -> TopicState:
        return TopicState("id", (0, 1))

    def offsets(self, topic: str) -> dict[int, tuple[int, int]]:
        return {0: (0, self.high), 1: (0, 7)}

    def ends(self, topic: str, partitions: dict[int, int]) -> dict[int, int]:
        assert set(partitions) == {0, 1}
        return {p: high for p, (_, high) in self.offsets(topic).items()}


def test_a_topic_of_labels_is_looked_at_whole_when_it_grew_and_once_in_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    landed: list[int] = []

    class Landings:
        def __init__(self, lake: Lake) -> None:
            pass

        def land(
            self, source: Any, ask: Callable[[], TopicNow], stream_second: int | None
        ) -> dict[str, int]:
            new = ask().offsets[0][1] - sum(landed)
            landed.append(new)
            return {"labels": new, "dead_labels": 0}

    monkeypatch.setattr(scoring_session, "Landings", Landings)
    settings, topics = Settings(home=tmp_path), _Topics()
    intake = LabelIntake(settings, Lake(settings.lake), topics)  # type: ignore[arg-type]
    assert intake.take_in(None) == {"labels": 3, "dead_labels": 0}
    assert intake.take_in(None) == {"labels": 0, "dead_labels": 0}
    assert landed == [3, 0]
    topics.high = 5
    assert intake.take_in(None) == {"labels": 2, "dead_labels": 0}
    assert landed == [3, 0, 2, 0]
    monkeypatch.setattr(scoring_session, "_WHOLE_LOOK_SECONDS", 0.0)
    intake.take_in(None)
    assert landed == [3, 0, 2, 0, 0]
