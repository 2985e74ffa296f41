"""Cost of tiles and features: the platform, polars and pandas; one day by its history.

Here: 120 simulated days with about 12 million rows through `materialize_days`, each contender in
its own process on two cores; CPU time per row of the whole process tree, peak memory; one day of
the same size with 1, 4 and 16 months of history; skewed rows of one customer and one terminal.
Not here: the contenders (`features_contenders`), whether features are right (the tests).

    python -m benchmarks.features [--rows 12000000] [--pandas-rows 1200000]
        [--day-rows 25000] [--folder DIR]

The platform builds everything: label tiles, terminal tiles, customer tiles and every declared
feature, into Delta tables. polars and pandas compute the Handbook's 15 features in memory. Every
contender first runs on a small lake, so that session start and compilation are not counted.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from benchmarks.features_contenders import (
    DROP_DAYS,
    FIRST_DAY,
    Crowd,
    handbook_by_pandas,
    handbook_by_polars,
    write_clean_tables,
)
from benchmarks.metering import Meter
from benchmarks.report import markdown_table, write_section
from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.contracts.active import FEATURE_NAMES
from fraud_platform.contracts.tables import TRANSACTIONS
from fraud_platform.datasets.handbook.features import HANDBOOK_NAMES
from fraud_platform.settings import Settings
from fraud_platform.tables.features import TRANSACTION_FEATURES

CORES = 2
MEMORY = "3g"
DAYS = 120
HISTORY_DAYS = (30, 120, 480)
REPEATS = 5
WARM_UP = ("warm-up", 4_000, 30)
_COLUMNS = [
    "transaction_id",
    "tx_datetime",
    "customer_id",
    "terminal_id",
    "amount_cents",
    "is_fraud",
]


@dataclass(frozen=True)
class Measurement:
    """One contender's measurements."""

    contender: str
    rows: int
    features: int
    seconds: float
    cpu_seconds: float
    peak_memory_mb: float
    history_days: int = 0

    @property
    def cpu_us_per_row(self) -> float:
        """Microseconds of CPU time per row, over all processes."""
        return self.cpu_seconds / self.rows * 1e6


def make_lake(folder: Path, name: str, rows_per_day: int, days: int, crowd: Crowd) -> Lake:
    """Return a lake with clean tables, created if it is missing."""
    path = folder / f"{name}-{rows_per_day}-{days}"
    lake = Lake(str(path))
    if not (path / "made").exists():
        write_clean_tables(lake, rows_per_day, 0, days, crowd)
        (path / "made").touch()
    return lake


class Platform:
    """The platform in this process, with a local session that has already built a small lake."""

    def __init__(self, folder: Path) -> None:
        from fraud_platform.adapters.spark.session import open_session

        self.spark = open_session(Settings(spark_url=f"local[{CORES}]", spark_memory=MEMORY))
        name, rows, days = WARM_UP
        small = make_lake(folder, name, rows, days, Crowd())
        self.build(small, 0, days - 2)
        self.build(small, days - 1, days - 1)

    def build(self, lake: Lake, first: int, last: int) -> tuple[int, Meter]:
        """Materialize days, counted from the first; return the rows and what they cost."""
        from fraud_platform.features.batch.materialize import materialize_days

        with Meter() as meter:
            outcome = materialize_days(
                self.spark, lake, *(FIRST_DAY + timedelta(days=n) for n in (first, last))
            )
        return outcome.tables[TRANSACTION_FEATURES.name].rows, meter


