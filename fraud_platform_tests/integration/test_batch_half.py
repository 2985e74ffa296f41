"""The batch half end to end: what is asked for, on real Spark, Delta and MLflow."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from fraud_platform.adapters.models.registry import CHAMPION
from fraud_platform.adapters.tables.row_counts import rows_by_partition
from fraud_platform.calendar.due import watermark
from fraud_platform.contracts.model_tables import AB_REPORT
from fraud_platform.contracts.tables import CLEANING_LEDGER
from fraud_platform.defs.commands.run_due import run_due_jobs
from fraud_platform.errors import PromotionError
from fraud_platform.operations.models.decisions import read_history, rollback
from fraud_platform.operations.models.registry import registry_of
from fraud_platform.operations.models.reproduction import reproduce
from fraud_platform.operations.platform_state import read_drop_days
from fraud_platform.promotion.history import alias_target
from fraud_platform.simulation import DirtRates, SimulationConfig, simulate_drops
from fraud_platform.tables.features import TRANSACTION_FEATURES
from fraud_platform_tests.testing.worlds.platform import Platform

CONFIG = SimulationConfig(
    customers=1_200,
    terminals=1_000,
    days=54,
    drop_days=27,
    dirt=DirtRates().scaled(200),
    compromised_terminals_per_day=1,
    compromised_customers_per_day=3,
)


@pytest.fixture
def drained(platform: Platform, spark: SparkSession) -> Platform:
    """Two simulated drops, and everything that follows from them."""
    platform.choose(catch_up_weeks=2)
    simulate_drops(CONFIG, platform.landing, None)
    (platform.landing / "_SUCCESS").touch()
    runs = run_due_jobs(platform.defs, platform.instance)
    assert [(r.job_name, r.error) for r in runs if not r.success] == []
    return platform


def test_drops_become_decisions_unattended_and_nothing_is_due_afterwards(drained: Platform) -> None:
    lake, registry = drained.lake, registry_of(drained.settings)

    ledger = lake.read_arrow(CLEANING_LEDGER).to_pylist()
    assert [row["status"] for row in sorted(ledger, key=lambda r: r["drop"])] == ["published"] * 2
    days = read_drop_days(lake)
    assert sum(day.rows for day in days) == sum(row["rows_clean"] for row in ledger)
    # a 24:00:00 of the last day lies beyond the watermark: kept, its day built when data reaches it
    end = watermark(days)
    assert end is not None
    complete = sum(day.rows for day in days if day.day < end)
    assert sum(rows_by_partition(lake, TRANSACTION_FEATURES, "tx_date").values()) == complete

    decided = [row.knowledge_date for row in read_history(lake)]
    # data ends before 2018-05-25; the last two Mondays with 7 days of training before D - 21 d
    assert decided == [date(2018, 5, 14), date(2018, 5, 21)]
    champion = alias_target(read_history(lake))
    assert champion is not None, [row.reason for row in read_history(lake)]
    assert registry.alias(CHAMPION) == int(champion)
    reports = {row["knowledge_date"] for row in lake.read_arrow(AB_REPORT).to_pylist()}
    assert reports == set(decided)

    assert run_due_jobs(drained.defs, drained.instance) == []
    _a_model_can_be_made_again(drained)
    _a_rollback_needs_somebody_to_go_back_to(drained)


def _a_model_can_be_made_again(platform: Platform) -> None:
    """The same date and table versions give the same model, bit for bit."""
    version = registry_of(platform.settings).versions()[-1].version
    result = reproduce(platform.settings, version)
    assert result.is_equal, result
    assert result.found == result.expected


def _a_rollback_needs_somebody_to_go_back_to(platform: Platform) -> None:
    history = read_history(platform.lake)
    champions = {row.champion_after for row in history} - {None}
    if len(champions) == 1:
        with pytest.raises(PromotionError, match="there was no champion before"):
            rollback(platform.settings, "tester", "drill")
    else:
        rollback(platform.settings, "tester", "drill")
        registry = registry_of(platform.settings)
        assert registry.alias(CHAMPION) == int(alias_target(read_history(platform.lake)) or 0)


def test_a_home_without_drops_asks_for_nothing(platform: Platform) -> None:
    Path(platform.landing).mkdir(parents=True)
    assert run_due_jobs(platform.defs, platform.instance) == []
