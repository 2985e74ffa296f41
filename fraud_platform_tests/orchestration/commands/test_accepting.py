"""A command that has nothing to act on refuses at once, in words, and starts no run."""

from __future__ import annotations

import re
from typing import Any

import dagster as dg
import pytest
from typer.testing import CliRunner

from fraud_platform.cleaning.ledger import write_ledger
from fraud_platform.cli.commands import app
from fraud_platform.contracts.tables import CLEANING_LEDGER
from fraud_platform.defs.commands.batch import open_instance
from fraud_platform.errors import FraudPlatformError, NotHeldError, PromotionError
from fraud_platform_tests.testing.worlds.automation import filled
from fraud_platform_tests.testing.worlds.platform import Platform


@pytest.fixture(autouse=True)
def of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put back after the test what a command sets for its process."""
    monkeypatch.setenv("DAGSTER_HOME", "set by the command")


def ledger(platform: Platform, **rows: dict[str, Any]) -> None:
    made = [
        filled(CLEANING_LEDGER, {"drop": drop.strip("d").replace("_", "-")} | row)
        for drop, row in rows.items()
    ]
    write_ledger(platform.lake, made, {})


def refused(*words: str) -> FraudPlatformError:
    error = CliRunner().invoke(app, [*words, "--why", "a slip"]).exception
    assert isinstance(error, FraudPlatformError), error
    return error


def test_a_published_drop_cannot_be_accepted_and_no_run_is_started(platform: Platform) -> None:
    ledger(
        platform,
        d2018_04_01={"status": "published", "accepted_because": "known dirt"},
        d2018_05_01={"status": "held", "held_because": "2 % quarantined"},
    )
    error = refused("accept", "2018-04-01")
    assert isinstance(error, NotHeldError)
    assert re.fullmatch(
        r"drop 2018-04-01: expected a drop that is held, to accept it, found that it is published "
        r"since \S+ \S+ UTC \(accepted because: known dirt\)\. Held now: 2018-05-01\.",
        str(error),
    ), error
    assert "found no cleaned drop of that name" in str(refused("accept", "2018-06-01"))
    with open_instance(platform.settings) as instance:
        assert instance.get_runs() == []


def test_a_drop_that_is_being_cleaned_cannot_be_accepted(platform: Platform) -> None:
    ledger(platform, d2018_05_01={"status": "held", "held_because": "2 % quarantined"})
    with open_instance(platform.settings) as instance:
        run = dg.DagsterRun(
            "load_drop",
            tags={"dagster/partition": "2018-05-01"},
            status=dg.DagsterRunStatus.STARTED,
        )
        instance.add_run(run)
        assert f"found run {run.run_id[:8]} under way" in str(refused("accept", "2018-05-01"))
        assert len(instance.get_runs()) == 1


def test_without_any_drop_there_is_nothing_to_accept(platform: Platform) -> None:
    assert str(refused("accept", "2018-05-01")).endswith(
        "No drop is held now: there is nothing to accept."
    )


@pytest.mark.parametrize("command", [("approve", "2018-07-02"), ("decline", "2018-07-02")])
def test_a_week_without_a_promotion_that_waits_is_named(
    platform: Platform, command: tuple[str, str]
) -> None:
    error = refused(*command)
    assert isinstance(error, PromotionError)
    assert "2018-07-02" in str(error)
