"""What the engines are measured against, and the state by itself.

Here: the row-at-a-time scorer on Spark that this platform replaces; seconds and memory of a state
for many customers.
Not here: the engines (`fraud_platform.scoring`), the measuring (`benchmarks.scoring`).
"""

from __future__ import annotations

import time

import numpy as np
import pyarrow as pa

from benchmarks.metering import Meter
from benchmarks.scoring_world import World
from fraud_platform.adapters.scoring_session import load_model
from fraud_platform.adapters.spark.session import open_session
from fraud_platform.features.declaration import DECLARATION
from fraud_platform.features.kernel import LabelTiles, Tiles
from fraud_platform.features.live import LiveState

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
    with Meter() as meter:
        for number in range(ROWS_AT_A_TIME):
            one(float(number))
    spark.stop()
    return ROWS_AT_A_TIME, meter.seconds, meter.cpu_seconds


def state_figures(
    customers: int = 1_000_000, terminals: int = 100_000, per_day: int = 2
) -> dict[str, str]:
    """Return seconds and memory of the state of many customers, each with a month behind it.

    The tiles are drawn at random, day by day: two transactions a customer and day, as in the
    original series.
    """
    import psutil

    process = psutil.Process()
    before = process.memory_info().rss
    state, random = LiveState(), np.random.default_rng(0)
    rows = customers * per_day
    hour = 423_000 // 24 * 24
    started = time.perf_counter()
    for day in range(37):
        first = hour - (37 - day) * 24
        _add_day(state, random, rows, customers, terminals, first, day >= 7)
    seconds = time.perf_counter() - started
    memory = process.memory_info().rss - before
    return {
        "customers": f"{customers:,}",
        "terminals": f"{terminals:,}",
        "transactions held": f"{state.n_events:,}",
        "seconds to take them in": f"{seconds:,.0f}",
        "memory, GB": f"{memory / 2**30:,.1f}",
    }


def _add_day(
    state: LiveState,
    random: np.random.Generator,
    rows: int,
    customers: int,
    terminals: int,
    first_hour: int,
    has_events: bool,
) -> None:
    customer, terminal = random.integers(0, customers, rows), random.integers(0, terminals, rows)
    hours = first_hour + random.integers(0, 24, rows)
    cents = random.integers(100, 20_000, rows)
    ones = np.ones(rows, np.int64)
    empty = np.zeros(0, np.int64)
    if has_events:
        measures = {name: np.zeros(rows, np.int64) for name in DECLARATION.customer_measures}
        measures |= {"n_transactions": ones, "amount_cents": cents, "last_second": hours * 3600}
        customer_tiles = Tiles(customer, hours, measures, terminal=terminal)
        nothing = Tiles(empty, empty, {"n_transactions": empty, "amount_cents": empty})
        state.add_tiles(customer_tiles, nothing)
    labels = {m.name: np.zeros(rows, np.int64) for m in DECLARATION.label_measures}
    labels |= {"n_genuine": ones, "genuine_cents": cents, "genuine_squares": (cents // 100) ** 2}
    state.add_label_tiles(
        LabelTiles(customer, hours, hours + 169, labels),
        LabelTiles(terminal, hours, hours + 169, labels),
    )
