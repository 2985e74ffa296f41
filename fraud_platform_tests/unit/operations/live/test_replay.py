"""Which dead letters are sent again, up to the broker."""

from __future__ import annotations

from pathlib import Path

import pytest

from fraud_platform.errors import DataError
from fraud_platform.operations.live.replay import replay_dead_letters
from fraud_platform.settings import Settings


def test_a_reason_that_does_not_exist_is_refused_with_those_that_do(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"--reason: expected one of too_large, .*found 'to_large'"):
        replay_dead_letters(Settings(home=tmp_path), "to_large")
