"""Processes stopped for longer than every timeout, others in their place, then continued.

A stop is SIGSTOP, as a paused virtual machine or a lost network is for the others: the process
holds what it had read, and goes on with it after its lease, its session and its transaction ended.
"""

from __future__ import annotations

import secrets
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
import pytest

from fraud_platform.adapters.kafka import broker
from fraud_platform.adapters.kafka.connection import KafkaConnection
from fraud_platform.adapters.kafka.topics import Topics
from fraud_platform.adapters.models.registry import CHAMPION
from fraud_platform.adapters.services.processes import read_records
from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.contracts.active import DECLARATION, FEATURE_NAMES
from fraud_platform.contracts.messages import topic_specs
from fraud_platform.operations.models.registry import registry_of
from fraud_platform.operations.services import laptop
from fraud_platform.settings import Settings
from fraud_platform.tables.scoring import OF_MANY_COMMITS, SCORED
from fraud_platform_tests.oracles.scoring import Sent, judge
from fraud_platform_tests.testing.home import STATE
from fraud_platform_tests.testing.ports import quiet_port
from fraud_platform_tests.testing.programs.scoring import DONE, OUTAGE
from fraud_platform_tests.testing.waiting import comes_true
from fraud_platform_tests.testing.worlds.scoring import (
    World,
    mixed_stream,
    small_settings,
    stream_rows,
    train_small,
)
from fraud_platform_tests.testing.worlds.stops import (
    BROKER_STOPPED_SECONDS,
    RUN,
    Stops,
    await_stop,
    child_of,
    has_gone,
    is_stopped,
)

COMPARED = ["transaction_id", *FEATURE_NAMES, *(flag.name for flag in DECLARATION.flags),
            "fraud_probability", "is_alert", "is_late"]  # fmt: skip


def platform(home: Path, bootstrap: str, models: str, batch: int, **chosen: object) -> Settings:
    """Return settings of a platform that scores, with its topics made and its champion set."""
    settings = small_settings(
        home, bootstrap, secrets.token_hex(4), batch,
        mlflow_url=models, scoring_engine="inprocess", follow_interval_ms=50, **chosen,
    )  # fmt: skip
    Topics(KafkaConnection.from_settings(settings)).ensure(topic_specs(settings))
    registry_of(settings).set_alias(CHAMPION, 1)
    return settings


