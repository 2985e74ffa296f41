"""The schedules work on the data's clock, and remember by the lake and by runs."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import dagster as dg
import pytest

from fraud_platform.adapters.spark.clusters.ledger import ClusterLedger
from fraud_platform.adapters.spark.clusters.provider import ClusterSize
from fraud_platform.defs.assets.scoring_state import daily_state
from fraud_platform.defs.automation import requests
from fraud_platform.defs.automation.at_work import WEEK_ASSETS
from fraud_platform.defs.automation.clusters import CLUSTER_TAG, cluster_reaper
from fraud_platform.defs.automation.maintenance import nightly_vacuum
from fraud_platform.defs.automation.requests import ask, runs_of
from fraud_platform.defs.automation.retention import nightly_retention
from fraud_platform.defs.automation.schedules import daily_features, weekly_decision
from fraud_platform.defs.failures import ERROR_TAG, FAILURE_TAG
from fraud_platform_tests.testing.worlds.automation import (
    build,
    decide,
    land,
    requested,
    skip_message,
    tick,
)
from fraud_platform_tests.testing.worlds.platform import Platform


def test_nothing_is_asked_for_without_data(platform: Platform) -> None:
    assert isinstance(tick(platform, daily_features), dg.SkipReason)
    assert isinstance(tick(platform, weekly_decision), dg.SkipReason)


def test_complete_days_are_asked_for_as_one_run(platform: Platform) -> None:
    land(platform, 30)
    request = requested(platform, daily_features)
    assert request.tags["dagster/asset_partition_range_start"] == "2018-04-01"
    assert request.tags["dagster/asset_partition_range_end"] == "2018-04-30"


def test_built_days_are_not_asked_for_again_until_their_rows_change(platform: Platform) -> None:
    land(platform, 30)
    build(platform)
    assert isinstance(tick(platform, daily_features), dg.SkipReason)
    land(platform, 30, content="b")
    assert requested(platform, daily_features).tags["dagster/asset_partition_range_start"]


def test_a_run_under_way_is_waited_for(platform: Platform) -> None:
    land(platform, 30)
    request = requested(platform, daily_features)
    platform.instance.add_run(
        dg.DagsterRun("build_days", tags=request.tags, status=dg.DagsterRunStatus.STARTED)
    )
    assert isinstance(tick(platform, daily_features), dg.SkipReason)


def manual_run(platform: Platform, asset: str, **tags: str) -> str:
    """Record a materialization that a person started in the UI, under way."""
    run = dg.DagsterRun(
        "__ASSET_JOB",
        tags={f"dagster/{name}": value for name, value in tags.items()},
        asset_selection=frozenset({dg.AssetKey(asset)}),
        status=dg.DagsterRunStatus.STARTED,
    )
    return platform.instance.add_run(run).run_id


def test_a_wider_range_of_days_waits_until_the_narrower_one_is_built(platform: Platform) -> None:
    """Overlapping ranges used to queue up: the same days were built once for each drop."""
    land(platform, 30)
    request = requested(platform, daily_features)
    run = platform.instance.add_run(
        dg.DagsterRun("build_days", tags=request.tags, status=dg.DagsterRunStatus.STARTED)
    )
    for days in (31, 60):
        land(platform, days, content="b")
        waits = tick(platform, daily_features)
        assert isinstance(waits, dg.SkipReason)
        assert (
            f"waits for the end of run {run.run_id[:8]}, which builds 2018-04-01 to 2018-04-30"
            in str(waits.skip_message)
        )
    platform.instance.delete_run(run.run_id)
    assert (
        requested(platform, daily_features).tags["dagster/asset_partition_range_end"]
        == "2018-05-30"
    )


def test_days_that_a_person_builds_are_not_asked_for(platform: Platform) -> None:
    land(platform, 30)
    run = manual_run(
        platform,
        "customer_tiles",
        asset_partition_range_start="2018-04-02",
        asset_partition_range_end="2018-04-03",
    )
    assert "2018-04-02 to 2018-04-03" in skip_message(tick(platform, daily_features))
    platform.instance.delete_run(run)
    assert isinstance(tick(platform, daily_features), dg.RunRequest)


def test_a_week_that_a_person_decides_is_not_asked_for(platform: Platform) -> None:
    land(platform, 45)
    build(platform)
    run = manual_run(platform, "candidate_model", partition="2018-04-30")
    output = skip_message(tick(platform, weekly_decision))
    assert output == f"knowledge date 2018-04-30 is being decided by run {run[:8]}"
    platform.instance.delete_run(run)
    assert requested(platform, weekly_decision).partition_key == "2018-04-30"


@pytest.mark.parametrize("asset", sorted(WEEK_ASSETS))
def test_a_second_run_of_a_week_refuses_at_once_and_names_the_first(
    platform: Platform, asset: str
) -> None:
    first = manual_run(platform, "training_set", partition="2018-04-30")
    result = platform.defs.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=platform.instance,
        asset_selection=[dg.AssetKey(asset)],
        partition_key="2018-04-30",
        raise_on_error=False,
    )
    assert not result.success
    run = platform.instance.get_run_by_id(result.run_id)
    assert run is not None
    assert f"found run {first[:8]} (started)" in run.tags[ERROR_TAG]


def test_an_outage_of_a_week_holds_the_next_one_back_and_is_said(platform: Platform) -> None:
    land(platform, 45)
    build(platform)
    request = requested(platform, weekly_decision)
    failed = {FAILURE_TAG: "outage", ERROR_TAG: "Outage: MLflow does not answer"}
    platform.instance.add_run(
        dg.DagsterRun(
            "decide_week", tags={**request.tags, **failed}, status=dg.DagsterRunStatus.FAILURE
        )
    )
    waits = tick(platform, weekly_decision)
    assert isinstance(waits, dg.SkipReason)
    assert "Outage: MLflow does not answer" in str(waits.skip_message)
    assert "fraud-platform retry week:2018-04-30" in str(waits.skip_message)


def test_a_failed_week_is_asked_for_again_if_its_own_days_change(platform: Platform) -> None:
    land(platform, 45)
    build(platform)
    for _ in range(3):
        request = requested(platform, weekly_decision)
        platform.instance.add_run(
            dg.DagsterRun(
                "decide_week",
                tags={**request.tags, FAILURE_TAG: "data"},
                status=dg.DagsterRunStatus.FAILURE,
            )
        )
    # the three weeks that are due failed; later days change none of them
    land(platform, 47)
    build(platform)
    assert isinstance(tick(platform, weekly_decision), dg.SkipReason)
    land(platform, 47, content="b")
    build(platform)
    assert requested(platform, weekly_decision).partition_key == "2018-04-30"


def test_weeks_are_asked_for_one_at_a_time_and_in_order(platform: Platform) -> None:
    land(platform, 45)
    build(platform)
    assert requested(platform, weekly_decision).partition_key == "2018-04-30"
    decide(platform, date(2018, 4, 30), 1)
    assert requested(platform, weekly_decision).partition_key == "2018-05-07"
    decide(platform, date(2018, 5, 7), 2)
    decide(platform, date(2018, 5, 14), 3)
    assert isinstance(tick(platform, weekly_decision), dg.SkipReason)


def test_a_week_waits_for_its_features(platform: Platform) -> None:
    land(platform, 45)
    assert isinstance(tick(platform, weekly_decision), dg.SkipReason)


def test_a_failed_week_lets_the_next_one_be_asked_for(platform: Platform) -> None:
    land(platform, 45)
    build(platform)
    request = requested(platform, weekly_decision)
    platform.instance.add_run(
        dg.DagsterRun(
            "decide_week",
            tags={**request.tags, "fraud_platform/failure": "data"},
            status=dg.DagsterRunStatus.FAILURE,
        )
    )
    assert requested(platform, weekly_decision).partition_key == "2018-05-07"


def test_schedules_ask_for_a_cluster_where_a_provider_is_configured(
    platform: Platform,
) -> None:
    land(platform, 10)
    assert CLUSTER_TAG not in requested(platform, daily_features).tags
    platform.choose(cluster_provider="standalone")
    assert requested(platform, daily_features).tags[CLUSTER_TAG] == "standalone"
    build(platform)
    assert requested(platform, daily_state).tags[CLUSTER_TAG] == "standalone"


def test_the_reaper_ends_the_cluster_of_a_run_that_failed(platform: Platform) -> None:
    failed = platform.instance.add_run(
        dg.DagsterRun("build_days", status=dg.DagsterRunStatus.FAILURE)
    )
    works = platform.instance.add_run(
        dg.DagsterRun("build_days", status=dg.DagsterRunStatus.STARTED)
    )
    ledger = ClusterLedger(platform.lake)
    for name, run in (("a", failed), ("b", works)):
        ledger.request(name, run.run_id, "standalone", ClusterSize(1, 1, "1g"), 0.0)
    with dg.build_sensor_context(
        instance=platform.instance, resources={"settings": platform.settings}
    ) as context:
        output = skip_message(cluster_reaper(context))
    assert output == "a deleted: its run ended: failure"
    assert [(row.cluster_id, row.step) for row in ledger.clusters()] == [
        ("a", "ended"),
        ("b", "requested"),
    ]


def test_a_request_is_asked_once_and_dagster_itself_does_not_repeat_it(platform: Platform) -> None:
    asked = ask(platform.instance, "thing:1", "the thing", "2018-04-02", {"also": "this"})
    assert isinstance(asked, dg.RunRequest)
    assert (asked.run_key, asked.partition_key) == ("thing:1#1", "2018-04-02")
    assert asked.tags["also"] == "this"
    assert asked.tags["dagster/max_retries"] == "0"
    noted = {**asked.tags, "dagster/run_key": str(asked.run_key)}
    run = dg.DagsterRun("job", tags=noted, status=dg.DagsterRunStatus.STARTED)
    platform.instance.add_run(run)
    again = ask(platform.instance, "thing:1", "the thing")
    assert isinstance(again, dg.SkipReason)
    assert "the thing was asked for" in str(again.skip_message)
    assert [found.run_id for found in runs_of(platform.instance, "thing:1")] == [run.run_id]


@pytest.mark.parametrize(("schedule", "hour"), [(nightly_vacuum, 3), (nightly_retention, 4)])
def test_nightly_work_that_met_an_outage_is_asked_for_again_the_same_night(
    platform: Platform, monkeypatch: pytest.MonkeyPatch, schedule: dg.ScheduleDefinition, hour: int
) -> None:
    night = (datetime.now(UTC) + timedelta(days=1)).replace(hour=hour, minute=40)
    monkeypatch.setattr(requests, "_now", lambda: night.replace(hour=hour - 1, minute=20))
    assert isinstance(tick(platform, schedule), dg.SkipReason)
    monkeypatch.setattr(requests, "_now", lambda: night)
    request = requested(platform, schedule)
    failed = {FAILURE_TAG: "outage", ERROR_TAG: "Outage: the lake does not answer"}
    run = dg.DagsterRun("x", tags={**request.tags, **failed}, status=dg.DagsterRunStatus.FAILURE)
    platform.instance.add_run(run)
    monkeypatch.setattr(requests, "_now", lambda: night + timedelta(hours=9))
    again = requested(platform, schedule)
    assert again.run_key != request.run_key
    platform.instance.add_run(
        dg.DagsterRun("x", tags=again.tags, status=dg.DagsterRunStatus.SUCCESS)
    )
    assert "is done" in skip_message(tick(platform, schedule))
