"""Background services that can always be found again and stopped with all their child processes.

Here: starting one in its own session, its record on disk, its processes, ports, health, stopping.
Not here: the list of services (`operations.services.laptop`).

Every process of a service has the service's token in its environment, and child processes inherit
it. A stale record or a reused process id therefore never matches a foreign process.
"""

from __future__ import annotations

import http.client
import json
import os
import secrets
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil

from fraud_platform.errors import ServiceError

HOST = "127.0.0.1"
TOKEN_VARIABLE = "FRAUD_SERVICE_TOKEN"  # noqa: S105 - the name of a variable
ASK_ALL_SECONDS, KILL_SECONDS = 5.0, 10.0
ANSWER_SECONDS = 5.0
_LOG_LINES = 15
_POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Service:
    """A program that serves one local port.

    Attributes:
        name: name of the service, its record and its log.
        command: the program and its arguments.
        port: the port on 127.0.0.1 that it serves.
        health_path: path that returns status 200 once it is ready, if it serves HTTP.
        environment: variables added to this process's environment.
        scheme: scheme of its URL.
        prepare: called before it starts.
        is_ready: returns whether it is ready, if it does not serve HTTP.
        when_ready: called once it is ready; returns progress lines.
        page: what a person opens of it, after its URL.
    """

    name: str
    command: tuple[str, ...]
    port: int
    health_path: str = "/"
    environment: Mapping[str, str] = field(default_factory=dict)
    scheme: str = "http"
    prepare: Callable[[], None] | None = None
    is_ready: Callable[[], bool] | None = None
    when_ready: Callable[[], list[str]] | None = None
    page: str = ""

    @property
    def url(self) -> str:
        """Its address."""
        return f"{self.scheme}://{HOST}:{self.port}"


@dataclass(frozen=True)
class Record:
    """The record on disk of a started service; `started_at` is Unix time."""

    name: str
    pid: int
    token: str
    port: int
    log: str
    started_at: float
    scheme: str = "http"

    @property
    def url(self) -> str:
        """Its address."""
        return f"{self.scheme}://{HOST}:{self.port}"


@dataclass(frozen=True)
class Started:
    """A service that this process started."""

    service: Service
    process: subprocess.Popen[bytes]
    record: Record


def start(service: Service, run_folder: Path, log_folder: Path) -> Started:
    """Start a service in its own session, with its output in a log and its record on disk.

    Raises:
        ServiceError: the port is in use.
    """
    if owner := port_owner(service.port):
        raise ServiceError(
            f"{service.name}: expected port {service.port} to be free, found it taken by {owner}. "
            f"Stop that, or set FRAUD_{service.name.upper()}_PORT to another port."
        )
    if service.prepare:
        service.prepare()
    run_folder.mkdir(parents=True, exist_ok=True)
    log_folder.mkdir(parents=True, exist_ok=True)
    log, token = log_folder / f"{service.name}.log", secrets.token_hex(16)
    log.write_bytes(b"")
    # appended to, so that it can be emptied while the program writes
    with log.open("ab") as output, _default_interrupts():
        process = subprocess.Popen(
            service.command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **service.environment, TOKEN_VARIABLE: token},
            start_new_session=True,
        )
    record = Record(
        service.name, process.pid, token, service.port, str(log), time.time(), service.scheme
    )
    path = record_path(run_folder, service.name)
    path.with_suffix(".tmp").write_text(json.dumps(asdict(record)))
    path.with_suffix(".tmp").replace(path)
    return Started(service, process, record)


def record_path(run_folder: Path, name: str) -> Path:
    """Return the path of a service's record, which exists while the service runs."""
    return run_folder / f"{name}.json"


@contextmanager
def _default_interrupts() -> Iterator[None]:
    """Let programs started in this block receive signals that this process ignores.

    A shell without job control ignores SIGINT for commands started with `&`, and Dagster copies
    that to SIGTERM. A child process inherits ignored signals, but not handlers: installing a
    handler for the duration of the block resets the child's signals to their default.
    """
    numbers = [n for n in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(n) is signal.SIG_IGN]
    for number in numbers:
        signal.signal(number, lambda *_: None)
    try:
        yield
    finally:
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)


