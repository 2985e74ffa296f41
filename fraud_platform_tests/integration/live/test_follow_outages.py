"""`score --follow` through outages: it waits, says so once, goes on; nothing is lost or twice."""

from __future__ import annotations

import os
import resource
import secrets
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import cast

import pytest
from confluent_kafka.admin import NewPartitions

from fraud_platform.adapters.kafka import broker
from fraud_platform.adapters.kafka.connection import KafkaConnection
from fraud_platform.adapters.kafka.follower_mark import FollowerMark
from fraud_platform.adapters.kafka.producers import IdempotentProducer
from fraud_platform.adapters.kafka.topics import Topics
from fraud_platform.adapters.models.registry import CHAMPION, ModelRegistry
from fraud_platform.adapters.services.processes import read_records
from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.contracts.messages import topic_specs
from fraud_platform.defs.pages.follow_reports import Reporter
from fraud_platform.errors import FencedError, Outage, TopicChangedError
from fraud_platform.operations.live.follow import follow
from fraud_platform.operations.models.registry import registry_of
from fraud_platform.scoring.scorer import Progress
from fraud_platform.settings import Settings
from fraud_platform.tables.scoring import SCORED
from fraud_platform_tests.oracles.scoring import Sent, judge
from fraud_platform_tests.testing.home import STATE
from fraud_platform_tests.testing.ports import free_port
from fraud_platform_tests.testing.servers.kafka_admin import administrator
from fraud_platform_tests.testing.servers.storage import s3_server
from fraud_platform_tests.testing.waiting import pace, stays_true
from fraud_platform_tests.testing.worlds.follower import following, scored_ids
from fraud_platform_tests.testing.worlds.live import PARTITIONS, Live, until
from fraud_platform_tests.testing.worlds.scoring import (
    World,
    mixed_stream,
    small_settings,
    stream_rows,
)

SENT = mixed_stream(stream_rows(600, seed=31))
FIRST, DURING, LAST = SENT[:150], SENT[150:450], SENT[450:]
WAITING, GOING_ON = "waiting, nothing is lost", "going on after an outage"


def count(log: Path, words: str) -> int:
    return log.read_text().count(words)


def await_scored(settings: Settings, sent: list[Sent], limit_seconds: float = 90) -> None:
    wanted = len(scored_ids(sent))
    lake = Lake(settings.lake)
    columns = ["transaction_id"]
    until(lambda: lake.read_arrow(SCORED, columns=columns).num_rows >= wanted, limit_seconds)


@contextmanager
def producing_slowly(settings: Settings, sent: list[Sent]) -> Iterator[Callable[[], int]]:
    """Send messages a few at a time while the block runs, also during outages of the broker.

    The block gets a function that says how many are sent.
    """
    done: list[int] = [0]
    failed: list[BaseException] = []

    def send() -> None:
        try:
            producer = IdempotentProducer(KafkaConnection.from_settings(settings), 120)
            for number, message in enumerate(sent, 1):
                producer.send(settings.transactions_topic, message.key, message.value)
                producer.poll()
                done[0] = number
                pace(0.01)
            producer.finish()
        except BaseException as error:  # noqa: BLE001 - the thread hands it to the test
            failed.append(error)

    thread = threading.Thread(target=send)
    thread.start()
    yield lambda: done[0]
    thread.join(150)
    assert not failed
    assert done == [len(sent)]


@pytest.mark.slow
def test_a_broker_down_at_start_and_killed_in_mid_stream_is_waited_for(
    models: str, tmp_path: Path
) -> None:
    port, log = free_port(), tmp_path / "follow.log"
    settings = small_settings(
        tmp_path / "home", f"127.0.0.1:{port}", secrets.token_hex(6), mlflow_url=models
    )
    registry_of(settings).set_alias(CHAMPION, 1)
    jars, folder = STATE / "jars", tmp_path / "broker"
    with broker.running(folder, jars, port) as connection:
        Topics(connection).ensure(topic_specs(settings))
    with following(settings, log) as process:
        until(lambda: count(log, WAITING) or process.poll() is not None, 60)
        with broker.running(folder, jars, port):
            until(lambda: count(log, GOING_ON) == 1, 60)
            World(settings, Path()).produce(FIRST)
            await_scored(settings, FIRST)
            slowly = producing_slowly(settings, DURING)
            sent_so_far = slowly.__enter__()
            until(lambda: sent_so_far() > 100)
            (record,) = read_records(folder / "run")
            os.kill(record.pid, signal.SIGKILL)
            until(lambda: count(log, WAITING) == 2, 60)
        with broker.running(folder, jars, port):
            slowly.__exit__(None, None, None)
            World(settings, Path()).produce(LAST)
            await_scored(settings, SENT)
            until(lambda: count(log, GOING_ON) == 2, 60)
            assert judge(settings, SENT).problems == []
        until(lambda: count(log, WAITING) == 3, 60)
        asked = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0, log.read_text()
        assert time.monotonic() - asked < 20
    output = log.read_text()
    assert f"{len(scored_ids(SENT))} scored in all" in output, output
    assert (output.count(WAITING), output.count(GOING_ON)) == (3, 2), output
    assert "Traceback" not in output
    assert "FATAL" not in output


