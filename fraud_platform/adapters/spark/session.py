"""Spark sessions, chosen by one URL.

Here: configuring and opening a session for `local[N]`, `sc://`, `spark://` or `yarn`, with the
platform's code on every executor.
Not here: what is computed in it (stage packages), reading tables (`adapters.tables.lake`), the
Connect protocol (`adapters.spark.connect`), clusters (`adapters.spark.clusters`), creating the
class archive (`adapters.spark.classes`).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from fraud_platform.adapters.jvm.class_archive import QUIET, ClassArchive
from fraud_platform.adapters.jvm.jars import SPARK_JARS, fetch_jars
from fraud_platform.adapters.services.cleanup import scratch_folder
from fraud_platform.adapters.spark.code import code_archive
from fraud_platform.adapters.storage.schemes import hadoop_options, spark_jars
from fraud_platform.settings import Settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# TieredStopAtLevel=1: numpy does the work on rows, so the JVM's optimizing compiler (C2) costs more
# than it saves. Without C2 a first run takes 38 CPU s instead of 56; a warm run of 1.2 million rows
# takes 22 CPU s either way. ReservedCodeCacheSize: without C2 Java reserves only 48 MB for compiled
# code and stops compiling when a long session has filled it.
JAVA_OPTIONS = "-Duser.timezone=UTC -XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=240m"

# A task allocates and frees megabytes for every block of rows. By default glibc returns them to the
# kernel each time. With these limits it keeps them: cleaning spends a third less time in the
# kernel, which is 2 to 5 % of its CPU time, more in a small drop.
_WORKER_MEMORY = {
    "spark.executorEnv.MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "spark.executorEnv.MALLOC_TRIM_THRESHOLD_": str(128 << 20),
}

_ENVIRONMENT = "environment"
"""Folder in an executor's working directory into which it unpacks the Python environment."""
_LOOPBACK = ("127.0.0.1", "localhost")


def session_conf(settings: Settings) -> dict[str, str]:
    """Return the configuration of every session, including those on a shared server."""
    conf = {
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": str(settings.spark_shuffle_partitions),
        "spark.sql.execution.arrow.maxRecordsPerBatch": "65536",
        "spark.databricks.delta.snapshotPartitions": "2",
    }
    if settings.spark_environment is not None:
        conf["spark.sql.execution.pyspark.python"] = f"{_ENVIRONMENT}/bin/python"
    return conf


def spark_conf(settings: Settings) -> dict[str, str]:
    """Return the configuration of a session with its own JVM; fetches missing jars."""
    needed = SPARK_JARS | spark_jars(settings.spark_locations)
    jars = ",".join(str(path.absolute()) for path in fetch_jars(settings.jars, needed))
    return {
        **session_conf(settings),
        "spark.app.name": "fraud_platform",
        "spark.jars": jars,
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        **_WORKER_MEMORY,
        "spark.driver.memory": settings.spark_memory,
        "spark.driver.extraJavaOptions": JAVA_OPTIONS,
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.log.level": "ERROR",
        "spark.sql.warehouse.dir": str((settings.home / "spark-warehouse").absolute()),
    }


def local_conf(settings: Settings) -> dict[str, str]:
    """Return what a `local[N]` session needs in addition to `spark_conf`.

    Its jars are on the class path, because only those classes can come from the class archive: a
    session opens in 5 s instead of 9, and its first query on a table ends after 11 s instead of
    15.
    """
    jars = [settings.jars / name for name in spark_jars(settings.spark_locations)]
    archive = class_archive(settings)
    return {
        "spark.jars": ",".join(str(path.absolute()) for path in jars),
        # a driver that is killed leaves its blocks, which are removed with the process's folder
        "spark.local.dir": str(scratch_folder(settings.home).absolute()),
        "spark.driver.extraClassPath": _class_path(settings),
        "spark.driver.extraJavaOptions": " ".join((JAVA_OPTIONS, *QUIET, quoted(archive.option))),
    }


def quoted(option: str) -> str:
    """Return one option of Java as Spark takes it among others: it may contain spaces."""
    return '"' + option.replace("\\", "\\\\").replace('"', '\\"') + '"'


def class_archive(settings: Settings) -> ClassArchive:
    """Return the class archive that matches the installed Java, Spark and jars."""
    import pyspark

    command = f"{pyspark.__file__} {pyspark.__version__} {_class_path(settings)} {JAVA_OPTIONS}"
    return ClassArchive(settings.jars, "spark", command)


def _class_path(settings: Settings) -> str:
    return os.pathsep.join(str(settings.jars.resolve() / name) for name in SPARK_JARS)


