"""Cost of cleaning a dirty drop: the platform, a naive Spark job and DuckDB, in one run.

Here: a simulated dirty drop, each contender in its own process on two cores; CPU time per row of
the whole process tree, rows a second, peak memory; the platform's cost per row at several sizes.
Not here: the contenders (`cleaning_contenders`), whether the rows are right (the tests).

    python -m benchmarks.cleaning [--rows 12000000] [--sizes 3000000 12000000 48000000]
        [--folder DIR]

Every contender first cleans a small drop four times, so that session start and compilation are not
counted. The drop is in the page cache for all contenders. The contenders run once. The sizes run
in turn in three rounds, and the median by CPU time is reported for each size, so that a machine
that becomes slower or faster affects all sizes equally.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from benchmarks.cleaning_contenders import SPARK_CONTENDERS, Job, clean_with_duckdb
from benchmarks.metering import Meter
from benchmarks.report import markdown_table, write_section
from fraud_platform.simulation import DirtRates, SimulationConfig, simulate_drops

CORES = 2
MEMORY = "4g"
DIRT_MULTIPLE = 100
"""Factor on the dirt rates of the original series; about one row in 400 is dirty."""

WARM_UP_ROWS, WARM_UPS = 150_000, 4
SIZES = [3_000_000, 12_000_000, 48_000_000]
ROUNDS = 3
_ROWS_PER_CUSTOMER = 47.5
_FIRST_DAY = date(2019, 8, 22)


@dataclass(frozen=True)
class Measurement:
    """One contender's measurements on one drop."""

    contender: str
    rows: int
    rows_clean: int
    rows_quarantined: int
    seconds: float
    cpu_seconds: float
    peak_memory_mb: float

    @property
    def cpu_us_per_row(self) -> float:
        """Microseconds of CPU time per row, over all processes."""
        return self.cpu_seconds / self.rows * 1e6

    @property
    def rows_per_second(self) -> float:
        """Rows per second of wall time."""
        return self.rows / self.seconds


def make_drop(rows: int, folder: Path) -> Path:
    """Return a simulated dirty drop with about `rows` rows, created if it is missing."""
    landing = folder / str(rows)
    path = landing / f"{_FIRST_DAY}.txt"
    if not path.exists():
        series = SimulationConfig.original_series()
        config = dataclasses.replace(
            series,
            customers=max(round(rows / _ROWS_PER_CUSTOMER), 1),
            dirt=DirtRates().scaled(DIRT_MULTIPLE),
        )
        simulate_drops(config, landing)
    return path


def run_contender(contender: str, warm_up: Path, raw: Path, folder: Path) -> Measurement:
    """Clean both drops in this process and return the measurement of the second one."""
    small = [Job(warm_up, f"{_FIRST_DAY}", folder / f"warm-up-{i}") for i in range(WARM_UPS)]
    job = Job(raw, f"{_FIRST_DAY}", folder / "out")
    if contender == "duckdb":
        for one in small:
            clean_with_duckdb(one, CORES, MEMORY)
        with Meter() as meter:
            clean, quarantined = clean_with_duckdb(job, CORES, MEMORY)
    else:
        from fraud_platform.adapters.spark.session import open_session
        from fraud_platform.settings import Settings

        spark = open_session(Settings(spark_url=f"local[{CORES}]", spark_memory=MEMORY))
        for one in small:
            SPARK_CONTENDERS[contender](spark, one)
        with Meter() as meter:
            clean, quarantined = SPARK_CONTENDERS[contender](spark, job)
        spark.stop()
    return Measurement(
        contender,
        clean + quarantined,
        clean,
        quarantined,
        meter.seconds,
        meter.cpu_seconds,
        meter.peak_memory_mb,
    )


def measure(contender: str, warm_up: Path, raw: Path, scratch: Path) -> Measurement:
    """Run one contender in its own process."""
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        command = [sys.executable, "-m", "benchmarks.cleaning", "--contender", contender]
        command += ["--warm-up", str(warm_up), "--raw", str(raw), "--folder", folder]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    result = Measurement(**json.loads(done.stdout.splitlines()[-1]))
    print(
        f"{contender:14} {result.rows:>12,} rows {result.seconds:8.1f} s "
        f"{result.rows_per_second:>12,.0f} rows/s {result.cpu_us_per_row:6.2f} us CPU/row "
        f"{result.peak_memory_mb:8,.0f} MB",
        flush=True,
    )
    return result


def run_contenders(rows: int, folder: Path) -> list[Measurement]:
    """Measure all contenders on a drop of `rows` rows."""
    warm_up, raw = make_drop(WARM_UP_ROWS, folder), make_drop(rows, folder)
    return [measure(name, warm_up, raw, folder) for name in ("platform", "naive window", "duckdb")]


def run_sizes(sizes: list[int], folder: Path) -> list[Measurement]:
    """Measure the platform at all sizes in turn and return the median run of each size."""
    warm_up, raws = make_drop(WARM_UP_ROWS, folder), [make_drop(size, folder) for size in sizes]
    rounds = [[measure("platform", warm_up, raw, folder) for raw in raws] for _ in range(ROUNDS)]
    return [
        sorted(of_size, key=lambda one: one.cpu_seconds)[ROUNDS // 2]
        for of_size in zip(*rounds, strict=True)
    ]


def _table(found: list[Measurement]) -> str:
    return markdown_table(
        ["contender", "rows", "seconds", "rows/s", "us CPU/row", "peak memory, MB"],
        [
            [
                one.contender,
                f"{one.rows:,}",
                f"{one.seconds:.1f}",
                f"{one.rows_per_second:,.0f}",
                f"{one.cpu_us_per_row:.2f}",
                f"{one.peak_memory_mb:,.0f}",
            ]
            for one in found
        ],
    )


def to_markdown(contenders: list[Measurement], sizes: list[Measurement]) -> str:
    """Return both tables, the ratio of throughputs and the ratio of costs per row."""
    platform, naive, _ = contenders
    costs = [one.cpu_us_per_row for one in sizes]
    return (
        f"A simulated dirty drop ({DIRT_MULTIPLE} times the original dirt) to `transactions` and "
        f"`quarantine` on {CORES} cores; the platform also writes labels and ledger, DuckDB writes "
        f"plain Parquet.\n\n{_table(contenders)}\n\nThroughput, platform to naive: "
        f"{platform.rows_per_second / naive.rows_per_second:.1f}.\n\nThe platform at several "
        f"sizes, medians of {ROUNDS} rounds:\n\n{_table(sizes)}\n\nMost to least expensive row: "
        f"{max(costs) / min(costs):.2f}."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=12_000_000)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--folder", type=Path, help="folder in which drops are created and kept")
    parser.add_argument("--contender", help=argparse.SUPPRESS)
    parser.add_argument("--warm-up", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--raw", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.contender:
        found = run_contender(
            arguments.contender, arguments.warm_up, arguments.raw, arguments.folder
        )
        print(json.dumps(dataclasses.asdict(found)))
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        contenders = run_contenders(arguments.rows, folder)
        write_section("Cleaning", to_markdown(contenders, run_sizes(arguments.sizes, folder)))


if __name__ == "__main__":
    main()
