"""The scorer's state for many customers: time to create and load it, and its memory.

Here: simulated days with their tiles and features, the snapshot that Spark creates from them, and a
process that loads it like every scorer at its start.
Not here: scoring (`benchmarks.scoring`), whether the state is right (the tests).

    python -m benchmarks.scoring_state [--customers 1000000] [--terminals 100000] [--folder DIR]

The days cover the lookback of scoring. A given folder is kept, so that the next run finds the days
already built.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

import psutil
from pyspark.sql import SparkSession

from benchmarks.features_contenders import FIRST_DAY, ROWS_PER_CUSTOMER_AND_DAY, write_clean_tables
from benchmarks.metering import Meter
from benchmarks.report import markdown_table, write_section
from fraud_platform.adapters.spark.session import open_session
from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.contracts.active import LABEL_LOOKBACK_HOURS
from fraud_platform.features.batch.materialize import materialize_days
from fraud_platform.scoring.state.recovery import RecoveredState
from fraud_platform.scoring.state.snapshot import write_snapshot
from fraud_platform.settings import Settings, load_settings
from fraud_platform.tables.features import CUSTOMER_TILES

DAYS = LABEL_LOOKBACK_HOURS // 24 + 1
STEP = 6
"""Days that are simulated and built at once, which bounds the memory."""
_HORIZON_DAYS = 30


def make_snapshot(lake: Lake, customers: int, terminals: int, memory: str) -> dict[str, str]:
    """Build the missing days and the snapshot; return the measurements of the snapshot."""
    spark = open_session(Settings(spark_url="local[2]", spark_memory=memory))
    if len(lake.ensure(CUSTOMER_TILES).partitions()) < DAYS:
        rows = round(customers * ROWS_PER_CUSTOMER_AND_DAY)
        write_clean_tables(lake, rows, 0, DAYS, terminals=terminals, drop_days=STEP)
        _build_days(spark, lake)
    with Meter() as meter:
        snapshot = write_snapshot(
            spark, lake, FIRST_DAY + timedelta(days=DAYS), load_settings().duplicate_horizon_days
        )
    spark.stop()
    return {
        "snapshot": str(snapshot),
        "seconds to create the snapshot": f"{meter.seconds:,.0f}",
        "CPU seconds": f"{meter.cpu_seconds:,.0f}",
        "peak memory, GB": f"{meter.peak_memory_mb / 1024:,.1f}",
    }


def _build_days(spark: SparkSession, lake: Lake) -> None:
    for first in range(0, DAYS, STEP):
        days = range(first, min(first + STEP, DAYS))
        start, end = (FIRST_DAY + timedelta(days=day) for day in (days[0], days[-1]))
        materialize_days(spark, lake, start, end)
        print(f"{days[-1] + 1} of {DAYS} days are built", flush=True)


def load(lake: Lake, snapshot: str) -> dict[str, str]:
    """Load a snapshot into this process; return the measurements of loading."""
    process, begun = psutil.Process(), time.perf_counter()
    before = process.memory_info().rss
    with Meter() as meter:
        recovered = RecoveredState(lake, snapshot, _HORIZON_DAYS)
    seconds = time.perf_counter() - begun
    return {
        "transactions held": f"{recovered.state.live.n_events:,}",
        "seconds to load it": f"{seconds:,.1f}",
        "memory held, GB": f"{(process.memory_info().rss - before) / 2**30:,.1f}",
        "peak while loading, GB": f"{meter.peak_memory_mb / 1024:,.1f}",
    }


def measure(folder: Path, customers: int, terminals: int, memory: str) -> dict[str, str]:
    """Return all measurements; the snapshot is loaded in a separate process."""
    lake = Lake(str(folder / f"state-{customers}-{terminals}"))
    created = make_snapshot(lake, customers, terminals, memory)
    command = [sys.executable, "-m", "benchmarks.scoring_state"]
    command += ["--load", created.pop("snapshot"), "--folder", lake.url]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    sizes = {"customers": f"{customers:,}", "terminals": f"{terminals:,}", "days": str(DAYS)}
    return {**sizes, **created, **json.loads(done.stdout.splitlines()[-1])}


def main() -> None:
    """Measure, or load a snapshot in the process that `measure` started."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=1_000_000)
    parser.add_argument("--terminals", type=int, default=100_000)
    parser.add_argument("--memory", default="4g", help="Spark's driver")
    parser.add_argument("--folder", type=Path, default=None)
    parser.add_argument("--load", default="", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.load:
        print(json.dumps(load(Lake(str(given.folder)), given.load)))
        return
    with tempfile.TemporaryDirectory(prefix="scoring-state-") as scratch:
        folder = given.folder or Path(scratch)
        figures = measure(folder, given.customers, given.terminals, given.memory)
    table = markdown_table(["figure", "value"], [[n, v] for n, v in figures.items()])
    print(table)
    write_section("Scoring: the state", f"{table}\n\n`python -m benchmarks.scoring_state`.")


if __name__ == "__main__":
    main()
