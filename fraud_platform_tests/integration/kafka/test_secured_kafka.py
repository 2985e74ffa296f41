"""Kafka with SASL_SSL: the same scores, least rights for each user, errors that name the fault."""

from __future__ import annotations

import secrets as random_secrets
import socket
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from pydantic import SecretStr
from pyspark.sql import SparkSession

from fraud_platform.adapters.kafka import broker
from fraud_platform.adapters.kafka.access import CA_NAME, read_password
from fraud_platform.adapters.kafka.broker_security import ensure_secrets
from fraud_platform.adapters.kafka.connection import KafkaConnection
from fraud_platform.adapters.kafka.follower_mark import follower
from fraud_platform.adapters.kafka.producers import (
    IdempotentProducer,
    Record,
    TransactionalProducer,
)
from fraud_platform.adapters.kafka.reader import RangeReader
from fraud_platform.adapters.kafka.topics import Topics
from fraud_platform.adapters.models.registry import CHAMPION
from fraud_platform.adapters.services.processes import read_records
from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.contracts.access import Role
from fraud_platform.contracts.messages import TopicSpec
from fraud_platform.errors import AccessError, FraudPlatformError, Outage
from fraud_platform.operations.live.produce import Extras, Pace, produce
from fraud_platform.operations.models.registry import registry_of
from fraud_platform.operations.services import laptop
from fraud_platform.settings import Settings
from fraud_platform.tables.scoring import SCORED as SCORED_TABLE
from fraud_platform_tests.oracles.scoring import SCORED, Sent, judge
from fraud_platform_tests.testing.home import STATE
from fraud_platform_tests.testing.ports import free_port
from fraud_platform_tests.testing.programs.scoring import score_all
from fraud_platform_tests.testing.servers.secured_kafka import SecuredCluster
from fraud_platform_tests.testing.worlds.follower import following, scored_ids
from fraud_platform_tests.testing.worlds.live import until
from fraud_platform_tests.testing.worlds.scoring import (
    World,
    mixed_stream,
    small_settings,
    stream_rows,
    train_small,
)

pytestmark = pytest.mark.systems

LIMIT_SECONDS = 20.0
SENT = mixed_stream(stream_rows(400, seed=41))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_small(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredCluster]:
    """One secured broker for all tests of this module."""
    cluster = SecuredCluster(tmp_path_factory.mktemp("secured"), (free_port(),))
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.close()


@pytest.fixture
def settings(cluster: SecuredCluster, tmp_path: Path) -> Settings:
    """Settings with topics of the test's own, made, without a way in."""
    made = small_settings(tmp_path / "home", cluster.bootstrap, random_secrets.token_hex(6))
    cluster.make_topics(made)
    return made


def test_the_scorer_scores_what_the_producer_sent_and_each_does_only_its_own(
    cluster: SecuredCluster, settings: Settings, model: Path
) -> None:
    scorer, reader = (cluster.settings(settings, role) for role in (Role.SCORER, Role.READER))
    producing = cluster.settings(settings, Role.PRODUCER)
    World(producing, model).produce(SENT)
    World(producing, model).produce_labels(stream_rows(400, seed=41))
    assert World(scorer, model).score() == 0, World(scorer, model).output
    assert judge(reader, SENT).problems == []
    topics = Topics(KafkaConnection.from_settings(scorer))
    assert topics.broker_setting("offsets.retention.minutes") is None, "a scorer may not look"


@pytest.mark.slow
def test_spark_reads_the_secured_topic(
    cluster: SecuredCluster, settings: Settings, model: Path, spark: SparkSession
) -> None:
    World(cluster.settings(settings, Role.PRODUCER), model).produce(SENT)
    score_all(cluster.settings(settings, Role.SCORER), model, lambda: spark)
    assert judge(cluster.settings(settings, Role.READER), SENT).problems == []


@pytest.mark.slow
def test_a_follower_scores_the_secured_topic_and_keeps_others_out(
    cluster: SecuredCluster, settings: Settings, models: str, model: Path, tmp_path: Path
) -> None:
    scorer = _with(cluster.settings(settings, Role.SCORER), mlflow_url=models)
    registry_of(scorer).set_alias(CHAMPION, 1)
    log = tmp_path / "follow.log"
    World(cluster.settings(settings, Role.PRODUCER), model).produce(SENT)
    with following(scorer, log) as process:
        wanted = len(scored_ids(SENT))
        lake = Lake(scorer.lake)
        until(lambda: lake.read_arrow(SCORED_TABLE, columns=["micro_batch"]).num_rows == wanted, 90)
        seen = follower(KafkaConnection.from_settings(scorer), scorer.transactions_topic)
        assert seen is not None
        assert f"process {process.pid}" in seen
        process.terminate()
        assert process.wait(60) == 0, log.read_text()
    assert judge(cluster.settings(settings, Role.READER), SENT).problems == []


