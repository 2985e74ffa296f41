"""The services of a laptop: Kafka, Spark, Dagster (UI, daemon, code server) and the MLflow UI.

Here: their commands and settings, starting and stopping both, in the background or in front.
Not here: processes in general (`adapters.processes`), what Dagster loads
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

from fraud_platform.adapters import broker, spark_server
from fraud_platform.adapters.interrupts import stop_requests
from fraud_platform.adapters.processes import (
    HOST,
    Record,
    Service,
    Started,
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
from fraud_platform.errors import ServiceError
from fraud_platform.settings import Settings

START_SECONDS = 180.0
_POLL_SECONDS = 0.3
_MARK = "# Written by fraud-platform. Remove this line to keep a version of your own.\n"
_DAGSTER_YAML = (
    _MARK
    + """\
telemetry: {enabled: false}
nux: {enabled: false}

# A run whose process died is marked failed, and what it held is freed.
run_monitoring:
  enabled: true
  start_timeout_seconds: 300
  poll_interval_seconds: 15
  free_slots_after_run_end_seconds: 30

# Runs are retried where their tags ask for it; assets retry outages by a policy of their own.
run_retries:
  enabled: true
  max_retries: 0
  retry_on_asset_or_op_failure: false

# One writer for each table at a time; a run is a Spark driver, and a laptop bears two.
concurrency:
  pools: {default_limit: 1}
  runs: {max_concurrent_runs: 2}
"""
)


def services(settings: Settings) -> list[Service]:
    """Return the services that these settings ask for; what is elsewhere is not started here."""
    kafka = [] if settings.kafka_bootstrap else [broker.service(settings)]
    if settings.spark_server:
        kafka.append(spark_server.service(settings))
    environment = {
        **settings.environment,
        "DAGSTER_HOME": str(settings.dagster_home),
        "DAGSTER_DISABLE_TELEMETRY": "yes",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "PYTHONUNBUFFERED": "1",
    }
    dagster = Service(
        "dagster",
        _python("dagster", "dev", "-m", "fraud_platform.definitions", port=settings.dagster_port),
        settings.dagster_port,
        "/server_info",
        environment,
    )
    if settings.mlflow.startswith(("http://", "https://")):
        return [*kafka, dagster]
    mlflow = Service(
        "mlflow",
        _python("mlflow", "server", "--workers", "1", port=settings.mlflow_port),
        settings.mlflow_port,
        "/health",
        # In the environment, since a command line shows its password to everybody.
        {**environment, "MLFLOW_BACKEND_STORE_URI": settings.mlflow},
    )
    return [*kafka, dagster, mlflow]


def _python(*command: str, port: int) -> tuple[str, ...]:
    python = (sys.executable, "-W", "ignore", "-m")
    return (*python, *command, "--host", HOST, "--port", str(port))


def write_dagster_yaml(settings: Settings) -> Path:
    """Write the Dagster instance's settings for one machine, unless somebody wrote their own."""
    path = settings.dagster_home / "dagster.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    written = path.read_text() if path.exists() else None
    if written is None or (written.startswith(_MARK) and written != _DAGSTER_YAML):
        path.with_suffix(".tmp").write_text(_DAGSTER_YAML)
        path.with_suffix(".tmp").replace(path)
    return path


def up(settings: Settings) -> Iterator[str]:
    """Start in the background what does not run yet; yield lines that say what happens.

    Raises:
        ServiceError: one that runs does not answer, a port is taken, or one does not come up (then
            none that this call started stays).
    """
    with _only_one(settings):
        running = {record.name: record for record in read_records(run_folder(settings))}
        for service in services(settings):
            if record := running.get(service.name):
                _require_healthy(service, record)
                _require_same_spark(settings, record)
                yield f"{record.name:<8} runs already on {record.url}, process {record.pid}"
        yield from _start_all(settings, [], set(running))
    yield f"Logs are in {_log_folder(settings)}; `fraud-platform down` stops them."


def down(settings: Settings) -> Iterator[str]:
    """Stop what `up` or `dev` started, and all its children; yield lines that say what happens."""
    with _only_one(settings):
        records = read_records(run_folder(settings))
        for record in records:
            stop(record, run_folder(settings))
            yield f"{record.name} stopped"
    if not records:
        yield "nothing runs"


def status(settings: Settings) -> list[str]:
    """Say which services run, where, since when."""
    records = {record.name: record for record in read_records(run_folder(settings))}
    lines = []
    for service in services(settings):
        record = records.get(service.name)
        if record is None:
            lines.append(f"{service.name:<8} does not run")
            continue
        answers = "answers" if is_healthy(service) else "does not answer"
        minutes = (time.time() - record.started_at) / 60
        lines.append(
            f"{service.name:<8} {answers} on {record.url}, process {record.pid}, "
            f"for {minutes:.0f} min, log {record.log}"
        )
    named = {service.name for service in services(settings)}
    lines += [
        f"{r.name:<8} runs on {r.url}, process {r.pid}, log {r.log}"
        for r in records.values()
        if r.name not in named
    ]
    return lines


def dev(settings: Settings, say: Callable[[str], None] = print) -> None:
    """Run the services in front until Ctrl-C or SIGTERM, then stop them and all their children.

    Raises:
        ServiceError: they run already, a port is taken, or one ended by itself.
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
    """Look whether what runs answers too."""
    if not is_healthy(replace(service, port=record.port)):
        raise ServiceError(
            f"{record.name}: expected an answer on {record.url}, found none; process {record.pid} "
            f"lives. Its log is {record.log}. Stop it with fraud-platform down, then start again."
        )


def _require_same_spark(settings: Settings, record: Record) -> None:
    """Look whether the runs of a Dagster that runs already use the warm server, if one is wanted.

    Raises:
        ServiceError: they would go on starting a JVM each.
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
        raise ServiceError(f"{named} already run. Stop them first: fraud-platform down")


def _start_all(
    settings: Settings, started: list[Started], running: Collection[str] = ()
) -> Iterator[str]:
    """Start all services that do not run, or none, adding each to `started`."""
    run, logs = run_folder(settings), _log_folder(settings)
    wanted = [service for service in services(settings) if service.name not in running]
    if not wanted:
        return
    write_dagster_yaml(settings)
    (settings.home / "mlflow").mkdir(parents=True, exist_ok=True)
    yield "Starting " + " and ".join(service.name for service in wanted) + " ..."
    try:
        for service in wanted:
            started.append(start(service, run, logs))
        for one in started:
            wait_until_healthy(one, START_SECONDS)
            yield f"{one.service.name:<8} {one.service.url}"
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
    """Tell a service that `down` stopped, or is stopping, from one that ended by itself."""
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
    """Keep two starts or stops from crossing."""
    run_folder(settings).mkdir(parents=True, exist_ok=True)
    with (run_folder(settings) / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ServiceError(
                "another fraud-platform command starts or stops the services. Try again then."
            ) from None
        yield


def run_folder(settings: Settings) -> Path:
    """Return where the records of running services are kept."""
    return settings.home / "run"


def _log_folder(settings: Settings) -> Path:
    return settings.home / "logs"
