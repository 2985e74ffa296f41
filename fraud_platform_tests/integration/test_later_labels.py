"""`labels` is the union of topic and drops, the latest known_at winning, against a plain loop."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pyarrow as pa

from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.contracts.tables import DROP_LABELS
from fraud_platform.labels.rule import labels_known_at
from fraud_platform.operations.platform_state import read_labels
from fraud_platform.scoring.files import write_rows
from fraud_platform.tables.scoring import LANDING, TOPIC_LABELS

START, DAY = datetime(2018, 6, 1, 10, tzinfo=UTC), timedelta(days=1)


def _drop_label(key: int, known_at: datetime, scenario: int, version: int = 1) -> dict:
    return {
        "transaction_id": key,
        "is_fraud": scenario > 0,
        "fraud_scenario": scenario,
        "known_at": known_at,
        "source": "drop",
        "counts_from": known_at + timedelta(hours=1),
        "version": version,
        "drop": "2018-06-01",
    }


def _topic_label(
    offset: int, key: int, known_at: datetime, scenario: int, landed_at: datetime | None
) -> dict:
    return {
        "transaction_id": key,
        "is_fraud": scenario > 0,
        "fraud_scenario": scenario,
        "known_at": known_at,
        "source": "topic",
        "landed_at": landed_at,
        "landing": 1,
        "source_partition": 0,
        "source_offset": offset,
    }


def test_the_label_known_last_wins_whoever_told_it(spark, lake: Lake):
    random = np.random.default_rng(2)
    of_drop = [
        _drop_label(key, START + int(random.integers(7, 12)) * DAY, int(random.integers(0, 4)))
        for key in range(60)
    ]
    of_topic = []
    for offset in range(150):
        known_at = START + int(random.integers(1, 40)) * DAY
        landed = [None, known_at - DAY, known_at + 5 * DAY][random.integers(0, 3)]
        key, scenario = int(random.integers(0, 80)), int(random.integers(0, 4))
        of_topic.append(_topic_label(offset, key, known_at, scenario, landed))
    lake.replace_arrow(DROP_LABELS, pa.Table.from_pylist(of_drop, DROP_LABELS.arrow_schema), None)
    rows = pa.Table.from_pylist(of_topic, TOPIC_LABELS.arrow_schema)
    files = write_rows(lake.files, lake.uri(TOPIC_LABELS), TOPIC_LABELS, rows)
    assert lake.numbered(TOPIC_LABELS, LANDING).append(files, 1, {})

    labels = read_labels(spark, lake, date(2018, 6, 1))
    for knowledge_date in (date(2018, 6, 8), date(2018, 6, 20), date(2018, 7, 30)):
        end = datetime(knowledge_date.year, knowledge_date.month, knowledge_date.day, tzinfo=UTC)
        expected = {}
        for row in of_drop:
            if row["known_at"] > end:
                continue
            best = (row["known_at"], -1, row["fraud_scenario"])
            for other in of_topic:
                known_at = max(other["known_at"], other["landed_at"] or other["known_at"])
                is_later = row["known_at"] < known_at <= end
                if other["transaction_id"] == row["transaction_id"] and is_later:
                    best = max(best, (known_at, other["source_offset"], other["fraud_scenario"]))
            expected[row["transaction_id"]] = best[2]
        found = labels_known_at(labels, knowledge_date).collect()
        assert {row.transaction_id: row.fraud_scenario for row in found} == expected
        assert all(row.is_fraud == (row.fraud_scenario > 0) for row in found)


def test_only_a_drops_own_labels_of_older_transactions_are_left_out(spark, lake: Lake):
    first_day = date(2018, 6, 10)
    of_drop = [_drop_label(key, START + key * DAY, 0) for key in range(20)]
    of_drop += [
        _drop_label(100 + key, START + key * DAY, 1) | {"source": "topic"} for key in (1, 9)
    ]
    lake.replace_arrow(DROP_LABELS, pa.Table.from_pylist(of_drop, DROP_LABELS.arrow_schema), None)
    found = {row.transaction_id for row in read_labels(spark, lake, first_day).collect()}
    assert found == {*range(9, 20), 101, 109}
