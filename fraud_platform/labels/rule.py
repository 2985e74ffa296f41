"""When a label counts, and which of several labels of one transaction holds.

Here: the rule, once. Forms for numpy arrays and for Spark columns stand side by side; a form that
needs operators alone serves both. A property test holds the two forms equal.
Not here: where labels are kept (`labels.book`, `labels.of_drops`), the times of a drop
(`labels.drop_clock`), windows over labels (`features.compute.windows`).

The rule: a label is due one label delay after its transaction. On time, it counts from the tile
(hour) after the due time. A label that became known after it was due, that landed after stream
time had passed that hour, or that corrects another counts from the next midnight of stream time:
never before its own hour, and never before the version that it corrects.

Of two labels of one transaction, the one with the later known_at holds. Known in the same second,
the one that arrived later holds: the topic's over a drop's, and of two on the topic the one that
landed later. When a label landed never changes which one holds, only from when it can be seen.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt

from fraud_platform.contracts.active import LABEL_DELAY_DAYS, LABEL_DELAY_HOURS
from fraud_platform.contracts.time import HOURS_PER_DAY, SECONDS_PER_DAY, TILE_SECONDS
from fraud_platform.stream.scored_ids import NO_LABEL

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

Ints = npt.NDArray[np.int64]
Values = TypeVar("Values", Ints, "Column")

ON_TIME = -1
"""`known_at_second` of a label that is known when it is due: a drop states no other time."""
NEVER_LANDED = -1
"""`landed_second` of a label that landed before anything was scored."""
LANDING_ORDER = ("landing", "source_partition", "source_offset")
"""Columns by which labels of the topic are in the order in which they landed."""
HOLDING_ORDER = ("known_at", *LANDING_ORDER)
"""Columns by which labels of the topic are in the order of `holds_over`; the last one holds."""

_DELAY_SECONDS = LABEL_DELAY_HOURS * TILE_SECONDS


# From which hour a label counts.


def due_second(tx_second: Ints) -> Ints:
    """Return when the labels of transactions are due, seconds since 1970."""
    return tx_second + _DELAY_SECONDS


def due_time(tx_datetime: Column) -> Column:
    """Return when the labels of transactions are due; the Spark form of `due_second`."""
    from pyspark.sql import functions as F

    return tx_datetime + F.expr(f"INTERVAL {LABEL_DELAY_DAYS} DAYS")


def labelled_time(due: Column) -> Column:
    """Return the time of the transactions whose labels are due then: `due_time` inverted."""
    from pyspark.sql import functions as F

    return due - F.expr(f"INTERVAL {LABEL_DELAY_DAYS} DAYS")


def on_time_hour(event_hour: Values) -> Values:
    """Return the hour from which on-time labels of transactions in these hours count."""
    return event_hour + (LABEL_DELAY_HOURS + 1)


def on_time_end(hour: Values) -> Values:
    """Return the end of the event hours whose on-time labels count at these hours: the inverse."""
    return hour - LABEL_DELAY_HOURS


def counts_from_hour(
    tx_second: Ints,
    known_at_second: Ints | int = ON_TIME,
    landed_second: Ints | int = NEVER_LANDED,
    previous_hour: Ints | int = NO_LABEL,
) -> Ints:
    """Return the hour (since 1970) from which each label counts, int64 of shape (labels,).

    Args:
        tx_second: of the labelled transactions, seconds since 1970.
        known_at_second: when each label became known, or `ON_TIME`.
        landed_second: stream time when each label landed, or `NEVER_LANDED`.
        previous_hour: hour from which the version that it corrects counts, or `NO_LABEL`.
    """
    on_time = on_time_hour(tx_second // TILE_SECONDS)
    if _is_all(known_at_second, ON_TIME) and _is_all(previous_hour, NO_LABEL):
        # A drop's first labels: the same rule with fewer passes over a large block.
        if _is_all(landed_second, NEVER_LANDED):
            return on_time
        midnight = (np.asarray(landed_second) // SECONDS_PER_DAY + 1) * HOURS_PER_DAY
        return np.where(landed_second >= on_time * TILE_SECONDS, midnight, on_time)
    is_late = (known_at_second > due_second(tx_second)) | (landed_second >= on_time * TILE_SECONDS)
    moment = np.maximum(landed_second, known_at_second)
    midnight = (moment // SECONDS_PER_DAY + 1) * HOURS_PER_DAY
    late = np.maximum(midnight, on_time)
    first = np.where(is_late, late, on_time)
    return np.where(previous_hour != NO_LABEL, np.maximum(late, previous_hour), first)


def _is_all(values: Ints | int, constant: int) -> bool:
    return isinstance(values, int) and values == constant


def counts_from_time(
    tx_datetime: Column,
    known_at: Column | None = None,
    landed_at: Column | None = None,
    previous: Column | None = None,
) -> Column:
    """Return the time from which each label counts; the Spark form of `counts_from_hour`.

    Args:
        tx_datetime: of the labelled transactions, timestamps.
        known_at: when each label became known; null, or no column, means on time.
        landed_at: stream time when each label landed; null, or no column, means never.
        previous: when the version that it corrects counts from; null, or no column, means none.
    """
    from pyspark.sql import functions as F

    none = F.lit(None).cast("timestamp")
    known, landed, before = (
        F.unix_seconds(none if c is None else c) for c in (known_at, landed_at, previous)
    )
    due = F.unix_seconds(due_time(tx_datetime))
    on_time = _next_multiple(due, TILE_SECONDS)
    is_late = F.coalesce(known > due, F.lit(False)) | F.coalesce(landed >= on_time, F.lit(False))
    midnight = _next_multiple(F.greatest(landed, known), SECONDS_PER_DAY)
    late = F.greatest(midnight, on_time)
    first = F.when(is_late, late).otherwise(on_time)
    counts_from = F.when(before.isNotNull(), F.greatest(late, before)).otherwise(first)
    return F.timestamp_seconds(counts_from)


def _next_multiple(second: Column, width: int) -> Column:
    """Return the first multiple of `width` after each second, in whole numbers."""
    from pyspark.sql import functions as F

    return second - F.pmod(second, F.lit(width)) + width


def counts_at(counts_from: Values, moment: Values) -> Any:
    """Return whether labels count at a moment; both are hours, or both are times."""
    return counts_from <= moment


def begins_within(hour: Values, first_hour: int, end_hour: int) -> Any:
    """Return whether labels begin to count in [first_hour, end_hour)."""
    return (hour >= first_hour) & (hour < end_hour)


def begins_in_days(first_day: date | None, end_day: date | None) -> Column:
    """Return whether labels, by their `counts_from`, begin to count in the days [first, end).

    Args:
        first_day, end_day: None leaves that side open; at most one may be None.
    """
    from pyspark.sql import functions as F

    column = F.col("counts_from")
    sides = []
    if first_day is not None:
        sides.append(column >= F.lit(first_day).cast("timestamp"))
    if end_day is not None:
        sides.append(column < F.lit(end_day).cast("timestamp"))
    return sides[0] if len(sides) == 1 else sides[0] & sides[1]


def hour_of(column: str) -> Column:
    """Return the hour since 1970 of a timestamp column, such as `counts_from`."""
    from pyspark.sql import functions as F

    return F.expr(f"unix_seconds({column}) div {TILE_SECONDS}")


# Which of several labels of one transaction holds.


def holds_over(known_at: Values, held_known_at: Values) -> Any:
    """Return whether labels that arrive hold over those that are held: not known earlier.

    A label of the topic arrives after the drop's label of the same transaction.
    """
    return known_at >= held_known_at


def corrects(
    known_at: Values, scenario: Values, held_known_at: Values, held_scenario: Values
) -> Any:
    """Return whether labels replace those that are held: they hold and have other content."""
    return holds_over(known_at, held_known_at) & (scenario != held_scenario)


def confirms(
    known_at: Values, scenario: Values, held_known_at: Values, held_scenario: Values
) -> Any:
    """Return whether labels repeat those that are held: they hold and have the same content.

    A confirmed label is not corrected by what became known between the two.
    """
    return holds_over(known_at, held_known_at) & (scenario == held_scenario)


def labels_known_at(known_labels: DataFrame, knowledge_date: date) -> DataFrame:
    """Return transaction_id, is_fraud and fraud_scenario of each id's latest version known at D.

    Args:
        known_labels: columns transaction_id, is_fraud, fraud_scenario, known_at, version.
        knowledge_date: D.
    """
    from pyspark.sql import functions as F

    # Packed into one integer: the maximum of a struct would make Spark sort all labels, the
    # maximum of an integer uses a hash aggregate.
    code = F.expr("version * 8L + fraud_scenario * 2L + int(is_fraud)")
    return (
        known_labels.where(F.col("known_at") <= F.lit(knowledge_date).cast("timestamp"))
        .groupBy("transaction_id")
        .agg(F.max(code).alias("code"))
        .select(
            "transaction_id",
            F.expr("code % 2 = 1").alias("is_fraud"),
            F.expr("int(code % 8 div 2)").alias("fraud_scenario"),
        )
    )
