"""Labels that became known on the topic after a drop had told them: the latest known wins.

Here: such labels as further versions of the drop's.
Not here: labels of transactions that no drop holds (`scoring.history`), which label a knowledge
date takes (`training.training_set`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_ORDER = ("known_at", "landing", "source_partition", "source_offset")


def later_labels(drop_labels: DataFrame, topic_labels: DataFrame) -> DataFrame:
    """Return the topic's labels that were known later than the drop's label of the same id.

    One that landed after it was known is known from then on: a week that was decided before, and is
    made again, must not learn from it.

    Args:
        drop_labels: columns of `stream_labels` but tx_date.
        topic_labels: columns of `topic_labels`.

    Returns:
        Columns of drop_labels; versions go on from the drop's, in order of known_at.
    """
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    known = F.greatest("known_at", "landed_at")
    from_topic = topic_labels.withColumn("known_at", known).drop("source", "landed_at")
    latest = (
        drop_labels.join(from_topic.select("transaction_id"), "transaction_id", "left_semi")
        .groupBy("transaction_id")
        .agg(
            F.max("version").alias("versions"),
            F.max("known_at").alias("told_at"),
            F.max("counts_from").alias("told_from"),
        )
    )
    in_order = Window.partitionBy("transaction_id").orderBy(*_ORDER)
    next_midnight = F.date_trunc("day", "known_at") + F.expr("INTERVAL 1 DAY")
    return (
        from_topic.join(latest, "transaction_id")
        .where("known_at > told_at")
        .withColumns(
            {
                "version": (F.col("versions") + F.row_number().over(in_order)).cast("int"),
                "counts_from": F.greatest(next_midnight, "told_from"),
            }
        )
        .select(*drop_labels.columns)
    )
