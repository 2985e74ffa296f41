"""A follower and labels that others landed."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from fraud_platform.adapters.patience import Patience
from fraud_platform.defs import follow
from fraud_platform.settings import Settings


class _Scorer:
    caught_up = 0

    def catch_up(self) -> None:
        self.caught_up += 1


def test_labels_that_another_process_landed_are_taken_in_though_none_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing: Any = None
    loop = follow._Loop(
        Settings(home=tmp_path), nothing, ExitStack(), Patience(print, lambda: False), print
    )
    scorer = _Scorer()
    loop._scorer, loop._topics = scorer, nothing  # type: ignore[assignment]
    monkeypatch.setattr(follow, "take_in_labels", lambda *given: {"labels": 0, "dead_labels": 0})
    loop._labels_at -= 2 * follow.LOOK_SECONDS
    loop._now_and_then()
    assert scorer.caught_up == 1
