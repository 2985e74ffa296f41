"""The profile's one aggregation, in Spark, against a table worked by hand."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from pyspark.sql import DataFrame, SparkSession

from fraud_platform.contracts.quarantine_reasons import Reason, Repair
from fraud_platform.contracts.tables import TRANSACTIONS
from fraud_platform.reporting.drop_profile import RowCount, aggregate_rows, profile_drop

DROP = "2018-04-01"
LEDGER = {
    "drop": DROP,
    "status": "published",
    "rows_read": 8,
    "rows_clean": 7,
    **{f"rejected_{reason}": int(reason == Reason.BAD_LABEL) for reason in Reason},
    **{f"repaired_{repair}": 0 for repair in Repair},
    "blank_lines": 0,
    "comment_lines": 0,
}
ROWS = [
    # time, amount in cents, scenario, drop
    ("2018-04-01 00:00:00", 9, 0, DROP),
    ("2018-04-01 00:59:59", 10, 0, DROP),
    ("2018-04-01 01:00:00", 99, 1, DROP),
    ("2018-04-01 23:59:59", 100, 0, DROP),
    ("2018-04-02 12:00:00", 125, 2, DROP),
    ("2018-04-02 12:30:00", 126, 3, DROP),
    ("2018-06-09 12:30:00", 1_000_000, 0, DROP),
    ("2018-05-01 12:30:00", 5_000, 2, "2018-05-01"),
]


@pytest.fixture(scope="module")
def transactions(spark: SparkSession) -> DataFrame:
    rows = []
    for key, (text, cents, scenario, drop) in enumerate(ROWS):
        when = datetime.fromisoformat(text).replace(tzinfo=UTC)
        rows.append((key, when, when.date(), 1, 1, cents, scenario > 0, scenario, drop))
    ddl = ", ".join(f"`{c.name}` {c.type}" for c in TRANSACTIONS.columns)
    return spark.createDataFrame(rows, ddl)


def test_profile_of_a_small_table_is_what_a_hand_counts(transactions: DataFrame) -> None:
    profile = profile_drop(transactions, LEDGER)
    assert {h: c for h, c in enumerate(profile.hours) if c.rows} == {
        0: RowCount(2, 0),
        1: RowCount(1, 1),
        12: RowCount(3, 2),
        23: RowCount(1, 0),
    }
    # Edges: 10 opens bin 1, 100 bin 11, 126 bin 12; 1,000,000 opens the last, 51.
    assert {b: c for b, c in enumerate(profile.amounts) if c.rows} == {
        0: RowCount(1, 0),
        1: RowCount(1, 0),
        10: RowCount(1, 1),
        11: RowCount(2, 1),
        12: RowCount(1, 1),
        51: RowCount(1, 0),
    }
    assert profile.scenarios == (4, 1, 1, 1)
    assert profile.scenario_amount_cents == (1_000_119, 99, 125, 126)
    assert [c.rows for c in profile.days[:3]] == [4, 2, 0]
    assert profile.rows_elsewhere == 1
    assert profile.weekdays[6] == RowCount(4, 1)
    assert profile.rejected[5] == (Reason.BAD_LABEL, 1)


def test_aggregation_shuffles_once(transactions: DataFrame) -> None:
    plan = aggregate_rows(transactions, DROP)._jdf.queryExecution().executedPlan().toString()
    assert plan.count("Exchange") == 1
