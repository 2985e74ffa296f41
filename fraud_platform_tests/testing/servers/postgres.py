"""A real Postgres of a test's own, as an unprivileged user, with databases for Dagster and MLflow.

Here: `Postgres`, `running_postgres`; `silent_server`, which accepts and never answers.
Not here: what is kept in it.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from fraud_platform_tests.testing.ports import free_port
from fraud_platform_tests.testing.waiting import wait_for

START_SECONDS = 60.0
USER = "fraud"


@dataclass
class Postgres:
    """A server on 127.0.0.1, stopped and started again at will."""

    folder: Path
    programs: Path
    port: int
    password: str
    process: subprocess.Popen[bytes] | None = None

    def url(self, database: str) -> str:
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        folder = str(self.folder / "data")
        where = ("-h", "127.0.0.1", "-p", str(self.port), "-k", str(self.folder))
        self.process = subprocess.Popen(
            [str(self.programs / "postgres"), "-D", folder, *where, "-c", "fsync=off"],
            stdout=(self.folder / "log").open("ab"),
            stderr=subprocess.STDOUT,
            **unprivileged(),
        )
        wait_for(
            lambda: self.ask("SELECT 1", "postgres"),
            START_SECONDS,
            (self.folder / "log").read_text,
            process=self.process,
            ignoring=(psycopg2.OperationalError,),
        )

    def stop(self) -> None:
        """End it at once, as a crash does: its clients lose their connections."""
        if self.process is not None:
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait(timeout=30)
            self.process = None

    def ask(self, statement: str, database: str) -> list[tuple[object, ...]]:
        connection = psycopg2.connect(
            host="127.0.0.1",
            port=self.port,
            user=USER,
            password=self.password,
            dbname=database,
            connect_timeout=5,
        )
        connection.autocommit = True
        try:
            with connection.cursor() as cursor:
                cursor.execute(statement)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def text(self, database: str) -> str:
        """Return everything in a database, as a dump."""
        return subprocess.run(
            [self.programs / "pg_dump", self.url(database)],
            env={**os.environ, "PGPASSWORD": self.password},
            capture_output=True,
            check=True,
        ).stdout.decode(errors="replace")


def programs() -> Path:
    """Return the folder of Postgres's programs, the newest there is."""
    found = shutil.which("postgres")
    if found:
        return Path(found).resolve().parent
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    if not versions:
        pytest.skip("Postgres is not installed (Debian: apt-get install postgresql)")
    return versions[-1].parent


def unprivileged() -> dict[str, Any]:
    """Return how a child is started as a user that Postgres accepts: it refuses root."""
    if os.getuid() != 0:
        return {"start_new_session": True}
    user = pwd.getpwnam("postgres")
    return {
        "start_new_session": True,
        "user": user.pw_uid,
        "group": user.pw_gid,
        "extra_groups": [],
        "cwd": "/",
    }


@contextmanager
def running_postgres(password: str | None = None) -> Iterator[Postgres]:
    """Run a server with the databases `dagster` and `mlflow` until the block ends."""
    folder = Path(tempfile.mkdtemp(prefix="fraud-postgres-"))
    server = Postgres(folder, programs(), free_port(), password or secrets.token_urlsafe(16))
    try:
        secret = folder / "password"
        secret.write_text(server.password)
        if os.getuid() == 0:
            for path in (folder, secret):
                shutil.chown(path, "postgres", "postgres")
        subprocess.run(
            [
                str(server.programs / "initdb"),
                "-D",
                str(folder / "data"),
                "-U",
                USER,
                "-A",
                "scram-sha-256",
                "--pwfile",
                str(secret),
                "--no-sync",
                "-E",
                "UTF8",
            ],
            check=True,
            capture_output=True,
            **unprivileged(),
        )
        server.start()
        for database in ("dagster", "mlflow"):
            server.ask(f"CREATE DATABASE {database}", "postgres")
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def silent_server() -> Iterator[int]:
    """Accept connections and never say a word; give the port."""
    held: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        ended = threading.Event()

        def accept() -> None:
            while not ended.is_set():
                try:
                    held.append(server.accept()[0])
                except TimeoutError:
                    continue

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            ended.set()
            thread.join()
            for connection in held:
                connection.close()
