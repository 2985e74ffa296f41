"""Dagster's home folder: its `dagster.yaml`, one for a laptop and one for a server, and variables.

Here: choosing and writing the file (`instance/laptop.yaml`, `instance/server.yaml`), the workspace
of a server, and the variables that the file names, so that no secret is ever written.
Not here: starting Dagster (`adapters.services.laptop`, `adapters.services.server`), what it loads
(`fraud_platform.definitions`).
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
    """Return what every process that opens the Dagster instance needs in its environment."""
    variables = {"DAGSTER_HOME": str(settings.dagster_home), "DAGSTER_DISABLE_TELEMETRY": "yes"}
    if settings.dagster_storage_url is not None:
        variables[STORAGE_VARIABLE] = url_with_password(
            settings.dagster_storage_url, settings.dagster_storage_password
        )
    return variables


def write_dagster_yaml(settings: Settings) -> Path:
    """Write the instance's file, a server's where Postgres is set; a person's own is kept."""
    kind = "laptop" if settings.dagster_storage_url is None else "server"
    text = _MARK + (_INSTANCES / f"{kind}.yaml").read_text()
    return _write(settings.dagster_home / "dagster.yaml", text)


def write_workspace(settings: Settings) -> Path:
    """Write where a server's processes find the code server, unless it is a person's own."""
    text = (
        _MARK + "load_from:\n  - grpc_server:\n      host: 127.0.0.1\n"
        f"      port: {settings.code_server_port}\n      location_name: fraud_platform\n"
    )
    return _write(settings.dagster_home / "workspace.yaml", text)


def enter_dagster_home(settings: Settings) -> None:
    """Make this process find the Dagster instance of these settings.

    Raises:
        Outage: Postgres does not answer.
        SettingsError: Postgres refuses the user, the password or the database.
    """
    require_dagster_storage(settings)
    write_dagster_yaml(settings)
    os.environ.update(dagster_variables(settings))


def require_dagster_storage(settings: Settings) -> None:
    """Look whether Dagster's database can be used, where it is a server's; raises as above."""
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
        # several processes of a server write the same text at their start
        part = path.with_name(f"{path.name}.{os.getpid()}.tmp")
        part.write_text(text)
        part.replace(path)
    return path
