"""DistCp: Hadoop's distributed copy, on this machine or on a YARN cluster.

Here: its jars, its configuration and command, its errors.
Not here: verifying the copies (`ingest.loading`), jars in general (`adapters.jvm.jars`).

The configuration contains S3's keys, so it is in a folder that only its owner can read, and not on
a command line. A cluster's configuration comes from HADOOP_CONF_DIR.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from xml.sax.saxutils import escape

from fraud_platform.adapters.jvm.jars import fetch_jars
from fraud_platform.adapters.jvm.java import find_java
from fraud_platform.adapters.jvm.s3_jars import S3_JARS
from fraud_platform.adapters.storage.schemes import hadoop_options
from fraud_platform.contracts.time import SECONDS_PER_DAY
from fraud_platform.errors import Outage, SettingsError

DISTCP_JARS = {
    "hadoop-distcp-3.5.0.jar": (
        "org.apache.hadoop:hadoop-distcp:3.5.0",
        "b9ed09e3422d9286c4268da663a087f31449afd71890f16f1cf968ead3692058",
    )
}
LIMIT_SECONDS = SECONDS_PER_DAY


def distcp(urls: Sequence[str], target: str, jars: Path, on_yarn: bool = False) -> None:
    """Copy files into a folder of another Hadoop file system; files that are equal are skipped.

    Args:
        urls: `s3://`, `hdfs://` or `file://` URLs of the files.
        target: URL of the folder.
        jars: folder of the jars.
        on_yarn: copy on the cluster of HADOOP_CONF_DIR instead of this machine.

    Raises:
        Outage: not all files were copied.
        SettingsError: HADOOP_CONF_DIR is not set.
    """
    import pyspark

    site = [_hadoop_configuration()] if on_yarn else []
    bundled = Path(pyspark.__file__).parent / "jars"
    wanted = fetch_jars(jars, S3_JARS | DISTCP_JARS)
    with tempfile.TemporaryDirectory(prefix="distcp-") as folder:
        work = Path(folder)
        (work / "core-site.xml").write_text(_configuration(on_yarn))
        (work / "files").write_text("".join(f"{_absolute(url)}\n" for url in urls))
        class_path = ":".join([folder, *site, f"{bundled}/*", *map(str, wanted)])
        command = [
            find_java() or "java", "-cp", class_path, "org.apache.hadoop.tools.DistCp",
            "-update", "-skipcrccheck", "-strategy", "dynamic", "-f", f"file://{work}/files",
            _absolute(target),
        ]  # fmt: skip
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False, cwd=work
        )
    if done.returncode:
        lines = [
            line for line in done.stderr.splitlines() if "Exception" in line or "ERROR" in line
        ]
        raise Outage(
            f"DistCp: expected to copy {len(urls)} files to {target}, found code "
            f"{done.returncode}: {(lines or [done.stderr[-300:]])[-1][:400]}. Load again; copied "
            "files are kept."
        )


def _hadoop_configuration() -> str:
    folder = os.environ.get("HADOOP_CONF_DIR")
    if not folder:
        raise SettingsError(
            "DistCp on YARN: expected HADOOP_CONF_DIR, found it unset. Set it to the folder with "
            "the cluster's yarn-site.xml, or leave out --yarn."
        )
    return folder


def _absolute(url: str) -> str:
    return url if "://" in url else f"file://{url}"


def _configuration(on_yarn: bool) -> str:
    options = hadoop_options() | {"mapreduce.framework.name": "yarn" if on_yarn else "local"}
    properties = "".join(
        f"<property><name>{name}</name><value>{escape(value)}</value></property>"
        for name, value in options.items()
    )
    return f"<configuration>{properties}</configuration>\n"
