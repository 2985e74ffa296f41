"""The Spark engine on a lake: equal to the oracle, to itself by days, and after a kill."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.contracts.tables import TableContract
from fraud_platform.errors import SchemaMismatchError
from fraud_platform.features.batch import engine
from fraud_platform.features.batch.materialize import WRITTEN_TABLES, materialize_days
from fraud_platform.tables.features import LABEL_TILES, TRANSACTION_FEATURES
from fraud_platform_tests.oracles.feature_lake import (
    FIRST_DAY,
    assert_equals_oracle,
    contents,
    files_by_day,
    read_real_transactions,
    seeded_world,
    write_world,
)
from fraud_platform_tests.oracles.feature_worlds import World
from fraud_platform_tests.oracles.features import DELAY, LabelVersion, Tx
from fraud_platform_tests.testing.home import STATE

DAYS = 50
LAST_DAY = FIRST_DAY + timedelta(days=DAYS - 1)


@pytest.fixture(scope="module")
def world() -> World:
    return seeded_world(DAYS, rows=3_000)


@pytest.fixture(scope="module")
def built(spark: SparkSession, world: World, tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """A lake whose 50 days were built in one run; tests copy it before they change it."""
    lake = Lake(str(tmp_path_factory.mktemp("features") / "lake"))
    write_world(lake, world)
    materialize_days(spark, lake, FIRST_DAY, LAST_DAY)
    return lake


@pytest.fixture
def copy(built: Lake, tmp_path: Path) -> Lake:
    shutil.copytree(built.url, tmp_path / "copy")
    return Lake(str(tmp_path / "copy"))


def _day(n: int) -> date:
    return FIRST_DAY + timedelta(days=n)


def _drop_days(lake: Lake, first: int) -> None:
    """Take the days from a first one on out of the built tables."""
    days = [str(_day(n)) for n in range(first, DAYS)]
    for table in WRITTEN_TABLES:
        lake.commit_files(table, [], table.partition_by[0], days)


def _assert_same_tables(found: Lake, expected: Lake) -> None:
    for table in WRITTEN_TABLES:
        assert contents(found, table).equals(contents(expected, table)), table.name


def test_stored_features_equal_the_oracle(built: Lake, world: World) -> None:
    assert len(contents(built, TRANSACTION_FEATURES)) == len(world.transactions)
    assert_equals_oracle(built, world, list(world.transactions[::15]))


@pytest.mark.slow
def test_days_one_by_one_and_by_ranges_give_the_tables_of_one_run(
    spark: SparkSession, built: Lake, copy: Lake
) -> None:
    _drop_days(copy, 37)
    for first, last in ((37, 37), (38, 38), (39, 49)):
        materialize_days(spark, copy, _day(first), _day(last))
    _assert_same_tables(copy, built)


def test_many_tasks_give_the_tables_of_one(
    spark: SparkSession, built: Lake, copy: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "ROWS_PER_TASK", 300)
    _drop_days(copy, 20)
    materialize_days(spark, copy, _day(20), LAST_DAY)
    assert len(files_by_day(copy, TRANSACTION_FEATURES)[_day(30)]) > 3
    _assert_same_tables(copy, built)


def test_rebuilding_a_day_replaces_the_files_of_that_day_alone(
    spark: SparkSession, built: Lake, copy: Lake
) -> None:
    before = {t.name: files_by_day(copy, t) for t in WRITTEN_TABLES}
    outcome = materialize_days(spark, copy, _day(40), _day(40))
    for table in WRITTEN_TABLES:
        stored = copy.read_arrow(table, [(table.partition_by[0], "=", _day(40))])
        written = outcome.tables[table.name]
        assert (written.rows, written.version) == (len(stored), copy.version(table))
        after = files_by_day(copy, table)
        changed = {d for d in after if after[d] != before[table.name].get(d)}
        assert changed == {_day(40)}, table.name
    _assert_same_tables(copy, built)


@pytest.mark.slow
def test_a_correction_changes_the_day_from_which_it_counts_and_none_before(
    spark: SparkSession, built: Lake, copy: Lake, world: World
) -> None:
    corrected = next(
        t for t in world.transactions if t.hour // 24 * 24 > world.transactions[0].hour + 24 * 20
    )
    midnight = (corrected.hour // 24 + 15) * 24
    day = date(1970, 1, 1) + timedelta(days=midnight // 24)
    version = max(v.version for v in world.labels if v.id == corrected.id)
    correction = LabelVersion(corrected.id, 3, midnight, version + 1)
    labels = tuple(v for v in world.labels if v.id != corrected.id or v.version <= version)
    write_world(copy, World(world.transactions, (*labels, correction)))

    materialize_days(spark, copy, day - timedelta(days=3), day - timedelta(days=1))
    _assert_same_tables(copy, built)
    materialize_days(spark, copy, day, day)
    entered = contents(copy, LABEL_TILES)
    assert not entered.equals(contents(built, LABEL_TILES))
    past = [table.name for table in WRITTEN_TABLES if not _is_equal_before(copy, built, table, day)]
    assert past == []


def _is_equal_before(found: Lake, expected: Lake, table: TableContract, day: date) -> bool:
    column = table.partition_by[0]
    one, other = (
        lake.read_arrow(table, filters=[(column, "<", day)]).sort_by(
            [(name, "ascending") for name in table.key]
        )
        for lake in (found, expected)
    )
    return one.equals(other)


@pytest.mark.slow
def test_a_day_without_transactions_builds_empty_days(
    spark: SparkSession, copy: Lake, built: Lake
) -> None:
    outcome = materialize_days(
        spark, copy, LAST_DAY + timedelta(days=60), LAST_DAY + timedelta(days=60)
    )
    assert {name: table.rows for name, table in outcome.tables.items()} == {
        table.name: 0 for table in WRITTEN_TABLES
    }
    _assert_same_tables(copy, built)


def test_a_table_of_before_a_measure_was_declared_gets_its_column(
    spark: SparkSession, lake: Lake, world: World, built: Lake
) -> None:
    from deltalake import DeltaTable

    write_world(lake, world)
    schema = LABEL_TILES.arrow_schema
    DeltaTable.create(
        lake.uri(LABEL_TILES),
        schema=schema.remove(schema.get_field_index("n_fraud")),
        partition_by=list(LABEL_TILES.partition_by),
    )
    materialize_days(spark, lake, FIRST_DAY, LAST_DAY)
    _assert_same_tables(lake, built)


def test_a_column_that_must_have_a_value_and_is_declared_no_longer_is_refused(
    spark: SparkSession, lake: Lake, world: World
) -> None:
    from deltalake import DeltaTable

    write_world(lake, world)
    more = pa.field("n_old", pa.int64(), nullable=False)
    DeltaTable.create(lake.uri(LABEL_TILES), schema=LABEL_TILES.arrow_schema.append(more))
    with pytest.raises(SchemaMismatchError, match=r"label_tiles.*found \['n_old'\].*Declare n_old"):
        materialize_days(spark, lake, FIRST_DAY, FIRST_DAY)


_KILLED_RUN = """
import sys
from dataclasses import replace
from datetime import date
from pathlib import Path
from fraud_platform.adapters.spark.session import open_session
from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.features.batch.materialize import materialize_days
from fraud_platform.settings import Settings
spark = open_session(Settings(home=Path(sys.argv[2]), spark_memory="1g"))
materialize_days(spark, Lake(sys.argv[1]), *map(date.fromisoformat, sys.argv[3:]))
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "point",
    [
        "features.files_written",
        "features.label_tiles_committed",
        "features.terminal_tiles_committed",
        "features.transaction_features_committed",
        "features.customer_tiles_committed",
    ],
)
def test_a_run_killed_at_any_point_is_mended_by_running_it_again(
    spark: SparkSession, built: Lake, copy: Lake, point: str
) -> None:
    _drop_days(copy, 41)
    days = (_day(41), LAST_DAY)
    killed = subprocess.run(
        [sys.executable, "-c", _KILLED_RUN, copy.url, str(STATE), *map(str, days)],
        env={**os.environ, "FRAUD_KILL_AT": point},
        capture_output=True,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()[-2000:]
    materialize_days(spark, copy, *days)
    _assert_same_tables(copy, built)


@pytest.mark.slow
@pytest.mark.real_drops
def test_real_rows_have_the_features_of_the_oracle(
    spark: SparkSession, real_drops: Path, lake: Lake
) -> None:
    columns = read_real_transactions(real_drops)
    rng = np.random.default_rng(11)
    late = np.flatnonzero(columns["second"] >= columns["second"][0] + 45 * 86_400)
    frauds = late[columns["scenario"][late] > 0]
    chosen = np.concatenate(
        (rng.choice(late, 60, replace=False), rng.choice(frauds, 40, replace=False))
    )
    is_near = np.isin(columns["customer"], columns["customer"][chosen]) | np.isin(
        columns["terminal"], columns["terminal"][chosen]
    )
    rows = np.flatnonzero(is_near)
    fields = ("id", "second", "customer", "terminal", "cents")
    transactions = [
        Tx(*values) for values in zip(*(columns[f][rows].tolist() for f in fields), strict=True)
    ]
    labels = tuple(
        LabelVersion(t.id, s, t.hour + DELAY + 1)
        for t, s in zip(transactions, columns["scenario"][rows].tolist(), strict=True)
    )
    near = World(tuple(transactions), labels)
    write_world(lake, near)
    days = [date(1970, 1, 1) + timedelta(days=t.second // 86_400) for t in transactions]
    materialize_days(spark, lake, min(days), max(days))
    wanted = set(columns["id"][chosen].tolist())
    assert_equals_oracle(lake, near, [t for t in transactions if t.id in wanted])
