"""Blocks between the passes: every row arrives once, at the task of its customer."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from fraud_platform.features.batch.blocks import (
    blocks_of,
    column_of,
    manifest_block,
    matrix_of,
    part_of,
    part_sql,
    rows_in,
)

KIND, PARTS = 3, 5
WIDEST = np.iinfo(np.int64)


def customers() -> np.ndarray:
    random = np.random.default_rng(1)
    anywhere = random.integers(WIDEST.min, WIDEST.max, 2_000, endpoint=True)
    return np.concatenate((anywhere, np.arange(-50, 50), [WIDEST.min, WIDEST.max]))


def test_every_row_is_once_in_the_block_of_its_customers_task() -> None:
    key = customers()
    columns = {"key": key, "a": np.arange(key.size), "t0": np.arange(key.size, dtype=np.int32)}
    batch = blocks_of(KIND, key, columns, PARTS)
    assert batch.column("kind").to_pylist() == [KIND] * PARTS
    assert batch.column("part").to_pylist() == list(range(PARTS))
    rows = rows_in(batch.column("block"))
    for part, of_part in enumerate(rows):
        assert (part_of(of_part["key"].to_numpy(), PARTS) == part).all()
    places = column_of(rows, "a")
    assert sorted(places.tolist()) == list(range(key.size))
    assert (column_of(rows, "key") == key[places]).all()
    matrix = matrix_of(rows, ["t0", "a"], np.int32)
    assert matrix.dtype == np.int32
    assert (matrix == places[:, None]).all()


@pytest.mark.parametrize("step", [1, PARTS, 1_000, 2**20])
def test_tasks_share_customers_evenly_for_any_step_between_ids(step: int) -> None:
    counts = np.bincount(part_of(np.arange(10_000) * step, PARTS), minlength=PARTS)
    assert counts.min() > 0.9 * 10_000 / PARTS


def test_no_rows_give_no_block_and_a_text_gives_one() -> None:
    none = np.zeros(0, np.int64)
    assert blocks_of(KIND, none, {"key": none}, PARTS).num_rows == 0
    assert column_of([], "a").size == 0
    assert matrix_of([], ["t0", "t1"], np.int32).shape == (0, 2)
    batch = manifest_block(KIND, "ä")
    assert batch.schema == blocks_of(KIND, none, {"key": none}, PARTS).schema
    assert batch.column("block").to_pylist() == ["ä".encode()]


def test_sql_assigns_every_customer_to_the_same_task(spark: SparkSession) -> None:  # type: ignore[no-untyped-def]
    key = customers()
    frame = spark.createDataFrame(pa.table({"key": key}))
    found = frame.selectExpr("key", f"{part_sql('key', PARTS)} as part").toArrow()
    assert (found["part"].to_numpy() == part_of(found["key"].to_numpy(), PARTS)).all()
    assert found.num_rows == key.size
