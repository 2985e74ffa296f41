"""What needs a person is collected in one place and said first, everywhere."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.remote_origin import (
    InProcessCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    SensorInstigatorData,
    TickData,
    TickStatus,
)
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster_shared.error import SerializableErrorInfo
from typer.testing import CliRunner

from fraud_platform.cleaning.ledger import write_ledger
from fraud_platform.cli.commands import app
from fraud_platform.contracts.tables import CLEANING_LEDGER
from fraud_platform.defs.automation.schedules import daily_features, weekly_decision
from fraud_platform.defs.checks.batch import nothing_waits_for_a_person
from fraud_platform.defs.failures import ERROR_TAG, FAILURE_TAG
from fraud_platform.defs.pages.needs import collect_needs
from fraud_platform.reporting.needs import Need
from fraud_platform_tests.testing.worlds.automation import (
    build,
    decide,
    filled,
    land,
    look,
    remember,
    requested,
    run_requests,
    skip_message,
)
from fraud_platform_tests.testing.worlds.platform import Platform, result_of

HELD = {"drop": "2018-05-01", "status": "held", "held_because": "2 % of its rows are quarantined"}
OUTAGE = {FAILURE_TAG: "outage", ERROR_TAG: "Outage: hdfs: no answer"}


@pytest.fixture(autouse=True)
def a_disk_with_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the disk of the machine that runs the tests be no need of theirs."""
    monkeypatch.setattr("fraud_platform.defs.pages.needs.machine_needs", lambda settings: iter(()))
    monkeypatch.setenv("DAGSTER_HOME", "set by commands")


def hold(platform: Platform, **more: Any) -> None:
    write_ledger(platform.lake, [filled(CLEANING_LEDGER, HELD | more)], {})


def needs(platform: Platform) -> list[Need]:
    return collect_needs(platform.settings, platform.instance)


def test_a_platform_that_is_well_needs_nobody(platform: Platform) -> None:
    platform.arrive("2018-04-01.txt", b"")
    assert needs(platform) == []
    shown = CliRunner().invoke(app, ["report"])
    assert shown.output.splitlines()[0] == "nothing needs you"


def test_a_held_drop_is_said_by_the_sensor_the_check_and_the_commands_with_its_remedy(
    platform: Platform,
) -> None:
    platform.arrive("_ignored", b"")
    hold(platform)
    (need,) = needs(platform)
    assert (need.kind, need.what) == ("held", "drop 2018-05-01")
    assert need.since is not None
    command = 'fraud-platform accept 2018-05-01 --why "..."'
    assert command in need.remedy
    skipped = skip_message(look(platform))
    result = result_of(nothing_waits_for_a_person, lake=platform.lake_resource)
    assert not result.passed
    assert result.severity == dg.AssetCheckSeverity.WARN
    for output in (skipped, str(result.description), CliRunner().invoke(app, ["report"]).output):
        assert "2 % of its rows are quarantined" in output
        assert command in output
    first = CliRunner().invoke(app, ["report"]).output.splitlines()[0]
    assert first == "NEEDS YOU (1)"
    hold(platform, status="published")
    assert needs(platform) == []
    assert result_of(nothing_waits_for_a_person, lake=platform.lake_resource).passed


def test_a_drop_that_failed_is_said_until_it_is_done_or_taken_away(platform: Platform) -> None:
    platform.arrive("2018-04-01.txt", b"x")
    (request,) = run_requests(look(platform))
    remember(platform, request, dg.DagsterRunStatus.FAILURE, **OUTAGE)
    (need,) = needs(platform)
    assert (need.kind, need.what) == ("failed", "drop 2018-04-01")
    assert "Outage: hdfs: no answer" in need.why
    assert "fraud-platform retry drop:2018-04-01" in need.remedy
    (platform.landing / "2018-04-01.txt").unlink()
    assert needs(platform) == []
    platform.arrive("2018-04-01.txt", b"x")
    assert len(needs(platform)) == 1
    published = {"drop": "2018-04-01", "status": "published"}
    write_ledger(platform.lake, [filled(CLEANING_LEDGER, published)], {})
    assert needs(platform) == []


def test_days_and_weeks_that_failed_are_said_while_they_are_due(platform: Platform) -> None:
    platform.arrive("_ignored", b"")
    land(platform, 45)
    for schedule, done in ((daily_features, build), (weekly_decision, None)):
        request = requested(platform, schedule)
        remember(platform, request, dg.DagsterRunStatus.FAILURE, **OUTAGE)
        (need,) = needs(platform)
        assert need.kind == "failed"
        assert need.what in ("days", "knowledge date 2018-04-30")
        if done:
            done(platform)
            assert needs(platform) == []
    decide(platform, date(2018, 4, 30), 1)
    # the test's decision has no model in the registry, which is a need too
    assert [need.what for need in needs(platform)] == ["champion"]


def test_a_file_that_is_no_drop_is_said(platform: Platform) -> None:
    platform.arrive("april.txt", b"")
    (need,) = needs(platform)
    assert (need.kind, need.what) == ("landing", "file april.txt")


def tick_of(platform: Platform, status: TickStatus, at: datetime, words: str = "") -> None:
    """Record a look of the Kafka sensor, as the daemon does."""
    state = sensor_state(platform)
    error = None
    if words:
        cause = SerializableErrorInfo(f"OffsetGapError: {words}\n", [], "OffsetGapError")
        error = SerializableErrorInfo("SensorExecutionError\n", [], "Sensor..", cause=cause)
    platform.instance.create_tick(
        TickData(
            instigator_origin_id=state.instigator_origin_id,
            instigator_name="live_transactions",
            instigator_type=state.instigator_type,
            status=status,
            timestamp=at.timestamp(),
            error=error,
            selector_id=state.selector_id,
        )
    )


def sensor_state(platform: Platform) -> InstigatorState:
    """Return the state of the Kafka sensor, added if there is none."""
    found = platform.instance.all_instigator_state()
    if found:
        return found[0]
    target = LoadableTargetOrigin(module_name="fraud_platform.definitions")
    location = InProcessCodeLocationOrigin(target)
    origin = RemoteInstigatorOrigin(
        RemoteRepositoryOrigin(location, "__repository__"), "live_transactions"
    )
    state = InstigatorState(
        origin, InstigatorType.SENSOR, InstigatorStatus.RUNNING, SensorInstigatorData()
    )
    return platform.instance.add_instigator_state(state)


def test_a_sensor_that_halts_is_said_since_its_first_failed_look(platform: Platform) -> None:
    platform.arrive("_ignored", b"")
    now = datetime.now(UTC).replace(microsecond=0)
    gap = "transactions: offsets 5 to 9 are gone. fraud-platform accept-gap --why"
    tick_of(platform, TickStatus.SKIPPED, now - timedelta(minutes=3))
    tick_of(platform, TickStatus.FAILURE, now - timedelta(minutes=2), "another")
    tick_of(platform, TickStatus.FAILURE, now - timedelta(minutes=1), gap)
    (need,) = needs(platform)
    assert (need.kind, need.what) == ("halted", "sensor live_transactions")
    assert need.since == now - timedelta(minutes=2)
    assert gap in need.why
    tick_of(platform, TickStatus.SKIPPED, now)
    assert needs(platform) == []
    state = sensor_state(platform)
    platform.instance.update_instigator_state(state.with_status(InstigatorStatus.STOPPED))
    (off,) = needs(platform)
    assert "switched off" in off.why
