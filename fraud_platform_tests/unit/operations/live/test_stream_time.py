"""The way back: stream time that wrong dates have moved is set, and scoring goes on rightly."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from typer.testing import CliRunner

from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.cli.commands import app
from fraud_platform.operations.live.stream_time import (
    commit_stream_time,
    look_at_stream_time,
    stream_time_problem,
)
from fraud_platform.scoring.engines import inprocess
from fraud_platform.scoring.log import ScoringLog
from fraud_platform.scoring.messages.decoded import Decoded
from fraud_platform.scoring.state.history import stream_time
from fraud_platform.scoring.state.recovery import NO_SNAPSHOT, RecoveredState
from fraud_platform.stream.corrections import Correction, corrected_landings
from fraud_platform.tables.scoring import SCORING_STATE
from fraud_platform_tests.testing.worlds.dates import (
    COMPARED,
    FIRST_WRONG_ID,
    Dated,
    Topic,
    dated_stream,
    dead,
    score_in_process,
    scored,
)
from fraud_platform_tests.testing.worlds.scoring import train_small

IN_2038 = 2_145_916_800
CUT = 3_000


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_small(tmp_path_factory.mktemp("model"))


def part(stream: Dated, first: int, end: int) -> Dated:
    return Dated(stream.rows[first:end], stream.arrival_ms[first:end], set())


def wrong_rows(stream: Dated) -> Dated:
    """Return 150 rows of the same customers, dated 2038."""
    rows = stream.rows[:150].with_columns(
        transaction_id=pl.Series(FIRST_WRONG_ID + np.arange(150)),
        tx_datetime=pl.Series((IN_2038 + np.arange(150)) * 1_000_000).cast(
            pl.Datetime("us", "UTC")
        ),
    )
    return Dated(rows, stream.arrival_ms[:150], set())


@pytest.fixture
def moved(lake: Lake, model: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Lake, Dated]:
    """A lake in which 2038 was scored by a version that let it, and the good stream."""
    good = dated_stream(0.01, "ahead", "live", count=5_000).good()
    score_in_process(lake, Topic(part(good, 0, CUT)), model, 800)
    with monkeypatch.context() as earlier:
        earlier.setattr(inprocess, "bound_times", _as_decoded)
        score_in_process(lake, Topic(wrong_rows(good)), model, 800, stream_second=IN_2038)
    return lake, good


def _as_decoded(messages: object, decoded: Decoded, bounds: object) -> Decoded:
    return decoded


def settled(lake: Lake) -> ScoringLog:
    log = ScoringLog(lake)
    log.settle()
    return log


def test_a_wrong_stream_time_is_said_and_set_back_and_scoring_goes_on_as_without_it(
    moved: tuple[Lake, Dated], model: Path, tmp_path: Path
) -> None:
    lake, good = moved
    problem = stream_time_problem(lake)
    assert problem is not None
    assert "stream time is 2038-01-01" in problem
    assert "set-stream-time --to" in problem

    log = settled(lake)
    carried_on = RecoveredState(lake, NO_SNAPSHOT, 30)
    carried_on.catch_up(log)
    second = int(good.rows["tx_datetime"][CUT - 1].timestamp())
    words = "\n".join(look_at_stream_time(lake, second))
    assert "150 scored rows dated later" in words
    output = commit_stream_time(lake, log, second, "a terminal's clock")
    assert "from 2038-01-01 00:00 to 2018-08" in output
    assert stream_time(lake) == datetime.fromtimestamp(second, UTC)
    assert stream_time_problem(lake) is None

    score_in_process(lake, Topic(part(good, CUT, 5_000)), model, 700)
    assert stream_time_problem(lake) is None
    expected = Lake(str(tmp_path / "expected"))
    score_in_process(expected, Topic(part(good, 0, CUT)), model, 800)
    score_in_process(expected, Topic(part(good, CUT, 5_000)), model, 700)
    found, wanted = scored(lake), scored(expected)
    ids = good.rows["transaction_id"][CUT:].to_list()
    for name in [*COMPARED, "is_late"]:
        assert np.array_equal(found.loc[ids, name], wanted.loc[ids, name], equal_nan=True), name

    # a state that was there before, as a Spark worker's, is the one that a new scorer has
    fresh = RecoveredState(lake, NO_SNAPSHOT, 30)
    carried_on.catch_up(settled(lake))
    fresh.catch_up(settled(lake))
    every = good.rows["transaction_id"].to_numpy()
    wrong = FIRST_WRONG_ID + np.arange(150)
    for state in (carried_on.state, fresh.state):
        assert state.is_duplicate(every).all()
        assert state.is_duplicate(wrong).all()
        assert state.clock.second == settled(lake).last()["stream_second"]
        assert state.rows.oldest_second < second


def test_until_it_is_set_good_rows_are_named_and_can_be_sent_again(
    moved: tuple[Lake, Dated], model: Path
) -> None:
    lake, good = moved
    score_in_process(lake, Topic(part(good, CUT, CUT + 100)), model, 700)
    letters = dead(lake)
    assert set(letters["reason"]) == {"time_behind"}
    assert len(letters) == 100
    second = int(good.rows["tx_datetime"][CUT - 1].timestamp())
    assert "100 dead letters have the reason time_behind" in "\n".join(
        look_at_stream_time(lake, second)
    )
    commit_stream_time(lake, settled(lake), second, "a terminal's clock")
    score_in_process(lake, Topic(part(good, CUT, CUT + 100)), model, 700)
    assert scored(lake).index.is_unique
    assert len(scored(lake)) == CUT + 150 + 100


def test_snapshots_of_days_that_the_stream_has_not_reached_are_removed(
    moved: tuple[Lake, Dated],
) -> None:
    lake, good = moved
    empty = {f.name: 0 for f in SCORING_STATE.arrow_schema} | {"part": "stream", "entity": ""}
    days = [date(2018, 8, 2), date(2038, 1, 1)]
    rows = pa.Table.from_pylist(
        [{**empty, "as_of": day} for day in days], schema=SCORING_STATE.arrow_schema
    )
    lake.replace_arrow(SCORING_STATE, rows, None)
    second = int(good.rows["tx_datetime"][CUT - 1].timestamp())
    output = commit_stream_time(lake, settled(lake), second, "a terminal's clock")
    assert "snapshots removed: 2038-01-01" in output
    assert lake.read_arrow(SCORING_STATE)["as_of"].to_pylist() == days[:1]


def test_labels_that_landed_under_a_wrong_stream_time_count_from_the_right_one() -> None:
    corrections = [Correction(7, 1_000, landing=3)]
    landing = np.array([1, 3, 3, 4])
    landed = np.array([500, 900, IN_2038, 1_500])
    found = corrected_landings(corrections, landing, landed)
    assert found.tolist() == [500, 900, 1_000, 1_500]


def test_the_command_only_looks_where_no_reason_is_given(
    moved: tuple[Lake, Dated], monkeypatch: pytest.MonkeyPatch
) -> None:
    lake, _ = moved
    monkeypatch.setenv("FRAUD_LAKE_URL", lake.url)
    number = settled(lake).number
    result = CliRunner().invoke(app, ["set-stream-time", "--to", "2018-08-05 12:00"])
    assert result.exit_code == 0, result.output
    assert "stream time is 2038-01-01" in result.output
    assert "2018-08-05 12:00" in result.output
    assert settled(lake).number == number
