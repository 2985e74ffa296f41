"""Archives of a JVM's classes: which fits, that it is made once, whole or not at all."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from fraud_platform.adapters.jvm.class_archive import ClassArchive
from fraud_platform_tests.testing.waiting import pace


def write(work: Path, option: str) -> None:
    name, path = option.split("=")
    assert name == "-XX:ArchiveClassesAtExit"
    assert Path(path).parent == work
    Path(path).write_bytes(b"classes")


def test_a_command_finds_its_own_archive_again_and_no_other(tmp_path: Path) -> None:
    commands = ("-cp a", "-cp a", "-cp b")
    one, again, other = (ClassArchive(tmp_path, "jvm", command) for command in commands)
    assert one.path == again.path
    assert one.path != other.path
    assert one.option == f"-XX:SharedArchiveFile={one.path}"


def test_another_java_has_another_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = []
    for name in ("one", "two"):
        java = tmp_path / name / "bin" / "java"
        java.parent.mkdir(parents=True)
        java.write_text("#!/bin/sh\n")
        java.chmod(0o755)
        monkeypatch.setenv("JAVA_HOME", str(tmp_path / name))
        paths.append(ClassArchive(tmp_path, "jvm", "-cp a").path)
    assert paths[0] != paths[1]


def test_it_is_made_once_and_one_that_fits_no_more_goes(tmp_path: Path) -> None:
    folder = tmp_path / "jars"
    old, new = ClassArchive(folder, "jvm", "old"), ClassArchive(folder, "jvm", "new")
    old.make(write)
    new.make(write)
    new.make(lambda work, option: pytest.fail("it is there"))
    assert [path.name for path in folder.glob("*.jsa")] == [new.path.name]
    assert new.path.read_bytes() == b"classes"


def test_of_two_processes_one_makes_it(tmp_path: Path) -> None:
    runs = []

    def slow(work: Path, option: str) -> None:
        runs.append(work)
        pace(0.2)
        write(work, option)

    archive = ClassArchive(tmp_path, "jvm", "-cp a")
    threads = [threading.Thread(target=archive.make, args=(slow,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(runs) == 1
    assert archive.path.read_bytes() == b"classes"


def test_a_java_that_makes_none_is_asked_once(tmp_path: Path) -> None:
    archive = ClassArchive(tmp_path, "jvm", "-cp a")
    archive.make(lambda work, option: None)
    archive.make(lambda work, option: pytest.fail("it was asked already"))
    assert archive.path.stat().st_size == 0


def test_a_jvm_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def fails(work: Path, option: str) -> None:
        write(work, option)
        raise OSError("no disk")

    archive = ClassArchive(tmp_path, "jvm", "-cp a")
    with pytest.raises(OSError, match="no disk"):
        archive.make(fails)
    assert not list(tmp_path.rglob("*.jsa"))
    archive.make(write)
    assert archive.path.exists()