def wait_until_healthy(started: Started, limit_seconds: float) -> None:
    """Wait until the service itself, not another program, answers on its port.

    Raises:
        ServiceError: it ended or did not answer in time; the message contains the end of its log.
    """
    service, record = started.service, started.record
    deadline = time.monotonic() + limit_seconds
    while True:
        code = started.process.poll()
        if code is not None:
            raise ServiceError(
                f"{service.name} ended with code {code} while it started:\n{log_tail(record)}"
            )
        if is_healthy(service) and _listens(record):
            return
        if time.monotonic() > deadline:
            raise ServiceError(
                f"{service.name} did not answer on {service.url} within {limit_seconds:.0f} s:\n"
                f"{log_tail(record)}"
            )
        time.sleep(_POLL_SECONDS)


def is_healthy(service: Service) -> bool:
    """Return whether the service is ready, by `is_ready` or by status 200 of its health path."""
    if service.is_ready:
        return service.is_ready()
    connection = http.client.HTTPConnection(HOST, service.port, timeout=ANSWER_SECONDS)
    try:
        connection.request("GET", service.health_path)
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def answers_http(url: str) -> bool:
    """Return whether an HTTP server answers at a URL, with any status."""
    try:
        urllib.request.urlopen(url, timeout=ANSWER_SECONDS).close()
    except urllib.error.HTTPError:
        return True
    except (OSError, http.client.HTTPException, ValueError):
        return False
    return True


def _listens(record: Record) -> bool:
    """Return whether one of the service's processes listens on its port."""
    for member in members(record.token):
        with suppress(psutil.Error):
            if record.port in map(_listening_port, member.net_connections("tcp")):
                return True
    return False


def members(token: str) -> list[psutil.Process]:
    """Return every running process with a service's token in its environment."""
    processes = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.environ().get(TOKEN_VARIABLE) == token:
                processes.append(process)
    return processes


def environment_of(process: psutil.Process) -> dict[str, str]:
    """Return a process's environment, empty if it has ended or belongs to another user."""
    with suppress(psutil.Error, OSError):
        return process.environ()
    return {}


def read_records(run_folder: Path) -> list[Record]:
    """Return the records of running services, ordered by name; stale records are left out."""
    records = []
    for path in sorted(run_folder.glob("*.json")):
        try:
            records.append(Record(**json.loads(path.read_text())))
        except (FileNotFoundError, ValueError, TypeError):
            continue
    return [record for record in records if members(record.token)]


def stop(record: Record, run_folder: Path, polite_seconds: float = 20.0) -> None:
    """Stop a service and all its child processes.

    SIGTERM goes to the leader first, after `polite_seconds` to all processes, then SIGKILL to the
    survivors.

    Raises:
        ServiceError: a process survived SIGKILL.
    """
    steps = (
        (signal.SIGTERM, polite_seconds, True),
        (signal.SIGTERM, ASK_ALL_SECONDS, False),
        (signal.SIGKILL, KILL_SECONDS, False),
    )
    for number, seconds, is_leader_only in steps:
        deadline = time.monotonic() + seconds
        asked: set[int] = set()
        while living := members(record.token):
            has_leader = any(process.pid == record.pid for process in living)
            for process in living:
                is_due = process.pid == record.pid or not (is_leader_only and has_leader)
                if is_due and process.pid not in asked:
                    asked.add(process.pid)
                    with suppress(psutil.Error):
                        process.send_signal(number)
            if time.monotonic() > deadline:
                break
            time.sleep(_POLL_SECONDS)
        else:
            record_path(run_folder, record.name).unlink(missing_ok=True)
            return
    pids = ", ".join(str(process.pid) for process in members(record.token))
    raise ServiceError(f"{record.name}: processes {pids} outlived SIGKILL. See `ps` for why.")


def log_tail(record: Record) -> str:
    """Return the last lines of a service's log, and the log's path."""
    with suppress(OSError):
        lines = Path(record.log).read_text(errors="replace").splitlines()
        return "\n".join([*("  " + line for line in lines[-_LOG_LINES:]), f"  (in {record.log})"])
    return f"  (no log in {record.log})"


def port_owner(port: int) -> str | None:
    """Return a description of the process that listens on a local port, or None if it is free.

    The process of another user is described without its id and command.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
            probe.listen(1)
            return None
        except OSError as error:
            refused = error.strerror or str(error)
    with suppress(psutil.Error, OSError):
        for connection in psutil.net_connections("tcp"):
            if connection.pid and _listening_port(connection) == port:
                process = psutil.Process(connection.pid)
                words = " ".join(process.cmdline())[:80] or process.name()
                return f"process {connection.pid} ({words})"
    return f"another program ({refused})"


def _listening_port(connection: Any) -> int | None:
    """Return the port that a psutil connection listens on, or None."""
    is_listening = connection.status == psutil.CONN_LISTEN and connection.laddr
    return connection.laddr.port if is_listening else None