def cluster_conf(settings: Settings, url: str) -> dict[str, str]:
    """Return what a session with executors on a cluster needs in addition to `spark_conf`."""
    cores = settings.spark_executor_cores
    conf = {
        "spark.executor.instances": str(settings.spark_executors),
        "spark.executor.cores": str(cores),
        "spark.executor.memory": settings.spark_executor_memory,
        "spark.executor.extraJavaOptions": "-Duser.timezone=UTC",
        "spark.cores.max": str(settings.spark_executors * cores),
        # Report a lost master or executor after one minute, not after Spark's default of two.
        "spark.network.timeout": "60s",
    }
    if url == "yarn" and settings.spark_yarn_jars is not None:
        conf["spark.yarn.jars"] = settings.spark_yarn_jars
    return conf


def driver_host(settings: Settings, url: str) -> str | None:
    """Return the host name at which executors reach the driver; None uses Spark's default."""
    is_here = url.startswith("local") or urlsplit(url).hostname in _LOOPBACK
    return settings.spark_driver_host or (_LOOPBACK[0] if is_here else None)


def open_session(
    settings: Settings, url: str | None = None, conf: Mapping[str, str] | None = None
) -> SparkSession:
    """Return the process's Spark session, opening one if there is none.

    Args:
        settings: the settings.
        url: Spark URL that replaces the one in the settings, for an ephemeral cluster.
        conf: additional configuration of the session.

    Raises:
        SettingsError: a Connect server refuses the token, or has no Delta Lake.
        Outage: a Connect server or a cluster does not answer.
    """
    url = url or settings.spark
    if settings.spark_python is not None:
        os.environ["PYSPARK_PYTHON"] = settings.spark_python
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    os.environ.setdefault("PYSPARK_DRIVER_PYTHON", sys.executable)
    if url.startswith("sc://"):
        return _open_remote(settings, url)
    _require_cluster(settings, url)
    is_local = url.startswith("local")
    chosen = spark_conf(settings)
    chosen |= local_conf(settings) if is_local else cluster_conf(settings, url)
    if host := driver_host(settings, url):
        os.environ.setdefault("SPARK_LOCAL_IP", host)
        chosen |= {"spark.driver.host": host, "spark.driver.bindAddress": host}
    session = _open_own(settings, url, {**chosen, **(conf or {})})
    if not is_local:
        _hand_over_code(session, settings)
    return session


def _require_cluster(settings: Settings, url: str) -> None:
    """Raise an Outage if a cluster's master does not answer; Spark would retry for minutes."""
    if url.startswith("spark://"):
        from fraud_platform.adapters.spark.connect import require_listener

        require_listener(url, "a Spark master", "its log says why it ended")
    if url == "yarn" and settings.yarn_url is not None:
        from fraud_platform.adapters.spark.clusters.yarn import YarnProvider

        YarnProvider(settings.yarn_url).require_started()


def _open_own(settings: Settings, url: str, conf: Mapping[str, str]) -> SparkSession:
    """Return a session whose JVM belongs to this process; JVM errors go to logs/spark.log."""
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.master(url)
    for key, value in conf.items():
        builder = builder.config(key, value)
    with _errors_into(settings.home / "logs" / "spark.log"):
        return _reaching_storage(builder.getOrCreate())


def _reaching_storage(session: SparkSession) -> SparkSession:
    """Set the S3 access of a session; set here, because a JVM's command line shows secrets."""
    for key, value in hadoop_options().items():
        session.conf.set(key, value)
    return session


def _open_remote(settings: Settings, url: str) -> SparkSession:
    from fraud_platform.adapters.spark.connect import connect

    records = session_records(settings)
    session, has_code = connect(url, settings.spark_token, session_conf(settings), records)
    if not has_code:
        _hand_over_code(session, settings)
    return _reaching_storage(session)


def session_records(settings: Settings) -> Path:
    """Return the folder with the records of sessions on Connect servers."""
    return settings.home / "spark-sessions"


def _hand_over_code(session: SparkSession, settings: Settings) -> None:
    """Add the running code, and the Python environment if one is set, to every executor."""
    code = code_archive(settings.home / "spark-code")
    session.addArtifacts(str(code), pyfile=True)
    if settings.spark_environment is not None:
        session.addArtifacts(f"{settings.spark_environment}#{_ENVIRONMENT}", archive=True)


def is_alive(session: SparkSession) -> bool:
    """Return whether a session can still be used: its server or JVM still knows it."""
    try:
        if session.__class__.__module__.startswith("pyspark.sql.connect"):
            return not session.is_stopped and bool(session.version)  # type: ignore[attr-defined]
        context = session.sparkContext._jsc
        return context is not None and not context.sc().isStopped()
    except Exception:  # noqa: BLE001 - Py4J raises any error once the JVM is gone
        return False


@contextmanager
def _errors_into(log: Path) -> Iterator[None]:
    """Redirect the stderr of a JVM that starts in the block from the terminal to a file."""
    log.parent.mkdir(parents=True, exist_ok=True)
    sys.stderr.flush()
    terminal = os.dup(2)
    try:
        with log.open("ab") as file:
            os.dup2(file.fileno(), 2)
            yield
    finally:
        os.dup2(terminal, 2)
        os.close(terminal)
