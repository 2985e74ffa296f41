"""Releasing a held drop from the command line: what is held is cleaned, and nothing is copied."""

from __future__ import annotations

from contextlib import nullcontext

import dagster as dg
import pytest
from pyspark.sql import SparkSession

from fraud_platform.contracts.tables import CLEANING_LEDGER
from fraud_platform.defs.commands import batch as operator
from fraud_platform.defs.commands.run_due import FinishedRun, execute, run_due_jobs
from fraud_platform.errors import NotHeldError
from fraud_platform_tests.oracles.nasty_lines import HEADER
from fraud_platform_tests.testing.worlds.platform import Platform

NAME, DROP = "2018-04-01.txt", "2018-04-01"
ROW = b"%d,2018-04-01 00:00:31,596,3156,57.16,31,0,0,0\n"
HELD = HEADER + b"\n" + ROW % 1 + b"bad\n"


@pytest.fixture
def held(platform: Platform, spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> Platform:
    platform.arrive(NAME, HELD)
    run_due_jobs(platform.defs, platform.instance)
    monkeypatch.setattr("fraud_platform.definitions.defs", platform.defs)
    monkeypatch.setattr(operator, "open_instance", lambda _: nullcontext(platform.instance))
    return platform


def accept(platform: Platform, why: str) -> FinishedRun:
    return operator.accept_drop(platform.settings, DROP, why)


def status(platform: Platform) -> tuple[str, int]:
    (row,) = platform.lake.read_arrow(CLEANING_LEDGER).to_pylist()
    return row["status"], row["rows_read"]


def test_accepting_cleans_what_is_held_whatever_landing_holds(held: Platform) -> None:
    assert status(held) == ("held", 2)
    (held.landing / NAME).write_bytes(HEADER + b"\n" + ROW % 7 + b"8,2018-0")
    run = accept(held, "the bad row is known")
    assert run.success, run.error
    assert status(held) == ("published", 2)
    runs = len(held.instance.get_runs())
    with pytest.raises(NotHeldError, match=r"found that it is published since .* the bad row is"):
        accept(held, "once more")
    assert len(held.instance.get_runs()) == runs


def test_a_drop_that_never_came_cannot_be_accepted(held: Platform) -> None:
    with pytest.raises(
        NotHeldError,
        match=r"drop 2018-05-01: .* found no cleaned drop of that name\. Held now: 2018-04-01",
    ):
        operator.accept_drop(held.settings, "2018-05-01", "a slip")


def test_two_files_of_a_drop_in_landing_are_not_chosen_from(held: Platform) -> None:
    (held.landing / f"{NAME}.gz").write_bytes(b"another")
    run = execute(held.defs, held.instance, "load_drop", dg.RunRequest(partition_key=DROP))
    assert not run.success
    assert "expected one file for drop 2018-04-01, found 2" in str(run.error)
