"""What the engines are measured against.

Here: the row-at-a-time scorer on Spark that this platform replaces.
Not here: the engines (`fraud_platform.scoring`), the measuring (`benchmarks.scoring`).
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from benchmarks.metering import Meter
from benchmarks.scoring_world import World
from fraud_platform.adapters.scoring_session import load_model
from fraud_platform.adapters.spark.session import open_session

ROWS_AT_A_TIME = 40


def row_at_a_time(place: World) -> tuple[int, float, float]:
    """Score message after message, each as a Spark DataFrame of one row; count, wall, CPU s.

    As the consumer of old did it: a DataFrame from one message, the model applied by a task, the
    answer collected. Features are taken as given, which flatters it.
    """
    from fraud_platform.adapters.models.registry import CHAMPION

    version = place.registry.alias(CHAMPION)
    assert version is not None
    candidate = load_model(place.registry, version).candidate
    spark = open_session(place.settings)
    names = list(candidate.feature_names)
    schema = ", ".join(f"{name} float" for name in names)

    def score(batches):  # type: ignore[no-untyped-def]
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
