"""The tables of the live half: what their columns must have room for."""

from __future__ import annotations

from fraud_platform.scoring.state.recovery import MARKS
from fraud_platform.tables.scoring import SCORING_STATE, STREAM_MARKS


def test_a_snapshot_has_a_column_for_each_mark_of_the_stream() -> None:
    """Also if a data set declares fewer measures than there are marks."""
    assert len(MARKS) == STREAM_MARKS
    assert {f"v{i}" for i in range(STREAM_MARKS)} <= set(SCORING_STATE.column_names)
