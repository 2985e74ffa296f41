"""A real, small YARN: a resource manager and a node manager, files on the local disk.

Here: its jars (Hadoop's own, by Ivy, once), starting it, its configuration for clients.
Not here: HDFS, which would be another default file system in the same configuration.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import urllib.request
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fraud_platform.adapters.jvm.java import find_java
from fraud_platform.adapters.services.processes import HOST
from fraud_platform.adapters.spark.server import open_modules, spark_home
from fraud_platform_tests.testing.home import STATE
from fraud_platform_tests.testing.ports import free_port
from fraud_platform_tests.testing.waiting import wait_for

VERSION = "3.5.0"
_DEPENDENCIES = (
    f"org.apache.hadoop hadoop-minicluster {VERSION}",
    "org.junit.jupiter junit-jupiter-api 5.13.4",
    "org.mockito mockito-core 4.11.0",
)
_MAIN = "org.apache.hadoop.mapreduce.MiniHadoopClusterManager"
_FOR_SERVERS_ONLY = "net.topology.node.switch.mapping.impl"
START_SECONDS = 120.0
_SETTINGS = """<ivysettings><settings defaultResolver="central"/><caches defaultCacheDir="{cache}"/>
<resolvers><ibiblio name="central" m2compatible="true"/></resolvers></ivysettings>"""


@dataclass(frozen=True)
class Hadoop:
    """A YARN that runs.

    Attributes:
        conf: folder with its configuration, for HADOOP_CONF_DIR.
        url: the resource manager's web address.
    """

    conf: Path
    url: str


def hadoop_jars() -> list[Path]:
    """Return the jars of Hadoop's mini cluster, fetched once."""
    folder = STATE / "jars" / f"minicluster-{VERSION}"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / ".complete").exists():
            _fetch(folder)
            (folder / ".complete").touch()
    return sorted(folder.glob("*.jar"))


def _fetch(folder: Path) -> None:
    ivy = next((spark_home() / "jars").glob("ivy-*.jar"))
    (folder / "settings.xml").write_text(_SETTINGS.format(cache=folder / "cache"))
    lines = "".join(
        '<dependency org="{}" name="{}" rev="{}" conf="default->master,runtime"/>'.format(
            *d.split()
        )
        for d in _DEPENDENCIES
    )
    (folder / "ivy.xml").write_text(
        '<ivy-module version="2.0"><info organisation="fraud-platform" module="hadoop"/>'
        f'<configurations><conf name="default"/></configurations><dependencies>{lines}'
        "</dependencies></ivy-module>"
    )
    pattern = str(folder / "[artifact]-[revision](-[classifier]).[ext]")
    command = [
        find_java() or "java", "-jar", str(ivy), "-settings", str(folder / "settings.xml"),
        "-ivy", str(folder / "ivy.xml"), "-types", "jar", "bundle", "test-jar",
        "-retrieve", pattern,
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stdout[-2000:]


@contextmanager
def running_yarn(folder: Path, memory_mb: int = 4096) -> Iterator[Hadoop]:
    """Run a resource manager and a node manager until the block ends."""
    folder.mkdir(parents=True)
    web, conf = free_port(), folder / "conf"
    conf.mkdir()
    manager = "yarn.resourcemanager"
    chosen = {
        "fs.defaultFS": "file:///",
        f"{manager}.hostname": HOST, f"{manager}.bind-host": HOST,
        f"{manager}.webapp.address": f"{HOST}:{web}",
        f"{manager}.scheduler.address": f"{HOST}:{free_port()}",
        f"{manager}.resource-tracker.address": f"{HOST}:{free_port()}",
        f"{manager}.admin.address": f"{HOST}:{free_port()}",
        "mapreduce.jobhistory.admin.address": f"{HOST}:{free_port()}",
        "mapreduce.jobhistory.webapp.address": f"{HOST}:{free_port()}",
        "mapreduce.jobhistory.bind-host": HOST,
        "yarn.nodemanager.hostname": HOST, "yarn.nodemanager.bind-host": HOST,
        "yarn.nodemanager.resource.memory-mb": memory_mb,
        "yarn.nodemanager.resource.cpu-vcores": 8,
        "yarn.nodemanager.vmem-check-enabled": "false",
        "yarn.scheduler.minimum-allocation-mb": 128,
        # its own health check calls a disk full that is nine tenths full
        "yarn.nodemanager.disk-health-checker.enable": "false",
    }  # fmt: skip
    process = _start(folder, chosen)
    try:
        _wait(process, folder, f"http://{HOST}:{web}")
        _write_conf(folder / "written.xml", conf, chosen)
        yield Hadoop(conf, f"http://{HOST}:{web}")
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _start(folder: Path, chosen: Mapping[str, object]) -> subprocess.Popen[bytes]:
    classes = os.pathsep.join(str(jar) for jar in hadoop_jars())
    properties = [word for key, value in chosen.items() for word in ("-D", f"{key}={value}")]
    command = [
        find_java() or "java", "-Xmx768m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
        *open_modules(), f"-Dyarn.app.container.log.dir={folder}", "-cp", classes, _MAIN,
        "-nodfs", "-nodemanagers", "1", "-rmport", str(free_port()), "-jhsport", str(free_port()),
        "-writeConfig", str(folder / "written.xml"),
        "-writeDetails", str(folder / "details.properties"), *properties,
    ]  # fmt: skip
    with (folder / "hadoop.log").open("wb") as log:
        return subprocess.Popen(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
            env={**os.environ, "JAVA_HOME": _java_home()}, start_new_session=True,
        )  # fmt: skip


def _java_home() -> str:
    return str(Path(os.path.realpath(find_java() or "java")).parents[1])


def _wait(process: subprocess.Popen[bytes], folder: Path, url: str) -> None:

    def is_up() -> bool:
        with urllib.request.urlopen(f"{url}/ws/v1/cluster/metrics", timeout=2) as answer:
            is_active = b'"activeNodes":1' in answer.read()
        return is_active and (folder / "details.properties").exists()

    def log() -> str:
        return (folder / "hadoop.log").read_text()[-3000:]

    wait_for(is_up, START_SECONDS, log, process=process, ignoring=(OSError,), every=0.3)


def _write_conf(written: Path, conf: Path, chosen: Mapping[str, object]) -> None:
    """Write what clients need: all that the cluster says of itself but its servers' own class."""
    root = ET.parse(written).getroot()
    for entry in list(root):
        if entry.findtext("name") == _FOR_SERVERS_ONLY:
            root.remove(entry)
    for name in ("core-site.xml", "yarn-site.xml"):
        ET.ElementTree(root).write(conf / name)


def yarn_variables(hadoop: Hadoop) -> dict[str, str]:
    """Return what a client's environment needs beside its settings."""
    return {
        "HADOOP_CONF_DIR": str(hadoop.conf),
        "YARN_CONF_DIR": str(hadoop.conf),
        "FRAUD_SPARK_YARN_JARS": f"local:{spark_home()}/jars/*",
        "FRAUD_SPARK_DRIVER_HOST": HOST,
        "PYSPARK_DRIVER_PYTHON": sys.executable,
    }
