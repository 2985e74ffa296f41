"""What Dagster does with the platform's errors: outages are retried, data errors are not."""

from collections.abc import Callable, Iterator
from typing import cast

import dagster as dg
import pytest

from fraud_platform.defs import failures
from fraud_platform.defs.deployment import SettingsResource
from fraud_platform.defs.failures import ERROR_TAG, FAILURE_TAG, OUTAGE_RETRIES, stop_or_retry
from fraud_platform.errors import DropHeaderError, Outage, SettingsError
from fraud_platform.settings import Settings
from fraud_platform_tests.testing.worlds.platform import run_of


def run(instance: dg.DagsterInstance, body: Callable[[], object]) -> dg.ExecuteInProcessResult:
    @dg.asset
    @stop_or_retry
    def thing(
        context: dg.AssetExecutionContext, settings: SettingsResource
    ) -> dg.MaterializeResult[None]:
        return cast("dg.MaterializeResult[None]", body())

    resources = {"settings": Settings()}
    return dg.materialize([thing], instance=instance, resources=resources, raise_on_error=False)


@pytest.fixture
def instance(monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    monkeypatch.setattr(failures, "FIRST_WAIT_SECONDS", 0.01)
    with dg.DagsterInstance.ephemeral() as made:
        yield made


def test_a_data_error_stops_at_once_and_says_what_to_do(instance: dg.DagsterInstance) -> None:
    calls = []

    def body() -> None:
        calls.append(1)
        raise DropHeaderError("expected 9 columns, found 8. Fix the file.")

    result = run(instance, body)
    assert not result.success
    assert len(calls) == 1
    (failed,) = [e for e in result.all_events if e.is_step_failure]
    user_failure = failed.step_failure_data.user_failure_data
    assert user_failure is not None
    assert "expected 9 columns" in str(user_failure.description)
    tags = run_of(instance, result.run_id).tags
    assert tags[FAILURE_TAG] == "data"
    assert tags[ERROR_TAG] == "DropHeaderError: expected 9 columns, found 8. Fix the file."


def test_an_asset_without_the_settings_is_refused_when_it_is_declared() -> None:
    with pytest.raises(TypeError, match="expected a parameter `settings"):

        @stop_or_retry
        def thing(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
            return dg.MaterializeResult()


def test_an_error_while_results_are_made_is_noted_too(instance: dg.DagsterInstance) -> None:
    def body() -> Iterator[dg.MaterializeResult[None]]:
        yield dg.MaterializeResult()
        raise Outage("the store does not answer.")

    result = run(instance, body)
    assert not result.success
    tags = run_of(instance, result.run_id).tags
    assert (tags[FAILURE_TAG], tags[ERROR_TAG]) == ("outage", "Outage: the store does not answer.")


def test_an_error_that_nobody_expected_is_noted_with_its_first_line(
    instance: dg.DagsterInstance,
) -> None:
    def body() -> None:
        raise ValueError("nobody expected\nthis \x1b[31mtext")

    result = run(instance, body)
    tags = run_of(instance, result.run_id).tags
    assert (tags[FAILURE_TAG], tags[ERROR_TAG]) == ("error", "ValueError: nobody expected")


def test_a_full_disk_is_retried_though_no_adapter_met_it(instance: dg.DagsterInstance) -> None:
    calls = []

    def body() -> dg.MaterializeResult[None]:
        calls.append(1)
        if len(calls) == 1:
            raise OSError(28, "No space left on device", "/tmp/scratch")
        return dg.MaterializeResult()

    assert run(instance, body).success
    assert len(calls) == 2


def test_a_refused_setting_is_no_data_error(instance: dg.DagsterInstance) -> None:
    def body() -> None:
        raise SettingsError("the token is refused")

    result = run(instance, body)
    assert run_of(instance, result.run_id).tags[FAILURE_TAG] == "access"


def test_an_outage_is_retried_and_may_recover(instance: dg.DagsterInstance) -> None:
    calls = []

    def body() -> dg.MaterializeResult[None]:
        calls.append(1)
        if len(calls) < 3:
            raise Outage("the store does not answer.")
        return dg.MaterializeResult()

    assert run(instance, body).success
    assert len(calls) == 3


def test_an_outage_that_lasts_ends_after_a_bounded_number_of_retries(
    instance: dg.DagsterInstance,
) -> None:
    calls = []

    def body() -> None:
        calls.append(1)
        raise Outage("the store does not answer.")

    result = run(instance, body)
    assert not result.success
    assert len(calls) == OUTAGE_RETRIES + 1
    assert run_of(instance, result.run_id).tags[FAILURE_TAG] == "outage"
