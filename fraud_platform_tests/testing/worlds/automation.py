"""What sensors and schedules see: drops, built days, decisions, runs; and one tick of each.

Here: rows that stand for the work of earlier runs, and asking a sensor or schedule once.
Not here: runs of assets (`testing.worlds.platform`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta

import dagster as dg
import pyarrow as pa

from fraud_platform.calendar.due import inputs_by_day
from fraud_platform.contracts.clock_tables import DROP_DAYS
from fraud_platform.contracts.model_tables import PROMOTION_HISTORY
from fraud_platform.contracts.tables import TableContract
from fraud_platform.defs.assets.raw import new_drops
from fraud_platform.operations.platform_state import read_drop_days, write_built_days
from fraud_platform_tests.testing.worlds.platform import Platform


def look(platform: Platform, cursor: str | None = None) -> dg.SensorResult:
    with dg.build_sensor_context(
        instance=platform.instance, cursor=cursor, resources=platform.defs.resources
    ) as context:
        result = new_drops(context)
    assert isinstance(result, dg.SensorResult)
    return result


def run_requests(result: dg.SensorResult) -> Sequence[dg.RunRequest]:
    """Return the runs that a tick of a sensor asks for, which may be none."""
    assert result.run_requests is not None, result
    return result.run_requests


def skip_message(result: object) -> str:
    """Return why a tick of a sensor or schedule asks for nothing."""
    reason = result.skip_reason if isinstance(result, dg.SensorResult) else result
    assert isinstance(reason, dg.SkipReason), result
    return str(reason.skip_message)


def remember(
    platform: Platform, request: dg.RunRequest, status: dg.DagsterRunStatus, **tags: str
) -> None:
    """Record a run of a request, as the daemon would."""
    platform.instance.add_run(
        dg.DagsterRun("load_drop", tags={**request.tags, **tags}, status=status)
    )


def filled(table: TableContract, values: Mapping[str, object]) -> dict[str, object]:
    """Return a row with these values and, in the other columns, the least of their type."""
    empty: dict[str, object] = {"string": "", "date": date(2018, 4, 1), "boolean": False}
    empty["timestamp"] = datetime(2018, 4, 1, tzinfo=UTC)
    return {column.name: empty.get(column.type, 0) for column in table.columns} | dict(values)


FIRST = date(2018, 4, 1)


def land(platform: Platform, days: int, content: str = "a") -> None:
    rows = [
        {
            "drop": "2018-04-01",
            "publication": "p",
            "tx_date": FIRST + timedelta(days=i),
            "rows": 1_000,
            "frauds": 10,
            "content": content,
            "labels": "x",
        }
        for i in range(days)
    ]
    table = pa.Table.from_pylist(rows, schema=DROP_DAYS.arrow_schema)
    platform.lake.replace_arrow(DROP_DAYS, table, "drop = '2018-04-01'")


def build(platform: Platform) -> None:
    write_built_days(platform.lake, inputs_by_day(read_drop_days(platform.lake), FIRST), "run")


def decide(platform: Platform, day: date, sequence: int) -> None:
    row = dict.fromkeys(PROMOTION_HISTORY.column_names) | {
        "sequence": sequence,
        "knowledge_date": day,
        "action": "kept",
        "model_name": "fraud",
        "model_version": "1",
        "reason": "a test",
        "decided_by": "a test",
        "decided_at": datetime(2018, 8, 1, tzinfo=UTC),
    }
    table = pa.Table.from_pylist([row], schema=PROMOTION_HISTORY.arrow_schema)
    platform.lake.numbered(PROMOTION_HISTORY, "promotion_history").append_rows(table, sequence)


def tick(platform: Platform, schedule: dg.ScheduleDefinition) -> dg.RunRequest | dg.SkipReason:
    with dg.build_schedule_context(
        instance=platform.instance, resources=platform.defs.resources
    ) as context:
        answer = schedule(context)
    assert isinstance(answer, dg.RunRequest | dg.SkipReason), answer
    return answer


def requested(platform: Platform, schedule: dg.ScheduleDefinition) -> dg.RunRequest:
    """Tick a schedule and return the run that it asks for."""
    answer = tick(platform, schedule)
    assert isinstance(answer, dg.RunRequest), answer
    return answer
