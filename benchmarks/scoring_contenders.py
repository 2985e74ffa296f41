"""The contender of the scoring benchmark.

Here: a scorer on Spark that handles one row at a time, which this platform replaces.
Not here: the engines (`fraud_platform.scoring`), the measuring (`benchmarks.scoring`).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from benchmarks.metering import Meter
from benchmarks.scoring_world import World
from fraud_platform.adapters.spark.session import open_session
from fraud_platform.operations.live.session import load_model

ROWS_AT_A_TIME = 40


def row_at_a_time(place: World) -> tuple[int, float, float]:
    """Score messages one by one; return their number, wall seconds and CPU seconds.

    Each message becomes a Spark DataFrame of one row, a task applies the model, and the result is
    collected. Features are constants, so the contender appears faster than it would be.
    """
    from fraud_platform.adapters.models.registry import CHAMPION

    version = place.registry.alias(CHAMPION)
    assert version is not None
    candidate = load_model(place.registry, version).candidate
    spark = open_session(place.settings)
    names = list(candidate.feature_names)
    schema = ", ".join(f"{name} float" for name in names)

    def score(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            matrix = np.column_stack([c.to_numpy() for c in batch.columns]).astype(np.float32)
            yield pa.RecordBatch.from_arrays(
                [pa.array(candidate.predict_probability(matrix))], ["probability"]
            )

    def one(value: float) -> None:
        row = spark.createDataFrame([tuple([value] * len(names))], schema)
        row.mapInArrow(score, "probability double").collect()

    one(0.0)
    with Meter(place.broker()) as meter:
        for number in range(ROWS_AT_A_TIME):
            one(float(number))
    spark.stop()
    return ROWS_AT_A_TIME, meter.seconds, meter.cpu_seconds
