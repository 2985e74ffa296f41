"""What an inference batch's page shows, of a run that scored something and of one that did not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.defs.pages.inference import metadata_of
from fraud_platform.scoring.scorer import Progress

SOME = Progress(
    counts={"messages_read": 3, "scored": 3},
    micro_batches=1,
    durable_ms=[np.array([80.0, 120.0, 4_000.0])],
    published_ms=[np.array([90.0, 130.0, 4_010.0])],
    probabilities=[np.array([0.0, 0.2, 1.0])],
)
DUPLICATES = Progress(
    counts={"messages_read": 3, "duplicates": 3},
    micro_batches=1,
    probabilities=[np.zeros(0)],
    durable_ms=[np.zeros(0)],
    published_ms=[np.zeros(0)],
)


def page_of(progress: Progress, folder: Path) -> dict[str, Any]:
    """Return the metadata of `inference_batches` after a run."""
    (result,) = metadata_of(Lake(str(folder)), progress, 1, 0.5, {0: 0})
    return dict(result.metadata or {})


def test_what_was_scored_is_drawn(tmp_path: Path) -> None:
    page = page_of(SOME, tmp_path)
    for plot in ("latency", "scores"):
        assert "data:image/png;base64," in page[plot].value
    assert page["durable_ms_max"] == 4_000.0


@pytest.mark.parametrize("progress", [Progress(), DUPLICATES], ids=["no messages", "duplicates"])
def test_words_stand_where_nothing_was_scored(progress: Progress, tmp_path: Path) -> None:
    page = page_of(progress, tmp_path)
    for plot in ("latency", "scores"):
        assert "No message was scored" in page[plot].value
    assert "durable_ms_p50" not in page
