"""Days and weeks out of reach are refused before Spark starts; the error names possible ones."""

from __future__ import annotations

from datetime import date
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest

from fraud_platform.contracts.clock_tables import DROP_DAYS
from fraud_platform.defs.automation.at_work import DAY_ASSETS, WEEK_ASSETS
from fraud_platform.defs.failures import ERROR_TAG, FAILURE_TAG
from fraud_platform.defs.resources import SparkResource
from fraud_platform_tests.testing.worlds.automation import build, land
from fraud_platform_tests.testing.worlds.platform import Platform


class SparkStartedError(Exception):
    """What a test of this module must not see."""


@pytest.fixture(autouse=True)
def no_spark(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(self: Any) -> None:
        raise SparkStartedError

    monkeypatch.setattr(SparkResource, "_init_session", start)


def materialize(platform: Platform, asset: str, first: str, last: str | None = None) -> str:
    """Materialize a partition, or a range, as a person does in the UI; return the error's line."""
    spans = {
        "dagster/asset_partition_range_start": first,
        "dagster/asset_partition_range_end": last or first,
    }
    is_range = asset in DAY_ASSETS
    result = platform.defs.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=platform.instance,
        asset_selection=[dg.AssetKey(name) for name in (DAY_ASSETS if is_range else [asset])],
        partition_key=None if is_range else first,
        tags=spans if is_range else None,
        raise_on_error=False,
    )
    assert not result.success
    run = platform.instance.get_run_by_id(result.run_id)
    assert run is not None
    assert run.tags[FAILURE_TAG] == "data" or "SparkStartedError" in run.tags[ERROR_TAG]
    return run.tags[ERROR_TAG]


@pytest.mark.parametrize(
    ("first", "last", "others"),
    [
        ("2018-05-01", "2018-05-01", "found 1 others (2018-05-01)"),
        ("2018-04-20", "2018-05-02", "found 2 others (2018-05-01 to 2018-05-02)"),
        ("2018-06-01", "2018-06-10", "found 10 others (2018-06-01 to 2018-06-10)"),
    ],
)
def test_days_beyond_the_data_are_refused_with_the_last_possible_one(
    platform: Platform, first: str, last: str, others: str
) -> None:
    """They used to be green with no rows, after minutes."""
    land(platform, 30)
    output = materialize(platform, "transaction_features", first, last)
    assert "NotEnoughDataError" in output
    assert "expected days from 2018-04-01 to 2018-04-30" in output
    assert others in output


def test_days_before_the_first_drop_are_refused(platform: Platform) -> None:
    row = {"drop": "d", "publication": "p", "tx_date": date(2018, 4, 10), "rows": 5, "frauds": 0}
    table = pa.Table.from_pylist(
        [row | {"content": "a", "labels": "x"}], schema=DROP_DAYS.arrow_schema
    )
    platform.lake.replace_arrow(DROP_DAYS, table, None)
    output = materialize(platform, "customer_tiles", "2018-04-05")
    assert "expected days from 2018-04-10 to 2018-04-10" in output


@pytest.mark.parametrize("asset", ["transaction_features", *sorted(WEEK_ASSETS)])
def test_without_any_drop_nothing_can_be_built(platform: Platform, asset: str) -> None:
    output = materialize(platform, asset, "2018-04-30")
    assert "expected drops that were cleaned and published, found none" in output


@pytest.mark.parametrize("asset", sorted(WEEK_ASSETS))
@pytest.mark.parametrize("day", ["2018-04-23", "2018-05-21", "2018-07-02"])
def test_a_week_out_of_reach_is_refused_with_the_first_and_last_possible_one(
    platform: Platform, asset: str, day: str
) -> None:
    """The advice used to be the asset before it, which could not be made either."""
    land(platform, 45)
    build(platform)
    output = materialize(platform, asset, day)
    assert "expected a Monday from 2018-04-30 to 2018-05-14" in output
    assert "the data has days from 2018-04-01 to 2018-05-15" in output


def test_too_little_data_for_any_week_is_said_with_what_is_needed(platform: Platform) -> None:
    land(platform, 20)
    output = materialize(platform, "training_set", "2018-04-30")
    assert "expected at least 7 days to train on and 21 days after them" in output


def test_what_the_data_reaches_is_built(platform: Platform) -> None:
    land(platform, 45)
    build(platform)
    for asset, first in (("transaction_features", "2018-05-15"), ("training_set", "2018-05-14")):
        assert "SparkStartedError" in materialize(platform, asset, first)