def _connection(cluster: SecuredCluster, settings: Settings, role: Role) -> KafkaConnection:
    return KafkaConnection.from_settings(cluster.settings(settings, role))


def _read(connection: KafkaConnection, topic: str) -> None:
    with RangeReader(connection, topic, stall_seconds=5) as reader:
        list(reader.read({0: (0, 1)}))


def _send(connection: KafkaConnection, topic: str) -> None:
    producer = IdempotentProducer(connection, timeout_seconds=10)
    producer.send(topic, b"1", b"{}")
    producer.finish()


def _publish(connection: KafkaConnection, lease: str, topic: str) -> None:
    producer = TransactionalProducer(connection, lease, timeout_seconds=10)
    producer.fence()
    producer.transaction([Record(topic, None, b"x")], "group", {})


def first_quickly(names: Iterable[str]) -> list[Any]:
    """Return the names as cases, all but the first of them slow."""
    first, *others = names
    return [first, *(pytest.param(name, marks=pytest.mark.slow) for name in others)]


FORBIDDEN: dict[str, tuple[Role, Callable[[KafkaConnection, Settings], object]]] = {
    "a producer that reads": (Role.PRODUCER, lambda c, s: _read(c, s.transactions_topic)),
    "a producer of scores": (Role.PRODUCER, lambda c, s: _send(c, s.predictions_topic)),
    "a producer with the lease": (
        Role.PRODUCER,
        lambda c, s: _publish(c, f"fraud-platform-scorer-{s.transactions_topic}", s.labels_topic),
    ),
    "a scorer that makes up transactions": (
        Role.SCORER,
        lambda c, s: _send(c, s.transactions_topic),
    ),
    "a scorer under another lease": (
        Role.SCORER,
        lambda c, s: _publish(c, "another", s.predictions_topic),
    ),
    "a reader that writes": (Role.READER, lambda c, s: _send(c, s.predictions_topic)),
    "a reader of another's group": (
        Role.PRODUCER,
        lambda c, s: Topics(c).group_offsets("fraud-platform-scorer", s.transactions_topic),
    ),
    "a scorer that makes topics": (
        Role.SCORER,
        lambda c, s: Topics(c).ensure([*_one_topic()]),
    ),
}


def _one_topic() -> Iterator[TopicSpec]:
    yield TopicSpec("made-up", 1)


@pytest.mark.parametrize("what", first_quickly(FORBIDDEN))
def test_what_a_role_may_not_do_is_refused_with_the_user_named(
    cluster: SecuredCluster, settings: Settings, what: str
) -> None:
    role, attempt = FORBIDDEN[what]
    error = _failure(lambda: attempt(_connection(cluster, settings, role), settings))
    assert isinstance(error, AccessError), error
    assert f"user {role}" in str(error)
    assert "Grant the rights of its role" in str(error)


def _failure(attempt: Callable[[], object]) -> FraudPlatformError:
    """Return the one-line error of an attempt, which must come within the limit."""
    began = time.monotonic()
    with pytest.raises(FraudPlatformError) as caught:
        attempt()
    seconds = time.monotonic() - began
    print(f"said after {seconds:.1f} s: {type(caught.value).__name__}: {caught.value}")
    assert seconds < LIMIT_SECONDS
    assert "\n" not in str(caught.value)
    return caught.value


WRONG: dict[str, tuple[Callable[[Settings, Path], dict[str, object]], type, str]] = {
    "a wrong password": (
        lambda settings, path: {"kafka_password": SecretStr("canary-of-a-password")},
        AccessError,
        "user scorer.*FRAUD_KAFKA_PASSWORD",
    ),
    "an unknown user": (
        lambda settings, path: {"kafka_user": "nobody"},
        AccessError,
        "user nobody.*FRAUD_KAFKA_USER",
    ),
    "a CA that did not sign it": (
        lambda settings, path: {"kafka_ca_file": _other_ca(path)},
        AccessError,
        "FRAUD_KAFKA_CA_FILE",
    ),
    "a plaintext client": (
        lambda settings, path: {
            "kafka_security": "plaintext",
            "kafka_user": None,
            "kafka_password": None,
        },
        AccessError,
        "FRAUD_KAFKA_SECURITY=sasl_ssl",
    ),
    "no broker": (
        lambda settings, path: {"kafka_bootstrap": f"127.0.0.1:{free_port()}"},
        Outage,
        "Connection refused.*fraud-platform status",
    ),
}


