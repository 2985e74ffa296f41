"""Sessions on a Spark Connect server, opened within seconds or refused with a reason.

Here: reading the token, probing the server before a session starts, the records of sessions, and
releasing the sessions of dead processes with their running queries.
Not here: starting a server (`adapters.spark.server`), configuring a session
(`adapters.spark.session`).

A server continues the queries of a killed client. Therefore each session is recorded with its
process before it starts, and each new session first releases the sessions of dead processes.
"""

from __future__ import annotations

import json
import os
import socket
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import psutil

from fraud_platform.errors import Outage, SettingsError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

USER = "fraud_platform"
REACH_SECONDS, ANSWER_SECONDS = 3.0, 10.0
_EXTENSIONS, CODE_KEY = "spark.sql.extensions", "spark.fraudPlatform.code"
_RETRIES, _LONGEST_WAIT_MS = 4, 1_000
"""Retries for about two seconds per call; the client's default retries silently for ten minutes.

If the server is gone, a client makes three such calls: the query and two clean-up calls.
"""


@dataclass(frozen=True)
class SessionRecord:
    """A session and the process that opened it."""

    session_id: str
    url: str
    pid: int
    process_started: float
    host: str

    @property
    def is_dead(self) -> bool:
        """Whether its process ran on this host and has ended."""
        return self.host == socket.gethostname() and not is_running(self.pid, self.process_started)


def require_listener(url: str, what: str, remedy: str) -> None:
    """Check that something listens on one of a URL's addresses; Spark would retry for minutes.

    Args:
        url: scheme://host:port, optionally with several addresses separated by commas.
        what: the expected server, for the error.
        remedy: how to start it, for the error.

    Raises:
        Outage: none of the addresses accepts a connection within `REACH_SECONDS`.
    """
    last_error = ""
    for address in url.partition("://")[2].partition("/")[0].split(","):
        parts = urlsplit(f"//{address}")
        try:
            host_and_port = (parts.hostname or "", parts.port or 15002)
            socket.create_connection(host_and_port, timeout=REACH_SECONDS).close()
            return
        except OSError as error:
            last_error = str(error)
    raise Outage(
        f"spark: expected {what} on {url}, found: {last_error}. Start it ({remedy}) or fix "
        "FRAUD_SPARK_URL."
    )


def is_running(pid: int, started: float) -> bool:
    """Return whether the process `pid` that started at `started` (Unix time) still runs."""
    try:
        process = psutil.Process(pid)
        is_same = abs(process.create_time() - started) < 1.0
        return is_same and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def connect(
    url: str, token_file: Path | None, conf: Mapping[str, str], records: Path
) -> tuple[SparkSession, bool]:
    """Open a session on a Connect server.

    Args:
        url: `sc://host:port`, without a token.
        token_file: file with the token; None if the server needs none.
        conf: configuration of the session.
        records: folder of the records of sessions.

    Returns:
        The session, and whether the server already has the running version of this code.

    Raises:
        SettingsError: the token is refused or missing, or the server has no Delta Lake.
        Outage: the server does not answer.
    """
    from pyspark.sql import SparkSession
    from pyspark.sql.connect.client.retries import DefaultPolicy

    from fraud_platform.adapters.spark.code import code_digest

    session_id = str(uuid.uuid4())
    full = _full_url(url, token_file, session_id)
    offered = _ask(url, full, session_id, token_file)
    if "io.delta" not in offered[_EXTENSIONS]:
        raise SettingsError(
            f"spark: expected a Connect server with Delta Lake on {url}, found "
            f"{_EXTENSIONS}={offered[_EXTENSIONS]!r}. Start it with Delta's jars and extension, "
            "as `fraud-platform up --spark-server` does."
        )
    release_dead_sessions(records, token_file)
    _note(records, SessionRecord(session_id, url, *_this_process()))
    builder = SparkSession.builder.remote(full)
    for key, value in conf.items():
        builder = builder.config(key, value)
    session = builder.getOrCreate()
    client: Any = session.client  # type: ignore[attr-defined]
    client.set_retry_policies([DefaultPolicy(max_retries=_RETRIES, max_backoff=_LONGEST_WAIT_MS)])
    return session, offered[CODE_KEY] == code_digest()


def is_answering(url: str, token_file: Path | None) -> bool:
    """Return whether a server accepts the token and answers; the probing session is released."""
    session_id = str(uuid.uuid4())
    try:
        _ask(url, _full_url(url, token_file, session_id), session_id, token_file)
    except (Outage, SettingsError):
        return False
    _release(SessionRecord(session_id, url, *_this_process()), token_file)
    return True


