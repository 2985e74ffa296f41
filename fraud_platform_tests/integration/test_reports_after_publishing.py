"""What fails after a drop is published: the run stays green, and the asset's page says what."""

from __future__ import annotations

from typing import Any

import dagster as dg
import pytest
from pyspark.sql import SparkSession

from fraud_platform.contracts.clock_tables import DROP_DAYS
from fraud_platform.contracts.tables import CLEANING_LEDGER
from fraud_platform.defs import failures
from fraud_platform.defs.assets import cleaned
from fraud_platform.defs.commands.run_due import FinishedRun, execute
from fraud_platform.operations.platform_state import write_drop_days
from fraud_platform_tests.oracles.nasty_lines import HEADER
from fraud_platform_tests.testing.worlds.platform import Platform

DROP = "2018-04-01"
ROW = b"%d,2018-04-01 00:00:31,596,3156,57.16,31,0,0,0\n"


def load(platform: Platform) -> FinishedRun:
    platform.arrive(f"{DROP}.txt", HEADER + b"\n" + ROW % 1 + ROW % 2)
    platform.instance.add_dynamic_partitions("drop", [DROP])
    request = dg.RunRequest(partition_key=DROP)
    return execute(platform.defs, platform.instance, "load_drop", request)


def fail(*args: object, **options: object) -> None:
    raise RuntimeError("Error parsing message with type 'spark.connect.Expression'")


@pytest.mark.parametrize("broken", ["profile_drop", "draw_profile", "small_table", "written"])
def test_a_report_that_fails_is_a_warning_of_a_published_drop(
    platform: Platform, spark: SparkSession, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    monkeypatch.setattr(cleaned, broken, fail)
    run = load(platform)
    assert run.success, run.error
    (row,) = platform.lake.read_arrow(CLEANING_LEDGER).to_pylist()
    assert row["status"] == "published"
    key = "quarantine" if broken in ("small_table", "written") else "transactions"
    event = platform.instance.get_latest_materialization_event(dg.AssetKey(key))
    assert event is not None
    assert event.asset_materialization is not None
    warnings = {k: v for k, v in event.asset_materialization.metadata.items() if "warning" in k}
    assert len(warnings) == 1 or broken == "written"
    assert all("spark.connect.Expression" in str(value.value) for value in warnings.values())


def test_days_that_could_not_be_counted_are_counted_when_the_run_is_tried_again(
    platform: Platform, spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[None] = []

    def fail_once(*args: Any) -> None:
        tried.append(None)
        fail() if len(tried) == 1 else write_drop_days(*args)

    monkeypatch.setattr(cleaned, "write_drop_days", fail_once)
    monkeypatch.setattr(failures, "FIRST_WAIT_SECONDS", 0.0)
    run = load(platform)
    assert run.success, run.error
    assert len(tried) == 2
    assert platform.lake.read_arrow(DROP_DAYS)["rows"].to_pylist() == [2]