def _other_ca(folder: Path) -> Path:
    ensure_secrets(folder / "others")
    return folder / "others" / CA_NAME


def _with(settings: Settings, **changed: object) -> Settings:
    chosen = {name: getattr(settings, name) for name in settings.model_fields_set}
    return Settings(**{**chosen, **changed})


STEPS = ["producing", pytest.param("scoring", marks=pytest.mark.slow)]


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("what", first_quickly(WRONG))
def test_a_wrong_way_in_is_said_soon_with_the_remedy(
    cluster: SecuredCluster, settings: Settings, model: Path, tmp_path: Path, what: str, step: str
) -> None:
    change, kind, words = WRONG[what]
    right = cluster.settings(settings, Role.SCORER)
    wrong = _with(right, **change(right, tmp_path))
    error = _failure(_step(step, wrong, model))
    assert isinstance(error, kind), error
    assert _matches(words, str(error)), error
    assert "canary" not in f"{error} {wrong!r} {KafkaConnection.from_settings(wrong)!r}"


@pytest.mark.parametrize("step", STEPS)
def test_a_broker_that_accepts_and_never_answers_is_an_outage(
    cluster: SecuredCluster, settings: Settings, model: Path, step: str
) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(64)
        there = f"127.0.0.1:{silent.getsockname()[1]}"
        right = cluster.settings(settings, Role.SCORER)
        error = _failure(_step(step, _with(right, kafka_bootstrap=there), model))
        assert isinstance(error, Outage), error
        assert there in str(error)


def _step(step: str, settings: Settings, model: Path) -> Callable[[], object]:
    if step == "producing":
        rows = stream_rows(10)
        return lambda: produce(rows, settings, Pace.parse("max", None), Extras())
    return lambda: score_all(settings, model)


def _matches(words: str, output: str) -> bool:
    import re

    return re.search(words, output) is not None


def test_up_secure_starts_the_embedded_broker_so_and_all_commands_follow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: Path
) -> None:
    (tmp_path / "jars").symlink_to(STATE / "jars")
    plain = Settings(home=tmp_path, kafka_port=free_port(), kafka_partitions=2)
    monkeypatch.setattr(laptop, "services", lambda settings: [broker.service(settings)])
    sent = [one for one in SENT[:100] if one.outcome == SCORED]
    try:
        # messages that came in the clear are still there when it is secured
        list(laptop.up(plain))
        World(plain, model).produce(sent[:50])
        list(laptop.down(plain))
        lines = list(laptop.up(plain.model_copy(update={"kafka_security": "sasl_ssl"})))
        assert any("secured: users producer, scorer, reader" in line for line in lines), lines
        assert plain.is_kafka_secured
        World(plain, model).produce(sent[50:])
        score_all(plain, model)
        _predictions_are_there(plain, sent)
        _no_secret_is_shown(plain)
        assert "answers on kafka://" in laptop.status(plain)[0]
        (line, _) = laptop.up(plain)
        assert "is already running" in line
    finally:
        list(laptop.down(plain))


def _predictions_are_there(settings: Settings, sent: list[Sent]) -> None:
    connection = KafkaConnection.from_settings(settings, Role.READER)
    topics = Topics(connection)
    with RangeReader(connection, settings.predictions_topic) as reader:
        chunks = reader.read(topics.offsets(settings.predictions_topic))
        assert sum(len(chunk.values) for chunk in chunks) == len(sent)


def _no_secret_is_shown(settings: Settings) -> None:
    """Require that passwords are only in their files, which no other user may read."""
    passwords = [read_password(settings.kafka_secrets, role).get_secret_value() for role in Role]
    for path in settings.kafka_secrets.iterdir():
        if path.name != CA_NAME:
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    (record,) = read_records(laptop.run_folder(settings))
    shown = [Path(record.log).read_text()]
    shown += [" ".join(p.info["cmdline"] or ()) for p in psutil.process_iter(["cmdline"])]
    settings_files = (settings.home / "kafka").glob("*.properties")
    shown += [path.read_text() for path in settings_files]
    assert not [one for one in passwords for text in shown if one in text]
