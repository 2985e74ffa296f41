"""The new-drops sensor: one run for each content, whatever happens to its cursor."""

from __future__ import annotations

import gzip
from datetime import UTC, date, datetime
from pathlib import Path

import dagster as dg
import pyarrow as pa
from typer.testing import CliRunner

from fraud_platform.adapters.storage.zones import open_zone
from fraud_platform.cleaning.ledger import write_ledger
from fraud_platform.cli import app
from fraud_platform.contracts.clock_tables import DROP_DAYS
from fraud_platform.contracts.tables import CLEANING_LEDGER, TableContract
from fraud_platform.defs.raw import new_drops
from fraud_platform.defs.requests import MAX_ATTEMPTS, REQUEST_TAG
from fraud_platform.errors import DropNameError
from fraud_platform.ingest import copy_drop
from fraud_platform_tests.platform_fixture import Platform

ROW = b"0,2018-04-01 00:00:31,596,3156,57.16,31,0,0,0\n"


def look(platform: Platform, cursor: str | None = None) -> dg.SensorResult:
    with dg.build_sensor_context(
        instance=platform.instance, cursor=cursor, resources=platform.defs.resources
    ) as context:
        return new_drops(context)


def remember(platform: Platform, request: dg.RunRequest, status: dg.DagsterRunStatus, **tags):
    """Record a run of a request, as the daemon would."""
    platform.instance.add_run(
        dg.DagsterRun("load_drop", tags={**request.tags, **tags}, status=status)
    )


def test_a_complete_drop_is_requested_once_for_its_content(platform: Platform):
    platform.arrive("2018-04-01.txt", ROW)
    first, second = look(platform), look(platform)
    assert [r.partition_key for r in first.run_requests] == ["2018-04-01"]
    assert [r.run_key for r in second.run_requests] == [r.run_key for r in first.run_requests]
    remember(platform, first.run_requests[0], dg.DagsterRunStatus.STARTED)
    assert look(platform).run_requests == []


def test_a_lost_cursor_asks_for_nothing_new(platform: Platform):
    platform.arrive("2018-04-01.txt", ROW)
    with_cursor = look(platform, look(platform).cursor).run_requests
    without = look(platform, None).run_requests
    assert [r.run_key for r in with_cursor] == [r.run_key for r in without]


def test_loading_takes_none_of_two_files_of_one_drop(platform: Platform):
    platform.arrive("2018-04-01.txt", ROW)
    platform.arrive("2018-04-01.txt.gz", gzip.compress(ROW))
    found = CliRunner().invoke(app, ["load"]).exception
    assert isinstance(found, DropNameError)
    assert "expected one file for drop 2018-04-01, found 2" in str(found)
    assert str(found).split(": ", 1)[1] in str(look(platform).skip_reason)
    assert list(Path(platform.settings.raw).iterdir()) == []


def test_a_replaced_drop_is_another_request(platform: Platform):
    platform.arrive("2018-04-01.txt", ROW)
    first = look(platform).run_requests[0]
    platform.arrive("2018-04-01.txt", ROW + ROW)
    second = look(platform).run_requests[0]
    assert first.tags[REQUEST_TAG] != second.tags[REQUEST_TAG]


def test_a_name_that_is_no_date_is_named_and_harms_no_other_drop(platform: Platform):
    platform.arrive("april.txt", ROW)
    assert "april.txt" in str(look(platform).skip_reason)
    platform.arrive("2018-04-01.txt", ROW)
    assert [r.partition_key for r in look(platform).run_requests] == ["2018-04-01"]


def test_a_killed_run_is_asked_for_again_a_bounded_number_of_times(platform: Platform):
    platform.arrive("2018-04-01.txt", ROW)
    keys = []
    for _ in range(MAX_ATTEMPTS):
        (request,) = look(platform).run_requests
        keys.append(request.run_key)
        remember(platform, request, dg.DagsterRunStatus.FAILURE)
    assert len(set(keys)) == MAX_ATTEMPTS
    assert look(platform).run_requests == []


def test_a_data_error_is_not_retried(platform: Platform):
    platform.arrive("2018-04-01.txt", ROW)
    (request,) = look(platform).run_requests
    remember(platform, request, dg.DagsterRunStatus.FAILURE, **{"fraud_platform/failure": "data"})
    assert look(platform).run_requests == []


def test_an_upload_under_way_waits(platform: Platform, monkeypatch):
    from fraud_platform.settings import load_settings

    monkeypatch.setenv("FRAUD_DROP_SETTLE_SECONDS", "3600")
    load_settings.cache_clear()
    platform.landing.mkdir(parents=True)
    (platform.landing / "2018-04-01.txt").write_bytes(ROW)
    result = look(platform)
    assert result.run_requests == []
    assert "2018-04-01.txt" in str(result.skip_reason)


def test_a_drop_is_asked_for_until_its_days_are_counted(platform: Platform):
    """A run that dies behind the ledger's mark would leave the data's clock where it was."""
    platform.arrive("2018-04-01.txt", ROW)
    settings = platform.settings
    raw = open_zone(settings.raw, create=True)
    copied = copy_drop(open_zone(settings.landing), raw, "2018-04-01.txt")
    assert len(look(platform).run_requests) == 1
    marks = {
        "drop": "2018-04-01", "content_sha256": copied.sha256, "rows_clean": 1,
        "published_sha256": copied.sha256, "publication": "p1",
    }  # fmt: skip
    write_ledger(platform.lake, [filled(CLEANING_LEDGER, marks)], {})
    assert len(look(platform).run_requests) == 1
    counted = filled(DROP_DAYS, {"drop": "2018-04-01", "publication": "p1"})
    rows = pa.Table.from_pylist([counted], schema=DROP_DAYS.arrow_schema)
    platform.lake.replace_arrow(DROP_DAYS, rows, None)
    assert look(platform).run_requests == []


def filled(table: TableContract, values: dict[str, object]) -> dict[str, object]:
    """Return a row with these values and, in the other columns, the least of their type."""
    empty: dict[str, object] = {"string": "", "date": date(2018, 4, 1), "boolean": False}
    empty["timestamp"] = datetime(2018, 4, 1, tzinfo=UTC)
    return {column.name: empty.get(column.type, 0) for column in table.columns} | values
