"""Simulated dirty drops and the real ones: cleaned rows against oracle, truth and known counts."""

from __future__ import annotations

import hashlib
from collections import Counter
from datetime import date
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.cleaning import DropOutcome, publish_drop
from fraud_platform.contracts.tables import QUARANTINE, TRANSACTIONS
from fraud_platform.simulation import (
    DirtRates,
    DropLayout,
    SimulatedDrop,
    SimulationConfig,
    simulate_drops,
)
from fraud_platform_tests.oracles import cleaning as oracle
from fraud_platform_tests.oracles.lake_tables import assert_equals_oracle, ledger
from fraud_platform_tests.testing.defaults import limits, unpacking

KNOWN_COUNTS = {
    "2018-04-01": (288_062, 4, 1_702),
    "2018-05-01": (287_693, 11, 2_561),
    "2018-05-31": (287_251, 4, 2_498),
    "2018-06-30": (287_364, 10, 2_532),
}
"""By real drop: rows, rows with an amount of 0.00, frauds."""

_CONTENTS = [
    "transaction_id",
    "tx_datetime",
    "customer_id",
    "terminal_id",
    "amount_cents",
    "is_fraud",
    "fraud_scenario",
]


def publish(
    spark: SparkSession, lake: Lake, path: Path, max_quarantined_share: float = 1.0
) -> DropOutcome:
    return publish_drop(
        spark,
        lake,
        str(path),
        path.name[:10],
        content_sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        size_bytes=path.stat().st_size,
        run_id="test",
        limits=limits(quarantined=max_quarantined_share),
        unpacking=unpacking(),
    )


def assert_ledger_is_foretold(lake: Lake, drop: SimulatedDrop) -> None:
    mark = ledger(lake)[drop.drop]
    assert mark["rows_read"] == drop.rows_read
    assert mark["rows_clean"] == drop.rows_clean
    assert mark["blank_lines"] == drop.blank_lines
    assert mark["comment_lines"] == drop.comment_lines + 1
    assert mark["frauds"] == drop.frauds
    assert {r: mark[f"rejected_{r}"] for r in drop.rejected} == drop.rejected
    assert {r: mark[f"repaired_{r}"] for r in drop.repaired} == drop.repaired


def assert_truth_holds(lake: Lake, drop: SimulatedDrop) -> None:
    """Assert that each injected line is where it belongs, and nothing else is quarantined."""
    assert drop.truth_path is not None
    truth = pq.read_table(drop.truth_path).to_pylist()
    of_drop = [("drop", "=", drop.drop)]
    columns = lake.read_arrow(TRANSACTIONS, of_drop, _CONTENTS).to_pydict()
    clean = dict(zip(columns["transaction_id"], zip(*columns.values(), strict=True), strict=True))
    quarantined = Counter(
        (row["reason"], tuple(row["reasons"]), row["raw_line"])
        for row in lake.read_arrow(QUARANTINE, of_drop).to_pylist()
    )
    expected: Counter[tuple[str, tuple[str, ...], bytes]] = Counter()
    for row in truth:
        if row["disposition"] == "clean":
            assert clean[row["transaction_id"]] == tuple(row[name] for name in _CONTENTS)
        elif row["disposition"] == "quarantine":
            expected[row["reason"], tuple(row["reasons"]), row["raw_line"]] += 1
    assert quarantined == expected
    assert {row["disposition"] for row in truth} == {"clean", "quarantine", "blank", "comment"}


def check_simulated(
    spark: SparkSession, lake: Lake, folder: Path, config: SimulationConfig
) -> None:
    drops = simulate_drops(config, folder / "landing", folder / "truth")
    for drop in drops:
        publish(spark, lake, drop.path)
    for drop in drops:
        assert_ledger_is_foretold(lake, drop)
        assert_truth_holds(lake, drop)
    texts = {drop.drop: drop.path.read_bytes() for drop in drops}
    assert_equals_oracle(lake, oracle.clean_drops(texts))


def test_simulated_dirty_drops_equal_oracle_and_truth(
    spark: SparkSession, lake: Lake, tmp_path: Path
) -> None:
    config = SimulationConfig(
        customers=500,
        terminals=300,
        days=20,
        drop_days=10,
        dirt=DirtRates().scaled(3000),
        layout=DropLayout(header="commas", crlf=True, byte_order_mark=True, final_newline=False),
    )
    check_simulated(spark, lake, tmp_path, config)


@pytest.mark.slow
def test_two_million_dirty_rows_equal_oracle_and_truth(
    spark: SparkSession, lake: Lake, tmp_path: Path
) -> None:
    config = SimulationConfig(
        customers=35_000,
        terminals=10_000,
        first_day=date(2019, 8, 22),
        days=35,
        dirt=DirtRates().scaled(500),
    )
    check_simulated(spark, lake, tmp_path, config)
    assert ledger(lake)["2019-08-22"]["rows_read"] >= 2_000_000


@pytest.mark.real_drops
def test_the_real_drops_have_their_known_counts(
    spark: SparkSession, lake: Lake, real_drops: Path
) -> None:
    for drop, (rows, zero_amounts, frauds) in KNOWN_COUNTS.items():
        (path,) = real_drops.glob(f"{drop}.txt*")
        publish(spark, lake, path, max_quarantined_share=0.01)
        mark = ledger(lake)[drop]
        assert (mark["rows_read"], mark["frauds"]) == (rows, frauds)
        assert mark["rejected_non_positive_amount"] == mark["rows_quarantined"] == zero_amounts
        assert mark["rows_clean"] == rows - zero_amounts
        assert mark["repaired_midnight_24h"] == mark["repaired_rounded_amount"] == 0
        assert mark["status"] == "published"
