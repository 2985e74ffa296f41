"""Cost and latency of scoring: both engines, the follower, and a row-at-a-time scorer.

Here: a backlog scored end to end (read, decode, duplicates, features, a model of all declared
features, Delta, published predictions) by each engine and by a scorer that handles one row at a
time; live streams through `score --follow`, with the latency measured by a `read_committed` reader
of the predictions.
Not here: whether scores are right (the tests), the measured setup (`scoring_world`), the state for
many customers (`scoring_state`).

    python -m benchmarks.scoring [--folder DIR] [--seconds 60] [--only backlog,live]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import orjson
import psutil
from confluent_kafka import Consumer, TopicPartition

from benchmarks.metering import Meter
from benchmarks.report import markdown_table, write_section
from benchmarks.scoring_contenders import row_at_a_time
from benchmarks.scoring_world import World, fresh_topics, world
from fraud_platform.adapters.kafka.connection import KafkaConnection
from fraud_platform.adapters.kafka.reader import RangeReader
from fraud_platform.adapters.kafka.topics import Topics
from fraud_platform.adapters.spark.session import open_session
from fraud_platform.operations.live.planning import plan_next
from fraud_platform.operations.live.produce import Extras, Pace, produce
from fraud_platform.operations.live.session import load_model, open_scorer
from fraud_platform.settings import Settings

BACKLOG = 600_000
CURVE = (100, 400, 2_000, 5_000, 10_000, 15_000)
_READY_SECONDS = 60.0


@dataclass(frozen=True)
class Backlog:
    """One contender on a backlog.

    Attributes:
        cpu_us: CPU microseconds of the scorer's processes per message.
        broker_us: CPU microseconds of the broker per message.
    """

    contender: str
    messages: int
    seconds: float
    cpu_us: float
    broker_us: float
    peak_memory_mb: float

    @property
    def per_second(self) -> float:
        """Messages per second, including publishing."""
        return self.messages / self.seconds


@dataclass(frozen=True)
class Live:
    """A live stream through the follower; percentiles are p50, p99 and the maximum."""

    rate: int
    interval_ms: int
    sent: int
    seen: int
    percentiles_ms: tuple[float, float, float]
    lag_at_end: int
    cpu_us: float


def backlog(place: World, engine: str) -> Backlog:
    """Score a backlog with one engine, after a warm-up of one micro-batch."""
    with fresh_topics(place.settings, f"backlog-{engine}") as settings:
        produce(place.rows.head(BACKLOG), settings, Pace.parse("max", None), plain(), _ignore)
        place.forget_scores()
        session = open_session(settings) if engine == "spark" else None
        step = plan_next(settings, place.lake, place.registry)
        assert step.plan is not None
        plan = step.plan
        model = load_model(place.registry, plan.model_version)
        give = None if session is None else (lambda: session)
        with open_scorer(settings, place.lake, plan.state_version, "benchmark", give) as scorer:
            first = {p: (a, min(b, a + 4_000)) for p, (a, b) in plan.ranges.items()}
            scorer.score(first, model, {"plan": plan.number})
            messages = sum(end - start for start, end in plan.ranges.values())
            messages -= sum(end - start for start, end in first.values())
            with Meter(place.broker()) as meter:
                scorer.carry_out(plan, model, {})
        if session is not None:
            session.stop()
    cpu_us, broker_us = (s / messages * 1e6 for s in (meter.cpu_seconds, meter.apart_cpu_seconds))
    return Backlog(engine, messages, meter.seconds, cpu_us, broker_us, meter.peak_memory_mb)


def live(place: World, rate: int, interval_ms: int, seconds: int) -> Live:
    """Produce at a rate (messages per second) while `score --follow` runs in its own process."""
    with fresh_topics(place.settings, f"live-{rate}-{interval_ms}") as settings:
        place.forget_scores()
        command = [str(Path(sys.executable).with_name("fraud-platform")), "score", "--follow"]
        environment = {**child_environment(), "FRAUD_FOLLOW_INTERVAL_MS": str(interval_ms)}
        follower = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        try:
            assert follower.stdout is not None
            wait_until_ready(follower.stdout.readline)
            watch = _Predictions(settings)
            watch.start()
            rows = place.rows.head(rate * seconds)
            cpu = _cpu(follower.pid)
            produced = produce(rows, settings, Pace.parse(str(rate), None), plain(), _ignore)
            sent, lag = produced.delivered.sent, produced.delivered.sent - watch.count
            watch.wait(sent, _READY_SECONDS)
            cpu = _cpu(follower.pid) - cpu
        finally:
            follower.terminate()
            follower.wait(60)
        watch.stop()
        p50, p99, top = np.percentile(watch.latencies_ms(), (50, 99, 100)).tolist()
    return Live(rate, interval_ms, sent, watch.count, (p50, p99, top), lag, cpu / sent * 1e6)


class _Predictions(threading.Thread):
    """Reads predictions like a downstream consumer, and records when each was seen."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(daemon=True)
        self._settings = settings
        self._ended = threading.Event()
        self._seen: list[tuple[float, bytes]] = []
        self._consumer = Consumer(
            {
                "bootstrap.servers": KafkaConnection.from_settings(settings).bootstrap,
                "group.id": f"benchmark-{time.time_ns()}",
                "isolation.level": "read_committed",
                "fetch.wait.max.ms": 100,
            }
        )
        topic = settings.predictions_topic
        partitions = Topics(KafkaConnection.from_settings(settings)).describe(topic).partitions
        self._consumer.assign([TopicPartition(topic, p, 0) for p in partitions])

    @property
    def count(self) -> int:
        """The number of predictions seen."""
        return len(self._seen)

    def run(self) -> None:
        """Read until stopped."""
        while not self._ended.is_set():
            for message in self._consumer.consume(5_000, 0.02):
                if message.error() is None:
                    self._seen.append((time.time() * 1000, message.value() or b""))

    def wait(self, count: int, seconds: float) -> None:
        """Wait until `count` predictions were seen, at most `seconds`."""
        deadline = time.monotonic() + seconds
        while self.count < count and time.monotonic() < deadline:
            time.sleep(0.05)

    def stop(self) -> None:
        """End reading."""
        self._ended.set()
        self.join()
        self._consumer.close()

    def latencies_ms(self) -> np.ndarray:
        """Return the time from producing a transaction to seeing its prediction, for each."""
        topic = self._settings.transactions_topic
        connection = KafkaConnection.from_settings(self._settings)
        produced: dict[tuple[int, int], int] = {}
        with RangeReader(connection, topic) as reader:
            for chunk in reader.read(Topics(connection).offsets(topic)):
                places = zip(chunk.partition.tolist(), chunk.offset.tolist(), strict=True)
                produced.update(zip(places, chunk.timestamp_ms.tolist(), strict=True))
        latencies = []
        for seen_ms, value in self._seen:
            source = orjson.loads(value)
            produced_ms = produced[source["source_partition"], source["source_offset"]]
            latencies.append(seen_ms - produced_ms)
        return np.array(latencies or [np.nan])


