"""Live equals batch on the real drops: the fourth, streamed, against the fourth, landed."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from pyspark.sql import SparkSession

from fraud_platform_tests.testing.worlds.parity import (
    ENGINES,
    History,
    Stream,
    differing,
    make_history,
    touched_by,
    with_late_rows,
)
from fraud_platform_tests.testing.worlds.scoring import train_small


@pytest.fixture(scope="module")
def real_history(
    spark: SparkSession, real_drops: Path, tmp_path_factory: pytest.TempPathFactory
) -> History:
    """Three Handbook drops landed, the fourth to come."""
    folder = tmp_path_factory.mktemp("real")
    model = train_small(folder / "model")
    return make_history(spark, folder, sorted(real_drops.glob("2018-*.txt*")), model)


@pytest.fixture(scope="module")
def real_batch(
    spark: SparkSession, real_history: History, tmp_path_factory: pytest.TempPathFactory
) -> pd.DataFrame:
    built = real_history.with_last_drop(spark, tmp_path_factory.mktemp("real_batch"))
    return real_history.batch(built)


@pytest.mark.slow
@pytest.mark.real_drops
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("late_share", [0.0, 0.01])
def test_the_last_real_drop_equals_its_batch_features_and_scores(
    engine: str,
    late_share: float,
    real_history: History,
    real_batch: pd.DataFrame,
    make_stream: Callable[..., Stream],
) -> None:
    rows, late = with_late_rows(real_history.rows, late_share)
    # an odd size, so that plans end in the middle of a day
    stream = make_stream(real_history, max_plan_messages=131_071, max_batch_messages=20_000)
    stream.produce_labels(rows)
    stream.produce(rows)
    started = time.perf_counter()
    stream.score(engine)
    seconds = time.perf_counter() - started
    scored = stream.scored()
    touched = touched_by(real_history.rows, late)
    wrong = differing(scored.drop(index=touched), real_batch.drop(index=touched))
    assert wrong == {}
    differ = set().union(*differing(scored, real_batch).values())
    print(
        f"{engine}: {len(scored)} rows in {stream.plans} plans and {seconds:.0f} s, {len(late)} "
        f"late, {len(touched)} with one in reach, {len(differ)} differ"
    )
    assert stream.plans > 1
    assert bool(differ) == bool(late)
