"""The processes of a server, each run in the foreground by one systemd unit.

Here: their commands and environments; secrets are only in the environments.
Not here: a laptop's services, which are started and stopped together
(`operations.services.laptop`); the units (`deploy/`); the installation (`docs/server.md`).
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NoReturn

from fraud_platform.adapters.services.postgres import require_postgres, url_with_password
from fraud_platform.adapters.services.processes import HOST
from fraud_platform.errors import Outage, SettingsError
from fraud_platform.operations.services.dagster_home import (
    dagster_variables,
    require_dagster_storage,
    write_dagster_yaml,
    write_workspace,
)
from fraud_platform.settings import Settings


@dataclass(frozen=True)
class Program:
    """A program to execute: its command, and variables added to the environment."""

    command: tuple[str, ...]
    environment: Mapping[str, str]


def code_server(settings: Settings) -> Program:
    """Return the code server, which serves the platform's definitions and starts the runs."""
    port = str(settings.code_server_port)
    module = ("-m", "fraud_platform.definitions")
    command = ("dagster", "api", "grpc", *module, "--host", HOST, "--port", port)
    return _dagster(settings, command)


def webserver(settings: Settings) -> Program:
    """Return the Dagster UI; it loads the definitions from the code server."""
    workspace = str(write_workspace(settings))
    port = str(settings.dagster_port)
    command = ("dagster_webserver", "--host", HOST, "--port", port, "--workspace", workspace)
    return _dagster(settings, command)


def daemon(settings: Settings) -> Program:
    """Return the Dagster daemon: schedules, sensors, the run queue, run monitoring, retention."""
    workspace = str(write_workspace(settings))
    return _dagster(settings, ("dagster._daemon", "run", "--workspace", workspace))


def mlflow(settings: Settings) -> Program:
    """Return the MLflow server, which stores runs in Postgres and serves artifacts.

    Raises:
        Outage: Postgres does not answer.
        SettingsError: no database is set, or Postgres refuses the login.
    """
    if settings.mlflow_storage_url is None:
        raise SettingsError(
            "FRAUD_MLFLOW_STORAGE_URL: expected MLflow's database in a server's settings, found "
            "none. Set it to postgresql://user@host:port/database (docs/server.md)."
        )
    name = "FRAUD_MLFLOW_STORAGE"
    require_postgres(name, settings.mlflow_storage_url, settings.mlflow_storage_password)
    port = str(settings.mlflow_port)
    command = ("mlflow", "server", "--workers", "2", "--host", HOST, "--port", port)
    return Program(_python(command), mlflow_variables(settings))


def mlflow_variables(settings: Settings) -> dict[str, str]:
    """Return the variables of an MLflow server; not options, because command lines are public."""
    variables = {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_BACKEND_STORE_URI": settings.mlflow,
    }
    if settings.mlflow_storage_url is not None:
        variables["MLFLOW_BACKEND_STORE_URI"] = url_with_password(
            settings.mlflow_storage_url, settings.mlflow_storage_password
        )
        variables["MLFLOW_ARTIFACTS_DESTINATION"] = settings.artifacts
    return variables


def kafka(settings: Settings) -> Program:
    """Prepare and return the embedded Kafka broker, for a server without a Kafka cluster."""
    from fraud_platform.adapters.kafka import broker

    service = broker.service(settings)
    if service.prepare:
        service.prepare()
    return Program(service.command, service.environment)


PROGRAMS: dict[str, Callable[[Settings], Program]] = {
    "code-server": code_server,
    "webserver": webserver,
    "daemon": daemon,
    "mlflow": mlflow,
    "kafka": kafka,
}


def become(settings: Settings, name: str) -> NoReturn:
    """Replace this process by a server's program, which then receives systemd's signals itself.

    Raises:
        Outage: a database does not answer.
        SettingsError: a database refuses the login, or no program has this name.
    """
    if name not in PROGRAMS:
        raise SettingsError(f"serve {name}: expected one of {', '.join(PROGRAMS)}.")
    program = PROGRAMS[name](settings)
    os.execve(program.command[0], program.command, {**os.environ, **program.environment})  # noqa: S606 - the service replaces this process


def make_topics(settings: Settings, wait_seconds: float) -> list[str]:
    """Create the missing topics and return their names.

    Args:
        settings: the settings.
        wait_seconds: retries for this long while Kafka does not answer.

    Raises:
        Outage: Kafka does not answer in time.
    """
    from fraud_platform.adapters.kafka.connection import KafkaConnection
    from fraud_platform.adapters.kafka.topics import Topics
    from fraud_platform.contracts.messages import topic_specs

    topics = Topics(KafkaConnection.from_settings(settings))
    deadline = time.monotonic() + wait_seconds
    try:
        while True:
            try:
                return topics.ensure(topic_specs(settings))
            except Outage:
                if time.monotonic() > deadline:
                    raise
    finally:
        topics.close()


def _dagster(settings: Settings, command: tuple[str, ...]) -> Program:
    require_dagster_storage(settings)
    write_dagster_yaml(settings)
    return Program(_python(command), dagster_variables(settings))


def _python(command: tuple[str, ...]) -> tuple[str, ...]:
    return (sys.executable, "-W", "ignore", "-m", *command)
