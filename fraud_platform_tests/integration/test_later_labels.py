"""Of a drop's label and the topic's, every path holds the same one, against a plain loop.

The paths: training (`read_labels`), the tiles of batch features (`corrected_ids`, `topic_labels`)
and the live state (`drop_labels_of`, `worth_noting`, `LabelBook`).
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.contracts.tables import DROP_LABELS, TRANSACTIONS
from fraud_platform.labels.book import LabelBook
from fraud_platform.labels.of_drops import (
    corrected_ids,
    drop_labels_of,
    drop_rows_of,
    transactions_of,
    worth_noting,
)
from fraud_platform.labels.rule import LANDING_ORDER, labels_known_at
from fraud_platform.operations.platform_state import read_labels
from fraud_platform.scoring.state.history import topic_labels
from fraud_platform.scoring.state.recovery import landed_of
from fraud_platform.stream.scored_ids import ScoredRows
from fraud_platform.tables.row_files import write_rows
from fraud_platform.tables.scoring import LANDING, TOPIC_LABELS

START, DAY = datetime(2018, 6, 1, 10, tzinfo=UTC), timedelta(days=1)


def _drop_label(key: int, known_at: datetime, scenario: int, version: int = 1) -> dict[str, object]:
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
) -> dict[str, object]:
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


def _write(lake: Lake, of_drop: list[dict[str, Any]], of_topic: list[dict[str, Any]]) -> None:
    lake.replace_arrow(DROP_LABELS, pa.Table.from_pylist(of_drop, DROP_LABELS.arrow_schema), None)
    rows = pa.Table.from_pylist(of_topic, TOPIC_LABELS.arrow_schema)
    files = write_rows(lake.files, lake.uri(TOPIC_LABELS), TOPIC_LABELS, rows)
    assert lake.numbered(TOPIC_LABELS, LANDING).append(files, 1, {})


def _held(
    of_drop: list[dict[str, Any]], of_topic: list[dict[str, Any]], end: datetime
) -> dict[int, int]:
    """Return the scenario that each id's label has at a moment, in a plain loop.

    The latest known_at wins; known in the same second, the topic's wins, the last landed of them.
    """
    held = {}
    present: dict[int, dict[str, Any]] = {}
    for row in sorted(of_drop, key=lambda row: row["version"]):
        present[row["transaction_id"]] = row
    for key, row in present.items():
        if row["known_at"] > end:
            continue
        best = (row["known_at"], -1, row["fraud_scenario"])
        for other in of_topic:
            seen_from = max(other["known_at"], other["landed_at"] or other["known_at"])
            if other["transaction_id"] == key and seen_from <= end:
                label = (other["known_at"], other["source_offset"], other["fraud_scenario"])
                best = max(best, label)
        held[key] = best[2]
    return held


def test_training_uses_the_label_that_holds_at_the_knowledge_date(
    spark: SparkSession, lake: Lake
) -> None:
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
    _write(lake, of_drop, of_topic)

    labels = read_labels(spark, lake, date(2018, 6, 1))
    for knowledge_date in (date(2018, 6, 8), date(2018, 6, 20), date(2018, 7, 30)):
        end = datetime(knowledge_date.year, knowledge_date.month, knowledge_date.day, tzinfo=UTC)
        found = labels_known_at(labels, knowledge_date).collect()
        expected = _held(of_drop, of_topic, end)
        assert {row.transaction_id: row.fraud_scenario for row in found} == expected
        assert all(row.is_fraud == (row.fraud_scenario > 0) for row in found)


def _tied_world(lake: Lake, seed: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Write drops' and topic's labels, most of them known within a second of each other."""
    random = np.random.default_rng(seed)
    moments = [START + 7 * DAY + timedelta(seconds=second) for second in (-1, 0, 1)]
    of_drop, of_topic, rows = [], [], []
    for key in range(200):
        tx = START + timedelta(seconds=int(random.integers(-1, 2)))
        drop = {"transaction_id": key, "tx_datetime": tx, "tx_date": tx.date(), "customer_id": 1}
        scenario = int(random.integers(0, 4))
        label = {"is_fraud": scenario > 0, "fraud_scenario": scenario, "drop": "2018-06-01"}
        rows.append(drop | {"terminal_id": 2, "amount_cents": 100} | label)
        for version in range(1, int(random.integers(2, 4))):
            known_at = tx + 7 * DAY if version == 1 else moments[random.integers(0, 3)]
            of_drop.append(_drop_label(key, known_at, int(random.integers(0, 3)), version))
    for offset in range(500):
        known_at = moments[random.integers(0, 3)]
        landed = [None, known_at - DAY, known_at + 5 * DAY][random.integers(0, 3)]
        key, scenario = int(random.integers(0, 220)), int(random.integers(0, 3))
        of_topic.append(_topic_label(offset, key, known_at, scenario, landed))
    table = pa.Table.from_pylist(rows, TRANSACTIONS.arrow_schema)
    lake.replace_arrow(TRANSACTIONS, table, None)
    _write(lake, of_drop, of_topic)
    return of_drop, of_topic