@pytest.fixture
def settings_with_broker(
    tmp_path: Path, models: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Settings]:
    """A platform with a broker of its own, which may be stopped."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "jars").symlink_to(STATE / "jars")
    port = quiet_port()
    base = small_settings(home, f"127.0.0.1:{port}", "none", kafka_port=port)
    monkeypatch.setattr(laptop, "services", lambda settings: [broker.service(settings)])
    list(laptop.up(base))
    yield platform(
        home, f"127.0.0.1:{port}", models, 250, kafka_port=port, max_plan_messages=15_000
    )
    list(laptop.down(base))


def scored(settings: Settings) -> pa.Table:
    rows = Lake(settings.lake).read_arrow(SCORED, columns=COMPARED)
    return rows.sort_by("transaction_id").combine_chunks()


def require_same_scores(settings: Settings, undisturbed: Settings) -> None:
    """Require the features and scores of a scorer that was never stopped, bit for bit."""
    found, expected = scored(settings), scored(undisturbed)
    assert found.num_rows == expected.num_rows
    differing = {
        name: count
        for name in COMPARED
        if (count := int((bits(found[name]) != bits(expected[name])).sum()))
    }
    assert differing == {}


def bits(column: pa.ChunkedArray) -> np.ndarray:
    values = column.to_numpy()
    return values.view(f"i{values.itemsize}") if values.dtype.kind == "f" else values


def score_rest(world: World, stops: Stops) -> None:
    """Score what is left, and judge nothing."""
    limit = time.monotonic() + 600
    while (code := world.ended(world.start_scorer(), 300)) == OUTAGE:
        assert time.monotonic() < limit, world.output
    assert code == DONE, world.output + stops.output


def require_unique_tables(settings: Settings) -> None:
    for table in OF_MANY_COMMITS:
        Lake(settings.lake).require_unique(table)


CHILD, FOLLOWER, BOTH, SENSOR = "child", "follower", "follower and child", "sensor's run"
TURNS = (
    (CHILD, "merge.written"), (FOLLOWER, ""), (SENSOR, "swap.listed"), (BOTH, ""),
    (CHILD, "swap.listed"), (FOLLOWER, "scoring.committed"), (SENSOR, "scoring.committed"),
    (CHILD, ""), (CHILD, "swap.committed"), (FOLLOWER, "scoring.before_publish"),
    (SENSOR, "scoring.before_publish"), (FOLLOWER, "scoring.within_publish"),
)  # fmt: skip
"""Who is stopped, and at which point; at any moment if there is none. A sensor's run reaches
`swap.listed` only if merging is due at its end; every run reaches the points of scoring."""


def stop_one(stops: Stops, kind: str, point: str, random: np.random.Generator) -> None:
    """Start a process, let it work, stop it; nothing of it works on when this returns."""
    if kind == SENSOR:
        # a run refuses to start while the mark of a stopped or killed follower holds
        stops.await_no_mark(time.monotonic() + 60)
        process = stops.start(RUN, point)
        main = psutil.Process(process.pid)
        seconds = 60.0 if point else float(random.uniform(4, 12))
        if not await_stop(main, seconds, stops) and has_gone(main):
            return
        stops.stop(f"{kind} at {point}" if is_stopped(main.pid) else kind, main)
        return
    process = stops.follow(point)
    main, child = psutil.Process(process.pid), child_of(process)
    stopping = {CHILD: [child], FOLLOWER: [main], BOTH: [main, child]}[kind]
    seconds = 15.0 if point else float(random.uniform(1, 4))
    came = await_stop(stopping[0], seconds, stops)
    stops.stop(f"{kind} at {point}" if came else kind, *stopping)
    if kind == CHILD:
        # the follower goes on for a while without its child, and then is lost
        await_stop(main, float(random.uniform(0.5, 3)), stops)
        main.kill()
        process.wait(30)


def stop_broker(stops: Stops, random: np.random.Generator) -> None:
    """Stop the broker while a follower works; it is continued in place, for it has no second."""
    process = stops.follow()
    records = read_records(laptop.run_folder(stops.settings))
    record = next(record for record in records if record.name == broker.NAME)
    await_stop(psutil.Process(process.pid), float(random.uniform(0.5, 3)), stops)
    kafka = psutil.Process(record.pid)
    kafka.send_signal(signal.SIGSTOP)
    stops.count["broker"] += 1
    # never true: the others are continued in the meantime
    comes_true(stops.go_on_where_due, BROKER_STOPPED_SECONDS)
    kafka.send_signal(signal.SIGCONT)
    await_stop(psutil.Process(process.pid), 15.0, stops)
    process.kill()
    process.wait(30)


@pytest.mark.slow
@pytest.mark.timeout(3_000)
def test_half_a_million_messages_are_scored_once_through_thirty_long_stops(
    settings_with_broker: Settings, models: str, tmp_path: Path
) -> None:
    settings, messages, rounds, broker_every = settings_with_broker, 500_000, 36, 20
    random, began = np.random.default_rng(19), time.monotonic()
    rows = stream_rows(messages, customers=20_000, terminals=5_000, days=30)
    sent = mixed_stream(rows, bad_share=0.01)
    world = World(settings, train_small(settings.home / "model"))
    stops = Stops(settings)
    try:
        for turn in range(rounds):
            world.produce(sent[turn * len(sent) // rounds : (turn + 1) * len(sent) // rounds])
            if turn % broker_every == broker_every - 1:
                stop_broker(stops, random)
            else:
                stop_one(stops, *TURNS[turn % len(TURNS)], random)
            print(f"{time.monotonic() - began:.0f} s: {dict(stops.count)}", flush=True)
    finally:
        stops.finish()
    score_rest(world, stops)
    require_unique_tables(settings)
    judged = judge(settings, sent, is_log_cleaned=True)
    print(f"{time.monotonic() - began:.0f} s, stops {dict(stops.count)}, ends {dict(stops.ends)}, "
          f"{judged.figures}")  # fmt: skip
    assert judged.problems == [], stops.output
    assert judged.figures["messages"] >= messages
    assert sum(stops.count.values()) >= 30
    stopped = {
        kind
        for kind in (CHILD, FOLLOWER, BOTH, SENSOR)
        for output in stops.count
        if output.startswith(kind)
    }
    assert stopped == {CHILD, FOLLOWER, BOTH, SENSOR}
    require_same_scores(settings, undisturbed(tmp_path, settings, models, sent))


def undisturbed(tmp_path: Path, settings: Settings, models: str, sent: list[Sent]) -> Settings:
    """Score the same messages on topics of their own with a scorer that is never stopped."""
    twin = platform(tmp_path / "twin", settings.kafka_bootstrap or "", models, 4_000)
    world = World(twin, train_small(twin.home / "model"))
    world.produce(sent)
    assert world.ended(world.start_scorer(), 600) == DONE, world.output
    return twin


@pytest.mark.timeout(300)
def test_a_follower_s_child_that_is_stopped_within_a_merge_changes_nothing_when_it_goes_on(
    kafka: KafkaConnection, models: str, tmp_path: Path
) -> None:
    settings = platform(tmp_path / "home", kafka.bootstrap, models, 15, max_plan_messages=100_000)
    sent = mixed_stream(stream_rows(4_000, days=6))
    world = World(settings, train_small(settings.home / "model"))
    stops = Stops(settings, stopped_seconds=600)
    try:
        world.produce(sent[: len(sent) // 2])
        first = stops.follow("swap.listed")
        child = child_of(first)
        assert await_stop(child, 60, stops), stops.output
        stops.stop("child", child)
        first.kill()
        first.wait(30)
        # a run of the sensor takes its place, and merges at its end
        world.produce(sent[len(sent) // 2 :])
        limit = time.monotonic() + 60
        while (run := stops.start(RUN)).wait(120) != 0:
            assert time.monotonic() < limit, stops.output
        stops.waiting[0].continue_at = 0.0
        stops.finish()
    finally:
        stops.finish()
    score_rest(world, stops)
    assert run.returncode == 0
    require_unique_tables(settings)
    assert judge(settings, sent, is_log_cleaned=True).problems == []
    require_same_scores(settings, undisturbed(tmp_path, settings, models, sent))
