"""Tiles by Spark equal those by numpy, with one more measure of each kind declared."""

from __future__ import annotations

import numpy as np
from pyspark.sql import SparkSession

from fraud_platform.contracts.arrays import Labels
from fraud_platform.contracts.feature_language.declarables import Declaration, LastTime, RowSum
from fraud_platform.contracts.feature_language.expressions import (
    Constant,
    Expression,
    Operation,
    greatest,
    least,
    where,
)
from fraud_platform.contracts.feature_language.terms import RowTerm
from fraud_platform.features.batch.tile_columns import label_tiles, transaction_tiles
from fraud_platform.features.compute import tiles as by_numpy
from fraud_platform_tests.oracles.features import HOUR, Tx
from fraud_platform_tests.oracles.more_measures import MORE, plain_tiles

START = 1_522_540_800
_TIP, _KIND, _HOUR = RowTerm("fact_tip"), RowTerm("fact_kind"), RowTerm("hour_of_day")
_FORMULAS: tuple[Expression, ...] = (
    where((_TIP > 2) & (_HOUR >= 22) | ~(RowTerm("day_of_week") < 5), _TIP * 3 - 1, 0),
    where(Operation("==", (_KIND, Constant(2))), RowTerm("amount_cents"), least(_TIP, 4)),
    greatest(where(RowTerm("flag_a") > 0, RowTerm("second"), 0), _HOUR + _KIND),
)
WITH_FORMULAS = Declaration(
    (), (), (LastTime("last_own", "Last.", None, where(_TIP <= 0, RowTerm("second"), 0)),), (),
    tuple(RowSum(f"sum_{i}", "Sum.", formula) for i, formula in enumerate(_FORMULAS)),
    split_by=("fact_kind",),
)  # fmt: skip
NO_SCENARIO = -1


def test_spark_sums_transactions_as_plain_loops_do(spark: SparkSession) -> None:
    from pyspark.sql import functions as F

    random = np.random.default_rng(8)
    rows = [
        Tx(i, START + int(s), int(c), int(t), int(cents))
        for i, (s, c, t, cents) in enumerate(
            zip(*random.integers(0, [[20_000], [5], [4], [999_999_999]], (4, 600)), strict=True)
        )
    ]
    names = [flag.name for flag in MORE.flags]
    values = random.integers(0, 3, (len(rows), len(names))).tolist()
    flags = {t.id: dict(zip(names, values[t.id], strict=True)) for t in rows}
    schema = "customer_id long, terminal_id long, second long, tile_hour long, amount_cents long"
    frame = spark.createDataFrame(
        [(t.customer, t.terminal, t.second, t.hour, t.cents, *flags[t.id].values()) for t in rows],
        f"{schema}, {', '.join(f'{name} int' for name in names)}",
    ).withColumn("tx_datetime", F.timestamp_seconds("second"))
    for tile in (MORE.customer_tile, MORE.terminal_tile):
        found = {
            tuple(row[name] for name in tile.key): {name: row[name] for name in tile.names}
            for row in transaction_tiles(frame, tile).collect()
        }
        assert found == plain_tiles(tile, rows, flags)
        assert len(found) > 20


def test_spark_sums_formulas_and_splits_by_facts_as_numpy_does(spark: SparkSession) -> None:
    from pyspark.sql import functions as F

    random = np.random.default_rng(10)
    customer, terminal, second, cents, kind, tip, flag = random.integers(
        [[0], [0], [START - 80_000], [1], [0], [-5], [0]],
        [[5], [4], [START + 80_000], [999_999_999], [3], [9], [2]],
        (7, 900),
    )
    facts = {"fact_kind": kind, "fact_tip": tip}
    rows = zip(customer, terminal, second, second // HOUR, cents, kind, tip, flag, strict=True)
    frame = spark.createDataFrame(
        [tuple(map(int, row)) for row in rows],
        "customer_id long, terminal_id long, second long, tile_hour long, amount_cents long, "
        "fact_kind long, fact_tip long, flag_a int",
    ).withColumn("tx_datetime", F.timestamp_seconds("second"))
    for tile in (WITH_FORMULAS.customer_tile, WITH_FORMULAS.terminal_tile):
        key = (*tile.key, *tile.split_by)
        found = {
            tuple(row[name] for name in key): [row[name] for name in tile.names]
            for row in transaction_tiles(frame, tile).collect()
        }
        flags = {"flag_a": flag}
        values = by_numpy.transaction_values(tile, cents, second, flags, facts)
        columns = {
            "customer_id": customer, "terminal_id": terminal, "tile_hour": second // HOUR, **facts,
        }  # fmt: skip
        expected: dict[tuple[int, ...], list[int]] = {}
        for place in range(cents.size):
            own = tuple(int(columns[name][place]) for name in key)
            added = [int(values[name][place]) for name in tile.names]
            before = expected.get(own)
            expected[own] = added if before is None else [
                a + b if measure.combine == "sum" else max(a, b)
                for a, b, measure in zip(before, added, tile.measures, strict=True)
            ]  # fmt: skip
        assert found == expected
        assert len(found) > 100


def test_spark_sums_label_versions_as_numpy_does(spark: SparkSession) -> None:
    random = np.random.default_rng(9)
    entity, hour, counts_from, cents, scenario, before = random.integers(
        [[0], [0], [0], [1], [0], [NO_SCENARIO]], [[5], [4], [3], [999_999_999], [4], [4]], (6, 400)
    )
    hour = hour + START // HOUR
    tile = MORE.label_tile
    versions = spark.createDataFrame(
        [
            ("customer", *map(int, row), None if old == NO_SCENARIO else int(old))
            for *row, old in zip(entity, hour, counts_from, cents, scenario, before, strict=True)
        ],
        "entity string, entity_id long, event_hour long, counts_from_hour long, "
        "amount_cents long, fraud_scenario int, corrected_scenario int",
    )
    found = {
        tuple(row[name] for name in tile.key[1:]): [row[name] for name in tile.names]
        for row in label_tiles(versions, tile).collect()
    }
    leaves = np.flatnonzero(before != NO_SCENARIO)
    both = np.concatenate((np.arange(entity.size), leaves))
    sign = np.ones(both.size, np.int64)
    sign[entity.size :] = -1
    scenarios = np.concatenate((scenario, before[leaves]))
    labels = Labels(hour[both], counts_from[both], cents[both], scenarios, sign)
    expected = by_numpy.label_tiles(MORE, entity[both], labels)
    keys = zip(expected.entity, expected.event_hour, expected.counts_from_hour, strict=True)
    columns = [expected.measures[name].tolist() for name in tile.names]
    assert found == dict(
        zip(
            [tuple(map(int, key)) for key in keys],
            map(list, zip(*columns, strict=True)),
            strict=True,
        )
    )
    assert len(found) > 40
