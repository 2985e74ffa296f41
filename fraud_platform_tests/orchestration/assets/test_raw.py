"""The new-drops sensor: one run for each content, even if its cursor is lost."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pytest
from typer.testing import CliRunner

from fraud_platform.adapters.storage.zones import open_zone
from fraud_platform.cleaning.ledger import write_ledger
from fraud_platform.cli.commands import app
from fraud_platform.contracts.clock_tables import DROP_DAYS
from fraud_platform.contracts.tables import CLEANING_LEDGER
from fraud_platform.defs.assets.raw import new_drops
from fraud_platform.defs.automation import requests
from fraud_platform.defs.automation.requests import BATCH, REQUEST_TAG
from fraud_platform.defs.automation.retention import forget_runs
from fraud_platform.defs.failures import ERROR_TAG, FAILURE_TAG
from fraud_platform.errors import DropNameError
from fraud_platform.ingest import copy_drop
from fraud_platform_tests.testing.worlds.automation import (
    filled,
    look,
    remember,
    run_requests,
    skip_message,
)
from fraud_platform_tests.testing.worlds.platform import Platform

ROW = b"0,2018-04-01 00:00:31,596,3156,57.16,31,0,0,0\n"


def test_a_complete_drop_is_requested_once_for_its_content(platform: Platform) -> None:
    platform.arrive("2018-04-01.txt", ROW)
    first, second = look(platform), look(platform)
    assert [r.partition_key for r in run_requests(first)] == ["2018-04-01"]
    assert [r.run_key for r in run_requests(second)] == [r.run_key for r in run_requests(first)]
    remember(platform, run_requests(first)[0], dg.DagsterRunStatus.STARTED)
    assert run_requests(look(platform)) == []


def test_a_lost_cursor_asks_for_nothing_new(platform: Platform) -> None:
    platform.arrive("2018-04-01.txt", ROW)
    with_cursor = run_requests(look(platform, look(platform).cursor))
    without = run_requests(look(platform, None))
    assert [r.run_key for r in with_cursor] == [r.run_key for r in without]


def test_loading_takes_none_of_two_files_of_one_drop(platform: Platform) -> None:
    platform.arrive("2018-04-01.txt", ROW)
    platform.arrive("2018-04-01.txt.gz", gzip.compress(ROW))
    found = CliRunner().invoke(app, ["load"]).exception
    assert isinstance(found, DropNameError)
    assert "expected one file for drop 2018-04-01, found 2" in str(found)
    assert str(found).split(": ", 1)[1] in str(look(platform).skip_reason)
    assert list(Path(platform.settings.raw).iterdir()) == []


def test_a_replaced_drop_is_another_request(platform: Platform) -> None:
    platform.arrive("2018-04-01.txt", ROW)
    first = run_requests(look(platform))[0]
    platform.arrive("2018-04-01.txt", ROW + ROW)
    second = run_requests(look(platform))[0]
    assert first.tags[REQUEST_TAG] != second.tags[REQUEST_TAG]


def test_a_name_that_is_no_date_is_named_and_harms_no_other_drop(platform: Platform) -> None:
    platform.arrive("april.txt", ROW)
    assert "april.txt" in str(look(platform).skip_reason)
    platform.arrive("2018-04-01.txt", ROW)
    assert [r.partition_key for r in run_requests(look(platform))] == ["2018-04-01"]


def at(monkeypatch: pytest.MonkeyPatch, minutes: float, start: datetime | None = None) -> None:
    """Let the sensor look so many minutes from a start, which is now if none is given."""
    later = (start or datetime.now(UTC)) + timedelta(minutes=minutes)
    monkeypatch.setattr(requests, "_now", lambda: later)


def test_ticks_that_only_repeat_a_complaint_write_no_log(platform: Platform) -> None:
    for n in range(50):
        platform.arrive(f"april {n}\n2026-01-01 INFO drop 2018-04-01 published.txt", ROW)
    with dg.build_sensor_context(
        instance=platform.instance, resources=platform.defs.resources, sensor_name="new_drops"
    ) as context:
        result = new_drops(context)
        assert isinstance(result, dg.SensorResult)
        output = str(result.skip_reason)
        assert not context.has_captured_logs()
    assert "april 0?2026-01-01 INFO" in output
    assert output.isprintable()
    assert "and 30 more" in output


def test_a_killed_run_is_asked_for_again_at_once_and_then_after_growing_waits(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform.arrive("2018-04-01.txt", ROW)
    keys = []
    for _ in range(BATCH.free_tries + 1):
        (request,) = run_requests(look(platform))
        keys.append(request.run_key)
        remember(platform, request, dg.DagsterRunStatus.FAILURE)
    assert len(set(keys)) == BATCH.free_tries + 1
    result = look(platform)
    assert run_requests(result) == []
    output = skip_message(result)
    assert "drop 2018-04-01" in output
    assert "failed 4 times" in output
    assert "its process was killed" in output
    at(monkeypatch, 1.1)
    assert len(run_requests(look(platform))) == 1


TICKS = (0, 0.5, 1, 1.5, 2, 3.5, 4, 7.5, 8, 15.5, 16, 31.5, 32, 45, 59.5, 60, 60.5)
"""Minutes after a failure: each wait that doubles, the longest one, and half a minute before."""


def test_a_drop_is_asked_for_as_long_as_an_outage_lasts_and_said_at_every_tick(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three attempts used to be all: a weekend's outage left a drop out for ever, unsaid."""
    platform.arrive("2018-04-01.txt", ROW)
    outage = {FAILURE_TAG: "outage", ERROR_TAG: "Outage: hdfs: no answer"}
    since, failed_at, waits = datetime.now(UTC), datetime.now(UTC), []
    for attempt in range(1, 12):
        for minutes in TICKS:
            at(monkeypatch, minutes, failed_at)
            result = look(platform)
            if run_requests(result):
                break
            output = skip_message(result)
            assert f"drop 2018-04-01 since {since:%Y-%m-%d %H:%M} UTC: failed" in output
            assert "Outage: hdfs: no answer" in output
            assert "fraud-platform retry drop:2018-04-01" in output
        (request,) = run_requests(result)
        assert str(request.run_key).endswith(f"#{attempt}")
        remember(platform, request, dg.DagsterRunStatus.FAILURE, **outage)
        failed_at = datetime.now(UTC)
        waits.append(minutes)
    # the first is asked for at once; then 1, 2, 4 .. minutes, and never more than an hour
    assert waits == [0, *(minutes for minutes in (1, 2, 4, 8, 16, 32, 60, 60, 60, 60))]


