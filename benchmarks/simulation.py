"""Cost of simulating drops: rows per second, CPU time per row, peak memory.

Here: one drop as large as the original series, written to a folder by `simulate_drops`.
Not here: whether the rows are right (`fraud_platform_tests`).

    python -m benchmarks.simulation [--days 30] [--folder DIR]
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from pathlib import Path

from benchmarks.report import markdown_table, write_section
from fraud_platform.simulation import SimulationConfig, simulate_drops
from fraud_platform.simulation.drops import spell_days


def measure(days: int, folder: Path | None = None) -> dict[str, float]:
    """Simulate `days` days of 988,545 customers and return the measurements.

    `rows_per_second` covers everything: the population, text, files, fsync and rename.
    `rows_per_second_text_only` excludes the files.
    """
    config = SimulationConfig.original_series(days=days)
    begun, cpu = time.perf_counter(), time.process_time()
    text_rows = sum(day.rows for day in spell_days(config))
    text_seconds = time.perf_counter() - begun
    text_cpu = time.process_time() - cpu
    with tempfile.TemporaryDirectory(dir=folder) as place:
        begun, cpu = time.perf_counter(), time.process_time()
        drops = simulate_drops(config, Path(place) / "landing", Path(place) / "truth")
        seconds, cpu_seconds = time.perf_counter() - begun, time.process_time() - cpu
        size_bytes = sum(drop.size_bytes for drop in drops)
    rows = sum(drop.rows_read for drop in drops)
    return {
        "rows": rows,
        "gigabytes": round(size_bytes / 1e9, 2),
        "seconds": round(seconds, 1),
        "rows_per_second": round(rows / seconds),
        "cpu_us_per_row": round(cpu_seconds / rows * 1e6, 2),
        "rows_per_second_text_only": round(text_rows / text_seconds),
        "cpu_us_per_row_text_only": round(text_cpu / text_rows * 1e6, 2),
        "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=measure.__doc__)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--folder", type=Path, help="where the drop is written and removed")
    arguments = parser.parse_args()
    figures = measure(arguments.days, arguments.folder)
    print(json.dumps(figures, indent=2))
    rows = [[name.replace("_", " "), str(value)] for name, value in figures.items()]
    write_section(
        "Simulation",
        "`python -m benchmarks.simulation`: one drop of the original series' size.\n\n"
        + markdown_table(["figure", "value"], rows),
    )


if __name__ == "__main__":
    main()
