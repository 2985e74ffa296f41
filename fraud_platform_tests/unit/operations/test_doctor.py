"""What `fraud-platform doctor` reports if something is missing on a machine."""

from __future__ import annotations

import os
import re
import shutil
import socket
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from fraud_platform.adapters.jvm import jars
from fraud_platform.adapters.jvm.java import find_java, java_problem, java_version
from fraud_platform.adapters.kafka.topics import Topics
from fraud_platform.adapters.services.processes import Service, start, stop
from fraud_platform.errors import Outage
from fraud_platform.operations import doctor
from fraud_platform.operations.doctor import Level
from fraud_platform.operations.services.laptop import run_folder
from fraud_platform.settings import Settings
from fraud_platform_tests.testing.ports import free_port
from fraud_platform_tests.testing.servers.fake_services import fake
from fraud_platform_tests.testing.waiting import wait_for

OPENJDK_17 = 'openjdk version "17.0.15" 2025-04-15'


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    ports: dict[str, Any] = {f"{name}_port": free_port() for name in ("dagster", "mlflow", "kafka")}
    return Settings(home=tmp_path / "home", **ports)


def fake_java(folder: Path, words: str, code: int = 0) -> Path:
    """Write a java that prints these words as `java -version` does."""
    folder.mkdir(parents=True)
    java = folder / "java"
    java.write_text(f"#!/bin/sh\nprintf '%s\\n' '{words}' >&2\nexit {code}\n")
    java.chmod(0o755)
    return java


@pytest.mark.parametrize(
    ("words", "version"),
    [
        (OPENJDK_17, 17),
        ('java version "1.8.0_392"', 8),
        ('openjdk version "11.0.2" 2019-01-15', 11),
        ('openjdk version "25" 2025-09-16', 25),
        ('openjdk version "22-ea" 2024-03-19', 22),
        ('Picked up JAVA_TOOL_OPTIONS: -Dversion=3\nopenjdk version "17.0.1"', 17),
        ("The operation could not be completed. Unable to locate a Java Runtime.", None),
    ],
)
def test_the_version_is_read_from_what_java_prints(
    tmp_path: Path, words: str, version: int | None
) -> None:
    assert java_version(str(fake_java(tmp_path / "bin", words))) == version


def test_java_home_goes_before_the_path_as_it_does_for_spark(tmp_path: Path) -> None:
    at_home = fake_java(tmp_path / "jdk" / "bin", OPENJDK_17)
    on_path = fake_java(tmp_path / "bin", 'openjdk version "11.0.2"')
    both = {"JAVA_HOME": str(tmp_path / "jdk"), "PATH": str(on_path.parent)}
    assert find_java(both) == str(at_home)
    assert java_problem(both) is None
    assert find_java({"PATH": str(on_path.parent)}) == str(on_path)


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (None, "found none in the PATH"),
        ('openjdk version "11.0.2" 2019-01-15', "found Java 11"),
        ("Error: could not find libjava.so", "does not run"),
    ],
)
def test_java_that_is_absent_old_or_broken_is_one_line_with_a_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str | None, found: str
) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    (tmp_path / "empty").mkdir()
    folder = tmp_path / "empty" if words is None else fake_java(tmp_path / "bin", words, 1).parent
    monkeypatch.setenv("PATH", f"{folder}:/bin" if words else str(folder))
    finding = doctor.check_java()
    assert not finding.ok
    assert found in finding.message
    assert "apt-get install openjdk-17-jre-headless" in finding.message
    assert "\n" not in str(finding)


def test_a_java_home_without_java_is_named(tmp_path: Path) -> None:
    problem = java_problem({"JAVA_HOME": str(tmp_path), "PATH": os.environ["PATH"]})
    assert f"found none in JAVA_HOME={tmp_path}" in str(problem)


def test_another_python_is_a_problem() -> None:
    assert doctor.check_python((3, 11)).ok
    assert "expected 3.11, found 3.13" in doctor.check_python((3, 13)).message


