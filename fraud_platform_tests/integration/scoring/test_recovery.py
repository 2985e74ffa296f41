"""Scorers killed, paused and doubled: every message ends in one place, every score stands once.

Scorers are processes of their own against a real broker; `oracles.scoring` judges what they leave.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from deltalake import DeltaTable

from fraud_platform.adapters.kafka.connection import KafkaConnection
from fraud_platform.adapters.kafka.topics import Topics
from fraud_platform.contracts.messages import topic_specs
from fraud_platform_tests.oracles.scoring import Sent, judge
from fraud_platform_tests.testing.programs.scoring import DONE, FENCED
from fraud_platform_tests.testing.worlds.scoring import (
    KILLED,
    World,
    mixed_stream,
    small_settings,
    stream_rows,
    train_small,
)

SCORING_POINTS = [
    "scoring.read",
    "scoring.scored_written",
    "scoring.dead_written",
    "scoring.committed",
    "scoring.dead_committed",
    "scoring.before_publish",
    "scoring.within_publish",
    "scoring.published",
]
PLANNING_POINTS = ["planning.before_save", "planning.saved"]
LABEL_POINTS = ["labels.dead_written", "labels.committed", "labels.dead_committed"]
ROWS = stream_rows(3_000, days=12)
SENT = mixed_stream(ROWS)
EARLY, LATE = ROWS[:1_500], ROWS[2_400:]
"""Rows whose labels count within the stream, and rows whose labels do not."""
Make = Callable[..., World]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_small(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def make_world(
    kafka: KafkaConnection, model: Path, tmp_path_factory: pytest.TempPathFactory
) -> Make:
    """A function that makes a world of its own on the real broker."""

    def make(**chosen: int) -> World:
        mark = secrets.token_hex(6)
        home = tmp_path_factory.mktemp("world")
        settings = small_settings(home, kafka.bootstrap, mark, **chosen)
        Topics(kafka).ensure(topic_specs(settings))
        return World(settings, model)

    return make


@pytest.fixture(scope="module")
def undisturbed(make_world: Make) -> dict[int, float]:
    """Scores by transaction where nothing happened to the scorer."""
    world = make_world()
    world.produce_labels(EARLY)
    world.produce(SENT)
    assert world.score() == DONE, world.output
    judged = judge(world.settings, SENT)
    assert judged.problems == []
    assert len(set(judged.scores.values())) > 100
    return judged.scores


def assert_right(world: World, sent: list[Sent], scores: dict[int, float] | None = None) -> None:
    judged = judge(world.settings, sent)
    assert judged.problems == [], world.output
    if scores is not None:
        assert judged.scores == scores


def labels_of(world: World) -> tuple[pl.DataFrame, list[bytes]]:
    """Return the landed labels and the dead ones, as the tables hold them."""
    landed = pl.from_arrow(DeltaTable(f"{world.settings.lake}/topic_labels").to_pyarrow_table())
    dead = DeltaTable(f"{world.settings.lake}/dead_labels").to_pyarrow_table()
    assert isinstance(landed, pl.DataFrame)
    return landed, sorted(dead["message_value"].to_pylist())


def test_a_scorer_killed_at_every_point_in_turn_leaves_what_an_undisturbed_one_does(
    make_world: Make, undisturbed: dict[int, float]
) -> None:
    world = make_world(batch=150, max_plan_messages=450)
    world.produce_labels(EARLY)
    world.produce(SENT)
    parts = list(LATE.iter_slices(-(-LATE.height // len(LABEL_POINTS))))
    for point in SCORING_POINTS + PLANNING_POINTS:
        assert world.score(point) == KILLED, (point, world.output)
    for number, point in enumerate(LABEL_POINTS):
        world.produce_labels(parts[number], [b"not a label %d" % number])
        assert world.score(point) == KILLED, (point, world.output)
    assert world.score() == DONE, world.output
    assert_right(world, SENT, undisturbed)
    labels, dead = labels_of(world)
    sent_labels = [*EARLY["transaction_id"], *LATE["transaction_id"]]
    assert sorted(labels["transaction_id"]) == sorted(sent_labels)
    assert dead == [b"not a label %d" % number for number in range(len(parts))]


@pytest.mark.slow
@pytest.mark.parametrize("point", SCORING_POINTS + PLANNING_POINTS)
def test_one_kill_is_made_up_for_by_the_next_run(
    make_world: Make, undisturbed: dict[int, float], point: str
) -> None:
    world = make_world()
    world.produce_labels(EARLY)
    world.produce(SENT)
    assert world.score(point) == KILLED
    assert world.score() == DONE, world.output
    assert_right(world, SENT, undisturbed)


def test_predictions_of_the_last_micro_batch_are_published_though_no_message_follows(
    make_world: Make,
) -> None:
    world = make_world(batch=5_000)
    world.produce(SENT)
    assert world.score("scoring.before_publish") == KILLED
    assert world.score("scoring.before_publish") == KILLED
    assert world.score() == DONE, world.output
    assert_right(world, SENT)


@pytest.mark.slow
def test_a_paused_scorer_that_wakes_after_another_took_over_stops_and_adds_nothing(
    make_world: Make,
) -> None:
    world = make_world(batch=100)
    parts = np.array_split(np.arange(len(SENT)), len(SCORING_POINTS) - 1)
    for point, part in zip(SCORING_POINTS[:-1], parts, strict=True):
        world.produce(SENT[part[0] : part[-1] + 1])
        zombie = world.paused_scorer(point)
        assert world.score() == DONE, world.output
        assert world.wake(zombie) == FENCED, (point, world.output)
    assert "FencedError: " in world.output
    assert_right(world, SENT)


def test_a_paused_scorer_whose_micro_batch_was_cut_otherwise_leaves_no_dead_letter_twice(
    make_world: Make,
) -> None:
    world = make_world(batch=400)
    world.produce(SENT)
    zombie = world.paused_scorer("scoring.dead_written")
    other = World(world.settings.model_copy(update={"max_batch_messages": 7}), world.model)
    assert other.score("scoring.published") == KILLED
    assert world.wake(zombie) == FENCED
    assert world.score() == DONE
    assert_right(world, SENT)


def test_of_two_scorers_started_at_once_one_is_fenced_with_a_message(make_world: Make) -> None:
    world = make_world(batch=50)
    world.produce(SENT)
    assert world.score("planning.saved") == KILLED
    both = [world.start_scorer(), world.start_scorer()]
    codes = sorted(world.ended(scorer) for scorer in both)
    assert codes in ([DONE, FENCED], [FENCED, FENCED]), world.output
    assert "FencedError: " in world.output
    assert world.score() == DONE, world.output
    assert_right(world, SENT)


@pytest.mark.parametrize("seed", [1])
def test_scorers_killed_at_random_moments_score_every_message_once(
    make_world: Make, undisturbed: dict[int, float], seed: int
) -> None:
    random = np.random.default_rng(seed)
    world = make_world(batch=60, max_plan_messages=700)
    world.produce_labels(EARLY)
    world.produce(SENT)
    kills = 0
    for seconds in random.uniform(0.15, 0.6, 8):
        scorer = world.start_scorer()
        scorer.join(seconds)
        kills += scorer.is_alive()
        scorer.kill()
        scorer.join()
    assert kills >= 4
    assert world.score() == DONE, world.output
    assert_right(world, SENT, undisturbed)


def test_without_numbers_the_same_zombie_is_seen_to_score_twice(make_world: Make) -> None:
    world = make_world(batch=300)
    world.produce(SENT)
    zombie = world.paused_scorer("scoring.dead_written", "numbers")
    assert world.score() == DONE, world.output
    world.wake(zombie)
    problems = judge(world.settings, SENT, patience_seconds=1).problems
    assert any("ids scored twice" in problem for problem in problems), problems
    assert any("dead letters twice" in problem for problem in problems), problems


def test_without_transactions_the_same_kill_is_seen_to_publish_twice(make_world: Make) -> None:
    world = make_world(batch=1_000)
    world.produce(SENT)
    assert world.score("scoring.published", "transactions") == KILLED
    assert world.score() == DONE, world.output
    problems = judge(world.settings, SENT, patience_seconds=1).problems
    assert any("predictions too many" in problem for problem in problems), problems
