"""The embedded Kafka broker: one real node, KRaft, on this machine.

Here: its command, preparing its first start (jars, archive of classes, format) and the start after
a kill, its topics.
Not here: its settings (`adapters.kafka.broker_settings`), starting and stopping services
(`operations.services.laptop`, `adapters.services.processes`), clients (`adapters.kafka`).
"""

from __future__ import annotations

import base64
import os
import socket
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from fraud_platform.adapters.jvm.class_archive import QUIET, ClassArchive
from fraud_platform.adapters.jvm.jars import fetch_jars
from fraud_platform.adapters.jvm.java import find_java
from fraud_platform.adapters.jvm.kafka_jars import KAFKA_JARS
from fraud_platform.adapters.kafka.broker_security import (
    administrator,
    ensure_secrets,
    set_up_access,
)
from fraud_platform.adapters.kafka.broker_settings import (
    Node,
    free_port,
    write_fencing_settings,
    write_settings,
)
from fraud_platform.adapters.kafka.connection import KafkaConnection
from fraud_platform.adapters.kafka.producers import Record, TransactionalProducer
from fraud_platform.adapters.kafka.reader import RangeReader
from fraud_platform.adapters.kafka.topics import Topics
from fraud_platform.adapters.services.processes import (
    HOST,
    Service,
    read_records,
    start,
    stop,
    wait_until_healthy,
)
from fraud_platform.contracts.access import Role, grants
from fraud_platform.contracts.messages import TopicSpec, topic_specs
from fraud_platform.errors import ServiceError
from fraud_platform.settings import Settings

NAME = "kafka"
START_SECONDS = 90.0
_PROBE_SECONDS = 1.0
_HEAP = ("-Xms128m", "-Xmx1g")
# One node on a laptop: a quick start and little memory before the last bit of throughput.
_FORMATTED = "formatted"
_JVM = (
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    *QUIET,
)
_IS_ACTIVE, _HAS_FENCED = "Performing controller activation", "handleBrokerFenced"
# A record is on disk some 25 ms after the controller has spoken of it.
_SETTLED_SECONDS, _NOTHING_TO_FENCE_SECONDS = 0.3, 5.0


def service(settings: Settings) -> Service:
    """Return the broker of these settings, with the contract's topics made once it is ready."""
    secrets = settings.kafka_secrets if settings.is_kafka_secured else None
    node = Node(settings.home / NAME, settings.kafka_port, secrets)

    def make_topics() -> list[str]:
        connection = administrator_of(node)
        if node.secrets:
            set_up_access(connection, node.secrets, grants(settings))
        created = Topics(connection).ensure(topic_specs(settings))
        users = [f"kafka    secured: users {', '.join(Role)}, secrets in {secrets}"]
        lines = [f"kafka    created topics {', '.join(created)}"] if created else []
        return users + lines if secrets else lines

    return service_of(settings.jars, node, make_topics)


def administrator_of(node: Node) -> KafkaConnection:
    """Return the connection of a node's super user."""
    if node.secrets is None:
        return KafkaConnection(f"{HOST}:{node.port}")
    return administrator(node.secrets, node.internal_port() or 0)


def jars_folder(jars: Path) -> Path:
    """Return where the broker's jars lie, apart from Spark's."""
    return jars / NAME


@contextmanager
def running(folder: Path, jars: Path, port: int) -> Iterator[KafkaConnection]:
    """Run a broker of its own, its data in `folder`, until the block ends.

    Raises:
        ServiceError: it does not start, or the port is taken.
    """
    node = Node(folder / NAME, port)
    started = start(service_of(jars, node), folder / "run", folder / "logs")
    try:
        wait_until_healthy(started, START_SECONDS)
        yield KafkaConnection(f"{HOST}:{port}")
    finally:
        stop(started.record, folder / "run")
        started.process.wait()


def prepare(jars: Path, node: Node) -> list[str]:
    """Make ready what a start needs: jars, the archive of classes, settings, a formatted log.

    Returns:
        Lines that say what is out of the ordinary.

    Raises:
        Outage: the jars cannot be fetched.
        ServiceError: the folder cannot be formatted, or no controller starts on what a kill left.
    """
    fetch_jars(jars_folder(jars), KAFKA_JARS)
    _make_archive(jars)
    if node.secrets:
        ensure_secrets(node.secrets)
    write_settings(node)
    if not (node.data / _FORMATTED).exists():
        _format(jars, node)
    elif node.is_alone and not (node.data / "log" / ".kafka_cleanshutdown").exists():
        _fence_the_killed(jars, node)
        return ["kafka    was not stopped cleanly before; it has checked its log"]
    return []


def class_archive(jars: Path) -> ClassArchive:
    """Return the archive of loaded classes that fits this Java and these jars."""
    command = f"{_class_path(jars)} {' '.join((*_HEAP, *_JVM))}"
    return ClassArchive(jars_folder(jars), NAME, command)


