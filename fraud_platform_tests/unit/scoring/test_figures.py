"""Plots of a scoring run show their values, wherever those lie."""

from __future__ import annotations

import numpy as np
import pytest

from fraud_platform.scoring.figures import _whole_decades


@pytest.mark.parametrize(
    ("latencies", "wanted"),
    [
        ([34_000.0, 34_930.0], (10_000, 100_000)),
        ([80.0, 4_010.0], (10, 10_000)),
        ([1_000.0], (1_000, 10_000)),
        ([-5.0, 0.2], (1, 10)),
    ],
    ids=["a backlog", "ordinary", "one value on an edge", "a clock that runs ahead"],
)
def test_latencies_lie_within_the_axis_and_fill_it(
    latencies: list[float], wanted: tuple[int, int]
) -> None:
    edges = _whole_decades([np.array(latencies), np.array(latencies)])
    assert (edges[0], edges[-1]) == pytest.approx(wanted)
    counts, _ = np.histogram(np.maximum(latencies, 1.0), edges)
    assert counts.sum() == len(latencies)
