"""The archive of the classes that Spark loads until it has answered: made once, beside the jars.

Here: a session that loads what the platform's first queries want.
Not here: which archive fits, sessions that use it (`adapters.spark.session`), archives
(`adapters.jvm.class_archive`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
from deltalake import write_deltalake

from fraud_platform.adapters.jvm.class_archive import QUIET
from fraud_platform.adapters.spark.session import JAVA_OPTIONS, class_archive, open_session
from fraud_platform.settings import Settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_END_SECONDS = 120.0


def make_class_archive(settings: Settings, say: Callable[[str], object]) -> None:
    """Make the archive that sessions of these settings use, where it is not there.

    For a process that has no session, and opens none while this lasts.
    """

    def run(scratch: Path, option: str) -> None:
        say("Archiving Spark's classes, so that it starts sooner (once; half a minute to one) ...")
        options = " ".join((JAVA_OPTIONS, *QUIET, option))
        conf = {"spark.driver.extraJavaOptions": options}
        session = open_session(settings, "local[2]", conf)
        try:
            _exercise(session, scratch / "table")
        finally:
            _end(session)

    class_archive(settings).make(run)


def _exercise(session: SparkSession, table: Path) -> None:
    """Let Spark do once, on a few rows, what cleaning, features and training have it do."""
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    ids = list(range(100))
    rows = pa.table({"id": ids, "day": [i % 3 for i in ids], "text": [str(i) for i in ids]})
    for mode in ("overwrite", "append"):
        write_deltalake(str(table), rows, partition_by=["day"], mode=mode)
    read = session.read.format("delta").load(str(table)).where("day < 2")
    told = read.groupBy("id").agg(F.max("day").alias("told"), F.count("*").alias("times"))
    last = Window.partitionBy("day").orderBy(F.desc("id"))
    joined = read.join(told, "id", "left").withColumn("place", F.row_number().over(last))
    parts = joined.repartitionByRange(2, "day").sortWithinPartitions("day", "id")
    parts.mapInArrow(_same, parts.schema).toArrow()


def _same(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    yield from batches


def _end(session: SparkSession) -> None:
    """End a session and wait until its JVM has: it archives what it loaded as its last act."""
    context = session.sparkContext
    gateway = context._gateway
    assert gateway is not None
    session.stop()
    gateway.shutdown()
    gateway.proc.stdin.close()
    gateway.proc.wait(_END_SECONDS)
    context.__class__._gateway = context.__class__._jvm = None
