"""A drop that lands after its day was scored: a run lists the differences, once; all show it."""

from __future__ import annotations

import io
from datetime import UTC, date, datetime
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest
from rich.console import Console

from fraud_platform.calendar.due import inputs_by_day
from fraud_platform.contracts.clock_tables import DROP_DAYS
from fraud_platform.contracts.tables import CLEANING_LEDGER
from fraud_platform.defs.assets import disagreements
from fraud_platform.defs.assets.disagreements import late_drops
from fraud_platform.defs.commands.run_due import execute
from fraud_platform.operations.platform_state import read_drop_days, write_built_days
from fraud_platform.reporting.terminal import print_report
from fraud_platform.tables.scoring import STREAM_DISAGREEMENTS
from fraud_platform_tests.oracles.late_drop import (
    COMPARED,
    DAY,
    FOUND,
    LANDED,
    MODEL,
    write_late_drop,
)
from fraud_platform_tests.testing.worlds.platform import Platform

DROP = "2018-07-30"


def tick(platform: Platform) -> dg.RunRequest | dg.SkipReason:
    with dg.build_schedule_context(
        instance=platform.instance,
        scheduled_execution_time=datetime(2026, 7, 1, tzinfo=UTC),
        resources=platform.defs.resources,
    ) as context:
        answer = late_drops(context)
    assert isinstance(answer, dg.RunRequest | dg.SkipReason), answer
    return answer


def land(platform: Platform) -> None:
    """Publish a drop of one day as cleaning and the daily features would."""
    nothing: dict[str, Any] = {"long": 0, "string": "x", "date": DAY, "timestamp": LANDED}
    row = {c.name: nothing[c.type] for c in CLEANING_LEDGER.columns} | {"drop": DROP}
    ledger = pa.Table.from_pylist([row], schema=CLEANING_LEDGER.arrow_schema)
    platform.lake.replace_arrow(CLEANING_LEDGER, ledger, None)
    nothing = {c.name: {"long": 8, "string": "x", "date": DAY}[c.type] for c in DROP_DAYS.columns}
    days = pa.Table.from_pylist([nothing | {"drop": DROP}], schema=DROP_DAYS.arrow_schema)
    platform.lake.replace_arrow(DROP_DAYS, days, None)


def test_a_late_drop_is_compared_once_and_its_differences_are_shown(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disagreements, "load_model", lambda registry, version: MODEL)
    write_late_drop(platform.lake)
    land(platform)
    assert isinstance(tick(platform), dg.SkipReason)
    inputs = inputs_by_day(read_drop_days(platform.lake), date(2018, 1, 1))
    write_built_days(platform.lake, inputs, "run")

    request = tick(platform)
    assert isinstance(request, dg.RunRequest)
    run = execute(platform.defs, platform.instance, "compare_days", request)
    assert run.success, run.error
    assert isinstance(tick(platform), dg.SkipReason)

    event = platform.instance.get_latest_materialization_event(
        dg.AssetKey(STREAM_DISAGREEMENTS.name)
    )
    assert event is not None
    assert event.asset_materialization is not None
    shown: dict[str, Any] = {
        name: value.value for name, value in event.asset_materialization.metadata.items()
    }
    assert {kind: shown[kind] for kind in FOUND} == {kind: len(n) for kind, n in FOUND.items()}
    assert (shown["days"], shown["compared"]) == (1, COMPARED)
    assert {record.data["kind"] for record in shown["disagreements"].records} == set(FOUND)

    console = Console(width=140, file=io.StringIO())
    print_report(platform.lake, console)
    metadata = console.file.getvalue()  # type: ignore[attr-defined]
    assert "only in drop" in metadata
    assert "3: fraud_probability" in metadata
    assert f"{COMPARED} transactions of 1 days are in both" in metadata
