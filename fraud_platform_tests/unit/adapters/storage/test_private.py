"""Who may read what the platform writes on a disk of this machine."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from fraud_platform.adapters.storage.private import keep_private
from fraud_platform.adapters.storage.zones import open_zone
from fraud_platform.settings import Settings


@pytest.fixture(autouse=True)
def umask_of_a_laptop() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_home_of_an_earlier_version_is_closed_and_new_files_are_the_owners_alone(
    tmp_path: Path,
) -> None:
    settings = Settings(home=tmp_path / "home", raw_url=str(tmp_path / "raw"))
    for folder in (settings.home, Path(settings.raw), Path(settings.lake)):
        folder.mkdir(parents=True)
    keep_private(settings)
    assert {mode(Path(p)) for p in (settings.home, settings.raw, settings.lake)} == {0o700}
    zone = open_zone(settings.raw, create=True)
    zone.put("a.json", b"{}")
    sink = zone.begin("2018-04-01.txt")
    sink.write(b"a customer's row")
    sink.publish()
    files = list(Path(settings.raw).iterdir())
    assert len(files) == 2
    assert {mode(path) for path in files} == {0o600}


def test_the_umask_of_a_unit_stays_and_its_group_may_read(tmp_path: Path) -> None:
    os.umask(0o027)
    settings = Settings(home=tmp_path / "home")
    settings.home.mkdir(mode=0o755)
    settings.home.chmod(0o2755)
    keep_private(settings)
    assert mode(settings.home) == 0o2750
    assert os.umask(0o027) == 0o027


def test_landing_outside_of_the_home_and_folders_that_are_not_there_are_left_alone(
    tmp_path: Path,
) -> None:
    landing = tmp_path / "landing"
    landing.mkdir()
    landing.chmod(0o775)
    keep_private(Settings(home=tmp_path / "home", landing_url=str(landing)))
    assert mode(landing) == 0o775
    assert not (tmp_path / "home").exists()


def test_the_command_line_and_dagster_keep_files_private(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fraud_platform.cli.entry import enter
    from fraud_platform.defs.assembly import assemble

    monkeypatch.setenv("FRAUD_HOME", str(tmp_path / "home"))
    settings = enter()
    assert os.umask(0o022) == 0o077
    assemble(settings)
    assert os.umask(0o022) == 0o077
