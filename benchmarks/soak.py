"""A soak test: `score --follow` under a steady stream, with one change of the champion.

Here: samples of the follower's memory, the files and log entries of `scored`, and the lag.
Not here: latency (`benchmarks.scoring`), whether scores are right (the tests).

    python -m benchmarks.soak [--seconds 1200] [--rate 1000] [--folder DIR]
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import astuple, dataclass
from pathlib import Path

import psutil

from benchmarks.report import markdown_table, write_section
from benchmarks.scoring import child_environment, plain, wait_until_ready
from benchmarks.scoring_world import World, fresh_topics, world
from fraud_platform.adapters.kafka.connection import KafkaConnection
from fraud_platform.adapters.kafka.topics import Topics
from fraud_platform.adapters.models.registry import CHAMPION, ModelRegistry
from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.operations.live.produce import Pace, produce
from fraud_platform.scoring.log import ScoringLog, offsets_in
from fraud_platform.settings import Settings

SAMPLES = 20
CUSTOMERS, DROP_DAYS = 5_000, 130
"""Few customers and many days: the stream exceeds the 30 days of windows and of duplicate ids.
If memory still grows after that, it is a leak."""


@dataclass(frozen=True)
class Sample:
    """One sample of the follower and the table `scored`."""

    seconds: int
    memory_mb: int
    data_files: int
    log_files: int
    lag: int
    model_version: int


def soak(place: World, rate: int, seconds: int) -> list[Sample]:
    """Produce while a follower scores; sample regularly, change the champion half-way."""
    samples: list[Sample] = []
    with fresh_topics(place.settings, "soak") as settings:
        place.forget_scores()
        first = place.registry.alias(CHAMPION)
        assert first is not None
        second = register_again(place.registry, first)
        command = [str(Path(sys.executable).with_name("fraud-platform")), "score", "--follow"]
        follower = subprocess.Popen(
            command, env=child_environment(), stdout=subprocess.PIPE, text=True
        )
        try:
            assert follower.stdout is not None
            wait_until_ready(follower.stdout.readline)
            threading.Thread(target=_drain, args=(follower.stdout,), daemon=True).start()
            rows = place.rows.head(rate * seconds)
            producer = threading.Thread(
                target=produce,
                args=(rows, settings, Pace.parse(str(rate), None), plain(), lambda count: None),
            )
            begun = time.monotonic()
            producer.start()
            while producer.is_alive():
                producer.join(seconds / SAMPLES)
                elapsed = int(time.monotonic() - begun)
                samples.append(_sample(settings, follower.pid, elapsed))
                print(samples[-1], flush=True)
                if elapsed > seconds / 2:
                    place.registry.set_alias(CHAMPION, second)
            time.sleep(5)
            samples.append(_sample(settings, follower.pid, int(time.monotonic() - begun)))
        finally:
            follower.terminate()
            follower.wait(60)
            place.registry.set_alias(CHAMPION, first)
    return samples


def register_again(registry: ModelRegistry, version: int) -> int:
    """Register a version's files again, for another week, and return the new version."""
    from fraud_platform.training.candidate import Candidate

    with registry.candidate_folder(version) as folder, tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / "candidate"
        shutil.copytree(folder, copy)
        candidate = Candidate.load(copy)
        made = registry.register(
            f"2018-05-{version + 7:02}", copy, candidate.feature_names, {}, {}, {}, {}
        )
    return made.version


def _drain(stream: object) -> None:
    for line in stream:  # type: ignore[attr-defined]
        print(line, end="", flush=True)


def _sample(settings: Settings, pid: int, elapsed: int) -> Sample:
    lake, topics = Lake(settings.lake), Topics(KafkaConnection.from_settings(settings))
    folder = Path(settings.lake) / "scored"
    commit_metadata = ScoringLog(lake).last()
    done = offsets_in(commit_metadata)
    ends = topics.offsets(settings.transactions_topic)
    return Sample(
        elapsed,
        psutil.Process(pid).memory_info().rss >> 20,
        sum(1 for _ in folder.glob("*.parquet")),
        sum(1 for _ in (folder / "_delta_log").iterdir()),
        sum(high - done.get(p, low) for p, (low, high) in ends.items()),
        int(commit_metadata.get("model_version", 0)),
    )


def main() -> None:
    """Soak and write the section."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=None)
    parser.add_argument("--seconds", type=int, default=1_200)
    parser.add_argument("--rate", type=int, default=1_000)
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as scratch,
        world(options.folder or Path(scratch), CUSTOMERS, DROP_DAYS) as place,
    ):
        samples = soak(place, options.rate, options.seconds)
    header = ["seconds", "memory MB", "data files", "log files", "lag", "model version"]
    table = markdown_table(header, [[f"{v:,}" for v in astuple(sample)] for sample in samples])
    says = f"`python -m benchmarks.soak --seconds {options.seconds} --rate {options.rate}`"
    print(table)
    write_section("Scoring: a soak", f"{table}\n\n{says}")


if __name__ == "__main__":
    main()
