"""Where no drop has landed yet, the stream's rows and labels give the tables a drop would give."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.calendar.due import STREAM, DropDay
from fraud_platform.cleaning import LabelClock
from fraud_platform.contracts.active import DECLARATION
from fraud_platform.contracts.tables import DROP_LABELS, TableContract
from fraud_platform.features.batch.materialize import WRITTEN_TABLES, materialize_days
from fraud_platform.labels.of_drops import corrected_ids
from fraud_platform.scoring.state.history import (
    stream_days,
    stream_time,
    topic_labels,
    write_stream_labels,
)
from fraud_platform.scoring.state.recovery import STREAM_PART
from fraud_platform.scoring.state.snapshot import write_snapshot
from fraud_platform.tables.features import TRANSACTION_FEATURES
from fraud_platform.tables.row_files import write_rows
from fraud_platform.tables.scoring import (
    LANDING,
    SCORED,
    SCORING,
    SCORING_STATE,
    TOPIC_LABELS,
)
from fraud_platform_tests.oracles.drop_text import Publish, text
from fraud_platform_tests.oracles.feature_lake import (
    FIRST_DAY,
    contents,
    seeded_world,
    write_world,
)
from fraud_platform_tests.oracles.feature_worlds import START_HOUR, World
from fraud_platform_tests.oracles.features import DELAY, HOUR, LabelVersion, Tx
from fraud_platform_tests.testing.defaults import DEFAULTS

DAYS, DROP_DAYS = 50, 38
LAST_DAY = FIRST_DAY + timedelta(days=DAYS - 1)
STREAM_FROM = FIRST_DAY + timedelta(days=DROP_DAYS)


class Told(NamedTuple):
    """A label as the topic tells it."""

    id: int
    scenario: int
    known_second: int


@pytest.fixture(scope="module")
def world() -> World:
    """A world whose labels are all on time: the one kind that a drop and the topic tell alike."""
    drawn = seeded_world(DAYS, rows=2_000)
    hours = {t.id: t.hour + DELAY + 1 for t in drawn.transactions}
    on_time = tuple(v for v in drawn.labels if v.version == 1 and v.counts_from == hours[v.id])
    return World(drawn.transactions, on_time)


def _before(world: World, hour: int) -> World:
    rows = tuple(t for t in world.transactions if t.hour < hour)
    ids = {t.id for t in rows}
    return World(rows, tuple(v for v in world.labels if v.id in ids))


def _append(lake: Lake, table: TableContract, rows: pa.Table, application: str) -> None:
    files = write_rows(lake.files, lake.uri(table), table, rows)
    metadata = {"stream_second": (START_HOUR + DAYS * 24) * HOUR, "end_offsets": {}}
    assert lake.numbered(table, application).append(files, 1, metadata)


def _score(lake: Lake, rows: list[Tx], flags: pd.DataFrame | None = None) -> None:
    """Write rows as the scorer would; what it thought of them does not matter here.

    Args:
        flags: by transaction id, where they do matter.
    """
    known = {
        "transaction_id": [t.id for t in rows],
        "tx_datetime": [datetime.fromtimestamp(t.second, UTC) for t in rows],
        "customer_id": [t.customer for t in rows],
        "terminal_id": [t.terminal for t in rows],
        "amount_cents": [t.cents for t in rows],
        "micro_batch": [1] * len(rows),
        "source_offset": list(range(len(rows))),
        "reasons": [None] * len(rows),
    }
    if flags is not None:
        found = flags.loc[[t.id for t in rows]]
        known |= {str(name): found[name] for name in flags}
    columns = []
    for field in SCORED.arrow_schema:
        if field.name in known:
            columns.append(pa.array(known[field.name], field.type))
        elif pa.types.is_string(field.type):
            columns.append(pa.array([""] * len(rows)))
        else:
            columns.append(pa.array(np.zeros(len(rows), np.int64)).cast(field.type))
    _append(lake, SCORED, pa.Table.from_arrays(columns, schema=SCORED.arrow_schema), SCORING)


def _on_time(world: World, ids: set[int]) -> list[Told]:
    second = {t.id: t.second for t in world.transactions}
    return [
        Told(v.id, v.scenario, second[v.id] + DELAY * HOUR) for v in world.labels if v.id in ids
    ]


def _label(lake: Lake, labels: list[Told]) -> None:
    rows = [
        {
            "transaction_id": label.id,
            "is_fraud": label.scenario > 0,
            "fraud_scenario": label.scenario,
            "known_at": datetime.fromtimestamp(label.known_second, UTC),
            "source": "topic",
            "landed_at": None,
            "landing": 1,
            "source_partition": 0,
            "source_offset": number,
        }
        for number, label in enumerate(labels)
    ]
    _append(
        lake, TOPIC_LABELS, pa.Table.from_pylist(rows, schema=TOPIC_LABELS.arrow_schema), LANDING
    )


@pytest.mark.slow
def test_days_from_the_stream_equal_those_of_a_drop_with_the_same_rows(
    spark: SparkSession, world: World, tmp_path: Path
) -> None:
    expected, lake = Lake(str(tmp_path / "drops")), Lake(str(tmp_path / "stream"))
    write_world(expected, world)
    materialize_days(spark, expected, FIRST_DAY, LAST_DAY)

    landed = _before(world, START_HOUR + DROP_DAYS * 24)
    write_world(lake, landed)
    materialize_days(spark, lake, FIRST_DAY, STREAM_FROM - timedelta(days=1))
    of_drop = {t.id for t in landed.transactions}
    live = [t for t in world.transactions if t.id not in of_drop]
    features = contents(expected, TRANSACTION_FEATURES).to_pandas().set_index("transaction_id")
    _score(lake, live, features[[flag.name for flag in DECLARATION.flags]])
    _label(lake, _on_time(world, {t.id for t in live}))
    assert write_stream_labels(lake, STREAM_FROM) == len(world.labels) - len(landed.labels)
    materialize_days(spark, lake, STREAM_FROM, LAST_DAY, stream_from=STREAM_FROM)
    for table in WRITTEN_TABLES:
        assert contents(lake, table).equals(contents(expected, table)), table.name
    as_of = LAST_DAY + timedelta(days=1)
    write_snapshot(spark, expected, as_of, DEFAULTS.duplicate_horizon_days)
    write_snapshot(spark, lake, as_of, DEFAULTS.duplicate_horizon_days, STREAM_FROM)
    for part in ("customer_tiles", "terminal_tiles"):
        assert _part(lake, part).equals(_part(expected, part)), part
    (mark,) = lake.read_arrow(SCORING_STATE, filters=[("part", "=", STREAM_PART)]).to_pylist()
    assert mark["v0"] == (STREAM_FROM - date(1970, 1, 1)).total_seconds()
    assert (mark["v1"], mark["v2"], mark["v3"]) == (1, 1, 1)


def _part(lake: Lake, part: str) -> pa.Table:
    rows = lake.read_arrow(SCORING_STATE, filters=[("part", "=", part)])
    assert rows.num_rows > 500
    return rows.sort_by([(name, "ascending") for name in ("entity_id", "terminal_id", "hour")])


@pytest.mark.slow
def test_labels_that_the_topic_tells_late_or_otherwise_than_a_drop_count_from_then_on(
    spark: SparkSession, world: World, tmp_path: Path
) -> None:
    expected, lake = Lake(str(tmp_path / "drops")), Lake(str(tmp_path / "stream"))
    live_from = START_HOUR + DROP_DAYS * 24
    landed = _before(world, live_from)
    live = [t for t in world.transactions if t.hour >= live_from]
    of_id = {v.id: v for v in world.labels}
    seconds = {t.id: t.second for t in world.transactions}
    recent = {t.id for t in landed.transactions if t.hour >= live_from - 25 * 24}
    corrected = {key for key in recent & of_id.keys() if key % 9 < 3}
    first_day = {t.id for t in live if t.hour < live_from + 48}
    late = {key for key in first_day & of_id.keys() if key % 3 == 0}
    labels = _on_time(world, {t.id for t in live} - late)
    versions = [v for v in world.labels if v.id not in late]
    for key in sorted(corrected):
        hour, scenario = live_from + key % (9 * 24), 1 - min(of_id[key].scenario, 1)
        counts_from = max((hour // 24 + 1) * 24, of_id[key].counts_from)
        labels.append(Told(key, scenario, hour * HOUR))
        if hour * HOUR >= seconds[key] + DELAY * HOUR:
            versions.append(LabelVersion(key, scenario, counts_from, version=2))
    for key in sorted(late):
        known = seconds[key] + (DELAY + 1 + key % 60) * HOUR
        labels.append(Told(key, of_id[key].scenario, known))
        versions.append(LabelVersion(key, of_id[key].scenario, (known // (24 * HOUR) + 1) * 24))
    assert min(len(corrected), len(versions) - len(world.labels)) > 50
    assert len(late) > 10

    write_world(expected, World(world.transactions, tuple(versions)))
    materialize_days(spark, expected, FIRST_DAY, LAST_DAY)
    write_world(lake, landed)
    materialize_days(spark, lake, FIRST_DAY, STREAM_FROM - timedelta(days=1))
    _score(lake, live)
    _label(lake, labels)
    ids = corrected_ids(lake.read(spark, DROP_LABELS), lake.read(spark, TOPIC_LABELS), FIRST_DAY)
    write_stream_labels(lake, STREAM_FROM, ids)
    middle = STREAM_FROM + timedelta(days=(DAYS - DROP_DAYS) // 2)
    materialize_days(spark, lake, STREAM_FROM, middle, stream_from=STREAM_FROM)
    materialize_days(spark, lake, middle + timedelta(days=1), LAST_DAY, stream_from=STREAM_FROM)
    for table in WRITTEN_TABLES:
        assert contents(lake, table).equals(contents(expected, table)), table.name


def test_the_stream_completes_days_behind_the_drops_until_stream_time(lake: Lake) -> None:
    rows = [
        Tx(1, (START_HOUR + 24) * HOUR, 1, 1, 100),
        Tx(2, (START_HOUR + 48) * HOUR, 1, 1, 100),
        Tx(3, (START_HOUR + DAYS * 24) * HOUR, 1, 1, 100),
    ]
    _score(lake, rows)
    drops = [DropDay("2018-04-01", FIRST_DAY + timedelta(days=1), 1, "x")]
    found = stream_days(lake, drops, stream_time(lake))
    # day 1 is the drop's; the day that stream time stands in is not complete
    assert [(d.drop, d.day, d.rows) for d in found] == [(STREAM, FIRST_DAY + timedelta(days=2), 1)]


@pytest.mark.slow
def test_a_drop_that_lands_behind_the_stream_changes_no_day_that_was_scored(
    spark: SparkSession, world: World, publish: Publish, lake: Lake
) -> None:
    """Of the stream's labels a third comes in time, a third late, a third with the drop alone."""
    live_from = START_HOUR + DROP_DAYS * 24
    rows = sorted(world.transactions, key=lambda t: t.id)
    live = [t for t in rows if t.hour >= live_from]
    scenarios = {v.id: v.scenario for v in world.labels}
    publish("2018-04-01", _drop_text([t for t in rows if t.hour < live_from], scenarios))
    materialize_days(spark, lake, FIRST_DAY, STREAM_FROM - timedelta(days=1))
    _score(lake, live)
    known = {t.id: t.second + DELAY * HOUR for t in live}
    in_time = [Told(t.id, scenarios.get(t.id, 0), known[t.id]) for t in live if t.id % 3 == 0]
    late = [
        Told(t.id, scenarios.get(t.id, 0), known[t.id] + 30 * HOUR) for t in live if t.id % 3 == 1
    ]
    _label(lake, in_time + late)
    write_stream_labels(lake, STREAM_FROM)
    materialize_days(spark, lake, STREAM_FROM, LAST_DAY, stream_from=STREAM_FROM)
    scored = {table.name: contents(lake, table) for table in WRITTEN_TABLES}

    now = datetime.fromtimestamp((START_HOUR + DAYS * 24) * HOUR, UTC)
    clock = LabelClock(now, None, partial(topic_labels, lake))
    outcome = publish("2018-05-09", _drop_text(live, scenarios), clock=clock)
    assert outcome.ledger["rows_clean"] == len(live)
    materialize_days(spark, lake, STREAM_FROM, LAST_DAY)
    for table in WRITTEN_TABLES:
        assert contents(lake, table).equals(scored[table.name]), table.name
    labels = lake.read_arrow(DROP_LABELS, [("drop", "=", "2018-05-09")]).to_pylist()
    untold = {r["transaction_id"]: r["counts_from"] for r in labels if r["source"] == "drop"}
    due = {key: datetime.fromtimestamp((known[key] // HOUR + 1) * HOUR, UTC) for key in untold}
    midnight = now + timedelta(days=1)
    assert untold == {key: midnight if due[key] <= now else due[key] for key in due}
    assert all(key % 3 == 2 or known[key] + 30 * HOUR > now.timestamp() for key in untold)
    assert sum(found == midnight for found in untold.values()) > 50


def _drop_text(rows: list[Tx], scenarios: dict[int, int]) -> bytes:
    """Return these transactions as a drop's text."""
    lines = [
        f"{t.id},{datetime.fromtimestamp(t.second, UTC):%Y-%m-%d %H:%M:%S},{t.customer},"
        f"{t.terminal},{t.cents / 100:.2f},0,0,{int(scenarios.get(t.id, 0) > 0)},"
        f"{scenarios.get(t.id, 0)}\n"
        for t in rows
    ]
    return text(*(line.encode() for line in lines))
