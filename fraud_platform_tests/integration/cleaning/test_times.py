"""Rows whose date is wrong, hours to decades away: named, and without a say in anything else."""

from __future__ import annotations

import hashlib
import json
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.calendar.due import inputs_by_day, watermark
from fraud_platform.cleaning import drop as drop_module
from fraud_platform.contracts.clock_tables import DROP_DAYS
from fraud_platform.contracts.tables import CLEANING_LEDGER, Column, TableContract
from fraud_platform.features.batch.materialize import materialize_days
from fraud_platform.ingest.manifests import RawManifest
from fraud_platform.operations.platform_state import read_drop_days, write_drop_days
from fraud_platform.tables.features import TRANSACTION_FEATURES
from fraud_platform_tests.oracles.drop_text import HEADER, Publish
from fraud_platform_tests.oracles.lake_tables import clean_rows, ledger, quarantined_rows

DROP, FIRST, LAST = "2018-04-01", date(2018, 4, 1), date(2018, 4, 30)
ROWS = 1_889
FAR = (-40 * 365, -4_000, -400, -130, 130, 400, 4_000, 29_800)
"""Days too late and too early, outside of the months next to the drop's."""

Rows = list[tuple[int, datetime, bool]]


def rows_of(share: float, far: tuple[int, ...] = FAR) -> Rows:
    """Rows of a month: number, time, and whether the time is wrong."""
    made = []
    for n in range(ROWS):
        moment = datetime(2018, 4, 1) + timedelta(seconds=n * 30 * 86_400 // ROWS)
        is_wrong = (n * 7_919) % ROWS < share * ROWS
        if is_wrong:
            moved = moment + timedelta(days=far[n % len(far)])
            moment = min(max(moved, datetime(2000, 1, 1)), datetime(2099, 12, 31, 23, 59, 59))
        made.append((n, moment, is_wrong))
    return made


def text(rows: Rows) -> bytes:
    return HEADER + b"".join(
        b"%d,%s,%d,%d,%d.25,0,0,%d,%d\n"
        % (n, str(moment).encode(), n % 40, n % 30, n % 90 + 1, n % 50 == 0, 2 * (n % 50 == 0))
        for n, moment, _ in rows
    )


def features(spark: SparkSession, lake: Lake) -> list[dict[str, object]]:
    write_drop_days(spark, lake)
    materialize_days(spark, lake, FIRST, LAST)
    return lake.read_arrow(TRANSACTION_FEATURES).sort_by("transaction_id").to_pylist()


@pytest.mark.parametrize("share", [0.001, 0.01, 0.05, 0.2])
def test_good_rows_have_the_features_that_they_have_without_the_bad_ones(
    spark: SparkSession, publish: Publish, lake: Lake, tmp_path: Path, share: float
) -> None:
    rows = rows_of(share)
    good = [row for row in rows if not row[2]]
    alone = Lake(str(tmp_path / "alone"))
    publish(DROP, text(good), lake=alone)
    publish(DROP, text(rows))
    assert clean_rows(lake, DROP) == clean_rows(alone, DROP)
    bad = {n for n, _, is_wrong in rows if is_wrong}
    assert len(bad) >= max(1, round(share * ROWS) - 1)
    found = quarantined_rows(lake, DROP)
    assert {(reason, key) for reason, _, _, key in found} == {("time_outside_drop", n) for n in bad}
    assert ledger(lake)[DROP]["rejected_time_outside_drop"] == len(bad)
    assert features(spark, lake) == features(spark, alone)
    days = read_drop_days(lake)
    assert watermark(days) == watermark(read_drop_days(alone)) == date(2018, 5, 1)
    assert inputs_by_day(days, FIRST).keys() == inputs_by_day(read_drop_days(alone), FIRST).keys()


@pytest.mark.parametrize("days_away", [-20, -1, 1, 2, 20])
def test_rows_that_may_be_of_the_drop_stay_and_move_no_clock(
    spark: SparkSession, publish: Publish, lake: Lake, days_away: int
) -> None:
    publish(DROP, text(rows_of(0.2, (days_away,))))
    assert ledger(lake)[DROP]["rows_clean"] == ROWS
    write_drop_days(spark, lake)
    days = read_drop_days(lake)
    assert watermark(days) == date(2018, 5, 1)
    inputs = inputs_by_day(days, FIRST)
    assert (min(inputs), max(inputs)) == (FIRST, LAST)
    assert len(inputs_by_day(days, FIRST - timedelta(days=60))) <= 30 + max(0, -days_away)


def test_a_row_after_the_drop_arrived_is_named(publish: Publish, lake: Lake, raw: Path) -> None:
    rows = rows_of(0.01, (12,))
    content = text(rows)
    arrived = datetime(2018, 5, 2, 3)
    manifest = RawManifest(
        DROP, f"{DROP}.txt", len(content), hashlib.sha256(content).hexdigest(), "landing", "f",
        f"{arrived.isoformat()}+00:00",
    )  # fmt: skip
    (raw / f"{DROP}.txt.json").write_bytes(manifest.to_json())
    publish(DROP, content)
    late = {n for n, moment, _ in rows if moment.date() > arrived.date() + timedelta(days=1)}
    assert {key for _, _, _, key in quarantined_rows(lake, DROP)} == late
    assert late


def test_a_simulated_month_in_the_future_arrives_before_it_happens(
    publish: Publish, lake: Lake, raw: Path
) -> None:
    content = text(rows_of(0))
    manifest = json.loads(RawManifest(DROP, "", 0, "", "", "", "2017-01-01T00:00:00").to_json())
    (raw / f"{DROP}.txt.json").write_text(json.dumps(manifest))
    publish(DROP, content)
    assert ledger(lake)[DROP]["rows_clean"] == ROWS


def test_a_drop_that_landed_with_wrong_dates_is_mended_by_cleaning_it_again(
    spark: SparkSession, publish: Publish, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = rows_of(0.2)
    with monkeypatch.context() as before:
        before.setattr(drop_module, "own_days", lambda rows: None)
        publish(DROP, text(rows))
        write_drop_days(spark, lake)
    assert len(clean_rows(lake, DROP)) == ROWS
    days = read_drop_days(lake)
    assert min(d.day for d in days) < date(2010, 1, 1) < date(2090, 1, 1) < max(d.day for d in days)
    assert watermark(days) == date(2018, 5, 1)
    assert set(inputs_by_day(days, FIRST)) == {FIRST + timedelta(days=n) for n in range(30)}
    publish(DROP, max_quarantined_share=0.01)
    write_drop_days(spark, lake)
    assert {n for n, *_ in clean_rows(lake, DROP)} == {n for n, _, is_wrong in rows if not is_wrong}
    assert lake.read_arrow(DROP_DAYS).num_rows == 30


def test_a_ledger_of_an_earlier_version_is_read_and_gets_the_new_column(
    publish: Publish, lake: Lake
) -> None:
    older = TableContract(
        **vars(CLEANING_LEDGER)
        | {
            "columns": tuple(
                column for column in CLEANING_LEDGER.columns if "outside" not in column.name
            )
        }
    )
    assert isinstance(older.columns[0], Column)
    lake.ensure(older)
    publish(DROP, text(rows_of(0.01)))
    assert ledger(lake)[DROP]["rejected_time_outside_drop"] > 0
