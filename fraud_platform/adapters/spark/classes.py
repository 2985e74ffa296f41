"""Creation of the class archive that makes Spark sessions start faster.

Here: a session that loads the classes that the platform's first queries need.
Not here: naming the archive and using it (`adapters.spark.session`), archives in general
(`adapters.jvm.class_archive`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
from deltalake import write_deltalake

from fraud_platform.adapters.jvm.class_archive import QUIET
from fraud_platform.adapters.spark.session import JAVA_OPTIONS, class_archive, open_session, quoted
from fraud_platform.settings import Settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_END_SECONDS = 120.0


def make_class_archive(settings: Settings, say: Callable[[str], object]) -> None:
    """Create the class archive for sessions with these settings, if it is missing.

    The calling process must have no Spark session and open none while this runs.

    Args:
        settings: the settings of the sessions.
        say: receives one progress line, if the archive is created.
    """

    def run(scratch: Path, option: str) -> None:
        say("Archiving Spark's classes for faster starts (once; takes 30 to 60 s) ...")
        options = " ".join((JAVA_OPTIONS, *QUIET, quoted(option)))
        conf = {"spark.driver.extraJavaOptions": options}
        session = open_session(settings, "local[2]", conf)
        try:
            _exercise(session, scratch / "table")
        finally:
            _end(session)

    class_archive(settings).make(run)


def _exercise(session: SparkSession, table: Path) -> None:
    """Run the operations of cleaning, features and training once, on a few rows."""
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    ids = list(range(100))
    rows = pa.table({"id": ids, "day": [i % 3 for i in ids], "text": [str(i) for i in ids]})
    for mode in ("overwrite", "append"):
        write_deltalake(str(table), rows, partition_by=["day"], mode=mode)
    read = session.read.format("delta").load(str(table)).where("day < 2")
    grouped = read.groupBy("id").agg(F.max("day").alias("last_day"), F.count("*").alias("rows"))
    by_day = Window.partitionBy("day").orderBy(F.desc("id"))
    joined = read.join(grouped, "id", "left").withColumn("number", F.row_number().over(by_day))
    parts = joined.repartitionByRange(2, "day").sortWithinPartitions("day", "id")
    parts.mapInArrow(_same, parts.schema).toArrow()


def _same(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    yield from batches


def _end(session: SparkSession) -> None:
    """Stop a session and wait for its JVM to exit, because the JVM writes the archive at exit."""
    context = session.sparkContext
    gateway = context._gateway
    assert gateway is not None
    session.stop()
    gateway.shutdown()
    gateway.proc.stdin.close()
    gateway.proc.wait(_END_SECONDS)
    context.__class__._gateway = context.__class__._jvm = None
