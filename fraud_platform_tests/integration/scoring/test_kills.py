"""Fifty kills of scorers and broker over a million messages: nothing is lost, nothing is twice."""

from __future__ import annotations

import secrets
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from fraud_platform.adapters.kafka import broker
from fraud_platform.operations.services import laptop
from fraud_platform.settings import Settings
from fraud_platform_tests.oracles.scoring import judge
from fraud_platform_tests.testing.home import STATE
from fraud_platform_tests.testing.ports import quiet_port
from fraud_platform_tests.testing.programs.scoring import DONE, OUTAGE
from fraud_platform_tests.testing.worlds.scoring import (
    World,
    mixed_stream,
    small_settings,
    stream_rows,
    train_small,
)
from fraud_platform_tests.testing.worlds.unattended import kill_broker

MESSAGES, TRIES, PARTS = 1_000_000, 64, 8
KILLS = 50
"""Fewer than tries: a scorer may have scored all that there is before it is killed."""
BROKER_KILL_EVERY = 7


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """A home with a broker of its own, which may be killed."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "jars").symlink_to(STATE / "jars")
    port = quiet_port()
    settings = small_settings(
        home, f"127.0.0.1:{port}", secrets.token_hex(4), batch=4_000,
        kafka_port=port, max_plan_messages=100_000,
    )  # fmt: skip
    monkeypatch.setattr(laptop, "services", lambda settings: [broker.service(settings)])
    list(laptop.up(settings))
    yield settings
    list(laptop.down(settings))


@pytest.mark.slow
@pytest.mark.timeout(1_800)
def test_a_million_messages_are_scored_once_through_fifty_random_kills(settings: Settings) -> None:
    random = np.random.default_rng(2026)
    world = World(settings, train_small(settings.home / "model"))
    sent = mixed_stream(
        stream_rows(MESSAGES, customers=20_000, terminals=5_000, days=30), bad_share=0.01
    )
    ends, began = Counter[int](), time.monotonic()
    for turn in range(TRIES):
        if turn % (TRIES // PARTS) == 0:
            part = turn // (TRIES // PARTS)
            world.produce(sent[part * len(sent) // PARTS : (part + 1) * len(sent) // PARTS])
        scorer = world.start_scorer()
        scorer.join(float(random.uniform(0.2, 3.0)))
        if turn % BROKER_KILL_EVERY == BROKER_KILL_EVERY - 1:
            kill_broker(settings)
            list(laptop.up(settings))
        else:
            scorer.kill()
        ends[world.ended(scorer, 120)] += 1
    killed = ends[-signal.SIGKILL] + TRIES // BROKER_KILL_EVERY
    while (code := world.ended(world.start_scorer(), 300)) == OUTAGE:
        ends[code] += 1
    assert code == DONE, world.output
    judged = judge(settings, sent)
    print(f"{time.monotonic() - began:.0f} s, {killed} kills, ends {dict(ends)}, {judged.figures}")
    assert judged.problems == [], world.output
    assert killed >= KILLS
    assert judged.figures["messages"] >= MESSAGES
