"""Jars that are not part of a Python package, fetched with Ivy and verified by SHA-256.

Here: the jars of Delta, fetching, verifying hashes.
Not here: the longer lists (`adapters.jvm.kafka_jars`, `adapters.jvm.s3_jars`), starting the
programs that use them (`adapters.spark.session`, `adapters.kafka.broker`).
"""

from __future__ import annotations

import fcntl
import hashlib
import subprocess
import tempfile
from pathlib import Path

from fraud_platform.adapters.jvm.java import find_java
from fraud_platform.errors import Outage

SPARK_JARS: dict[str, tuple[str, str]] = {
    "delta-spark_4.2_2.13-4.4.0.jar": (
        "io.delta:delta-spark_4.2_2.13:4.4.0",
        "27d4fd8b1f879535c573ed1c718177d6a27f24d3e626ba02e216369725721ead",
    ),
    "delta-storage-4.4.0.jar": (
        "io.delta:delta-storage:4.4.0",
        "c46735481fa8e326b0957be02b4420cbcab4b325bb08009b7f2045a95133f1cc",
    ),
}
"""File name to (Maven coordinate, SHA-256): the jars that Delta needs in addition to Spark's."""


def by_file_name(pins: str) -> dict[str, tuple[str, str]]:
    """Return file name to (Maven coordinate, SHA-256) from lines "coordinate SHA-256"."""
    jars = {}
    for coordinate, digest in (line.split() for line in pins.split("\n") if line):
        _, artifact, version = coordinate.split(":")
        jars[f"{artifact}-{version}.jar"] = (coordinate, digest)
    return jars


_SETTINGS = """<ivysettings><settings defaultResolver="central"/><caches defaultCacheDir="{cache}"/>
<resolvers><ibiblio name="central" m2compatible="true"/></resolvers></ivysettings>"""
_MODULE = """<ivy-module version="2.0"><info organisation="fraud-platform" module="jars"/>
<configurations><conf name="default"/></configurations><dependencies>{dependencies}</dependencies>
</ivy-module>"""


def missing_jars(folder: Path, jars: dict[str, tuple[str, str]] = SPARK_JARS) -> list[str]:
    """Return the names of jars that are missing from `folder` or do not match their hash."""
    return [
        name
        for name, (_, digest) in jars.items()
        if not (folder / name).is_file()
        or hashlib.sha256((folder / name).read_bytes()).hexdigest() != digest
    ]


def fetch_jars(folder: Path, jars: dict[str, tuple[str, str]] = SPARK_JARS) -> list[Path]:
    """Download missing or damaged jars into `folder` and return the paths of all `jars`.

    Safe to call from several processes at once; a file is either complete or absent.

    Raises:
        Outage: the jars could not be fetched, or a fetched jar does not match its hash.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / name for name in jars]
    if not missing_jars(folder, jars):
        return paths
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        wanted = missing_jars(folder, jars)
        if wanted:
            _retrieve({name: jars[name] for name in wanted}, folder)
    if wrong := missing_jars(folder, jars):
        raise Outage(
            f"expected {', '.join(wrong)} with the pinned SHA-256 in {folder}, found "
            "other bytes. Delete the folder and run again."
        )
    return paths


def _retrieve(jars: dict[str, tuple[str, str]], folder: Path) -> None:
    import pyspark

    ivy = next((Path(pyspark.__file__).parent / "jars").glob("ivy-*.jar"))
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        work = Path(scratch)
        dependencies = "".join(
            '<dependency org="{}" name="{}" rev="{}" transitive="false" '
            'conf="default->master"/>'.format(*coordinate.split(":"))
            for coordinate, _ in jars.values()
        )
        (work / "settings.xml").write_text(_SETTINGS.format(cache=work / "cache"))
        (work / "ivy.xml").write_text(_MODULE.format(dependencies=dependencies))
        command = [
            find_java() or "java", "-jar", str(ivy), "-settings", str(work / "settings.xml"),
            "-ivy", str(work / "ivy.xml"), "-types", "jar", "bundle",
            "-retrieve", str(work / "out" / "[artifact]-[revision].[ext]"),
        ]  # fmt: skip
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
        except FileNotFoundError:
            raise Outage(
                "java is not on the PATH, so the jars cannot be fetched. Install Java 17 "
                "(Debian: apt-get install openjdk-17-jre-headless) and run again."
            ) from None
        except subprocess.TimeoutExpired:
            raise Outage("fetching the jars took more than 600 s; check the network.") from None
        fetched = {path.name: path for path in (work / "out").glob("*.jar")}
        if missing := [name for name in jars if name not in fetched]:
            raise Outage(
                f"could not fetch {', '.join(missing)} from Maven Central. Check the network or a "
                f"proxy (JAVA_TOOL_OPTIONS), then run again.\n{done.stdout[-800:]}"
            )
        for name in jars:
            fetched[name].replace(folder / name)
