"""Sessions on a Spark Connect server: reached within seconds or refused with a reason.

Here: the token from its file, asking the server before a session starts, the memory of sessions,
and the release of those whose process died, with all that they still ran.
Not here: starting a server (`adapters.spark.server`), configuring a session
(`adapters.spark.session`).

A server goes on with what a killed client asked for. So each session is written down with its
process before it begins, and whoever opens the next one lets the server drop those of the dead.
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
"""Two seconds a call; the client's own choice is ten minutes of silence.

A client of a server that is gone makes three such calls: the work's, and two that tidy up.
"""


@dataclass(frozen=True)
class SessionRecord:
    """A session and the process that it belongs to."""

    session_id: str
    url: str
    pid: int
    process_started: float
    host: str

    @property
    def is_dead(self) -> bool:
        """Whether its process, one of this host, has ended."""
        return self.host == socket.gethostname() and not is_running(self.pid, self.process_started)


def require_listener(url: str, what: str, remedy: str) -> None:
    """Raise unless something listens on one of a URL's addresses; a client would try for minutes.

    Raises:
        Outage: nothing does.
    """
    found = ""
    for address in url.partition("://")[2].partition("/")[0].split(","):
        parts = urlsplit(f"//{address}")
        try:
            place = (parts.hostname or "", parts.port or 15002)
            socket.create_connection(place, timeout=REACH_SECONDS).close()
            return
        except OSError as error:
            found = str(error)
    raise Outage(
        f"spark: expected {what} on {url}, found: {found}. Start it ({remedy}) or mend "
        "FRAUD_SPARK_URL."
    )


def is_running(pid: int, started: float) -> bool:
    """Tell whether a process of this host lives, and is the one that started then."""
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
        token_file: where the token is, if the server wants one.
        conf: settings of the session.
        records: folder of the memory of sessions.

    Returns:
        The session, and whether the server has this very code already.

    Raises:
        SettingsError: the token is refused or missing, or the server cannot serve the platform.
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
    """Tell whether a server answers; the session that asks is closed again."""
    session_id = str(uuid.uuid4())
    try:
        _ask(url, _full_url(url, token_file, session_id), session_id, token_file)
    except (Outage, SettingsError):
        return False
    _release(SessionRecord(session_id, url, *_this_process()), token_file)
    return True


def release_dead_sessions(records: Path, token_file: Path | None) -> list[str]:
    """Let servers drop the sessions of processes that died; return their ids."""
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
    """Interrupt what a session runs and close it; a server that is gone has done so itself."""
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
    """Ask the server for what a session must know of it; this begins the session."""
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
            "Put the present token into a file and name it in FRAUD_SPARK_TOKEN_FILE."
        )
    return Outage(
        f"spark: expected the Connect server on {url} to answer within {ANSWER_SECONDS:.0f} s, "
        f"found {code}: {words}. Look at its log, or start it again (fraud-platform down; "
        "fraud-platform up --spark-server)."
    )


def _full_url(url: str, token_file: Path | None, session_id: str) -> str:
    """Return the URL as pyspark wants it; never shown, never kept."""
    # pyspark sends a token in plain text to the literal `localhost` only
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
            "it there, or start the server here with fraud-platform up --spark-server."
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
