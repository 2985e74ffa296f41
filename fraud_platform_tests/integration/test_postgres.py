"""Postgres under Dagster and before MLflow: faults said within seconds, the next run whole."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from fraud_platform.adapters.models.registry import ModelRegistry
from fraud_platform.adapters.models.server import Login
from fraud_platform.adapters.services.postgres import require_postgres
from fraud_platform.defs.automation.requests import REQUEST_TAG, SUBJECT_TAG
from fraud_platform.defs.automation.retention import forget_runs
from fraud_platform.defs.commands.batch import open_instance
from fraud_platform.defs.failures import FAILURE_TAG
from fraud_platform.errors import FraudPlatformError, Outage, SettingsError
from fraud_platform.operations.services.server import PROGRAMS
from fraud_platform.settings import Settings
from fraud_platform_tests.testing.ports import free_port
from fraud_platform_tests.testing.servers.postgres import Postgres, running_postgres, silent_server
from fraud_platform_tests.testing.worlds.platform import run_of

pytestmark = pytest.mark.systems
LIMIT_SECONDS = 20.0


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with running_postgres() as server:
        yield server


@pytest.fixture
def settings(postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name in ("DAGSTER_HOME", "DAGSTER_STORAGE_URL", "DAGSTER_DISABLE_TELEMETRY"):
        monkeypatch.setenv(name, "")
    return at(postgres, tmp_path)


def at(postgres: Postgres, home: Path, **changed: object) -> Settings:
    given: dict[str, Any] = {
        "dagster_storage_url": postgres.url("dagster"),
        "dagster_storage_password": postgres.password,
        "mlflow_storage_url": postgres.url("mlflow"),
        "mlflow_storage_password": postgres.password,
    }
    return Settings(home=home, **{**given, **changed})


def message_of(call: Callable[[], object], kind: type[FraudPlatformError], *parts: str) -> str:
    """Return what a call says: one line, of the kind, within the limit."""
    started = time.monotonic()
    with pytest.raises(kind) as caught:
        call()
    seconds = time.monotonic() - started
    output = str(caught.value)
    print(f"{seconds:.1f} s: {output}")
    assert seconds < LIMIT_SECONDS
    assert "\n" not in output
    for part in parts:
        assert part in output, output
    return output


@dg.op
def work() -> int:
    return 1


@dg.job(executor_def=dg.in_process_executor)
def small() -> None:
    work()


def run_small(settings: Settings) -> dg.ExecuteInProcessResult:
    with open_instance(settings) as instance:
        return small.execute_in_process(instance=instance)


def test_runs_and_events_are_kept_in_postgres(settings: Settings, postgres: Postgres) -> None:
    run = run_small(settings)
    assert run.success
    asked = f"SELECT count(*) FROM event_logs WHERE run_id = '{run.run_id}'"
    (events,) = postgres.ask(asked, "dagster")[0]
    assert int(str(events)) > 3
    assert not list(settings.dagster_home.rglob("*.db"))
    with open_instance(settings) as instance:
        assert run_of(instance, run.run_id).is_success
        assert instance.run_retries_enabled
        assert instance.get_concurrency_config().pool_config.default_pool_limit == 1


def test_a_database_that_is_down_is_said_and_the_next_run_is_whole(
    settings: Settings, postgres: Postgres
) -> None:
    postgres.stop()
    try:
        remedy = "Start it, or fix FRAUD_DAGSTER_STORAGE_URL; then run again."
        message_of(lambda: run_small(settings), Outage, "refused", remedy)
        message_of(lambda: PROGRAMS["mlflow"](settings), Outage, "FRAUD_MLFLOW_STORAGE_URL")
    finally:
        postgres.start()
    assert run_small(settings).success


@pytest.mark.parametrize("name", ["daemon", "mlflow"])
@pytest.mark.parametrize(
    ("change", "remedy"),
    [
        ({"password": "wrong-canary"}, "a wrong user or password. Fix {0}_URL or {0}_PASSWORD"),
        ({"url": "nobody@127.0.0.1:{port}/dagster"}, "a wrong user or password"),
        ({"url": "fraud@127.0.0.1:{port}/nothing"}, "no such user or database. Create it"),
    ],
)
def test_what_the_database_refuses_is_said_with_the_setting_to_mend(
    settings: Settings, postgres: Postgres, name: str, change: dict[str, str], remedy: str
) -> None:
    kind = "mlflow" if name == "mlflow" else "dagster"
    value = {k: "postgresql://" + v.format(port=postgres.port) if k == "url" else v
             for k, v in change.items()}  # fmt: skip
    chosen = {f"{kind}_storage_{key}": text for key, text in value.items()}
    wrong = at(postgres, settings.home, **chosen)
    output = message_of(
        lambda: PROGRAMS[name](wrong),
        SettingsError,
        remedy.format(f"FRAUD_{kind.upper()}_STORAGE"),
    )
    assert "canary" not in output
    assert postgres.password not in output


def test_a_database_that_accepts_and_never_answers_is_said() -> None:
    with silent_server() as port:
        url = f"postgresql://fraud@127.0.0.1:{port}/dagster"
        message_of(
            lambda: require_postgres("FRAUD_DAGSTER_STORAGE", url, None),
            Outage,
            "timeout expired",
        )


def test_an_mlflow_server_that_is_down_or_never_answers_is_said() -> None:
    down = ModelRegistry(f"http://127.0.0.1:{free_port()}")
    message_of(down.versions, Outage, "found a refused connection", "Start the MLflow server")
    with silent_server() as port:
        silent = ModelRegistry(f"http://127.0.0.1:{port}", login=None)
        message_of(silent.versions, Outage, "found none within 5 s", "Restart the MLflow server")


def test_an_mlflow_server_that_refuses_the_password_is_said(
    refusing_proxy: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pydantic import SecretStr

    for name in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"):
        monkeypatch.setenv(name, "")
    login = Login("me", SecretStr("hush"))
    registry = ModelRegistry(f"http://127.0.0.1:{refusing_proxy}", login=login)
    output = message_of(
        registry.versions, SettingsError, "a refusal (401)", "FRAUD_MLFLOW_PASSWORD"
    )
    assert "hush" not in output


@pytest.fixture
def refusing_proxy() -> Iterator[int]:
    import http.server
    import threading

    class Refusing(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(401)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        threading.Thread(target=server.serve_forever).start()
        yield server.server_port
        server.shutdown()


@dg.asset(partitions_def=dg.StaticPartitionsDefinition(["a", "b"]))
def parted() -> None:
    """One of two parts."""


def test_old_runs_are_forgotten_but_not_the_last_writers_nor_what_failed_for_its_data(
    settings: Settings,
) -> None:
    later = datetime.now(UTC) + timedelta(days=1)
    with open_instance(settings) as instance:

        def make(partition: str) -> str:
            done = dg.materialize([parted], partition_key=partition, instance=instance)
            return done.run_id

        first, second, other = make("a"), make("a"), make("b")
        small_run = small.execute_in_process(instance=instance).run_id
        failed = small.execute_in_process(instance=instance).run_id
        request = {SUBJECT_TAG: "drop:2018-04-01", REQUEST_TAG: "drop:2018-04-01:content"}
        instance.add_run_tags(failed, {FAILURE_TAG: "data", **request})
        instance.report_run_failed(run_of(instance, failed), "its data is wrong")
        waits = instance.create_run_for_job(small).run_id

        assert forget_runs(instance, datetime.now(UTC) - timedelta(days=1)) == 0
        assert forget_runs(instance, later) >= 2
        kept = {run.run_id for run in instance.get_runs()}
        assert {second, other, failed, waits} <= kept
        assert not {first, small_run} & kept
        assert instance.all_logs(small_run) == []
        assert set(instance.get_materialized_partitions(parted.key)) == {"a", "b"}
        assert forget_runs(instance, later) == 0
