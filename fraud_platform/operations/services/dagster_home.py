"""Dagster's home folder: `dagster.yaml` for a laptop or a server, and environment variables.

Here: choosing and writing the file (from `instance/laptop.yaml` or `instance/server.yaml`), the
workspace of a server, and the variables that the file refers to, so that no file holds a secret.
Not here: starting Dagster (`operations.services.laptop`, `operations.services.server`), what it
loads (`fraud_platform.definitions`).
"""

from __future__ import annotations

import os
from pathlib import Path

from fraud_platform.adapters.services.postgres import require_postgres, url_with_password
from fraud_platform.settings import Settings

STORAGE_VARIABLE = "DAGSTER_STORAGE_URL"
_INSTANCES = Path(__file__).parent / "instance"
_MARK = "# Written by fraud-platform. Remove this line to keep a version of your own.\n"


def dagster_variables(settings: Settings) -> dict[str, str]:
    """Return the variables of every process that opens the Dagster instance, with secrets."""
    variables = {"DAGSTER_HOME": str(settings.dagster_home), "DAGSTER_DISABLE_TELEMETRY": "yes"}
    if settings.dagster_storage_url is not None:
        variables[STORAGE_VARIABLE] = url_with_password(
            settings.dagster_storage_url, settings.dagster_storage_password
        )
    return variables


def write_dagster_yaml(settings: Settings) -> Path:
    """Write `dagster.yaml`, a server's if Postgres is set, and return its path.

    A file without the platform's mark on the first line is the user's, and is kept.
    """
    kind = "laptop" if settings.dagster_storage_url is None else "server"
    text = _MARK + (_INSTANCES / f"{kind}.yaml").read_text()
    return _write(settings.dagster_home / "dagster.yaml", text)


def write_workspace(settings: Settings) -> Path:
    """Write a server's `workspace.yaml`, which names the code server; a user's file is kept."""
    text = (
        _MARK + "load_from:\n  - grpc_server:\n      host: 127.0.0.1\n"
        f"      port: {settings.code_server_port}\n      location_name: fraud_platform\n"
    )
    return _write(settings.dagster_home / "workspace.yaml", text)


def enter_dagster_home(settings: Settings) -> None:
    """Point this process's environment to the Dagster instance of these settings.

    Raises:
        Outage: Postgres does not answer.
        SettingsError: Postgres refuses the user, the password or the database.
    """
    require_dagster_storage(settings)
    write_dagster_yaml(settings)
    os.environ.update(dagster_variables(settings))


def require_dagster_storage(settings: Settings) -> None:
    """Check Dagster's Postgres database, if one is set.

    Raises:
        Outage: Postgres does not answer.
        SettingsError: Postgres refuses the user, the password or the database.
    """
    if settings.dagster_storage_url is not None:
        require_postgres(
            "FRAUD_DAGSTER_STORAGE",
            settings.dagster_storage_url,
            settings.dagster_storage_password,
        )


def _write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    written = path.read_text() if path.exists() else None
    if written is None or (written.startswith(_MARK) and written != text):
        # Several processes of a server write the same text when they start.
        part = path.with_name(f"{path.name}.{os.getpid()}.tmp")
        part.write_text(text)
        part.replace(path)
    return path
