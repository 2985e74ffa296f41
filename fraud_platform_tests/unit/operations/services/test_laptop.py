"""Background services: started once, found again, stopped with all child processes."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fraud_platform.adapters.services import processes
from fraud_platform.adapters.services.processes import (
    Record,
    Service,
    members,
    read_records,
    start,
    stop,
)
from fraud_platform.errors import ServiceError
from fraud_platform.operations.services import laptop
from fraud_platform.operations.services.links import experiments_page
from fraud_platform.settings import Settings
from fraud_platform_tests.testing.ports import free_port
from fraud_platform_tests.testing.servers.fake_services import SERVER, fake
from fraud_platform_tests.testing.waiting import wait_for

DEV = """
import sys
from pathlib import Path
from fraud_platform.operations.services import laptop
from fraud_platform_tests.testing.servers.fake_services import fake
from fraud_platform.settings import Settings
home, ports = Path(sys.argv[1]), [int(port) for port in sys.argv[2:]]
laptop.services = lambda settings: [fake(f"s{port}", port) for port in ports]
laptop.dev(Settings(home=home), say=lambda line: print(line, flush=True))
"""


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    settings = Settings(home=tmp_path)
    yield settings
    for record in read_records(laptop.run_folder(settings)):
        stop(record, laptop.run_folder(settings), polite_seconds=0)


@pytest.fixture
def wanted(monkeypatch: pytest.MonkeyPatch) -> list[Service]:
    """Return the services that `up` and `dev` start in a test."""
    chosen = [fake("dagster", free_port()), fake("mlflow", free_port())]
    monkeypatch.setattr(laptop, "services", lambda settings: chosen)
    monkeypatch.setattr(laptop, "START_SECONDS", 60.0)
    return chosen


def tokens(settings: Settings) -> list[str]:
    return [record.token for record in read_records(laptop.run_folder(settings))]


def test_up_answers_and_down_leaves_no_process(settings: Settings, wanted: list[Service]) -> None:
    lines = list(laptop.up(settings))
    assert f"dagster  {wanted[0].url}" in lines
    assert all(processes.is_healthy(service) for service in wanted)
    started = tokens(settings)
    assert list(laptop.down(settings)) == ["dagster stopped", "mlflow stopped"]
    assert [members(token) for token in started] == [[], []]
    assert tokens(settings) == []
    assert list(laptop.down(settings)) == ["no service is running"]


def test_stopping_ends_children_that_ignore_signals_and_left_the_session(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "ASK_ALL_SECONDS", 0.5)
    started = start(fake("dagster", free_port(), "stubborn"), tmp_path / "run", tmp_path)
    wait_for(lambda: len(members(started.record.token)) == 2)
    sessions = {os.getsid(process.pid) for process in members(started.record.token)}
    assert len(sessions) == 2
    stop(started.record, tmp_path / "run", polite_seconds=0.5)
    assert members(started.record.token) == []


def test_a_second_start_does_not_change_running_services(
    settings: Settings, wanted: list[Service]
) -> None:
    list(laptop.up(settings))
    before = tokens(settings)
    with pytest.raises(ServiceError, match=r"already running: .*\. Stop them first"):
        laptop.dev(settings)
    lines = list(laptop.up(settings))
    assert [line.split(" on ")[0] for line in lines[:2]] == [
        "dagster  is already running",
        "mlflow   is already running",
    ]
    assert tokens(settings) == before
    assert all(processes.is_healthy(service) for service in wanted)


def test_up_starts_only_missing_services(settings: Settings, wanted: list[Service]) -> None:
    list(laptop.up(settings))
    first, second = read_records(laptop.run_folder(settings))
    stop(second, laptop.run_folder(settings))
    output = list(laptop.up(settings))
    assert any(line.startswith("Starting mlflow (usually ") for line in output), output
    records = read_records(laptop.run_folder(settings))
    assert records[0] == first
    assert records[1].pid != second.pid


def test_up_reports_a_service_that_hangs(
    settings: Settings, wanted: list[Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "ANSWER_SECONDS", 0.5)
    list(laptop.up(settings))
    record = read_records(laptop.run_folder(settings))[0]
    os.kill(record.pid, signal.SIGSTOP)
    with pytest.raises(ServiceError, match=rf"found none, but process {record.pid} is running"):
        list(laptop.up(settings))
    os.kill(record.pid, signal.SIGCONT)


def test_a_service_can_prepare_report_that_it_is_ready_and_act_then(
    settings: Settings, wanted: list[Service]
) -> None:
    steps: list[str] = []
    wanted[:] = [
        replace(
            wanted[0],
            scheme="kafka",
            prepare=lambda: steps.append("prepared"),
            is_ready=lambda: len(steps) == 1,
            when_ready=lambda: [*steps, "acted"],
        )
    ]
    lines = list(laptop.up(settings))
    assert lines[1:4] == [f"dagster  kafka://127.0.0.1:{wanted[0].port}", "prepared", "acted"]
    assert "answers on kafka://" in laptop.status(settings)[0]


def test_a_port_in_use_is_an_error_that_names_the_process(
    settings: Settings, wanted: list[Service]
) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", wanted[1].port))
        other.listen()
        with pytest.raises(ServiceError, match=rf"taken by process {os.getpid()} .*MLFLOW_PORT"):
            list(laptop.up(settings))
    assert tokens(settings) == []


def test_another_program_that_answers_on_the_port_is_not_mistaken_for_the_service(
    settings: Settings,
) -> None:
    port = free_port()
    silent = start(fake("dagster", port, "silent"), laptop.run_folder(settings), settings.home)
    alien = subprocess.Popen([sys.executable, "-c", SERVER, str(port), "alien"])
    try:
        wait_for(lambda: processes.is_healthy(silent.service))
        with pytest.raises(ServiceError, match="did not answer"):
            processes.wait_until_healthy(silent, 0.5)
    finally:
        alien.kill()
        alien.wait()


def test_one_service_that_ends_at_once_stops_the_other_and_shows_its_log(
    settings: Settings, wanted: list[Service]
) -> None:
    wanted[1] = fake("mlflow", wanted[1].port, "dies")
    with pytest.raises(ServiceError, match=r"mlflow ended with code 7.*\n  a line in the log"):
        list(laptop.up(settings))
    assert tokens(settings) == []
    wait_for(lambda: processes.port_owner(wanted[0].port) is None)


def test_a_stale_record_does_not_prevent_a_start(settings: Settings, wanted: list[Service]) -> None:
    run = laptop.run_folder(settings)
    started = start(wanted[0], run, settings.home)
    started.process.kill()
    started.process.wait()
    assert processes.record_path(run, "dagster").exists()
    assert laptop.status(settings)[0] == "dagster  is not running"
    assert list(laptop.down(settings)) == ["no service is running"]
    list(laptop.up(settings))
    assert len(tokens(settings)) == 2


def test_a_process_with_a_reused_id_is_not_stopped(settings: Settings) -> None:
    run = laptop.run_folder(settings)
    run.mkdir()
    foreign = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        stale = Record("dagster", foreign.pid, "0" * 32, 3000, "log", 0.0)
        processes.record_path(run, "dagster").write_text(json.dumps(stale.__dict__))
        assert list(laptop.down(settings)) == ["no service is running"]
        stop(stale, run)
        assert foreign.poll() is None
    finally:
        foreign.kill()
        foreign.wait()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"name": "dagster"}'])
def test_an_unreadable_record_is_ignored(tmp_path: Path, text: str) -> None:
    (tmp_path / "dagster.json").write_text(text)
    assert read_records(tmp_path) == []


def test_a_second_command_at_the_same_time_is_refused(
    settings: Settings, wanted: list[Service]
) -> None:
    first = laptop.up(settings)
    next(first)
    with pytest.raises(ServiceError, match="another fraud-platform command"):
        list(laptop.down(settings))
    assert len(list(first)) == 3


def test_status_of_a_server_says_what_its_units_keep(
    settings: Settings, wanted: list[Service]
) -> None:
    """What systemd started has no record of `up`, and used to be said not to run."""
    server = settings.model_copy(
        update={"dagster_storage_url": "postgresql://fraud@127.0.0.1:5432/dagster"}
    )
    dagster, mlflow = wanted
    unit = subprocess.Popen([sys.executable, "-c", SERVER, str(dagster.port), "good"])
    try:
        wait_for(lambda: processes.is_healthy(dagster))
        assert laptop.status(server) == [
            f"dagster  answers on {dagster.url}; it was not started by `up`",
            (
                f"mlflow   does not answer on {mlflow.url}; systemd manages it: "
                "systemctl status fraud-mlflow"
            ),
        ]
    finally:
        unit.kill()
        unit.wait()


def test_status_asks_what_is_elsewhere(settings: Settings, wanted: list[Service]) -> None:
    with socket.socket() as nothing:
        nothing.bind(("127.0.0.1", 0))
        port = nothing.getsockname()[1]
        elsewhere = settings.model_copy(
            update={
                "kafka_bootstrap": f"127.0.0.1:{port}",
                "mlflow_url": f"http://127.0.0.1:{wanted[1].port}",
            }
        )
        mlflow = subprocess.Popen([sys.executable, "-c", SERVER, str(wanted[1].port), "good"])
        try:
            wait_for(lambda: processes.is_healthy(wanted[1]))
            wanted.clear()
            assert laptop.status(elsewhere) == [
                f"kafka    is not managed here; does not answer on 127.0.0.1:{port}",
                f"mlflow   is not managed here; answers on {experiments_page(elsewhere)}",
            ]
        finally:
            mlflow.kill()
            mlflow.wait()


def test_status_tells_running_hanging_and_absent_apart(
    settings: Settings, wanted: list[Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "ANSWER_SECONDS", 0.5)
    assert laptop.status(settings) == ["dagster  is not running", "mlflow   is not running"]
    list(laptop.up(settings))
    first, second = read_records(laptop.run_folder(settings))
    running = laptop.status(settings)[0]
    assert running.startswith(f"dagster  answers on {wanted[0].url}, process {first.pid}")
    os.kill(first.pid, signal.SIGSTOP)
    stop(second, laptop.run_folder(settings))
    hanging, absent = laptop.status(settings)
    os.kill(first.pid, signal.SIGCONT)
    assert hanging.startswith(f"dagster  does not answer on {wanted[0].url}")
    assert absent == "mlflow   is not running"


@pytest.fixture
def dev(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Run `dev` in the foreground with SIGINT ignored, like a shell without job control."""
    process = subprocess.Popen(
        [sys.executable, "-c", DEV, str(tmp_path), str(free_port()), str(free_port())],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),  # noqa: PLW1509 - the child must not share the group
    )
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(4)]
    assert lines[-1] == "Ctrl-C stops them.\n", lines
    yield process
    process.kill()
    process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_dev_stops_everything_on_a_signal(
    dev: subprocess.Popen[str], settings: Settings, number: int
) -> None:
    started = tokens(settings)
    assert len(started) == 2
    dev.send_signal(number)
    assert dev.communicate(timeout=60)[0] == "Stopping ...\n"
    assert dev.returncode == 0
    assert [members(token) for token in started] == [[], []]


