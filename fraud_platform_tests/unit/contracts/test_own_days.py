"""A drop's own days: what its rows agree on, against a slow oracle and drops made by hand."""

from __future__ import annotations

import math
import random
from collections import Counter
from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraud_platform.calendar.due import FULL_SHARE, DropDay, days_to_build, inputs_by_day, watermark
from fraud_platform.contracts.own_days import DaySpan, central_days, connected_days, own_days
from fraud_platform.rows.canonical import sample_days
from fraud_platform.rows.lines import LineBlock
from fraud_platform_tests.oracles import cleaning as oracle

FIRST = date(2018, 4, 1)
HOUR, DECADES = 1 / 24, 365 * 40.0


def drop_days(share: float, side: int, rows: int = 1_889, seed: int = 1) -> Counter[int]:
    """Rows by day of a drop of 30 days, a share of them dated hours to decades away."""
    chance = random.Random(seed)
    found: Counter[int] = Counter()
    for row in range(rows):
        day = row * 30 / rows
        if chance.random() < share:
            far = math.exp(chance.uniform(math.log(HOUR), math.log(DECADES)))
            day += far * (side or chance.choice([-1, 1]))
        found[math.floor(day)] += 1
    return found


@pytest.mark.parametrize("side", [-1, 0, 1])
@pytest.mark.parametrize("share", [0.001, 0.01, 0.05, 0.2])
@pytest.mark.parametrize("rows", [300, 1_889, 40_000])
def test_wrong_dates_move_neither_the_own_days_nor_the_full_ones(
    share: float, side: int, rows: int
) -> None:
    wrong, right = drop_days(share, side, rows), drop_days(0, side, rows)
    own = own_days(wrong)
    assert own is not None
    assert -90 < own.first <= -31
    assert 60 <= own.last < 120
    assert connected_days(wrong, FULL_SHARE) == connected_days(right, FULL_SHARE)


