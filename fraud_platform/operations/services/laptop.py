"""The services of a laptop: Kafka, Spark, Dagster (UI, daemon, code server) and the MLflow UI.

Here: their commands, starting and stopping them together, in the background or the foreground.
Not here: processes in general (`adapters.services.processes`), what Dagster loads
(`fraud_platform.definitions`).
"""

from __future__ import annotations

import fcntl
import sys
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from fraud_platform.adapters.interrupts import stop_requests
from fraud_platform.adapters.kafka import broker
from fraud_platform.adapters.kafka.connection import KafkaConnection
from fraud_platform.adapters.kafka.topics import Topics
from fraud_platform.adapters.services.processes import (
    HOST,
    Record,
    Service,
    Started,
    answers_http,
    environment_of,
    is_healthy,
    log_tail,
    members,
    read_records,
    record_path,
    start,
    stop,
    wait_until_healthy,
)
from fraud_platform.adapters.spark import server as spark_server
from fraud_platform.errors import ServiceError
from fraud_platform.operations.services.dagster_home import dagster_variables, enter_dagster_home
from fraud_platform.operations.services.links import EXPERIMENTS, experiments_page
from fraud_platform.operations.services.server import mlflow_variables
from fraud_platform.settings import Settings

START_SECONDS = 180.0
_POLL_SECONDS = 0.3
_ANSWER_SECONDS = 3.0


def services(settings: Settings) -> list[Service]:
    """Return the services to start; an external Kafka cluster or MLflow server is not included."""
    first = [] if settings.kafka_bootstrap else [broker.service(settings)]
    if settings.spark_server:
        first.append(spark_server.service(settings))
    environment = {
        **settings.environment,
        **dagster_variables(settings),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "PYTHONUNBUFFERED": "1",
    }
    dagster = Service(
        "dagster",
        _python("dagster", "dev", "-m", "fraud_platform.definitions", port=settings.dagster_port),
        settings.dagster_port,
        "/server_info",
        environment,
    )
    if (settings.mlflow_url or "").startswith(("http://", "https://")):
        return [*first, dagster]
    mlflow = Service(
        "mlflow",
        _python("mlflow", "server", "--workers", "1", port=settings.mlflow_port),
        settings.mlflow_port,
        "/health",
        {**environment, **mlflow_variables(settings)},
        page=EXPERIMENTS,
    )
    return [*first, dagster, mlflow]


def _python(*command: str, port: int) -> tuple[str, ...]:
    python = (sys.executable, "-W", "ignore", "-m")
    return (*python, *command, "--host", HOST, "--port", str(port))


def up(settings: Settings) -> Iterator[str]:
    """Start the services that are not running, in the background; yield progress lines.

    Raises:
        ServiceError: a running service does not answer, a port is in use, or a service does not
            start; in the last case all services that this call started are stopped again.
    """
    with _only_one(settings):
        running = {record.name: record for record in read_records(run_folder(settings))}
        for service in services(settings):
            if record := running.get(service.name):
                _require_healthy(service, record)
                _require_same_spark(settings, record)
                where = f"{record.url}{service.page}"
                yield f"{record.name:<8} is already running on {where}, process {record.pid}"
        yield from _start_all(settings, [], set(running))
    yield f"Logs are in {_log_folder(settings)}; `fraud-platform down` stops them."


def down(settings: Settings) -> Iterator[str]:
    """Stop the services of `up` or `dev` and all their child processes; yield progress lines."""
    with _only_one(settings):
        records = read_records(run_folder(settings))
        for record in records:
            stop(record, run_folder(settings))
            yield f"{record.name} stopped"
    if not records:
        yield "no service is running"


def status(settings: Settings) -> list[str]:
    """Return one line for each service: whether it runs and answers, its URL, process and log."""
    records = {record.name: record for record in read_records(run_folder(settings))}
    lines = []
    for service in services(settings):
        record = records.get(service.name)
        if record is None:
            lines.append(_not_started_here(settings, service))
            continue
        answers = "answers" if is_healthy(service) else "does not answer"
        minutes = (time.time() - record.started_at) / 60
        lines.append(
            f"{service.name:<8} {answers} on {record.url}{service.page}, process {record.pid}, "
            f"for {minutes:.0f} min"
        )
    listed = {service.name for service in services(settings)}
    lines += [
        f"{r.name:<8} is running on {r.url}, process {r.pid}"
        for r in records.values()
        if r.name not in listed
    ]
    return lines + [
        f"{name:<8} is not managed here; {'answers' if answers else 'does not answer'} on {where}"
        for name, where, answers in _elsewhere(settings)
        if name not in records
    ]


def _not_started_here(settings: Settings, service: Service) -> str:
    """Return the line of a service that `up` did not start; systemd may manage it."""
    if is_healthy(service):
        return (
            f"{service.name:<8} answers on {service.url}{service.page}; it was not started by `up`"
        )
    if settings.dagster_storage_url is None:
        return f"{service.name:<8} is not running"
    unit = "fraud-webserver" if service.name == "dagster" else f"fraud-{service.name}"
    return (
        f"{service.name:<8} does not answer on {service.url}; systemd manages it: "
        f"systemctl status {unit}"
    )


