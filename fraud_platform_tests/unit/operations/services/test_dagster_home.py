"""Dagster's home: one file for a laptop, one for a server, no secret in either."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy import make_url

from fraud_platform.operations.services.dagster_home import (
    STORAGE_VARIABLE,
    dagster_variables,
    write_dagster_yaml,
    write_workspace,
)
from fraud_platform.settings import Settings

SERVER: dict[str, Any] = {
    "dagster_storage_url": "postgresql://fraud@db:5433/dagster?sslmode=require",
    "dagster_storage_password": "p@ss:w/rd %",
}


def test_the_file_is_renewed_but_a_persons_own_is_kept(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    path = write_dagster_yaml(settings)
    current = path.read_text()
    path.write_text(current.replace("max_retries: 0", "max_retries: 7"))
    assert write_dagster_yaml(settings).read_text() == current
    own = "telemetry: {enabled: false}\n"
    path.write_text(own)
    assert write_dagster_yaml(settings).read_text() == own


def test_postgres_makes_it_a_servers_and_the_url_comes_from_the_environment(tmp_path: Path) -> None:
    laptop, server = Settings(home=tmp_path), Settings(home=tmp_path, **SERVER)
    assert "storage" not in yaml.safe_load(write_dagster_yaml(laptop).read_text())
    written = write_dagster_yaml(server).read_text()
    assert yaml.safe_load(written)["storage"] == {
        "postgres": {"postgres_url": {"env": STORAGE_VARIABLE}}
    }
    assert "p@ss" not in written
    assert STORAGE_VARIABLE not in dagster_variables(laptop)
    url = make_url(dagster_variables(server)[STORAGE_VARIABLE])
    assert (url.drivername, url.username, url.password) == (
        "postgresql+psycopg2",
        "fraud",
        "p@ss:w/rd %",
    )
    assert (url.host, url.port, url.database) == ("db", 5433, "dagster")
    assert url.query == {"sslmode": "require", "connect_timeout": "5"}


@pytest.mark.parametrize("chosen", [{}, SERVER])
def test_dagster_takes_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chosen: dict[str, Any]
) -> None:
    """Every key is one that this Dagster knows, and both machines limit pools and retries."""
    from dagster._config import process_config
    from dagster._core.instance.config import dagster_instance_config_schema

    settings = Settings(home=tmp_path, **chosen)
    path = write_dagster_yaml(settings)
    for name, value in dagster_variables(settings).items():
        monkeypatch.setenv(name, value)
    written = yaml.safe_load(path.read_text())
    checked = process_config(dagster_instance_config_schema(), written)
    assert checked.success, checked.errors
    assert written["concurrency"]["pools"] == {"default_limit": 1}
    assert written["run_monitoring"]["enabled"]
    assert written["run_retries"]["retry_on_asset_or_op_failure"] is False
    assert set(written["retention"]) == {"sensor", "schedule"}


def test_a_servers_processes_find_the_code_server(tmp_path: Path) -> None:
    path = write_workspace(Settings(home=tmp_path, code_server_port=4123))
    (entry,) = yaml.safe_load(path.read_text())["load_from"]
    assert entry["grpc_server"]["port"] == 4123
    assert entry["grpc_server"]["host"] == "127.0.0.1"
