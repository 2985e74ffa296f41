"""Spark sessions, by one URL.

Here: building and configuring a session for `local[N]`, `sc://`, `spark://` or `yarn`.
Not here: what is computed in it (stage packages), or reading tables (`adapters.lake`).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from fraud_platform.adapters.access import hadoop_options
from fraud_platform.adapters.jars import SPARK_JARS, fetch_jars
from fraud_platform.adapters.s3_jars import S3_JARS
from fraud_platform.settings import Settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def spark_conf(settings: Settings) -> dict[str, str]:
    """Return the configuration that every session of the platform has."""
    wanted = SPARK_JARS | (S3_JARS if settings.uses_s3 else {})
    jars = ",".join(str(path) for path in fetch_jars(settings.jars, wanted))
    return {
        "spark.app.name": "fraud_platform",
        "spark.jars": jars,
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": str(settings.spark_shuffle_partitions),
        "spark.sql.execution.arrow.maxRecordsPerBatch": "65536",
        "spark.databricks.delta.snapshotPartitions": "2",
        "spark.driver.memory": settings.spark_memory,
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        # Rows are worked on by numpy, so the JVM's optimizing compiler costs more than it saves: a
        # first run took 38 CPU s instead of 56, a warm one of 1.2 million rows 22 either way.
        "spark.driver.extraJavaOptions": "-Duser.timezone=UTC -XX:TieredStopAtLevel=1",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.log.level": "ERROR",
        "spark.sql.warehouse.dir": str((settings.home / "spark-warehouse").absolute()),
    }


def open_session(settings: Settings) -> SparkSession:
    """Return the process's session for `settings.spark_url`, starting it where there is none."""
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    os.environ.setdefault("PYSPARK_DRIVER_PYTHON", sys.executable)
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    from pyspark.sql import SparkSession

    if settings.spark_url.startswith("sc://"):
        return _reaching_storage(SparkSession.builder.remote(settings.spark_url).getOrCreate())
    builder = SparkSession.builder.master(settings.spark_url)
    for key, value in spark_conf(settings).items():
        builder = builder.config(key, value)
    with _errors_into(settings.home / "logs" / "spark.log"):
        return _reaching_storage(builder.getOrCreate())


def _reaching_storage(session: SparkSession) -> SparkSession:
    """Tell the session how S3 is reached: here, since a start's command line shows its secrets."""
    for key, value in hadoop_options().items():
        session.conf.set(key, value)
    return session


@contextmanager
def _errors_into(log: Path) -> Iterator[None]:
    """Let the JVM that starts inside the block write its stderr to a file, not to the terminal."""
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
