"""Bad input and faults: the error names cause and remedy, and afterwards nothing is lost or twice.

Everything goes through a real topic, a lake on disk and the in-process engine.
"""

from __future__ import annotations

import json
import resource
import secrets
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from fraud_platform.adapters.kafka.connection import KafkaConnection
from fraud_platform.adapters.kafka.topics import Topics
from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.contracts.active import feature_signature
from fraud_platform.contracts.messages import TopicSpec, topic_specs
from fraud_platform.errors import Outage, SchemaMismatchError, TopicChangedError
from fraud_platform.scoring.engines.micro_batch import PinnedModel
from fraud_platform.tables.scoring import SCORED
from fraud_platform.training.candidate import Candidate
from fraud_platform_tests.oracles.scoring import DUPLICATE, Sent, judge
from fraud_platform_tests.testing.ports import free_port
from fraud_platform_tests.testing.programs.scoring import DONE, OUTAGE, score_all
from fraud_platform_tests.testing.worlds.live import until
from fraud_platform_tests.testing.worlds.scoring import (
    World,
    mixed_stream,
    small_settings,
    stream_rows,
    train_small,
)

SENT = mixed_stream(stream_rows(600))
Make = Callable[..., World]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_small(tmp_path_factory.mktemp("model"))


@pytest.fixture
def make_world(kafka: KafkaConnection, model: Path, tmp_path: Path) -> Make:
    """A function that makes a new world without the topics that it is given."""

    def make(without: str = "", **chosen: int) -> World:
        settings = small_settings(
            tmp_path / "home", kafka.bootstrap, secrets.token_hex(6), **chosen
        )
        specs = topic_specs(settings)
        Topics(kafka).ensure(s for s in specs if not without or not s.name.startswith(without))
        return World(settings, model)

    return make


def score_here(world: World) -> None:
    score_all(world.settings, world.model)


def assert_right(world: World, sent: list[Sent]) -> None:
    assert judge(world.settings, sent).problems == []


def test_every_kind_of_bad_message_a_tombstone_and_five_megabytes_pass_through_the_topic(
    make_world: Make,
) -> None:
    kinds = {sent.outcome for sent in SENT}
    assert len(kinds) == 10
    assert max(len(sent.value or b"") for sent in SENT) > 5_000_000
    assert any(sent.value is None for sent in SENT)
    world = make_world(batch=100)
    world.produce(SENT)
    score_here(world)
    assert_right(world, SENT)


def test_twenty_thousand_copies_of_one_id_are_one_score_and_counted(make_world: Make) -> None:
    first = SENT[0]
    copies = [replace_outcome(first)] * 20_000
    sent = [*SENT[:300], *copies, *SENT[300:]]
    world = make_world(batch=4_000)
    world.produce(sent)
    score_here(world)
    assert_right(world, sent)


def replace_outcome(sent: Sent) -> Sent:
    return sent._replace(outcome=DUPLICATE)


def test_without_a_broker_a_scorer_says_so_soon_and_scores_later(
    model: Path, tmp_path: Path, kafka: KafkaConnection
) -> None:
    absent = f"127.0.0.1:{free_port()}"
    settings = small_settings(tmp_path / "home", absent, secrets.token_hex(6))
    began = time.monotonic()
    with pytest.raises(Outage, match=rf"{absent}.*FRAUD_KAFKA_BOOTSTRAP"):
        score_all(settings, model)
    assert time.monotonic() - began < 45
    world = World(settings.model_copy(update={"kafka_bootstrap": kafka.bootstrap}), model)
    world.settings.__dict__.pop("kafka", None)
    Topics(kafka).ensure(topic_specs(world.settings))
    world.produce(SENT)
    score_here(world)
    assert_right(world, SENT)


@pytest.mark.parametrize("missing", ["predictions", "transactions.dlq", "labels"])
def test_a_missing_topic_is_named_at_once_and_nothing_is_scored_until_it_is_there(
    make_world: Make, kafka: KafkaConnection, missing: str
) -> None:
    world = make_world(without=missing, batch=200)
    world.produce(SENT)
    began = time.monotonic()
    with pytest.raises(Outage, match=missing):
        score_here(world)
    assert time.monotonic() - began < 10
    assert Lake(world.settings.lake).read_arrow(SCORED).num_rows == 0
    Topics(kafka).ensure(topic_specs(world.settings))
    score_here(world)
    assert_right(world, SENT)


