"""The rows that a candidate is trained and tested on, selected by Spark.

Here: labels as known at the knowledge date D, the part of each row, sampling of genuine rows,
excluding known compromised customers from the test rows.
Not here: dates (`fraud_platform.training.splits`), features (`fraud_platform.features`).
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

from fraud_platform.contracts.active import FEATURE_NAMES, LABEL_DELAY_DAYS
from fraud_platform.contracts.knowledge_week import KnowledgeWeek
from fraud_platform.errors import NotEnoughDataError
from fraud_platform.labels.rule import labels_known_at
from fraud_platform.tables.training import LABELLED_COLUMNS, TRAINING_SET
from fraud_platform.training.splits import TrainingParts, training_parts

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

_HASH_STEPS = 1 << 30
"""Range of the sampling hash; a sampling share is exact to about 1e-9."""


def build_training_set(
    transaction_features: DataFrame,
    known_labels: DataFrame,
    knowledge_date: date,
    training_days: int,
    max_rows: int | None,
    seed: int,
) -> DataFrame:
    """Return the `training_set` rows of one knowledge date.

    A transaction whose label is not known at D is excluded; it does not count as genuine. If
    there are more than `max_rows`, all frauds are kept and genuine rows are sampled by a hash of
    their id. A sampled row gets the weight genuine / sampled of its part, so that the weights of
    a part sum to its number of rows before sampling.

    Args:
        transaction_features: rows of `transaction_features`, any days.
        known_labels: columns transaction_id, is_fraud, fraud_scenario, known_at, version.
        knowledge_date: D.
        training_days: maximum number of days.
        max_rows: approximate maximum number of rows; None takes all rows and skips the count.
        seed: seed of the sampling.

    Raises:
        NotEnoughDataError: no features, or too few days of them.
    """
    from pyspark.sql import functions as F

    first_day = transaction_features.agg(F.min("tx_date")).collect()[0][0]
    if first_day is None:
        raise NotEnoughDataError(
            f"knowledge date {knowledge_date}: expected transactions with features, found none. "
            "Build the features of the days before it first."
        )
    parts = training_parts(knowledge_date, training_days, first_day)
    rows = _labelled(
        transaction_features.where(
            (F.col("tx_date") >= parts.fit_start) & (F.col("tx_date") < parts.end)
        ),
        known_labels,
        knowledge_date,
    ).withColumn("part", _part(parts))
    if max_rows is None:
        weighted = rows.withColumn("sample_weight", F.lit(1.0))
    else:
        weighted = _sample_genuine(rows, max_rows, seed)
    return weighted.withColumn("knowledge_date", F.lit(knowledge_date)).select(
        *TRAINING_SET.column_names
    )


def evaluation_rows(
    transaction_features: DataFrame,
    known_labels: DataFrame,
    knowledge_date: date,
    training_days: int,
) -> DataFrame:
    """Return the labelled rows of D's test week, without customers already known as compromised.

    A customer is known on day t if it has a fraud in the training days or up to day t - 8;
    `fraud_platform.comparison.evaluation.unknown_customers_mask` is the same rule on arrays.

    Args:
        transaction_features: rows of `transaction_features` from the first training day to the
            end of the test week.
        known_labels: columns transaction_id, is_fraud, fraud_scenario, known_at, version.
        knowledge_date: D.
        training_days: maximum number of days that the candidate was trained on.

    Returns:
        transaction_id, tx_datetime, customer_id, terminal_id, amount_cents, is_fraud,
        fraud_scenario and the features.
    """
    from pyspark.sql import functions as F

    week = KnowledgeWeek(knowledge_date)
    train_start = week.train_end - timedelta(days=training_days)
    rows = _labelled(
        transaction_features.where(
            (F.col("tx_date") >= train_start) & (F.col("tx_date") < week.test_end)
        ),
        known_labels,
        knowledge_date,
    )
    first_frauds = (
        rows.where("is_fraud").groupBy("customer_id").agg(F.min("tx_date").alias("first_fraud"))
    )
    known_until = F.greatest(F.lit(week.train_end), F.date_sub(F.col("tx_date"), LABEL_DELAY_DAYS))
    return (
        rows.where(F.col("tx_date") >= week.test_start)
        .join(first_frauds, "customer_id", "left")
        .where(F.col("first_fraud").isNull() | (F.col("first_fraud") >= known_until))
        .select(*(column.name for column in LABELLED_COLUMNS), *FEATURE_NAMES)
    )


def _labelled(features: DataFrame, known_labels: DataFrame, knowledge_date: date) -> DataFrame:
    """Return the rows whose label is known at D, with the latest version known at D."""
    return features.join(labels_known_at(known_labels, knowledge_date), "transaction_id")


def _part(parts: TrainingParts) -> Column:
    from pyspark.sql import functions as F

    (first, (start, end)), *others = parts.spans().items()
    chosen = F.when(F.col("tx_date").between(start, end - timedelta(days=1)), first)
    for name, (start, end) in others:
        chosen = chosen.when(F.col("tx_date").between(start, end - timedelta(days=1)), name)
    return chosen


def _sample_genuine(rows: DataFrame, max_rows: int, seed: int) -> DataFrame:
    """Return the rows with sample_weight; genuine rows are sampled above `max_rows`."""
    from pyspark.sql import functions as F

    counts = {r["part"]: r for r in _count(rows).collect()}
    frauds = sum(r["frauds"] for r in counts.values())
    genuine = sum(r["genuine"] for r in counts.values())
    if frauds + genuine <= max_rows:
        return rows.withColumn("sample_weight", F.lit(1.0))
    share = max(max_rows - frauds, 0) / max(genuine, 1)
    steps = max(1, round(share * _HASH_STEPS))
    step = F.pmod(F.xxhash64("transaction_id", F.lit(seed)), F.lit(_HASH_STEPS))
    kept = rows.where(F.col("is_fraud") | (step < steps))
    weights = [
        (r["part"], counts[r["part"]]["genuine"] / r["genuine"])
        for r in _count(kept).collect()
        if r["genuine"]
    ]
    weight = F.lit(1.0)
    for part, value in weights:
        weight = F.when(~F.col("is_fraud") & (F.col("part") == part), value).otherwise(weight)
    return kept.withColumn("sample_weight", weight)


def _count(rows: DataFrame) -> DataFrame:
    from pyspark.sql import functions as F

    fraud = F.col("is_fraud").cast("long")
    return rows.groupBy("part").agg(F.sum(fraud).alias("frauds"), F.sum(1 - fraud).alias("genuine"))
