"""Labels on the topic that supersede a drop's label of the same transaction.

Here: converting such labels to further versions of the drop's label.
Not here: when a label counts, and choosing the label that a knowledge date uses (`labels.rule`),
labels of transactions that are in no drop (`scoring.state.history`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fraud_platform.labels.rule import (
    HOLDING_ORDER,
    counts_from_time,
    holds_over,
    labelled_time,
)

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def later_labels(drop_labels: DataFrame, topic_labels: DataFrame) -> DataFrame:
    """Return the topic's labels that hold over the drop's label of the same id.

    A label can be seen from the later of its known_at and its landing, which is the known_at of
    the result. A repeated run of an earlier knowledge date therefore does not see labels that
    landed after the first run.

    Args:
        drop_labels: the columns of `stream_labels` except tx_date.
        topic_labels: the columns of `topic_labels`.

    Returns:
        The columns of drop_labels; versions continue after the drop's, in the order of
        `holds_over`.
    """
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    from_drops = (
        drop_labels.join(topic_labels.select("transaction_id"), "transaction_id", "left_semi")
        .groupBy("transaction_id")
        .agg(
            F.max("version").alias("drop_version"),
            F.max_by("known_at", "version").alias("drop_known_at"),
            F.max_by("counts_from", "version").alias("drop_counts_from"),
        )
    )
    in_order = Window.partitionBy("transaction_id").orderBy(*HOLDING_ORDER)
    drop_known_at, seen_from = F.col("drop_known_at"), F.greatest("known_at", "landed_at")
    return (
        topic_labels.drop("source")
        .join(from_drops, "transaction_id")
        .where(holds_over(F.col("known_at"), drop_known_at))
        .withColumns(
            {
                "version": (F.col("drop_version") + F.row_number().over(in_order)).cast("int"),
                "known_at": seen_from,
                "counts_from": counts_from_time(
                    labelled_time(drop_known_at), seen_from, previous=F.col("drop_counts_from")
                ),
            }
        )
        .select(*drop_labels.columns)
    )
