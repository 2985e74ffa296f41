"""The rule of labels has a form for numpy and one for Spark: both give the same hours."""

from __future__ import annotations

import operator
from functools import partial

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from fraud_platform.labels.rule import (
    NEVER_LANDED,
    ON_TIME,
    confirms,
    corrects,
    counts_at,
    counts_from_hour,
    counts_from_time,
    due_second,
    due_time,
    holds_over,
    hour_of,
    labelled_time,
    on_time_hour,
)
from fraud_platform.stream.scored_ids import NO_LABEL

HOUR, DAY = 3_600, 86_400
DELAY = 7 * DAY
START = 1_522_540_800
SCHEMA = (
    "place int, tx_datetime timestamp, known_at timestamp, landed_at timestamp, "
    "previous timestamp, scenario int, held_known_at timestamp, held_scenario int"
)

EDGES = st.sampled_from([-DAY, -HOUR, -1, 0, 1, HOUR - 1, HOUR, HOUR + 1, DAY - 1, DAY, DAY + 1])


@st.composite
def rows(draw: st.DrawFn) -> list[tuple[int | None, ...]]:
    """Return rows of SCHEMA in seconds since 1970, crowded at the edges of hours and days."""
    found: list[tuple[int | None, ...]] = []
    for place in range(draw(st.integers(1, 120))):
        tx = START + draw(st.integers(0, 40)) * DAY + draw(st.integers(0, 23)) * HOUR
        tx += draw(st.sampled_from([0, 1, 1_800, HOUR - 1]))
        due = tx + DELAY
        near = EDGES.map(partial(operator.add, due))
        moments = st.none() | near | st.integers(tx, due + 30 * DAY)
        hours = st.integers(due // HOUR - 2, due // HOUR + 24 * 30)
        previous = st.none() | hours.map(partial(operator.mul, HOUR))
        labels = draw(moments), draw(moments), draw(previous), draw(st.integers(0, 3))
        found.append((place, tx, *labels, draw(near), draw(st.integers(0, 3))))
    return found


def column(values: list[tuple[int | None, ...]], place: int, none: int) -> np.ndarray:
    return np.array([none if row[place] is None else row[place] for row in values], np.int64)


@settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(values=rows())
def test_both_forms_of_the_rule_agree(
    spark: SparkSession, values: list[tuple[int | None, ...]]
) -> None:
    from pyspark.sql import functions as F

    schema = SCHEMA.replace("timestamp", "long")
    times = [part.split()[0] for part in SCHEMA.split(", ") if part.endswith("timestamp")]
    table = spark.createDataFrame(values, schema).withColumns(
        {name: F.timestamp_seconds(name) for name in times}
    )
    tx, known, landed, previous = map(F.col, ("tx_datetime", "known_at", "landed_at", "previous"))
    pair = [F.col(n) for n in ("known_at", "scenario", "held_known_at", "held_scenario")]
    counts_from = counts_from_time(tx, known, landed, previous)
    found = (
        table.withColumn("counts_from", counts_from)
        .select(
            "place",
            hour_of("counts_from"),
            F.unix_seconds("counts_from"),
            F.unix_seconds(due_time(tx)),
            labelled_time(due_time(tx)) == tx,
            on_time_hour(hour_of("tx_datetime")),
            counts_at(F.col("counts_from"), F.col("held_known_at")),
            F.coalesce(holds_over(pair[0], pair[2]), F.lit(False)),
            F.coalesce(corrects(*pair), F.lit(False)),
            F.coalesce(confirms(*pair), F.lit(False)),
        )
        .collect()
    )
    seconds = column(values, 1, 0)
    known_at, landed_at = column(values, 2, ON_TIME), column(values, 3, NEVER_LANDED)
    before = [NO_LABEL if row[4] is None else row[4] // HOUR for row in values]
    hours = counts_from_hour(seconds, known_at, landed_at, np.array(before))
    labels = known_at, column(values, 5, 0), column(values, 6, 0), column(values, 7, 0)
    expected = zip(
        range(len(values)),
        hours.tolist(),
        (hours * HOUR).tolist(),
        due_second(seconds).tolist(),
        [True] * len(values),
        on_time_hour(seconds // HOUR).tolist(),
        counts_at(hours * HOUR, labels[2]).tolist(),
        holds_over(labels[0], labels[2]).tolist(),
        corrects(*labels).tolist(),
        confirms(*labels).tolist(),
        strict=True,
    )
    assert sorted(map(tuple, found)) == list(expected)
    assert [h for h in hours if h > 0]