@pytest.mark.parametrize("seed", [3, 4])
def test_every_path_holds_the_same_of_two_labels_known_in_the_same_second(
    spark: SparkSession, tmp_path: Path, seed: int
) -> None:
    lake = Lake(str(tmp_path / "lake"))
    of_drop, of_topic = _tied_world(lake, seed)
    end = date(2018, 7, 30)
    expected = _held(of_drop, of_topic, datetime(2018, 7, 30, tzinfo=UTC))

    known = labels_known_at(read_labels(spark, lake, date(2018, 6, 1)), end).collect()
    assert {row.transaction_id: row.fraud_scenario for row in known} == expected

    ids = np.arange(220)
    drops, topic = (lake.read(spark, table) for table in (DROP_LABELS, TOPIC_LABELS))
    of_drops = drop_labels_of(lake, ids)
    batch = dict(zip(of_drops.transaction_id.tolist(), of_drops.scenario.tolist(), strict=True))
    corrected = corrected_ids(drops, topic, date(2018, 6, 1))
    versions = topic_labels(lake, date(2018, 6, 1), corrected).sort_by("version").to_pylist()
    batch |= {row["transaction_id"]: row["fraud_scenario"] for row in versions}
    assert batch == expected

    landed = lake.read_arrow(TOPIC_LABELS).sort_by([(n, "ascending") for n in LANDING_ORDER])
    labels = landed_of(landed, [])
    noted = worth_noting(of_drops, *(getattr(labels, n) for n in (
        "transaction_id", "scenario", "known_at_second")))  # fmt: skip
    book = LabelBook(ScoredRows())
    rows = transactions_of(drop_rows_of(lake, noted.transaction_id))
    book.add_rows_of_drops(rows, *noted.known)
    live = dict(zip(of_drops.transaction_id.tolist(), of_drops.scenario.tolist(), strict=True))
    for round_ in book.land(labels):
        entering = np.flatnonzero(round_.labels.sign > 0)
        ids, scenario = round_.transaction_id[entering], round_.labels.scenario[entering]
        live |= dict(zip(ids.tolist(), scenario.tolist(), strict=True))
    assert live == expected


def test_only_a_drops_own_labels_of_older_transactions_are_left_out(
    spark: SparkSession, lake: Lake
) -> None:
    first_day = date(2018, 6, 10)
    of_drop = [_drop_label(key, START + key * DAY, 0) for key in range(20)]
    of_drop += [
        _drop_label(100 + key, START + key * DAY, 1) | {"source": "topic"} for key in (1, 9)
    ]
    lake.replace_arrow(DROP_LABELS, pa.Table.from_pylist(of_drop, DROP_LABELS.arrow_schema), None)
    found = {row.transaction_id for row in read_labels(spark, lake, first_day).collect()}
    assert found == {*range(9, 20), 101, 109}