def test_a_taken_port_is_a_problem_with_who_has_it(settings: Settings) -> None:
    service = Service("mlflow", (), settings.mlflow_port)
    assert doctor.check_port(settings, service).level is Level.OK
    with socket.socket() as other:
        other.bind(("127.0.0.1", settings.mlflow_port))
        other.listen()
        finding = doctor.check_port(settings, service)
    assert not finding.ok
    assert f"taken by process {os.getpid()} (" in finding.message
    assert "FRAUD_MLFLOW_PORT" in finding.message


def test_a_port_that_the_service_itself_has_is_fine(settings: Settings) -> None:
    started = start(fake("dagster", settings.dagster_port), run_folder(settings), settings.home)
    try:
        wait_for(lambda: "runs there" in doctor.check_port(settings, started.service).message)
        assert doctor.check_port(settings, started.service).ok
    finally:
        stop(started.record, run_folder(settings), polite_seconds=0)
        started.process.wait()


@pytest.mark.parametrize(
    ("free_bytes", "level"),
    [(6e9, Level.OK), (4.9e9, Level.WARNING), (0.5e9, Level.PROBLEM)],
)
def test_little_disk_is_a_warning_and_none_a_problem(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, free_bytes: float, level: Level
) -> None:
    usage = shutil.disk_usage("/")._replace(free=int(free_bytes))
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)
    finding = doctor.check_disk(settings)
    assert finding.level is level
    assert level is Level.OK or "Free some space" in finding.message


class Memory(NamedTuple):
    total: int


def test_memory_below_sparks_and_what_runs_beside_it_is_a_warning(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("psutil.virtual_memory", lambda: Memory(6 * 2**30))
    finding = doctor.check_memory(Settings(home=tmp_path, spark_memory="4g"))
    assert finding.level is Level.WARNING
    assert "expected 7 GiB" in finding.message
    assert doctor.check_memory(Settings(home=tmp_path, spark_memory="3072m")).level is Level.OK


def test_a_home_that_cannot_be_written_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    finding = doctor.check_home(Settings(home=tmp_path / "file" / "home"))
    assert not finding.ok
    assert "FRAUD_HOME" in finding.message


def test_jars_without_a_network_are_a_problem_in_one_line(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_network(*_: object) -> None:
        raise Outage("could not fetch a.jar. Check the network.\nirrelevant details")

    monkeypatch.setattr(jars, "_retrieve", no_network)
    finding = doctor.check_jars(settings, has_java=True)
    assert (finding.ok, finding.message) == (False, "could not fetch a.jar. Check the network.")


def test_jars_without_java_are_a_problem(settings: Settings) -> None:
    finding = doctor.check_jars(settings, has_java=False)
    assert not finding.ok
    assert "cannot be fetched without Java" in finding.message


def test_packages_that_differ_from_the_constraints_are_counted_and_named(tmp_path: Path) -> None:
    constraints = tmp_path / "constraints.txt"
    constraints.write_text("# why\npytest==0.0.1\nno-such-package==1.0\n")
    finding = doctor.check_packages(constraints)
    assert finding.level is Level.WARNING
    assert finding.message.startswith("2 differ from constraints.txt: pytest ")
    assert "no-such-package none instead of 1.0" in finding.message
    assert "pip install -c constraints.txt" in finding.message


def test_every_direct_dependency_has_an_exact_version() -> None:
    import tomllib

    root = doctor.CONSTRAINTS.parent
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    wanted = project["dependencies"] + project["optional-dependencies"]["test"]
    names = {_canonical(requirement) for requirement in wanted}
    lines = doctor.CONSTRAINTS.read_text().splitlines()
    pinned = {_canonical(line) for line in lines if "==" in line}
    assert names - pinned == set()
    assert len(pinned) > len(names)


def _canonical(requirement: str) -> str:
    for mark in "=<>[;! ":
        requirement = requirement.split(mark, maxsplit=1)[0]
    return requirement.lower().replace("_", "-")


def test_a_sound_machine_has_no_problem(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "jdk"))
    fake_java(tmp_path / "jdk" / "bin", OPENJDK_17)
    monkeypatch.setattr(jars, "missing_jars", lambda folder, jars: [])
    findings = doctor.diagnose(settings)
    subjects = [finding.subject for finding in findings]
    assert subjects[:5] == ["Python", "Java", "State", "Disk", "Memory"]
    assert len(subjects) == 10
    assert all(finding.ok for finding in findings)


def test_a_database_that_is_away_is_a_problem_and_none_is_none(tmp_path: Path) -> None:
    assert doctor.check_databases(Settings(home=tmp_path)) == []
    url = f"postgresql://me@127.0.0.1:{free_port()}/dagster"
    chosen: dict[str, Any] = {"dagster_storage_url": url, "dagster_storage_password": "hush"}
    (found,) = doctor.check_databases(Settings(home=tmp_path, **chosen))
    assert (found.subject, found.level) == ("Dagster's database", Level.PROBLEM)
    assert "Start it, or fix FRAUD_DAGSTER_STORAGE_URL" in found.message
    assert "hush" not in found.message


def test_storage_that_does_not_answer_is_a_problem_and_a_disk_is_not_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert doctor.check_storage(Settings(home=tmp_path)) == []
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "me")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush")
    chosen: dict[str, Any] = {
        "landing_url": "s3://drops/in",
        "lake_url": f"hdfs://127.0.0.1:{free_port()}/lake",
    }
    landing, lake = doctor.check_storage(Settings(home=tmp_path, **chosen))
    assert [(f.subject, f.level) for f in (landing, lake)] == [
        ("Landing", Level.PROBLEM), ("Lake", Level.PROBLEM),
    ]  # fmt: skip
    assert "AWS_ENDPOINT_URL" in landing.message
    assert "expected the namenode" in lake.message
    assert "hush" not in landing.message


