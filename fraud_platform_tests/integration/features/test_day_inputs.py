"""Labels come from their transactions' own rows exactly where the labels' table says the same."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pyspark.sql import SparkSession

from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.features.batch import materialize
from fraud_platform.features.batch.day_inputs import DayInputs, Survey, labelled_rows, survey
from fraud_platform.features.batch.materialize import WRITTEN_TABLES, materialize_days
from fraud_platform.features.batch.stacked import TERMINAL_ROW
from fraud_platform_tests.oracles.feature_lake import (
    FIRST_DAY,
    assert_equals_oracle,
    contents,
    seeded_world,
    write_world,
)
from fraud_platform_tests.oracles.feature_worlds import World
from fraud_platform_tests.oracles.features import DAY, DELAY, HOUR, LabelVersion, Tx

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

DAYS = 10
LAST_DAY = FIRST_DAY + timedelta(days=DAYS - 1)


def on_time(transactions: tuple[Tx, ...], scenarios: dict[int, int]) -> tuple[LabelVersion, ...]:
    return tuple(LabelVersion(t.id, scenarios[t.id], t.hour + DELAY + 1) for t in transactions)


@pytest.fixture(scope="module")
def world() -> World:
    """Transactions whose labels all came with them and are on time."""
    drawn = seeded_world(DAYS, rows=600)
    scenarios = {v.id: v.scenario for v in drawn.labels if v.version == 1}
    return World(drawn.transactions, on_time(drawn.transactions, scenarios))


def rows_of(spark: SparkSession, world: World, unlabelled: int = -1) -> DataFrame:
    """Return transactions that say some labels; one of them may say none."""
    says = {v.id: v.scenario for v in world.labels if v.id != unlabelled}
    rows = []
    for t in world.transactions:
        at = moment(t.second)
        rows.append((t.id, at, at.date(), t.customer, t.terminal, t.cents, says.get(t.id)))
    return spark.createDataFrame(
        rows,
        "transaction_id long, tx_datetime timestamp, tx_date date, customer_id long, "
        "terminal_id long, amount_cents long, fraud_scenario int",
    )


def labels_of(spark: SparkSession, labels: Iterable[LabelVersion]) -> DataFrame:
    return spark.createDataFrame(
        [(v.id, moment(v.counts_from * HOUR), v.version, v.scenario, FIRST_DAY) for v in labels],
        "transaction_id long, counts_from timestamp, version int, fraud_scenario int, tx_date date",
    )


def look(
    spark: SparkSession, world: World, labels: Iterable[LabelVersion], unlabelled: int = -1
) -> Survey:
    """Survey a drop that says some labels, beside a table that tells others."""
    rows = rows_of(spark, world, unlabelled)
    return survey(rows, labels_of(spark, labels), FIRST_DAY, LAST_DAY)


def moment(second: int) -> datetime:
    return datetime.fromtimestamp(second, UTC)


def test_a_drop_on_time_says_its_labels_itself(spark: SparkSession, world: World) -> None:
    entering = [v for v in world.labels if day_of(v) <= LAST_DAY]
    found = look(spark, world, world.labels)
    assert found == Survey(FIRST_DAY, len(world.transactions), len(entering), 0, True)


def day_of(label: LabelVersion) -> date:
    return moment(label.counts_from * HOUR).date()


def test_a_correction_beside_the_first_labels_leaves_them_to_the_rows(
    spark: SparkSession, world: World
) -> None:
    first = world.labels[0]
    correction = LabelVersion(first.id, 3 - first.scenario, first.counts_from + 24, version=2)
    found = look(spark, world, [*world.labels, correction])
    assert (found.corrections, found.rows_say_labels) == (1, True)


@pytest.mark.parametrize("case", ["absent", "late", "another scenario", "of a stranger", "twice"])
def test_one_label_that_differs_has_all_of_them_joined(
    spark: SparkSession, world: World, case: str
) -> None:
    first, *others = world.labels
    labels = {
        "absent": [],
        "late": [replace(first, counts_from=first.counts_from + 1)],
        "another scenario": [replace(first, scenario=3 - first.scenario)],
        "of a stranger": [replace(first, id=10**12)],
        "twice": [first, first],
    }[case]
    assert not look(spark, world, [*labels, *others]).rows_say_labels


def test_a_scored_row_with_a_label_has_all_of_them_joined(
    spark: SparkSession, world: World
) -> None:
    first = world.labels[0]
    assert not look(spark, world, world.labels, unlabelled=first.id).rows_say_labels
    # and its label may as well be unknown
    assert look(spark, world, world.labels[1:], unlabelled=first.id).rows_say_labels


def test_both_ways_label_the_same_rows(spark: SparkSession, world: World) -> None:
    rows, labels = rows_of(spark, world), labels_of(spark, world.labels)
    first_day = FIRST_DAY + timedelta(days=8)
    joined = DayInputs(first_day, LAST_DAY, rows, labels, rows, rows, rows, 2, False, False)
    found = [
        sorted(map(tuple, labelled_rows(inputs).select(*TERMINAL_ROW, "terminal_id").collect()))
        for inputs in (joined, replace(joined, rows_say_labels=True))
    ]
    assert found[0] == found[1]
    is_before = [row[2] < (first_day - date(1970, 1, 1)).days * DAY for row in found[0]]
    assert set(is_before) == {True, False}


@pytest.mark.slow
def test_both_ways_give_the_same_tables_and_those_of_the_oracle(
    spark: SparkSession, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lakes = [Lake(str(tmp_path / name)) for name in ("own", "joined")]
    surveys: list[Survey] = []
    for lake, is_own in zip(lakes, (True, False), strict=True):

        def spy(*arguments: Any, is_own: bool = is_own) -> Survey:
            surveys.append(survey(*arguments))
            return replace(surveys[-1], rows_say_labels=surveys[-1].rows_say_labels and is_own)

        monkeypatch.setattr(materialize, "survey", spy)
        write_world(lake, world)
        materialize_days(spark, lake, FIRST_DAY, LAST_DAY)
    assert [found.rows_say_labels for found in surveys] == [True, True]
    for table in WRITTEN_TABLES:
        assert contents(lakes[0], table).equals(contents(lakes[1], table)), table.name
    assert_equals_oracle(lakes[0], world, list(world.transactions[::5]))