@pytest.mark.parametrize("share", [0.001, 0.01, 0.05, 0.2])
@pytest.mark.parametrize("days_ahead", [-29_000, -3_650, -40, -1, 1, 2, 3, 20, 40, 3_650, 29_000])
def test_the_clock_of_a_small_drop_stands_where_all_wrong_rows_lie_equally_far_away(
    share: float, days_ahead: int
) -> None:
    counts: Counter[int] = Counter()
    for row in range(1_889):
        is_wrong = (row * 7919) % 1_889 < share * 1_889
        counts[row * 30 // 1_889 + days_ahead * is_wrong] += 1
    days = [
        DropDay("2018-04-01", FIRST + timedelta(days=n), rows, "a") for n, rows in counts.items()
    ]
    assert watermark(days) == date(2018, 5, 1)
    inputs = inputs_by_day(days, FIRST)
    assert (min(inputs), max(inputs)) == (FIRST, date(2018, 4, 30))
    assert len(inputs_by_day(days, FIRST - timedelta(days=60))) <= 31


def test_rows_of_one_far_day_move_no_clock_however_many_days_they_would_fill() -> None:
    days = [DropDay("2018-04-01", FIRST + timedelta(days=n), 63, "a") for n in range(30)]
    days.append(DropDay("2018-04-01", date(2099, 12, 31), 400, "a"))
    assert watermark(days) == date(2018, 5, 1)


def test_a_drop_decades_after_the_others_asks_for_its_own_days_alone() -> None:
    days = [
        DropDay(str(first), first + timedelta(days=n), 60, "a")
        for first in (FIRST, date(2099, 1, 1))
        for n in range(30)
    ]
    inputs = inputs_by_day(days, FIRST)
    assert watermark(days) == date(2099, 1, 31)
    assert len(inputs) <= 2 * (30 + 38)
    assert days_to_build(inputs, {}, {}, 10**9) == (FIRST, date(2018, 6, 7))


def test_a_stream_that_rested_for_weeks_goes_on_with_the_clock() -> None:
    days = [DropDay("stream", FIRST + timedelta(days=n), 60, "a") for n in (0, 1, 2, 40, 41)]
    assert watermark(days) == FIRST + timedelta(days=42)


@given(st.dictionaries(st.integers(0, 400), st.integers(1, 40), max_size=25))
def test_the_own_days_are_those_of_the_oracle(rows: dict[int, int]) -> None:
    days = [FIRST + timedelta(days=day) for day, n in rows.items() for _ in range(n)]
    expected = oracle.own_days(days)
    found = own_days(rows)
    if expected is None:
        assert found is None
        return
    assert found is not None
    assert (found.first, found.last) == tuple((day - FIRST).days for day in expected)


def test_a_year_in_one_drop_is_its_own_whole_year() -> None:
    own = own_days(dict.fromkeys(range(365), 50))
    assert own is not None
    assert own.first <= -31
    assert own.last >= 365 + 30
    growing = {day: round(2 ** (day / 90)) for day in range(730)}
    own = own_days(growing)
    assert own is not None
    lost = sum(rows for day, rows in growing.items() if not own.first <= day <= own.last)
    assert lost / sum(growing.values()) < 0.01


def test_no_rows_have_no_days() -> None:
    assert (central_days({}), own_days({}), connected_days({})) == (None, None, [])
    assert central_days({5: 1}) == DaySpan(5, 5)


@pytest.mark.parametrize("period", [2, 3, 4, 5, 8, 10, 13, 16, 20])
def test_a_sample_of_a_block_sees_wrong_rows_at_their_share_whatever_their_period(
    period: int,
) -> None:
    lines = [
        b"%d,%s 10:00:00,1,2,5.00,0,0,0,0"
        % (n, b"2099-12-31" if n % period == 0 else b"2018-04-01")
        for n in range(20_000)
    ]
    days, counts = sample_days(LineBlock(b"\n".join(lines)), 1024)
    found = dict(zip(days.tolist(), counts.tolist(), strict=True))
    share = found[max(days)] / sum(found.values())
    assert share == pytest.approx(1 / period, rel=0.1)
    assert sum(found.values()) == pytest.approx(20_000, rel=0.01)


def test_a_sample_reads_times_however_they_are_spelt() -> None:
    times = [b" 2018-04-01 10:00:00 ", b"2018-04-01 24:00:00", b"no time", b"2018-04-01 10:00:00"]
    lines = [b"%d,%s,1,2,5.00,0,0,0,0" % (n, time) for n, time in enumerate(times)]
    days, counts = sample_days(LineBlock(b"\n".join([*lines, b"short,2018-04-09 10:00:00"])), 1024)
    first = (FIRST - date(1970, 1, 1)).days
    assert days.tolist() == [first, first + 1]
    np.testing.assert_array_equal(counts, [2 * 4 // 4, 1])


@pytest.mark.parametrize("time", [b"2018-04-01 24:00:00", b"2018-04-02 00:00:00"])
def test_a_block_of_one_midnight_is_of_the_day_that_begins(time: bytes) -> None:
    lines = [b"%d,%s,1,2,5.00,0,0,0,0" % (n, time) for n in range(2_000)]
    days, counts = sample_days(LineBlock(b"\n".join(lines)), 1024)
    assert days.tolist() == [(FIRST - date(1970, 1, 1)).days + 1]
    # of the first kind, only so many times are judged one by one
    assert counts.sum() <= 2_000


def test_a_thin_first_day_is_built_and_a_thin_last_day_waits_for_the_next_drop() -> None:
    days = [DropDay("2018-04-01", FIRST + timedelta(days=n), 100, "a") for n in range(1, 29)]
    days += [DropDay("2018-04-01", FIRST + timedelta(days=n), 30, "a") for n in (0, 29)]
    inputs = inputs_by_day(days, FIRST)
    assert (min(inputs), max(inputs)) == (FIRST, date(2018, 4, 29))
    days += [DropDay("2018-05-01", date(2018, 5, 1), 100, "a")]
    assert date(2018, 4, 30) in inputs_by_day(days, FIRST)