def _elsewhere(settings: Settings) -> Iterator[tuple[str, str, bool]]:
    """Yield the external services of the settings: name, address, whether each answers."""
    if settings.kafka_bootstrap:
        topics = Topics(KafkaConnection.from_settings(settings))
        yield "kafka", settings.kafka_bootstrap, topics.is_ready(_ANSWER_SECONDS)
        topics.close()
    if (settings.mlflow_url or "").startswith(("http://", "https://")):
        assert settings.mlflow_url is not None
        yield "mlflow", experiments_page(settings), answers_http(settings.mlflow_url)


def dev(settings: Settings, say: Callable[[str], None] = print) -> None:
    """Run the services in the foreground until Ctrl-C or SIGTERM, then stop them.

    Raises:
        ServiceError: services are already running, a port is in use, or a service ended by itself.
    """
    started: list[Started] = []
    with stop_requests() as is_stop_requested:
        try:
            with _only_one(settings):
                _require_none_running(settings)
                for line in _start_all(settings, started):
                    say(line)
                    if is_stop_requested():
                        return
            say("Ctrl-C stops them.")
            while not is_stop_requested():
                if ended := [s for s in started if s.process.poll() is not None]:
                    _require_stopped_by_down(settings, ended[0])
                    return
                time.sleep(_POLL_SECONDS)
        finally:
            if started:
                say("Stopping ...")
                _stop_started(settings, started)


def _require_healthy(service: Service, record: Record) -> None:
    """Raise a ServiceError if a running service does not answer."""
    if not is_healthy(replace(service, port=record.port)):
        raise ServiceError(
            f"{record.name}: expected an answer on {record.url}, found none, but process "
            f"{record.pid} is running. Its log is {record.log}. Stop it with fraud-platform down, "
            "then start again."
        )


def _require_same_spark(settings: Settings, record: Record) -> None:
    """Check that a running Dagster uses the warm Spark server, if the settings have one.

    Raises:
        ServiceError: it was started without the server, so that each of its runs starts a JVM.
    """
    if record.name != "dagster" or not settings.spark_server:
        return
    if not any("FRAUD_SPARK_SERVER" in environment_of(p) for p in members(record.token)):
        raise ServiceError(
            f"dagster: expected its runs to use the Spark server, but process {record.pid} was "
            "started without it. Stop it first (fraud-platform down), then start again."
        )


def _require_none_running(settings: Settings) -> None:
    if running := read_records(run_folder(settings)):
        named = " and ".join(f"{r.name} ({r.url}, process {r.pid})" for r in running)
        raise ServiceError(f"already running: {named}. Stop them first: fraud-platform down")


def _start_all(
    settings: Settings, started: list[Started], running: Collection[str] = ()
) -> Iterator[str]:
    """Start all services that are not running, or none if one fails; add each to `started`."""
    run, logs = run_folder(settings), _log_folder(settings)
    missing = [service for service in services(settings) if service.name not in running]
    if not missing:
        return
    enter_dagster_home(settings)
    (settings.home / "mlflow").mkdir(parents=True, exist_ok=True)
    named = " and ".join(service.name for service in missing)
    yield f"Starting {named} (usually 20 to 60 s; each is named once it answers) ..."
    try:
        for service in missing:
            started.append(start(service, run, logs))  # noqa: PERF401 - those that started are stopped after an error
        for one in started:
            wait_until_healthy(one, START_SECONDS)
            yield f"{one.service.name:<8} {one.service.url}{one.service.page}"
            if one.service.when_ready:
                yield from one.service.when_ready()
    except BaseException:
        _stop_started(settings, started)
        started.clear()
        raise


def _stop_started(settings: Settings, started: list[Started]) -> None:
    for one in started:
        stop(one.record, run_folder(settings))
        one.process.wait(timeout=10)


def _require_stopped_by_down(settings: Settings, ended: Started) -> None:
    """Raise a ServiceError unless `down` stopped, or is stopping, a service that has ended."""
    try:
        with _only_one(settings):
            was_stopped = not record_path(run_folder(settings), ended.service.name).exists()
    except ServiceError:
        was_stopped = True
    if not was_stopped:
        raise ServiceError(
            f"{ended.service.name} ended by itself with code {ended.process.returncode}:\n"
            f"{log_tail(ended.record)}"
        )


@contextmanager
def _only_one(settings: Settings) -> Iterator[None]:
    """Hold the lock that prevents concurrent starts and stops."""
    run_folder(settings).mkdir(parents=True, exist_ok=True)
    with (run_folder(settings) / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ServiceError(
                "another fraud-platform command is starting or stopping the services. Wait until "
                "it has ended, then try again."
            ) from None
        yield


def run_folder(settings: Settings) -> Path:
    """Return the folder with the records of running services."""
    return settings.home / "run"


def _log_folder(settings: Settings) -> Path:
    return settings.home / "logs"