def test_a_data_error_is_retried_if_the_code_changes_or_a_person_says_so(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform.arrive("2018-04-01.txt", ROW)
    wrong = {FAILURE_TAG: "data", ERROR_TAG: "DropHeaderError: found 8 columns"}
    (request,) = run_requests(look(platform))
    remember(platform, request, dg.DagsterRunStatus.FAILURE, **wrong)
    at(monkeypatch, 60 * 24 * 365)
    result = look(platform)
    assert run_requests(result) == []
    assert "DropHeaderError: found 8 columns" in skip_message(result)

    assert requests.ask_again(platform.instance, "drop:2018-04-01") == 1
    (again,) = run_requests(look(platform))
    remember(platform, again, dg.DagsterRunStatus.FAILURE, **wrong)
    assert run_requests(look(platform)) == []

    monkeypatch.setattr(requests, "code_digest", lambda: "another")
    (of_new_code,) = run_requests(look(platform))
    keys = {r.run_key for r in (request, again, of_new_code)}
    assert len(keys) == 3


def test_refused_access_is_retried_once_it_may_have_been_mended(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform.arrive("2018-04-01.txt", ROW)
    (request,) = run_requests(look(platform))
    refused = {FAILURE_TAG: "access", ERROR_TAG: "AccessError: s3: wrong secret"}
    remember(platform, request, dg.DagsterRunStatus.FAILURE, **refused)
    at(monkeypatch, 4)
    assert run_requests(look(platform)) == []
    at(monkeypatch, 5.1)
    assert len(run_requests(look(platform))) == 1


def test_a_deleted_run_makes_it_neither_forget_nor_repeat(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Retention keeps the last run of what is not done: it has number, time and error."""
    platform.arrive("2018-04-01.txt", ROW)
    platform.arrive("2018-05-01.txt", ROW)
    outage = {FAILURE_TAG: "outage", ERROR_TAG: "Outage: hdfs: no answer"}
    for minutes in (0, 1.1, 3):
        at(monkeypatch, minutes)
        for request in run_requests(look(platform)):
            remember(platform, request, dg.DagsterRunStatus.FAILURE, **outage)
    assert len(platform.instance.get_runs()) == 6
    forget_runs(platform.instance, datetime.now(UTC) + timedelta(days=1))
    assert len(platform.instance.get_runs()) == 2
    output = skip_message(look(platform))
    assert output.count("failed 3 times") == 2
    at(monkeypatch, 9)
    assert [str(r.run_key)[-2:] for r in run_requests(look(platform))] == ["#4", "#4"]


def test_a_manual_run_of_the_drop_is_waited_for(platform: Platform) -> None:
    platform.arrive("2018-04-01.txt", ROW)
    run = platform.instance.add_run(
        dg.DagsterRun(
            "__ASSET_JOB",
            tags={"dagster/partition": "2018-04-01"},
            asset_selection=frozenset({dg.AssetKey("raw_drops")}),
            status=dg.DagsterRunStatus.STARTED,
        )
    )
    assert run_requests(look(platform)) == []
    platform.instance.delete_run(run.run_id)
    assert len(run_requests(look(platform))) == 1


def test_an_upload_under_way_waits(platform: Platform) -> None:
    platform.choose(drop_settle_seconds=3600)
    platform.landing.mkdir(parents=True)
    (platform.landing / "2018-04-01.txt").write_bytes(ROW)
    result = look(platform)
    assert run_requests(result) == []
    assert "2018-04-01.txt" in str(result.skip_reason)


def test_a_drop_is_asked_for_until_its_days_are_counted(platform: Platform) -> None:
    """A run that dies after the ledger's mark would leave the data's clock where it was."""
    platform.arrive("2018-04-01.txt", ROW)
    settings = platform.settings
    raw = open_zone(settings.raw, create=True)
    copied = copy_drop(open_zone(settings.landing), raw, "2018-04-01.txt")
    assert len(run_requests(look(platform))) == 1
    marks = {
        "drop": "2018-04-01", "content_sha256": copied.sha256, "rows_clean": 1,
        "published_sha256": copied.sha256, "publication": "p1",
    }  # fmt: skip
    write_ledger(platform.lake, [filled(CLEANING_LEDGER, marks)], {})
    assert len(run_requests(look(platform))) == 1
    counted = filled(DROP_DAYS, {"drop": "2018-04-01", "publication": "p1"})
    rows = pa.Table.from_pylist([counted], schema=DROP_DAYS.arrow_schema)
    platform.lake.replace_arrow(DROP_DAYS, rows, None)
    assert run_requests(look(platform)) == []
