"""`fraud-platform retry`: what failed is requested at once, because a person fixed its cause."""

from __future__ import annotations

import dagster as dg
import pytest
from typer.testing import CliRunner

from fraud_platform.cli.commands import app
from fraud_platform.defs.automation.requests import ask, turn_of
from fraud_platform.defs.commands.batch import open_instance
from fraud_platform.defs.failures import FAILURE_TAG
from fraud_platform.errors import NothingToDoError
from fraud_platform_tests.testing.worlds.platform import Platform

REQUEST = "drop:2018-05-01:abc"


def test_it_lets_the_failed_request_be_asked_for_and_refuses_everything_else(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", "set by the command, put back by the test")
    with open_instance(platform.settings) as instance:
        asked = ask(instance, REQUEST, "drop 2018-05-01")
        assert isinstance(asked, dg.RunRequest)
        run = instance.add_run(
            dg.DagsterRun(
                "load_drop",
                tags={**asked.tags, FAILURE_TAG: "data"},
                status=dg.DagsterRunStatus.FAILURE,
            )
        )
        assert turn_of(instance, REQUEST, "it").attempt is None
        result = CliRunner().invoke(app, ["retry", "drop:2018-05-01"])
        assert result.exit_code == 0, result.exception
        turn = turn_of(instance, REQUEST, "it")
        assert (turn.attempt, turn.problem) == (2, None)

        unknown = CliRunner().invoke(app, ["retry", "drop:2018-06-01"]).exception
        assert isinstance(unknown, NothingToDoError)
        assert "found none of that name" in str(unknown)

        instance.delete_run(run.run_id)
        instance.add_run(
            dg.DagsterRun("load_drop", tags=asked.tags, status=dg.DagsterRunStatus.STARTED)
        )
        going = CliRunner().invoke(app, ["retry", "drop:2018-05-01"]).exception
        assert isinstance(going, NothingToDoError)
        assert "under way" in str(going)
