"""A process with a Spark session of its own: `python -m .. TASK ARGUMENTS`, settings by FRAUD_*.

Here: what the tests of Spark's URLs let run elsewhere: a small world made, cleaned, its features
built, its stream scored; a job that lasts; where executors find the platform's code.
Not here: the tests, the clusters.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from fraud_platform.adapters.spark.session import open_session
from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.settings import load_settings
from fraud_platform_tests.testing.defaults import limits, unpacking

if TYPE_CHECKING:
    import pyarrow as pa


def build(landing: str, first: str, last: str) -> None:
    """Clean the drops of a folder and build the features of their days."""
    from fraud_platform.cleaning import publish_drop
    from fraud_platform.features.batch.materialize import materialize_days
    from fraud_platform.operations.platform_state import write_drop_days

    settings = load_settings()
    spark, lake = open_session(settings), Lake(settings.lake)
    for path in sorted(Path(landing).glob("*.txt*")):
        content = path.read_bytes()
        publish_drop(
            spark, lake, str(path), path.name.split(".")[0],
            content_sha256=hashlib.sha256(content).hexdigest(), size_bytes=len(content),
            run_id="equal", limits=limits(quarantined=1.0),
        unpacking=unpacking(),
        )  # fmt: skip
    write_drop_days(spark, lake)
    materialize_days(spark, lake, date.fromisoformat(first), date.fromisoformat(last))
    spark.stop()


def run_everything(streamed: str, rows: str) -> None:
    """Run all assets as Dagster does: what the drops make due, then live scoring of a stream.

    Prints each run, why scoring ended, and how deep the deepest plan of Spark Connect was.
    """
    import dagster as dg

    from fraud_platform.defs.assembly import assemble
    from fraud_platform.defs.commands.run_due import run_due_jobs
    from fraud_platform.operations.models.registry import registry_of
    from fraud_platform_tests.testing.connect_plans import watch_depths
    from fraud_platform_tests.testing.worlds.live import Live
    from fraud_platform_tests.testing.worlds.platform import Platform
    from fraud_platform_tests.testing.worlds.spark import produce_rows

    settings = load_settings()
    (settings.home / "instance").mkdir()
    opened = dg.DagsterInstance.local_temp(str(settings.home / "instance"))
    with watch_depths() as depths, opened as instance:
        runs = run_due_jobs(assemble(settings), instance)
        live = Live(Platform(settings, instance), registry_of(settings))
        produce_rows(settings, Path(streamed), int(rows))
        tick = live.tick()
        while tick.run_requests:
            runs.append(live.run(tick.run_requests[0]))
            tick = live.tick()
    lines = [{"job": run.job_name, "success": run.success, "error": run.error} for run in runs]
    assert tick.skip_reason is not None
    ended = str(tick.skip_reason.skip_message)
    found = {"runs": lines, "ended": ended, "plans": len(depths), "deepest": max(depths, default=0)}
    print(json.dumps(found))


def score(model_folder: str, as_of: str) -> None:
    """Publish the state of a midnight and score what the topic holds, by Spark's tasks."""
    from fraud_platform.operations.live.planning import plan_next
    from fraud_platform.operations.live.session import open_scorer
    from fraud_platform.scoring.engines.micro_batch import PinnedModel
    from fraud_platform.scoring.state.snapshot import write_snapshot
    from fraud_platform.training.candidate import Candidate

    settings = load_settings()
    spark, lake = open_session(settings), Lake(settings.lake)
    write_snapshot(spark, lake, date.fromisoformat(as_of), settings.duplicate_horizon_days)
    model = PinnedModel("fraud", 1, Candidate.load(model_folder))
    champion: Any = SimpleNamespace(alias=lambda name: 1)
    while (plan := plan_next(settings, lake, champion).plan) is not None:
        with open_scorer(settings, lake, plan.state_version, "client", lambda: spark) as scorer:
            scorer.carry_out(plan, model, {})
    spark.stop()


def locate() -> None:
    """Print where each executor found the platform's code, and in which Python."""
    settings = load_settings()
    spark = open_session(settings)
    rows = spark.range(4, numPartitions=4).mapInArrow(_place(), "code string, python string")
    print(json.dumps(sorted({tuple(row) for row in rows.collect()})))
    spark.stop()


def _place() -> Callable[..., Iterator[object]]:
    def place(batches: Iterable[pa.RecordBatch]) -> Iterator[object]:
        import sys

        import pyarrow as pa

        import fraud_platform

        for _ in batches:
            yield pa.RecordBatch.from_pydict(
                {"code": [fraud_platform.__file__], "python": [sys.prefix]}
            )

    return place


def slow(seconds: str, tasks: str) -> None:
    """Add numbers in tasks that last; print the sum, or what went wrong and after how long."""
    from fraud_platform.adapters.spark.faults import reaching_spark
    from fraud_platform.errors import FraudPlatformError

    settings = load_settings()
    begun = time.monotonic()
    try:
        with reaching_spark():
            spark = open_session(settings)
            rows = spark.range(0, 1000, 1, int(tasks)).mapInArrow(_wait(float(seconds)), "n long")
            print("begun", flush=True)
            print(sum(row.n for row in rows.collect()), flush=True)
            spark.stop()
    except FraudPlatformError as error:
        print(f"{type(error).__name__}: {error} ({time.monotonic() - begun:.1f} s)", flush=True)
        sys.exit(3)


def _wait(seconds: float) -> Callable[..., Iterator[object]]:
    def wait(batches: Iterable[pa.RecordBatch]) -> Iterator[object]:
        import time

        import pyarrow as pa

        for batch in batches:
            time.sleep(seconds)
            yield pa.RecordBatch.from_pydict({"n": [sum(batch["id"].to_pylist())]})

    return wait


TASKS = {task.__name__: task for task in (build, score, locate, slow, run_everything)}

if __name__ == "__main__":
    TASKS[sys.argv[1]](*sys.argv[2:])
