"""Spark sessions, by one URL.

Here: building and configuring a session for `local[N]`, `sc://`, `spark://` or `yarn`.
Not here: what is computed in it (stage packages), or reading tables (`adapters.lake`).
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from fraud_platform.adapters.jars import fetch_jars
from fraud_platform.settings import Settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def spark_conf(settings: Settings) -> dict[str, str]:
    """Return the configuration that every session of the platform has."""
    jars = ",".join(str(path) for path in fetch_jars(settings.jars))
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
        "spark.driver.extraJavaOptions": "-Duser.timezone=UTC",
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
    _silence_launcher()
    from pyspark.sql import SparkSession

    if settings.spark_url.startswith("sc://"):
        return SparkSession.builder.remote(settings.spark_url).getOrCreate()
    builder = SparkSession.builder.master(settings.spark_url)
    for key, value in spark_conf(settings).items():
        builder = builder.config(key, value)
    return builder.getOrCreate()


def _silence_launcher() -> None:
    """Point the JVM at a log4j2 file that prints errors only, from its first line on."""
    conf = Path(__file__).parent / "log4j2.properties"
    options = os.environ.get("JDK_JAVA_OPTIONS", "")
    flag = f"-Dlog4j2.configurationFile={conf.as_uri()}"
    if flag not in options:
        os.environ["JDK_JAVA_OPTIONS"] = f"{options} {flag}".strip()
