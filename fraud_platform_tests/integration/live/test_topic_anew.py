"""A topic made anew under work that is planned or half done: nothing is lost, nothing is twice."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from fraud_platform.defs.checks.inference import offset_problems, recent_batches
from fraud_platform.defs.failures import FAILURE_TAG
from fraud_platform.errors import TopicChangedError
from fraud_platform.operations.live.gaps import accept_gap
from fraud_platform.tables.scoring import DEAD_LETTERS, SCORED
from fraud_platform_tests.oracles.scoring import SCORED as IS_SCORED
from fraud_platform_tests.oracles.scoring import read_topic
from fraud_platform_tests.testing.programs.scoring import DONE
from fraud_platform_tests.testing.worlds.live import Live, plan_of
from fraud_platform_tests.testing.worlds.scoring import (
    KILLED,
    World,
    mixed_stream,
    stream_rows,
    train_small,
)

SENT = mixed_stream(stream_rows(600, seed=41))
FIRST, SECOND, THIRD = SENT[:200], SENT[200:400], SENT[400:]


def scored(live: Live) -> list[int]:
    rows = live.platform.lake.read_arrow(SCORED, columns=["transaction_id"])
    return sorted(rows["transaction_id"].to_pylist())


def good(*parts: list) -> list[int]:  # type: ignore[type-arg]
    return sorted(s.transaction_id for part in parts for s in part if s.outcome == IS_SCORED)


@pytest.mark.slow
@pytest.mark.parametrize("is_accepted", [False, True], ids=["not accepted", "accepted"])
def test_a_run_that_waited_reads_nothing_of_the_topic_that_came_after(
    live: Live, is_accepted: bool
) -> None:
    live.produce(FIRST)
    live.score()
    live.produce(SECOND)
    waiting = live.asked()
    live.recreate(live.settings.transactions_topic)
    # as many as there were and more, so that the plan's offsets are all there again
    live.produce(SENT)
    if is_accepted:
        accept_gap(live.settings, "drill")
    run = live.run(waiting)
    assert not run.success
    assert ("plan is dropped" if is_accepted else "accept-gap") in str(run.error)
    (noted,) = live.platform.instance.get_runs(limit=1)
    assert noted.tags[FAILURE_TAG] == "data"
    assert scored(live) == good(FIRST)
    if not is_accepted:
        with pytest.raises(TopicChangedError, match="accept-gap"):
            live.tick()
        accept_gap(live.settings, "drill")
    following = live.asked()
    assert plan_of(following) == plan_of(waiting) + 1
    assert live.run(following).success
    assert scored(live) == good(SENT)
    assert list(offset_problems(recent_batches(live.platform.lake))) == []


@pytest.mark.parametrize(
    "point",
    ["scoring.committed", pytest.param("scoring.before_publish", marks=pytest.mark.slow)],
)
def test_what_a_killed_scorer_left_open_is_published_though_the_topic_is_made_anew(
    live: Live, tmp_path: Path, point: str
) -> None:
    world = World(live.settings, train_small(tmp_path / "model"))
    world.produce(FIRST)
    assert world.score(point) == KILLED, world.output
    live.recreate(live.settings.transactions_topic)
    accept_gap(live.settings, "drill")
    _is_published_once(live, FIRST)
    # fewer messages than the topic before had: offsets went back
    small = SECOND[:40]
    world.produce(small)
    assert world.score(point) == KILLED, world.output
    assert world.score() == DONE, world.output
    _is_published_once(live, FIRST + small)
    live.recreate(live.settings.transactions_topic)
    world.produce(THIRD)
    accept_gap(live.settings, "drill")
    assert world.score() == DONE, world.output
    _is_published_once(live, FIRST + small + THIRD)


def _is_published_once(live: Live, sent: list) -> None:  # type: ignore[type-arg]
    assert scored(live) == good(sent)
    predictions = read_topic(live.settings, live.settings.predictions_topic)
    assert sorted(json.loads(m.value() or b"")["transaction_id"] for m in predictions) == good(sent)
    dead = live.platform.lake.read_arrow(DEAD_LETTERS)["message_value"].to_pylist()
    others = {IS_SCORED, "duplicate"}
    wanted = Counter(one.value for one in sent if one.outcome not in others)
    assert Counter(dead) == wanted
    letters = read_topic(live.settings, live.settings.dead_letters_topic)
    assert Counter(message.value() for message in letters) == wanted