def measure_backfill(folder: Path, name: str, rows: int, crowd: Crowd) -> list[Measurement]:
    """Return what all days of a lake cost in one run."""
    platform = Platform(folder)
    lake = make_lake(folder, name, rows // DAYS, DAYS, crowd)
    found, meter = platform.build(lake, 0, DAYS - 1)
    return [_measurement(name, found, len(FEATURE_NAMES), meter)]


def measure_days(folder: Path, rows_per_day: int) -> list[Measurement]:
    """Return what one day costs after months of history; of several runs, the cheapest.

    Each history is a lake of its own. Once all are built the days are measured in turn, since
    minutes lie between their building, in which a machine may change its speed.
    """
    platform = Platform(folder)
    lakes = {days: _lake_of_days(platform, folder, rows_per_day, days) for days in HISTORY_DAYS}
    runs = [
        (days, *platform.build(lake, days, days))
        for _ in range(REPEATS)
        for days, lake in lakes.items()
    ]
    measured = []
    for days in HISTORY_DAYS:
        of_days = [(rows, meter) for d, rows, meter in runs if d == days]
        rows, meter = min(of_days, key=lambda run: run[1].cpu_seconds)
        found = _measurement("platform, one day", rows, len(FEATURE_NAMES), meter)
        measured.append(dataclasses.replace(found, history_days=days))
    return measured


def _lake_of_days(platform: Platform, folder: Path, rows_per_day: int, days: int) -> Lake:
    """Return a lake with `days` days built drop by drop, and one more day to build."""
    lake = make_lake(folder, "days", rows_per_day, days + 1, Crowd())
    for first in range(0, days, DROP_DAYS):
        platform.build(lake, first, min(first + DROP_DAYS, days) - 1)
    return lake


def measure_in_memory(folder: Path, contender: str, rows: int) -> list[Measurement]:
    """Measure polars or pandas on the Handbook's features."""
    compute = {"polars": handbook_by_polars, "pandas": handbook_by_pandas}[contender]
    lake = make_lake(folder, "platform", rows // DAYS, DAYS, Crowd())
    transactions = lake.read_arrow(TRANSACTIONS, columns=_COLUMNS)
    compute(transactions.slice(0, 10_000))
    with Meter() as meter:
        n_rows = compute(transactions)
    return [_measurement(contender, n_rows, len(HANDBOOK_NAMES), meter)]


def _measurement(contender: str, rows: int, features: int, meter: Meter) -> Measurement:
    return Measurement(
        contender, rows, features, meter.seconds, meter.cpu_seconds, meter.peak_memory_mb
    )


def run_contender(contender: str, rows: int, folder: Path) -> list[Measurement]:
    """Measure one contender in this process."""
    if contender == "days":
        return measure_days(folder, rows)
    if contender == "platform":
        return measure_backfill(folder, contender, rows, Crowd())
    if contender == "platform, crowded":
        return measure_backfill(folder, contender, rows, Crowd(customer=1 / 3, terminal=1 / 2))
    return measure_in_memory(folder, contender, rows)


def measure(contender: str, rows: int, folder: Path) -> list[Measurement]:
    """Measure one contender in its own process."""
    command = [sys.executable, "-m", "benchmarks.features", "--contender", contender]
    command += ["--rows", str(rows), "--folder", str(folder)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found = [Measurement(**values) for values in json.loads(done.stdout.splitlines()[-1])]
    for one in found:
        print(
            f"{one.contender:18} {one.history_days:>4} days before {one.rows:>12,} rows "
            f"{one.seconds:8.1f} s {one.cpu_us_per_row:8.2f} us CPU/row "
            f"{one.peak_memory_mb:8,.0f} MB",
            flush=True,
        )
    return found


def to_markdown(backfills: list[Measurement], days: list[Measurement]) -> str:
    """Return both tables with their explanations."""
    table = markdown_table(
        ["contender", "rows", "features", "seconds", "us CPU/row", "peak memory, MB"],
        [
            [
                one.contender,
                f"{one.rows:,}",
                str(one.features),
                f"{one.seconds:.1f}",
                f"{one.cpu_us_per_row:.2f}",
                f"{one.peak_memory_mb:,.0f}",
            ]
            for one in backfills
        ],
    )
    of_days = markdown_table(
        ["days of history", "rows of the day", "seconds", "CPU seconds", "peak memory, MB"],
        [
            [
                str(one.history_days),
                f"{one.rows:,}",
                f"{one.seconds:.1f}",
                f"{one.cpu_seconds:.2f}",
                f"{one.peak_memory_mb:,.0f}",
            ]
            for one in days
        ],
    )
    costs = [one.cpu_us_per_row for one in days]
    return (
        f"{DAYS} simulated days on {CORES} cores. The platform builds all tiles and every declared "
        "feature into Delta tables in one run; polars and pandas compute the Handbook's "
        f"{len(HANDBOOK_NAMES)} features over exact seconds in memory. Crowded: one customer has a "
        "third of the rows, one terminal half of them.\n\n"
        f"{table}\n\nOne day after increasing amounts of history, in turn, "
        f"cheapest of {REPEATS} runs:\n\n"
        f"{of_days}\n\nMost to least expensive row: {max(costs) / min(costs):.2f}."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=12_000_000)
    parser.add_argument("--crowded-rows", type=int, default=3_000_000)
    parser.add_argument("--pandas-rows", type=int, default=1_200_000)
    parser.add_argument("--day-rows", type=int, default=25_000)
    parser.add_argument("--folder", type=Path, help="where lakes are made and kept")
    parser.add_argument("--contender", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.contender:
        found = run_contender(arguments.contender, arguments.rows, arguments.folder)
        print(json.dumps([dataclasses.asdict(one) for one in found]))
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        backfills = [
            *measure("platform", arguments.rows, folder),
            *measure("polars", arguments.rows, folder),
            *measure("polars", arguments.pandas_rows, folder),
            *measure("pandas", arguments.pandas_rows, folder),
            *measure("platform, crowded", arguments.crowded_rows, folder),
        ]
        days = measure("days", arguments.day_rows, folder)
        write_section("Features", to_markdown(backfills, days))


if __name__ == "__main__":
    main()