def release_dead_sessions(records: Path, token_file: Path | None) -> list[str]:
    """Release the sessions of dead processes on their servers; return the session ids."""
    dead = []
    for path in sorted(records.glob("*.json")):
        try:
            record = SessionRecord(**json.loads(path.read_text()))
        except (FileNotFoundError, ValueError, TypeError):
            continue
        if record.is_dead:
            _release(record, token_file)
            path.unlink(missing_ok=True)
            dead.append(record.session_id)
    return dead


def _release(record: SessionRecord, token_file: Path | None) -> None:
    """Interrupt a session's queries and close it; if the server is gone, so is the session."""
    import grpc
    from pyspark.sql.connect.proto import ReleaseSessionRequest, UserContext

    request = ReleaseSessionRequest(
        session_id=record.session_id, user_context=UserContext(user_id=USER)
    )
    try:
        with _stub(_full_url(record.url, token_file, record.session_id)) as (stub, metadata):
            stub.ReleaseSession(request, timeout=ANSWER_SECONDS, metadata=metadata)
    except (grpc.RpcError, SettingsError):
        return


def _ask(url: str, full: str, session_id: str, token_file: Path | None) -> dict[str, str]:
    """Return the server's extensions and code digest; the request starts the session."""
    import grpc
    from pyspark.sql.connect.proto import ConfigRequest, UserContext

    require_listener(url, "a Connect server", "`fraud-platform up --spark-server` starts one here")
    request = ConfigRequest(session_id=session_id, user_context=UserContext(user_id=USER))
    for key in (_EXTENSIONS, CODE_KEY):
        request.operation.get_with_default.pairs.add(key=key, value="")
    try:
        with _stub(full) as (stub, metadata):
            answer = stub.Config(request, timeout=ANSWER_SECONDS, metadata=metadata)
    except grpc.RpcError as error:
        raise _explained(error, url, token_file) from error
    return {pair.key: pair.value for pair in answer.pairs}


@contextmanager
def _stub(full: str) -> Iterator[tuple[Any, Any]]:
    from pyspark.sql.connect.client import DefaultChannelBuilder
    from pyspark.sql.connect.proto import SparkConnectServiceStub

    builder = DefaultChannelBuilder(full)
    with builder.toChannel() as channel:
        yield SparkConnectServiceStub(channel), builder.metadata()


def _explained(error: Any, url: str, token_file: Path | None) -> Exception:
    code, words = error.code().name, " ".join(str(error.details()).split())[:200]
    if code in ("UNAUTHENTICATED", "PERMISSION_DENIED"):
        found = "no token was sent" if token_file is None else f"that of {token_file} was refused"
        return SettingsError(
            f"spark: the Connect server on {url} expected its token, {found} (wrong or expired). "
            "Put the current token into a file and name it in FRAUD_SPARK_TOKEN_FILE."
        )
    return Outage(
        f"spark: expected the Connect server on {url} to answer within {ANSWER_SECONDS:.0f} s, "
        f"found {code}: {words}. Look at its log, or restart it (fraud-platform down; "
        "fraud-platform up --spark-server)."
    )


def _full_url(url: str, token_file: Path | None, session_id: str) -> str:
    """Return the URL with user, session and token for pyspark; never log or store it."""
    # Without TLS pyspark sends a token only to the literal host name `localhost`.
    address, _, parameters = url.replace("//127.0.0.1", "//localhost").partition("/;")
    chosen = [p for p in parameters.split(";") if p]
    chosen += [f"user_id={USER}", f"session_id={session_id}"]
    if token_file is not None:
        chosen.append(f"token={quote(_read_token(token_file), safe='')}")
        if "use_ssl" not in parameters:
            chosen.append("use_ssl=false")
    return f"{address.rstrip('/')}/;{';'.join(chosen)}"


def _read_token(path: Path) -> str:
    try:
        token = path.read_text().strip()
    except OSError as error:
        raise SettingsError(
            f"spark: expected the Connect server's token in {path}, found {error.strerror}. Write "
            "it there, or start a server on this machine with fraud-platform up --spark-server."
        ) from error
    if not token:
        raise SettingsError(f"spark: expected a token in {path}, found it empty. Write it there.")
    return token


def _note(records: Path, record: SessionRecord) -> None:
    records.mkdir(parents=True, exist_ok=True)
    path = records / f"{record.session_id}.json"
    path.with_suffix(".tmp").write_text(json.dumps(asdict(record)))
    path.with_suffix(".tmp").replace(path)


def _this_process() -> tuple[int, float, str]:
    return os.getpid(), psutil.Process().create_time(), socket.gethostname()