def test_the_jars_of_s3_are_wanted_where_data_is_there(tmp_path: Path) -> None:
    sizes = [
        len(doctor.wanted_jars(settings)[0][1])
        for settings in (
            Settings(home=tmp_path),
            Settings(home=tmp_path, lake_url="s3://lake/tables"),
        )
    ]
    assert sizes[1] > sizes[0] + 30


@pytest.mark.parametrize(
    ("found", "level", "words"),
    [
        ("10080", Level.WARNING, "offsets.retention.minutes of at least 129600 .* found 10080"),
        ("129600", Level.OK, "broker:9092"),
        (None, Level.OK, "broker:9092"),
    ],
)
def test_a_cluster_that_forgets_a_groups_offsets_soon_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, found: str | None, level: Level, words: str
) -> None:
    monkeypatch.setattr(Topics, "broker_setting", lambda self, name: found)
    monkeypatch.setattr(Topics, "topic_setting", lambda self, topic, name: None)
    (output,) = doctor.check_kafka(Settings(home=tmp_path, kafka_bootstrap="broker:9092"))
    assert output.level is level
    assert re.search(words, output.message)
    assert doctor.check_kafka(Settings(home=tmp_path)) == []


def test_a_topic_with_its_producers_timestamps_is_a_warning_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    types = {"transactions": "CreateTime", "labels": "LogAppendTime"}
    monkeypatch.setattr(Topics, "broker_setting", lambda self, name: None)
    monkeypatch.setattr(Topics, "topic_setting", lambda self, topic, name: types[topic])
    (output,) = doctor.check_kafka(Settings(home=tmp_path, kafka_bootstrap="broker:9092"))
    assert output.level is Level.WARNING
    assert "topic transactions: expected message.timestamp.type=LogAppendTime" in output.message
    assert "docs/event_time.md" in output.message