@pytest.mark.slow
def test_what_was_scored_while_its_topic_vanished_is_published_when_it_is_back(
    make_world: Make, kafka: KafkaConnection
) -> None:
    world = make_world(batch=5_000)
    world.produce(SENT)
    scorer = world.paused_scorer("scoring.before_publish")
    topic = world.settings.predictions_topic
    topics = Topics(kafka)
    topics._admin.delete_topics([topic])[topic].result(10)
    assert world.wake(scorer) == OUTAGE, world.output
    assert Lake(world.settings.lake).read_arrow(SCORED).num_rows == 600
    Topics(kafka).ensure([TopicSpec(topic, 3)])
    assert world.score() == DONE, world.output
    assert_right(world, SENT)


def test_a_full_disk_is_an_outage_that_names_the_lake_and_loses_nothing(make_world: Make) -> None:
    world = make_world(batch=200)
    world.produce(SENT)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (9_000, before[1]))
        with pytest.raises(Outage, match=r"lake.*(File too large|space)"):
            score_here(world)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    score_here(world)
    assert_right(world, SENT)


@pytest.mark.parametrize("table", ["scored", "dead_letters", "inference_plans"])
def test_a_folder_that_cannot_be_written_is_an_outage_that_names_it(
    make_world: Make, table: str
) -> None:
    world = make_world(batch=200)
    world.produce(SENT[:200])
    score_here(world)
    world.produce(SENT[200:])
    folder = Path(world.settings.lake) / table / "_delta_log"
    folder.rename(folder.with_name("away"))
    folder.touch()
    with pytest.raises(Outage, match=table):
        score_here(world)
    folder.unlink()
    folder.with_name("away").rename(folder)
    score_here(world)
    assert_right(world, SENT)


def test_a_model_of_another_declaration_is_refused_with_both_named(model: Path) -> None:
    candidate = Candidate.load(model)
    other = "f" * 64
    parameters = {**candidate.parameters, "feature_signature": other}
    with pytest.raises(SchemaMismatchError) as caught:
        PinnedModel("fraud", 3, replace(candidate, parameters=parameters))
    for part in ("fraud 3", feature_signature()[:16], other[:16], "Train and promote"):
        assert part in str(caught.value)
    renamed = replace(candidate, feature_names=("nobody_knows", *candidate.feature_names[1:]))
    with pytest.raises(SchemaMismatchError, match="which needs nobody_knows"):
        PinnedModel("fraud", 3, renamed)


def test_a_scorer_whose_topic_was_made_anew_halts_and_says_what_to_do(
    make_world: Make, kafka: KafkaConnection
) -> None:
    world = make_world()
    world.produce(SENT[:50])
    score_here(world)
    topic = world.settings.transactions_topic
    admin = Topics(kafka)._admin
    admin.delete_topics([topic])[topic].result(10)
    until(lambda: topic in Topics(kafka).ensure([TopicSpec(topic, 3)]))
    until(lambda: Topics(kafka).describe(topic))
    with pytest.raises(TopicChangedError, match=r"recreated.*accept-gap"):
        score_here(world)


def test_what_scorers_publish_is_json_that_names_its_source(make_world: Make) -> None:
    from fraud_platform_tests.oracles.scoring import read_topic

    world = make_world()
    world.produce(SENT)
    assert world.score() == DONE
    alerts = 0
    for message in read_topic(world.settings, world.settings.predictions_topic):
        metadata = json.loads(message.value() or b"")
        assert metadata["is_alert"] == (metadata["fraud_probability"] >= metadata["threshold"])
        assert bool(metadata["reasons"]) <= metadata["is_alert"]
        assert (metadata["model_name"], metadata["model_version"]) == ("fraud", 1)
        alerts += metadata["is_alert"]
    assert alerts > 10
