"""Streams with wrong dates, scored in this process: named, without effect, nothing twice."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fraud_platform.adapters.tables.lake import Lake
from fraud_platform_tests.testing.worlds.dates import (
    SHARES,
    Dated,
    Topic,
    dated_stream,
    dead,
    require_named_and_without_effect,
    score_in_process,
    scored,
)
from fraud_platform_tests.testing.worlds.scoring import train_small


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_small(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def scored_good(model: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Lake]:
    """A lake of each kind of stream, scored without the wrong rows."""
    lakes = {}
    for kind in ("live", "replay"):
        lake = Lake(str(tmp_path_factory.mktemp(kind) / "lake"))
        score_in_process(lake, Topic(dated_stream(0.01, "ahead", kind).good()), model, 900)
        lakes[kind] = lake
    return lakes


@pytest.mark.parametrize("kind", ["live", "replay"])
@pytest.mark.parametrize("direction", ["ahead", "behind"])
@pytest.mark.parametrize("share", SHARES)
def test_wrong_dates_are_named_and_change_no_bit_of_a_good_row(
    lake: Lake, model: Path, scored_good: dict[str, Lake], share: float, direction: str, kind: str
) -> None:
    stream = dated_stream(share, direction, kind)
    counts = score_in_process(lake, Topic(stream), model, 700)
    require_named_and_without_effect(lake, scored_good[kind], stream)
    for batch in counts:
        ended = batch["scored"] + batch["dead_letters"] + batch["duplicates"]
        assert batch["messages_read"] == ended


def test_a_stream_with_wrong_dates_that_is_sent_twice_is_scored_once(
    lake: Lake, model: Path
) -> None:
    stream = dated_stream(0.05, "ahead", "replay", count=3_000)
    twice = Dated(
        stream.rows.vstack(stream.rows), np.concatenate([stream.arrival_ms] * 2), stream.wrong
    )
    counts = score_in_process(lake, Topic(twice), model, 500)
    assert scored(lake).index.is_unique
    # a copy is a duplicate even if its date is weeks before stream time by then
    assert sum(batch["duplicates"] for batch in counts) == 3_000
    assert set(dead(lake).index) <= stream.wrong


def test_producers_that_write_other_units_than_ms_are_counted_and_change_nothing(
    lake: Lake, model: Path, scored_good: dict[str, Lake]
) -> None:
    good = dated_stream(0.01, "ahead", "live").good()
    arrival = good.arrival_ms.copy()
    arrival[1::5] *= 1_000
    arrival[2::5] *= 1_000_000
    arrival[3::5] //= 1_000
    counts = score_in_process(lake, Topic(Dated(good.rows, arrival, set())), model, 700)
    odd = sum(batch.get("odd_timestamps", 0) for batch in counts)
    assert odd == 3 * len(arrival) // 5
    require_named_and_without_effect(lake, scored_good["live"], good)
