"""A state read from the lake knows the ids that the state which scored them knows."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pytest

from fraud_platform.adapters.tables.compaction import shorten_log
from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.adapters.tables.log_keeping import MANY_COMMITS
from fraud_platform.contracts.active import DECLARATION
from fraud_platform.contracts.arrays import Transactions
from fraud_platform.scoring.log import ScoringLog
from fraud_platform.scoring.state.recovery import (
    MARKS,
    NO_SNAPSHOT,
    STREAM_PART,
    RecoveredState,
    Snapshot,
    StreamMark,
)
from fraud_platform.scoring.state.scorer_state import ScoringState
from fraud_platform.tables.row_files import write_rows
from fraud_platform.tables.scoring import SCORED, SCORING, SCORING_STATE

START, DAY = 1_532_908_800, 86_400


def micro_batches() -> list[Transactions]:
    """Sixty days of rows, a batch a day; some come years, months, days late, or are far ahead."""
    random = np.random.default_rng(8)
    batches = []
    for day in range(60):
        size = 40
        delays = random.choice([3, 20, 29, 31, 90, 5_000], size)
        seconds = START + day * DAY + np.sort(random.integers(0, DAY, size))
        seconds -= np.where(random.random(size) < 0.2, delays, 0) * DAY
        seconds[-1] += 9_000 * DAY * (day in (10, 30, 50))
        ids = np.arange(size) + day * size
        batches.append(Transactions(ids, ids % 9, ids % 7, seconds, ids + 1))
    return batches


def commit(lake: Lake, number: int, rows: Transactions, stream_second: int | None) -> None:
    """Write rows as the scorer would; features and scores do not matter here."""
    known = {
        "transaction_id": rows.transaction_id,
        "customer_id": rows.customer_id,
        "terminal_id": rows.terminal_id,
        "amount_cents": rows.amount_cents,
        "tx_datetime": rows.second * 1_000_000,
        "micro_batch": np.full(rows.second.size, number),
        "source_offset": rows.transaction_id,
    }
    columns = []
    for field in SCORED.arrow_schema:
        if pa.types.is_string(field.type) or pa.types.is_list(field.type):
            empty = "" if pa.types.is_string(field.type) else None
            columns.append(pa.array([empty] * rows.second.size, field.type))
        else:
            values = known.get(field.name, np.zeros(rows.second.size, np.int64))
            columns.append(pa.array(values, pa.int64()).cast(field.type))
    table = pa.Table.from_arrays(columns, schema=SCORED.arrow_schema)
    files = write_rows(lake.files, lake.uri(SCORED), SCORED, table)
    counts = {"scored": rows.second.size}
    metadata = {"stream_second": stream_second, "end_offsets": {}, "counts": counts}
    assert lake.numbered(SCORED, SCORING).append(files, number, metadata)


@pytest.mark.parametrize("looks", [(60,), (20, 21, 45, 60)])
def test_copies_are_the_same_to_a_state_that_scored_and_to_one_that_recovered(
    lake: Lake, looks: tuple[int, ...]
) -> None:
    scored, log = ScoringState(duplicate_horizon_days=30), ScoringLog(lake)
    recovered = RecoveredState(lake, NO_SNAPSHOT, 30)
    sent_again = np.arange(60 * 40)
    for number, rows in enumerate(micro_batches(), 1):
        scored.score(rows)
        commit(lake, number, rows, scored.clock.second)
        if number in looks:
            log.settle()
            recovered.catch_up(log)
            assert recovered.state.clock.second == scored.clock.second
            expected = scored.is_duplicate(sent_again)
            assert recovered.state.is_duplicate(sent_again).tolist() == expected.tolist()
            # a row of the last weeks is known, with any date
            last = number * 40
            assert expected[max(0, last - 22 * 40) : last].all()


def write_mark(lake: Lake, as_of: date, **marks: int) -> str:
    """Write a snapshot that holds no tile; return its name."""
    mark = StreamMark(**marks)
    values = {f"v{i}": getattr(mark, name) for i, name in enumerate(MARKS)}
    values |= {"as_of": as_of, "part": STREAM_PART, "entity": ""}
    row = {f.name: values.get(f.name, 0) for f in SCORING_STATE.arrow_schema}
    table = pa.Table.from_pylist([row], schema=SCORING_STATE.arrow_schema)
    return str(Snapshot(as_of, lake.replace_arrow(SCORING_STATE, table, None)))


def days_of_rows(wrong_dates: int) -> list[Transactions]:
    """Forty days of rows before a midnight and an hour after it, a few dated in 2099."""
    random = np.random.default_rng(1)
    seconds = np.sort(random.integers(START - 40 * DAY, START, 8_000))
    seconds = np.append(seconds, np.sort(random.integers(START, START + 3_600, 100)))
    seconds[6_000 : 6_000 + 37 * wrong_dates : 37] = START + 30_000 * DAY
    ids = np.arange(seconds.size)
    rows = Transactions(ids, ids % 90, ids % 70, seconds, ids % 900 + 1)
    return [rows.take(part) for part in np.array_split(ids, 27)]


@pytest.mark.parametrize("horizon_days", [30, 60])
def test_a_few_wrong_dates_make_a_recovered_state_forget_nothing(
    lake: Lake, horizon_days: int
) -> None:
    batches = days_of_rows(wrong_dates=3)
    scored = ScoringState(horizon_days)
    for number, rows in enumerate(batches, 1):
        scored.score(rows)
        commit(lake, number, rows, scored.clock.second)
    midnight = date(1970, 1, 1) + timedelta(days=START // DAY)
    state = write_mark(lake, midnight, first_second=START - 90 * DAY, micro_batch=len(batches))
    recovered = RecoveredState(lake, state, horizon_days)
    recovered.catch_up(settled(lake))
    assert recovered.state.clock.second == scored.clock.second
    ids = np.arange(8_100)
    expected = scored.is_duplicate(ids)
    assert expected[-5_000:].all()
    assert recovered.state.is_duplicate(ids).tolist() == expected.tolist()


def test_a_row_of_the_day_before_that_the_snapshot_missed_is_in_the_recovered_state(
    lake: Lake,
) -> None:
    """It came after its day's tiles were summed up; those of before are in them."""
    midnight = date(1970, 1, 1) + timedelta(days=START // DAY)
    state = write_mark(lake, midnight, first_second=START - DAY, micro_batch=1)
    in_tiles = one_customer([1], [START - 900])
    late = one_customer([2, 3, 4, 5], [START + 60, START + 120, START - 600, START - 2 * DAY])
    commit(lake, 1, in_tiles, None)
    commit(lake, 2, late, START + 60)
    recovered = RecoveredState(lake, state, 30)
    recovered.catch_up(settled(lake))
    # the last one is of a drop's day, and the drop is the truth there
    expected = ScoringState(30, START)
    flags = {flag.name: np.zeros(3, np.int64) for flag in DECLARATION.flags}
    expected.live.add_transactions(late.take(np.arange(3)), flags)
    new = one_customer([9], [START + 1_200])
    found, wanted = recovered.state.score(new).features, expected.live.score(new).features
    assert {n: float(v[0]) for n, v in found.items()} == {n: float(v[0]) for n, v in wanted.items()}
    assert found["customer_n_transactions_1d"][0] == 4
    assert recovered.state.is_duplicate(np.array([1, 2, 3, 4, 5])).all()


def test_a_snapshot_without_a_mark_is_of_an_earlier_version_and_loads(lake: Lake) -> None:
    commit(lake, 1, one_customer([1, 2], [START - 900, START + 60]), START)
    midnight = date(1970, 1, 1) + timedelta(days=START // DAY)
    version = lake.replace_arrow(SCORING_STATE, SCORING_STATE.arrow_schema.empty_table(), None)
    recovered = RecoveredState(lake, str(Snapshot(midnight, version)), 30)
    recovered.catch_up(settled(lake))
    assert recovered.state.live.n_events == 1
    assert recovered.state.is_duplicate(np.array([1, 2])).all()


def test_what_was_scored_before_the_mark_is_not_read_again(lake: Lake) -> None:
    batches = days_of_rows(wrong_dates=0)
    for number, rows in enumerate(batches, 1):
        commit(lake, number, rows, int(rows.second[-1]))
    midnight = date(1970, 1, 1) + timedelta(days=START // DAY)
    first = 10
    state = write_mark(lake, midnight, micro_batch=len(batches), first_micro_batch=first)
    recovered = RecoveredState(lake, state, 30)
    recovered.catch_up(settled(lake))
    assert recovered.state.rows.size == sum(b.second.size for b in batches[first - 1 :])


def test_the_clock_goes_on_from_the_last_rows_whatever_the_log_still_says(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(MANY_COMMITS, "delta.logRetentionDuration", "interval 0 seconds")
    rows = one_customer(list(range(60)), list(range(START, START + 60)))
    for number in range(1, 21):
        commit(lake, number, rows.take(np.arange(3 * number - 3, 3 * number)), START)
    shorten_log(lake, SCORED)
    log = settled(lake)
    assert len(list(log.commits_above(0))) == 1
    assert log.last_seconds(10).tolist() == list(range(START + 50, START + 60))
    assert log.last_seconds(1_000).tolist() == list(range(START, START + 60))


def settled(lake: Lake) -> ScoringLog:
    log = ScoringLog(lake)
    log.settle()
    return log


def one_customer(ids: list[int], seconds: list[int]) -> Transactions:
    count = len(ids)
    customers, terminals = np.full(count, 7), np.full(count, 3)
    return Transactions(
        np.array(ids), customers, terminals, np.array(seconds), np.full(count, 5_000)
    )
