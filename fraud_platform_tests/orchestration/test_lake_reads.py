"""How often a tick or a run opens a table: once for each, since the state is handed down."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest
from deltalake import DeltaTable
from pyspark.sql import SparkSession

from fraud_platform.adapters.tables import lake, store
from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.calendar.due import inputs_by_day
from fraud_platform.contracts.active import feature_signature
from fraud_platform.contracts.clock_tables import DROP_DAYS
from fraud_platform.defs.assets import features as features_module
from fraud_platform.defs.assets.disagreements import late_drops
from fraud_platform.defs.assets.scoring_state import daily_state
from fraud_platform.defs.automation.schedules import daily_features, weekly_decision
from fraud_platform.defs.resources import SparkResource
from fraud_platform.features.batch.materialize import DaysOutcome, WrittenTable
from fraud_platform.operations.platform_state import read_drop_days, write_built_days
from fraud_platform.tables.features import CUSTOMER_TILES, LABEL_TILES, TERMINAL_TILES
from fraud_platform.tables.features import TRANSACTION_FEATURES as FEATURES
from fraud_platform_tests.testing.worlds.platform import Platform

FIRST = date(2018, 4, 1)


@pytest.fixture
def built(platform: Platform) -> Platform:
    """Thirty days of a drop, all of which are built."""
    rows = [
        {
            "drop": "2018-04-01", "publication": "p", "tx_date": FIRST + timedelta(days=i),
            "rows": 1_000, "frauds": 10, "content": "a", "labels": "x",
        }
        for i in range(30)
    ]  # fmt: skip
    table = pa.Table.from_pylist(rows, schema=DROP_DAYS.arrow_schema)
    platform.lake.replace_arrow(DROP_DAYS, table, None)
    write_built_days(platform.lake, inputs_by_day(read_drop_days(platform.lake), FIRST), "run")
    return platform


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each table is opened, by its name, from now on."""
    counts: Counter[str] = Counter()

    class Counted(DeltaTable):
        def __init__(self, table_uri: str, *args: Any, **kwargs: Any) -> None:
            counts[str(table_uri).rpartition("/")[2]] += 1
            super().__init__(table_uri, *args, **kwargs)

    for module in (lake, store):
        monkeypatch.setattr(module, "DeltaTable", Counted)
    return counts


@pytest.mark.parametrize("schedule", [daily_features, weekly_decision, daily_state, late_drops])
def test_a_tick_opens_each_table_once(
    built: Platform, opened: Counter[str], schedule: Callable[..., object]
) -> None:
    with dg.build_schedule_context(
        instance=built.instance, resources=built.defs.resources
    ) as context:
        schedule(context)
    assert opened["drop_days"] == opened["feature_days"] == 1
    assert {table: n for table, n in opened.items() if n > 1} == {}


def test_building_days_opens_each_table_of_the_state_once(
    built: Platform, opened: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The visits that the asset makes itself; those of the computation need Spark."""
    tables = (LABEL_TILES, TERMINAL_TILES, FEATURES, CUSTOMER_TILES)

    def materialize(
        spark: SparkSession, lake: Lake, first: date, last: date, stream_from: date | None
    ) -> DaysOutcome:
        written = {table.name: WrittenTable(1, 0, 0.1) for table in tables}
        return DaysOutcome(first, last, written, {}, feature_signature(), 0.1)

    monkeypatch.setattr(features_module, "materialize_days", materialize)
    monkeypatch.setattr(SparkResource, "spark_session", None)
    for table in tables:
        built.lake.ensure(table)
    opened.clear()
    result = dg.materialize(
        [features_module.build_days_of_features],
        instance=built.instance,
        resources=built.defs.resources,
        partition_key="2018-04-05",
    )
    assert result.success
    writes = 1 + 1  # it marks the days as built: `ensure`, then the commit
    assert opened["feature_days"] <= 1 + writes
    assert opened["drop_days"] == opened["scored"] == 1
    assert {table.name: opened[table.name] for table in tables} == {t.name: 1 for t in tables}
