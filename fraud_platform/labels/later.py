"""Labels on the topic that supersede a drop's label of the same transaction.

Here: converting such labels to further versions of the drop's label.
Not here: when a label counts, and choosing the label that a knowledge date uses (`labels.rule`),
labels of transactions that are in no drop (`scoring.state.history`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fraud_platform.labels.rule import (
    LANDING_ORDER,
    counts_from_time,
    is_after_drop,
    labelled_time,
)

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_ORDER = ("known_at", *LANDING_ORDER)


def later_labels(drop_labels: DataFrame, topic_labels: DataFrame) -> DataFrame:
    """Return the topic's labels that became known after the drop's label of the same id.

    A label counts as known at the later of its known_at and its landing. A repeated run of an
    earlier knowledge date therefore does not see labels that landed after the first run.

    Args:
        drop_labels: the columns of `stream_labels` except tx_date.
        topic_labels: the columns of `topic_labels`.

    Returns:
        The columns of drop_labels; versions continue after the drop's, in order of known_at.
    """
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    known_at = F.greatest("known_at", "landed_at")
    from_topic = topic_labels.withColumn("known_at", known_at).drop("source", "landed_at")
    from_drops = (
        drop_labels.join(from_topic.select("transaction_id"), "transaction_id", "left_semi")
        .groupBy("transaction_id")
        .agg(
            F.max("version").alias("drop_version"),
            F.max("known_at").alias("drop_known_at"),
            F.max("counts_from").alias("drop_counts_from"),
        )
    )
    in_order = Window.partitionBy("transaction_id").orderBy(*_ORDER)
    drop_known_at = F.col("drop_known_at")
    return (
        from_topic.join(from_drops, "transaction_id")
        .where(is_after_drop(F.col("known_at"), drop_known_at))
        .withColumns(
            {
                "version": (F.col("drop_version") + F.row_number().over(in_order)).cast("int"),
                "counts_from": counts_from_time(
                    labelled_time(drop_known_at),
                    F.col("known_at"),
                    previous=F.col("drop_counts_from"),
                ),
            }
        )
        .select(*drop_labels.columns)
    )