@pytest.mark.slow
@pytest.mark.systems
def test_a_full_and_a_read_only_lake_are_waited_for(live: Live, tmp_path: Path) -> None:
    log = tmp_path / "follow.log"
    with following(live.settings, log) as process:
        until(lambda: count(log, "following") or process.poll() is not None, 60)
        live.produce(FIRST)
        await_scored(live.settings, FIRST)

        before = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (9_000, before[1]))
        live.produce(DURING)
        until(lambda: count(log, WAITING) == 1, 60)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, before)
        await_scored(live.settings, FIRST + DURING)
        until(lambda: count(log, GOING_ON) == 1)

        with _unwritable(live.settings):
            live.produce(LAST)
            until(lambda: count(log, WAITING) == 2, 60)
            assert stays_true(lambda: process.poll() is None, 3), log.read_text()
        await_scored(live.settings, SENT)
        until(lambda: count(log, GOING_ON) == 2)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0, log.read_text()
    output = log.read_text()
    assert judge(live.settings, SENT).problems == []
    assert (output.count(WAITING), output.count(GOING_ON)) == (2, 2), output
    assert output.count("lake: expected") == 2
    assert "Traceback" not in output


@contextmanager
def _unwritable(settings: Settings) -> Iterator[None]:
    """Make the log of `scored` unreadable and unwritable during the block."""
    folder = Path(settings.lake) / SCORED.name / "_delta_log"
    folder.rename(folder.with_name("away"))
    folder.touch()
    yield
    folder.unlink()
    folder.with_name("away").rename(folder)


class _AwayAtFirst:
    """A registry that is away for its first questions."""

    def __init__(self, registry: ModelRegistry) -> None:
        self._registry, self._left = registry, 2
        self.candidate_folder = registry.candidate_folder

    def alias(self, name: str) -> int | None:
        self._left -= 1
        if self._left >= 0:
            raise Outage("MLflow at http://127.0.0.1:9 failed: nobody answers.")
        return self._registry.alias(name)


@contextmanager
def _follower(live: Live, registry: object) -> Iterator[tuple[list[str], Future[Progress]]]:
    """Run `follow` in a thread until the block ends; the block gets what it says, and its end."""
    messages: list[str] = []
    stopped = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(
            follow,
            live.settings,
            cast("ModelRegistry", registry),
            messages.append,
            stopped.is_set,
            Reporter,
        )
        try:
            yield messages, future
        finally:
            stopped.set()


@pytest.mark.slow
def test_a_registry_that_is_away_at_the_start_is_waited_for(live: Live) -> None:
    with _follower(live, _AwayAtFirst(live.registry)) as (output, future):
        live.produce(FIRST)
        await_scored(live.settings, FIRST)
        assert not future.done()
    assert future.result().counts["scored"] == len(scored_ids(FIRST))
    steps = [line for line in output if not line.startswith("opening")]
    assert "MLflow at http://127.0.0.1:9" in steps[0]
    assert [line[:7] for line in steps[:3]] == ["waiting", "followi", "going o"]


@pytest.mark.slow
def test_a_follower_that_took_over_during_the_wait_is_named_and_scores_alone(live: Live) -> None:
    topic, other = live.settings.transactions_topic, "score --follow, process 7 on tester"
    with _follower(live, live.registry) as (output, future):
        live.produce(FIRST)
        await_scored(live.settings, FIRST)
        with _unwritable(live.settings), FollowerMark(live.connection, topic, other):
            live.produce(LAST)
            until(lambda: any(line.startswith(WAITING) for line in output), 60)
            with pytest.raises(FencedError, match=f"{other} already follows"):
                future.result(60)


@pytest.mark.systems
def test_a_lake_on_s3_that_dies_is_waited_for(
    kafka: KafkaConnection, models: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    log = tmp_path / "follow.log"
    with s3_server(tmp_path / "buckets") as server, ExitStack() as later:
        for name, value in server.variables.items():
            monkeypatch.setenv(name, value)
        settings = small_settings(
            tmp_path / "home", kafka.bootstrap, secrets.token_hex(6), mlflow_url=models,
            lake_url=f"s3://{server.make_bucket()}/lake",
        )  # fmt: skip
        registry_of(settings).set_alias(CHAMPION, 1)
        Topics(kafka).ensure(topic_specs(settings))
        process = later.enter_context(following(settings, log))
        until(lambda: count(log, "following") or process.poll() is not None, 60)
        slowly = producing_slowly(settings, FIRST + DURING)
        sent_so_far = later.enter_context(slowly)
        until(lambda: sent_so_far() > 200)
        server.process.kill()
        server.process.wait()
        until(lambda: count(log, WAITING) == 1 or process.poll() is not None, 60)
        later.enter_context(s3_server(tmp_path / "buckets", server))
        World(settings, Path()).produce(LAST)
        await_scored(settings, SENT)
        until(lambda: count(log, GOING_ON) == 1)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0, log.read_text()
        assert judge(settings, SENT).problems == []
    assert "Traceback" not in log.read_text()


def test_partitions_that_are_added_stop_it_at_once_and_at_its_start(live: Live) -> None:
    topic = live.settings.transactions_topic
    admin = administrator(live.connection)
    with _follower(live, live.registry) as (output, future):
        live.produce(FIRST)
        await_scored(live.settings, FIRST)
        admin.create_partitions([NewPartitions(topic, PARTITIONS + 1)])[topic].result(10)
        with pytest.raises(TopicChangedError, match=r"expected partitions \[0, 1, 2\], found"):
            future.result(60)
    with (
        _follower(live, live.registry) as (output, future),
        pytest.raises(TopicChangedError, match=r"expected partitions \[0, 1, 2\], found"),
    ):
        future.result(60)
    assert not any(line.startswith(WAITING) for line in output)


def test_a_topic_that_is_gone_is_no_outage(live: Live) -> None:
    topic = live.settings.transactions_topic
    with _follower(live, live.registry) as (output, future):
        until(lambda: any(line.startswith("following") for line in output), 60)
        admin = administrator(live.connection)
        admin.delete_topics([topic])[topic].result(10)
        with pytest.raises(TopicChangedError, match=topic):
            future.result(60)
    assert not any(line.startswith(WAITING) for line in output)
