"""A drop's profile from hand-made cells, and its picture."""

from __future__ import annotations

import io
from datetime import date

import pytest
from PIL import Image

from fraud_platform.contracts.quarantine_reasons import Reason, Repair
from fraud_platform.reporting.drop_profile import (
    AMOUNT_EDGES_CENTS,
    DropProfile,
    RowCount,
    profile_of_cells,
)
from fraud_platform.reporting.drop_profile_figure import draw_profile

REJECTED = dict(zip(Reason, (4, 3, 2, 1, 9, 8, 0, 0, 7, 6, 0), strict=True))


def ledger(**values: object) -> dict[str, object]:
    return {
        "drop": "2018-04-01",
        "status": "published",
        "rows_read": 100,
        "rows_clean": 60,
        **{f"rejected_{reason}": rows for reason, rows in REJECTED.items()},
        "repaired_midnight_24h": 5,
        "repaired_rounded_amount": 2,
        "blank_lines": 3,
        "comment_lines": 1,
        **values,
    }


def cell(
    day: date, hour: int, amount_bin: int, scenario: int, rows: int, cents: int
) -> dict[str, object]:
    return {
        "tx_date": day,
        "hour": hour,
        "amount_bin": amount_bin,
        "fraud_scenario": scenario,
        "rows": rows,
        "amount_cents": cents,
    }


SUNDAY, MONDAY, NEXT_SUNDAY = date(2018, 4, 1), date(2018, 4, 2), date(2018, 4, 8)
CELLS = [
    cell(SUNDAY, 0, 10, 0, 20, 2_000),
    cell(SUNDAY, 0, 10, 2, 3, 400),
    cell(MONDAY, 13, 25, 0, 25, 90_000),
    cell(MONDAY, 13, 26, 1, 2, 50_000),
    cell(NEXT_SUNDAY, 23, 0, 3, 1, 5),
    cell(NEXT_SUNDAY, 23, 12, 0, 8, 1_500),
    cell(date(2019, 1, 1), 23, 51, 0, 1, 2_000_000),
]


@pytest.fixture
def profile() -> DropProfile:
    return profile_of_cells(CELLS, ledger())


def test_rows_and_frauds_are_summed_by_hour_weekday_day_and_amount(profile: DropProfile) -> None:
    assert {h: c for h, c in enumerate(profile.hours) if c.rows} == {
        0: RowCount(23, 3),
        13: RowCount(27, 2),
        23: RowCount(10, 1),
    }
    assert profile.weekdays[0] == RowCount(27, 2)
    assert profile.weekdays[1] == RowCount(1, 0)
    assert profile.weekdays[6] == RowCount(32, 4)
    assert [c.rows for c in profile.days[:8]] == [23, 27, 0, 0, 0, 0, 0, 9]
    assert profile.amounts[10] == RowCount(23, 3)
    assert profile.amounts[51] == RowCount(1, 0)
    assert profile.total == RowCount(60, 6)


def test_weekday_days_count_the_days_that_have_rows(profile: DropProfile) -> None:
    assert profile.weekday_days == (1, 1, 0, 0, 0, 0, 2)


def test_rows_outside_the_drops_days_are_counted_apart(profile: DropProfile) -> None:
    assert profile.rows_elsewhere == 1
    assert sum(c.rows for c in profile.days) == 59


def test_scenarios_have_their_rows_and_amounts(profile: DropProfile) -> None:
    assert profile.scenarios == (54, 2, 3, 1)
    assert profile.scenario_amount_cents == (2_093_500, 50_000, 400, 5)


def test_rejects_and_repairs_come_from_the_ledger(profile: DropProfile) -> None:
    assert dict(profile.rejected) == REJECTED
    assert profile.rows_quarantined == 40
    assert dict(profile.repaired) == {Repair.MIDNIGHT_24H: 5, Repair.ROUNDED_AMOUNT: 2}


def test_fraud_share_of_no_rows_is_zero() -> None:
    assert RowCount().fraud_share == 0.0
    assert RowCount(8, 2).fraud_share == 0.25


def test_amount_edges_are_ten_a_decade_from_ten_cents_to_ten_thousand() -> None:
    assert len(AMOUNT_EDGES_CENTS) == len(set(AMOUNT_EDGES_CENTS)) == 51
    assert AMOUNT_EDGES_CENTS[::10] == (10, 100, 1_000, 10_000, 100_000, 1_000_000)


@pytest.mark.parametrize("cells", [CELLS, []], ids=["published", "held"])
def test_picture_is_a_small_png_of_readable_size(cells: list[dict[str, object]]) -> None:
    png = draw_profile(profile_of_cells(cells, ledger(status="held" if not cells else "published")))
    with Image.open(io.BytesIO(png)) as image:
        assert image.format == "PNG"
        assert image.size == (1_100, 640)
    assert len(png) < 80_000


def test_the_same_profile_gives_the_same_picture(profile: DropProfile) -> None:
    assert draw_profile(profile) == draw_profile(profile_of_cells(CELLS, ledger()))
    assert draw_profile(profile) != draw_profile(profile_of_cells(CELLS[:-2], ledger()))
