"""Tiles by Spark equal those by numpy, with one more measure of each kind declared."""

from __future__ import annotations

import numpy as np
from pyspark.sql import SparkSession

from fraud_platform.contracts.arrays import Labels
from fraud_platform.features.batch.tile_columns import label_tiles, transaction_tiles
from fraud_platform.features.compute import tiles as by_numpy
from fraud_platform_tests.oracles.features import HOUR, Tx
from fraud_platform_tests.oracles.more_measures import MORE, plain_tiles

START = 1_522_540_800
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
