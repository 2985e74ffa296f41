"""One measurement with the benchmark code of the checkout in PYTHONPATH.

Here: calls that exist in the benchmarks of all revisions; the result is one line of JSON.
Not here: alternating and ratios (`benchmarks.against`, which runs this file as a script).
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

DROP_NAME = "2019-08-22"


def cleaning(folder: Path, rows: int, seconds: int) -> dict[str, float]:  # noqa: ARG001 - all probes have one signature
    """Clean one simulated dirty drop, after four warm-ups on a small one."""
    from benchmarks import cleaning as benchmark

    warm_up = benchmark.make_drop(benchmark.WARM_UP_ROWS, folder)
    raw = benchmark.make_drop(rows, folder)
    with tempfile.TemporaryDirectory(dir=folder) as out:
        result = benchmark.run_contender("platform", warm_up, raw, Path(out))
    return {
        "CPU us a row": result.cpu_us_per_row,
        "wall seconds": result.seconds,
        "peak MB": result.peak_memory_mb,
    }


def features(folder: Path, rows: int, seconds: int) -> dict[str, float]:  # noqa: ARG001 - all probes have one signature
    """Build tiles and features of 120 simulated days, with a quarter of the drop's rows."""
    from benchmarks import features as benchmark

    (result,) = benchmark.run_contender("platform", rows // 4, folder)
    return {
        "CPU us a row": result.cpu_us_per_row,
        "wall seconds": result.seconds,
        "peak MB": result.peak_memory_mb,
    }


def backlog(folder: Path, rows: int, seconds: int) -> dict[str, float]:  # noqa: ARG001 - all probes have one signature
    """Score a backlog with the in-process engine."""
    return _backlog(folder, "inprocess")


def spark(folder: Path, rows: int, seconds: int) -> dict[str, float]:  # noqa: ARG001 - all probes have one signature
    """Score a backlog with the Spark engine."""
    return _backlog(folder, "spark")


def _backlog(folder: Path, engine: str) -> dict[str, float]:
    from benchmarks import scoring as benchmark
    from benchmarks.scoring_world import world

    with world(folder) as place:
        result = benchmark.backlog(place, engine)
    return {
        "CPU us a message": result.cpu_us,
        "wall seconds": result.seconds,
        "broker's CPU us a message": result.broker_us,
        "peak MB": result.peak_memory_mb,
    }


def live(folder: Path, rows: int, seconds: int) -> dict[str, float]:  # noqa: ARG001 - all probes have one signature
    """Follow a live stream of 400 messages a second at 50 ms."""
    from benchmarks import scoring as benchmark
    from benchmarks.scoring_world import world

    with world(folder) as place:
        result = benchmark.live(place, 400, 50, seconds)
    if result.seen != result.sent:
        raise SystemExit(f"live: {result.sent} messages sent, {result.seen} predictions seen")
    p50, p99, _ = result.percentiles_ms
    return {"p50 ms": p50, "p99 ms": p99, "CPU us a message": result.cpu_us}


WORKS = {work.__name__: work for work in (cleaning, features, backlog, spark, live)}


def main() -> None:
    """Run one measurement and print it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("work", choices=sorted(WORKS))
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--rows", type=int, required=True)
    parser.add_argument("--seconds", type=int, required=True)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    figures = WORKS[options.work](options.folder, options.rows, options.seconds)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
