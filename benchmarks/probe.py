"""One piece of work, measured by the benchmark code of the checkout that PYTHONPATH names.

Here: the few calls that every revision's benchmarks have, and their figures as one line of JSON.
Not here: taking turns and ratios (`benchmarks.against`, which runs this file as a script).
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

DROP_NAME = "2019-08-22"


def cleaning(folder: Path, rows: int, seconds: int) -> dict[str, float]:
    """Clean one simulated dirty drop, after four warm-ups on a small one."""
    from benchmarks import cleaning as own

    warm_up, raw = own.make_drop(own.WARM_UP_ROWS, folder), own.make_drop(rows, folder)
    with tempfile.TemporaryDirectory(dir=folder) as out:
        found = own.run_contender("platform", warm_up, raw, Path(out))
    return {
        "CPU us a row": found.cpu_us_per_row,
        "wall seconds": found.seconds,
        "peak MB": found.peak_memory_mb,
    }


def backlog(folder: Path, rows: int, seconds: int) -> dict[str, float]:
    """Score a backlog in process."""
    return _backlog(folder, "inprocess")


def spark(folder: Path, rows: int, seconds: int) -> dict[str, float]:
    """Score a backlog on Spark."""
    return _backlog(folder, "spark")


def _backlog(folder: Path, engine: str) -> dict[str, float]:
    from benchmarks import scoring as own
    from benchmarks.scoring_world import world

    with world(folder) as place:
        found = own.backlog(place, engine)
    return {
        "CPU us a message": found.cpu_us,
        "wall seconds": found.seconds,
        "broker's CPU us a message": found.broker_us,
        "peak MB": found.peak_memory_mb,
    }


def live(folder: Path, rows: int, seconds: int) -> dict[str, float]:
    """Follow a live stream of 400 messages a second at 50 ms."""
    from benchmarks import scoring as own
    from benchmarks.scoring_world import world

    with world(folder) as place:
        found = own.live(place, 400, 50, seconds)
    if found.seen != found.sent:
        raise SystemExit(f"live: {found.sent} messages sent, {found.seen} predictions seen")
    p50, p99, _ = found.percentiles_ms
    return {"p50 ms": p50, "p99 ms": p99, "CPU us a message": found.cpu_us}


WORKS = {work.__name__: work for work in (cleaning, backlog, spark, live)}


def main() -> None:
    """Do one piece of work and print its figures."""
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