def plain() -> Extras:
    """Return no extras: no labels, no bad messages."""
    return Extras(False, False, 0.0, 0)


def _ignore(count: int) -> None:
    pass


def child_environment() -> dict[str, str]:
    """Return the environment that child processes get."""
    return dict(os.environ)


def _cpu(pid: int) -> float:
    """Return the CPU seconds of a process and its children."""
    process = psutil.Process(pid)
    times = [p.cpu_times() for p in (process, *process.children(recursive=True))]
    return float(sum(t.user + t.system for t in times))


def wait_until_ready(read: Callable[[], str]) -> None:
    """Read a follower's lines until it says that it follows.

    Raises:
        RuntimeError: it ended before.
    """
    while not (line := read()).startswith("following"):
        if not line:
            raise RuntimeError("score --follow ended before it was ready")


def main() -> None:
    """Measure and write the section."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=None)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--only", default="backlog,live")
    options = parser.parse_args()
    wanted = options.only.split(",")
    with tempfile.TemporaryDirectory() as scratch, world(options.folder or Path(scratch)) as place:
        if "backlog" in wanted:
            _measure_backlogs(place)
        if "live" in wanted:
            _measure_live(place, options.seconds)


def _measure_backlogs(place: World) -> None:
    found = [backlog(place, "inprocess"), backlog(place, "spark")]
    messages, seconds, cpu = row_at_a_time(place)
    cpu_us = cpu / messages * 1e6
    found.append(Backlog("row at a time in Spark", messages, seconds, cpu_us, 0.0, 0.0))
    slowest = found[-1].per_second
    rows = [
        [
            f.contender, f"{f.messages:,}", f"{f.per_second:,.0f}", f"{f.cpu_us:,.1f}",
            f"{f.broker_us:,.1f}" if f.broker_us else "",
            f"{f.peak_memory_mb:,.0f}" if f.peak_memory_mb else "",
            f"{f.per_second / slowest:,.0f}",
        ]
        for f in found
    ]  # fmt: skip
    header = [
        "engine", "messages", "per second", "CPU us a message", "broker CPU us a message",
        "peak MB", "times as fast",
    ]  # fmt: skip
    _write("Scoring: a backlog", markdown_table(header, rows))


def _measure_live(place: World, seconds: int) -> None:
    found = [live(place, 400, 50, seconds), live(place, 10_000, 1_000, seconds)]
    found += [live(place, rate, 100, min(seconds, 20)) for rate in CURVE]
    rows = [
        [
            f"{f.rate:,}", f"{f.interval_ms}", f"{f.sent:,}", f"{f.seen:,}",
            *(f"{ms:,.0f}" for ms in f.percentiles_ms), f"{f.lag_at_end:,}", f"{f.cpu_us:,.0f}",
        ]
        for f in found
    ]  # fmt: skip
    header = [
        "rate per second", "interval ms", "sent", "seen", "p50 ms", "p99 ms", "max ms",
        "lag at the last send", "CPU us a message",
    ]  # fmt: skip
    _write("Scoring: latency against load", markdown_table(header, rows))


def _write(title: str, table: str) -> None:
    print(f"\n{title}\n{table}", flush=True)
    write_section(title, table + "\n\n" + _SAYS)


_SAYS = (
    "`python -m benchmarks.scoring`: 20,000 simulated customers, a month of history, a model of "
    "all declared features, two cores shared with the broker; CPU time of the engine's processes."
)


if __name__ == "__main__":
    main()