def test_dev_reports_a_service_that_ended_and_stops_the_other(
    dev: subprocess.Popen[str], settings: Settings
) -> None:
    records = read_records(laptop.run_folder(settings))
    os.kill(records[0].pid, signal.SIGKILL)
    output = dev.communicate(timeout=60)[0]
    assert f"{records[0].name} ended by itself with code -9" in output
    assert dev.returncode != 0
    assert [members(record.token) for record in records] == [[], []]


def test_dev_ends_when_down_stops_its_services(
    dev: subprocess.Popen[str], settings: Settings
) -> None:
    assert len(list(laptop.down(settings))) == 2
    dev.communicate(timeout=60)
    assert dev.returncode == 0


def test_down_finds_what_a_killed_dev_left(dev: subprocess.Popen[str], settings: Settings) -> None:
    started = tokens(settings)
    dev.kill()
    dev.wait()
    assert [len(members(token)) for token in started] == [1, 1]
    assert len(list(laptop.down(settings))) == 2
    assert [members(token) for token in started] == [[], []]


def test_a_dagster_that_was_started_without_the_spark_server_is_reported(
    settings: Settings, wanted: list[Service]
) -> None:
    list(laptop.up(settings))
    with pytest.raises(ServiceError, match=r"its runs to use the Spark server.*down"):
        list(laptop.up(settings.model_copy(update={"spark_server": True})))
