"""The units of a server: systemd takes them, and they start what the platform has."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fraud_platform.cli.commands import app
from fraud_platform.operations.services.server import PROGRAMS
from fraud_platform.settings import Settings
from fraud_platform.settings.secrets import FILE_SUFFIX, secret_names, variable
from fraud_platform_tests.testing.worlds.server import DEPLOY, PROGRAM, ROOT, unit

UNITS = sorted(path.name for path in (DEPLOY / "systemd").iterdir())
SERVICES = [name for name in UNITS if name.endswith(".service")]


def test_systemd_takes_every_unit(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd is not installed (Debian: apt-get install systemd)")
    for path in (DEPLOY / "systemd").iterdir():
        there = path.read_text().replace(PROGRAM, sys.executable)
        (tmp_path / path.name).write_text(there)
    command = ["systemd-analyze", "verify", "--man=no", *(str(tmp_path / name) for name in UNITS)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    (tmp_path / UNITS[0]).write_text("[Service]\nExecStart=/no/such/program\nRestrat=always\n")
    broken = subprocess.run(command, check=False, capture_output=True, text=True)
    assert "Restrat" in broken.stderr


@pytest.mark.parametrize("name", SERVICES)
def test_a_unit_starts_a_command_that_there_is(name: str) -> None:
    program, command, *words = unit(name)["Service"]["ExecStart"].split()
    assert program == PROGRAM
    if command == "serve":
        assert words[0] in PROGRAMS
    shown = CliRunner().invoke(app, [command, "--help"])
    assert shown.exit_code == 0, shown.output


def test_every_program_has_a_unit_and_the_target_wants_those_that_all_need() -> None:
    started = {unit(name)["Service"]["ExecStart"].split(" ", 1)[1] for name in SERVICES}
    assert started == {f"serve {name}" for name in PROGRAMS} | {"score --follow"}
    wanted = set(unit("fraud.target")["Unit"]["Wants"].split())
    assert set(SERVICES) - wanted == {"fraud-follow.service", "fraud-kafka.service"}


def test_the_environment_file_sets_settings_only_and_holds_no_secret() -> None:
    secrets = {variable(name) for name in secret_names(Settings.model_fields)}
    known = {variable(name) for name in Settings.model_fields} - secrets
    known |= {name + FILE_SUFFIX for name in secrets}
    lines = (DEPLOY / "platform.env").read_text().splitlines()
    named = {line.split("=")[0] for line in lines if line and not line.startswith("#")}
    assert named - known == set()


def test_the_page_tells_of_every_unit_and_names_files_that_there_are() -> None:
    page = (ROOT / "docs" / "server.md").read_text()
    assert [n for n in SERVICES if f"`{n.removesuffix('.service')}`" not in page] == []
    for path in (
        "deploy/platform.env",
        "deploy/systemd",
        "fraud_platform/operations/services/instance",
    ):
        assert path in page
        assert (ROOT / path).exists()