def service_of(
    jars: Path,
    node: Node,
    make_topics: Callable[[], list[str]] | None = None,
    archive: str | None = None,
) -> Service:
    """Return a node as a service.

    Args:
        make_topics: called once it is ready; returns lines that say what was done.
        archive: the option of Java that names the archive of classes.
    """
    said: list[str] = []
    return Service(
        NAME if node.is_alone else f"{NAME}{node.number}",
        (
            *_java(jars, node.data, archive or class_archive(jars).option),
            "kafka.Kafka",
            str(node.data / "server.properties"),
        ),
        node.port,
        scheme="kafka",
        prepare=lambda: said.extend(prepare(jars, node)),
        is_ready=lambda: is_ready(node),
        when_ready=lambda: said + (make_topics() if make_topics else []),
    )


def is_ready(node: Node) -> bool:
    """Return whether a node of this machine answers its administrator."""
    if node.secrets and node.internal_port() is None:
        return False
    try:
        socket.create_connection((HOST, node.port), timeout=_PROBE_SECONDS).close()
    except OSError:
        return False
    return Topics(administrator_of(node)).is_ready(_PROBE_SECONDS)


def _java(jars: Path, data: Path, archive: str) -> tuple[str, ...]:
    logging = f"-Dlog4j2.configurationFile={data / 'log4j2.properties'}"
    return (find_java() or "java", *_HEAP, *_JVM, archive, logging, "-cp", _class_path(jars))


def _class_path(jars: Path) -> str:
    folder = jars_folder(jars).resolve()
    return os.pathsep.join(str(folder / name) for name in KAFKA_JARS)


def _fence_the_killed(jars: Path, node: Node) -> None:
    """Let a controller alone declare the killed broker dead, before a broker starts again.

    A broker that starts within its predecessor's session believes that it leads all partitions,
    resumes the transactions that were being committed, cannot reach itself to mark them, and when
    the session ends takes the partitions for deleted: it completes the transactions without a mark
    (Kafka 4.4.0), and readers of committed messages wait forever. If it starts after the session,
    it marks them as soon as it leads. It also need not wait for the session's end.

    Raises:
        ServiceError: the controller does not start.
    """
    work, port = node.data / "fencing", free_port()
    # An `up` that was killed here leaves a controller, which holds the log's lock.
    for left in read_records(work):
        stop(left, work)
    write_fencing_settings(node, work, port)
    command = (
        *_java(jars, work, class_archive(jars).option),
        "kafka.Kafka",
        str(work / "server.properties"),
    )
    log = work / f"{NAME}.log"
    controller = Service(NAME, command, port, scheme="kafka", is_ready=lambda: _has_fenced(log))
    started = start(controller, work, work)
    try:
        wait_until_healthy(started, START_SECONDS)
    finally:
        stop(started.record, work)
        started.process.wait()


def _has_fenced(log: Path) -> bool:
    """Return whether a controller's log shows that no session is left."""
    said, quiet_seconds = log.read_text(errors="replace"), time.time() - log.stat().st_mtime
    if _HAS_FENCED in said:
        return quiet_seconds > _SETTLED_SECONDS
    return _IS_ACTIVE in said and quiet_seconds > _NOTHING_TO_FENCE_SECONDS


def _format(jars: Path, node: Node) -> None:
    data = node.data
    command = (
        *_java(jars, data, class_archive(jars).option),
        "kafka.tools.StorageTool", "format", "--ignore-formatted",
        "-t", node.cluster_id or new_cluster_id(), "-c", str(data / "server.properties"),
    )  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode:
        raise ServiceError(
            f"kafka: expected to format {data}, found: {(done.stderr or done.stdout)[-800:]}\n"
            "Move that folder away and start again."
        )
    (data / _FORMATTED).touch()


def new_cluster_id() -> str:
    """Return 16 random bytes as Kafka writes them; a first dash would read as an option."""
    return "k" + base64.urlsafe_b64encode(uuid.uuid4().bytes).decode()[1:22]


def _make_archive(jars: Path) -> None:
    """Run a broker once, so that Java archives the classes it loads."""

    def run(work: Path, option: str) -> None:
        port = free_port()
        node = Node(work / NAME, port)
        write_settings(node)
        _format(jars, node)
        one = service_of(jars, node, archive=option)
        started = start(replace(one, prepare=None), work / "run", work / "logs")
        try:
            wait_until_healthy(started, START_SECONDS)
            _exercise(KafkaConnection(f"{HOST}:{port}"))
        finally:
            stop(started.record, work / "run", polite_seconds=START_SECONDS)
            started.process.wait()

    class_archive(jars).make(run)


def _exercise(connection: KafkaConnection) -> None:
    """Make the broker load what a scorer's first batch would."""
    Topics(connection).ensure([TopicSpec("warm", 1)])
    producer = TransactionalProducer(connection, "warm")
    producer.fence()
    producer.transaction([Record("warm", b"key", b"value")], "warm", {("warm", 0): 1})
    producer.close()
    with RangeReader(connection, "warm") as reader:
        list(reader.read({0: (0, 1)}))
