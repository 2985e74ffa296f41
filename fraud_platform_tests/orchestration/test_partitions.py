"""The UI offers the partitions that have data; runs for newer ones are accepted at once."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import ClassVar

import dagster as dg
import pytest
from dagster._core.definitions.partitions.snap import PartitionsSnap

from fraud_platform.calendar.due import DropDay, due_weeks, inputs_by_day
from fraud_platform.calendar.span import (
    DataSpan,
    keep_days,
    keep_decided,
    keep_planning_hour,
    read_span,
)
from fraud_platform.contracts.knowledge_week import MIN_TRAINING_DAYS
from fraud_platform.defs import partitions
from fraud_platform.operations.services import code_location
from fraud_platform.settings import Settings

LONG_AGO = date(2000, 1, 3)


def _days(first: date, count: int) -> list[DropDay]:
    return [DropDay("d", first + timedelta(days=n), 1_000, "c") for n in range(count)]


def _shown(definition: dg.PartitionsDefinition) -> list[str]:
    """The keys that the UI offers: of the definition as Dagster hands it to other processes."""
    return list(
        PartitionsSnap.from_def(definition).get_partitions_definition().get_partition_keys()
    )


@pytest.fixture
def span(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[date, int], DataSpan]:
    """Call it with a first day and a number of days; the definitions are of those."""

    def keep(first: date, count: int) -> DataSpan:
        keep_days(tmp_path, _days(first, count), LONG_AGO)
        monkeypatch.setattr(partitions, "_span", lambda: read_span(tmp_path))
        return read_span(tmp_path)

    return keep


@pytest.mark.parametrize("first", [date(2018, 4, 1), date(2023, 12, 31), date(2026, 8, 3)])
@pytest.mark.parametrize("count", [30, 45, 120])
def test_days_and_weeks_of_the_ui_are_those_of_the_data(
    span: Callable[[date, int], DataSpan], first: date, count: int
) -> None:
    span(first, count)
    end = first + timedelta(days=count)
    days = _shown(partitions.DAYS)
    assert days == [str(first + timedelta(days=n)) for n in range(count)]
    inputs = inputs_by_day(_days(first, count), LONG_AGO)
    decidable = due_weeks(inputs, inputs, [], MIN_TRAINING_DAYS, 1_000)
    weeks = _shown(partitions.WEEKS)
    assert weeks[-len(decidable) :] == [str(day) for day in decidable] or not decidable
    assert all(date.fromisoformat(week) <= end for week in weeks[1:])


def test_weeks_begin_with_the_first_that_was_decided(
    span: Callable[[date, int], DataSpan], tmp_path: Path
) -> None:
    first = date(2026, 8, 1)
    span(first, 120)
    keep_decided(tmp_path, [date(2026, 10, 5), date(2026, 10, 12)])
    weeks = _shown(partitions.WEEKS)
    assert (weeks[0], weeks[-1]) == ("2026-10-05", "2026-11-23")


def test_hours_are_those_between_the_first_plan_and_the_last(
    span: Callable[[date, int], DataSpan], tmp_path: Path
) -> None:
    span(date(2026, 8, 1), 30)
    now = datetime.now(UTC)
    planned = [f"{now - timedelta(hours=n):%Y-%m-%d-%H}:00" for n in (5, 4, 3)]
    for hour in planned:
        keep_planning_hour(tmp_path, hour)
    assert _shown(partitions.HOURS) == planned
    assert partitions.HOURS.has_partition_key(f"{now:%Y-%m-%d-%H}:00")


def test_days_ahead_of_the_clock_are_offered_if_they_have_data(
    span: Callable[[date, int], DataSpan],
) -> None:
    first = datetime.now(UTC).date() - timedelta(days=10)
    span(first, 40)
    assert _shown(partitions.DAYS)[-1] == str(first + timedelta(days=39))
    assert partitions.DAYS.has_partition_key(str(first + timedelta(days=45)))


def test_a_process_accepts_days_that_came_after_it_had_loaded_its_definitions(
    span: Callable[[date, int], DataSpan],
) -> None:
    first = date(2026, 8, 3)
    span(first, 30)
    for definition, key in (
        (partitions.DAYS, str(first + timedelta(days=60))),
        (partitions.WEEKS, str(first + timedelta(days=70))),
    ):
        assert key not in _shown(definition)
        assert definition.has_partition_key(key)
        assert list(definition.get_partition_keys_in_range(dg.PartitionKeyRange(key, key))) == [key]


def test_without_data_the_ui_offers_days_up_to_today(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partitions, "_span", DataSpan)
    assert _shown(partitions.DAYS)[-1] == str(datetime.now(UTC).date())


def test_the_span_changes_when_the_data_does_and_survives_an_unreadable_file(
    tmp_path: Path,
) -> None:
    days = _days(date(2026, 8, 3), 30)
    assert keep_days(tmp_path, days, LONG_AGO)
    assert not keep_days(tmp_path, days, LONG_AGO)
    hours = ("2026-09-01-10:00", "2026-09-01-11:00")
    assert keep_planning_hour(tmp_path, hours[0])
    assert not keep_planning_hour(tmp_path, hours[0])
    assert keep_planning_hour(tmp_path, hours[1])
    assert keep_decided(tmp_path, [date(2026, 9, 14), date(2026, 9, 7)])
    assert keep_days(tmp_path, _days(date(2026, 8, 3), 31), LONG_AGO)
    found = DataSpan(date(2026, 8, 3), date(2026, 9, 3), date(2026, 9, 7), *hours)
    assert read_span(tmp_path) == found
    assert not keep_days(tmp_path, [], LONG_AGO)
    for text in ("", "{", "[]", '{"first_day": 3}', '{"first_day": "x", "end": "y"}'):
        (tmp_path / "data-span.json").write_text(text)
        assert read_span(tmp_path) == DataSpan()


class _Handler(http.server.BaseHTTPRequestHandler):
    asked: ClassVar[list[str]]

    def do_POST(self) -> None:
        self.asked.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def test_the_ui_is_asked_to_load_the_definitions_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(home=tmp_path)
    assert code_location.reload_definitions(settings) is None

    class Handler(_Handler):
        asked: ClassVar[list[str]] = []

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(code_location, "web_server_port", lambda _: server.server_port)
    thread = code_location.reload_definitions(settings)
    assert thread is not None
    thread.join(30)
    server.shutdown()
    server.server_close()
    assert [json.loads(text) for text in Handler.asked] == [{"query": code_location._MUTATION}]
