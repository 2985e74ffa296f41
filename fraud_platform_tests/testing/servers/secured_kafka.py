"""Secured brokers of this machine for tests: one or several, each killed and started at will.

Here: `SecuredCluster`, its settings by role, and rights for the oracle that reads everything.
Not here: the tests (`integration.kafka.test_secured_kafka`,
`integration.kafka.test_three_brokers`).
"""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass, field
from pathlib import Path

from fraud_platform.adapters.kafka import broker
from fraud_platform.adapters.kafka.access import CA_NAME, read_password
from fraud_platform.adapters.kafka.broker_security import administrator, set_up_access
from fraud_platform.adapters.kafka.broker_settings import Node
from fraud_platform.adapters.kafka.connection import KafkaConnection
from fraud_platform.adapters.kafka.topics import Topics
from fraud_platform.adapters.services.processes import Started, start, stop, wait_until_healthy
from fraud_platform.contracts.access import Grant, Role, grants
from fraud_platform.contracts.messages import SCORER_GROUP, topic_specs
from fraud_platform.settings import Settings
from fraud_platform_tests.oracles.scoring import GROUP as ORACLE_GROUP
from fraud_platform_tests.testing.home import STATE
from fraud_platform_tests.testing.ports import free_port

START_SECONDS = 120.0


@dataclass
class SecuredCluster:
    """Nodes under one folder; close it at the end."""

    folder: Path
    ports: tuple[int, ...]
    running: dict[int, Started] = field(default_factory=dict)

    def __post_init__(self) -> None:
        controllers = tuple(free_port() for _ in self.ports)
        cluster_id = broker.new_cluster_id()
        self.nodes = [
            Node(
                self.folder / f"node{number}",
                port,
                self.secrets,
                number,
                controllers if len(self.ports) > 1 else (),
                cluster_id,
            )
            for number, port in enumerate(self.ports, 1)
        ]

    @property
    def secrets(self) -> Path:
        return self.folder / "secrets"

    @property
    def bootstrap(self) -> str:
        return ",".join(f"127.0.0.1:{port}" for port in self.ports)

    def start(self, *numbers: int) -> None:
        """Start nodes, all if none is named, and wait until each answers."""
        chosen = [node for node in self.nodes if not numbers or node.number in numbers]
        for node in chosen:
            service = broker.service_of(STATE / "jars", node)
            run, logs = self.folder / "run", self.folder / "logs"
            self.running[node.number] = start(service, run, logs)
        for node in chosen:
            wait_until_healthy(self.running[node.number], START_SECONDS)

    def kill(self, number: int) -> None:
        """Kill a node as a power cut would."""
        started = self.running.pop(number)
        os.kill(started.record.pid, signal.SIGKILL)
        started.process.wait()
        stop(started.record, self.folder / "run")

    def close(self) -> None:
        for started in self.running.values():
            stop(started.record, self.folder / "run")
            started.process.wait()
        self.running.clear()

    @property
    def administrator(self) -> KafkaConnection:
        node = next(node for node in self.nodes if node.number in self.running)
        return administrator(self.secrets, node.internal_port() or 0)

    def settings(self, settings: Settings, role: Role) -> Settings:
        """Return settings with which a client is let in as a role."""
        chosen = {name: getattr(settings, name) for name in settings.model_fields_set}
        access = {
            "kafka_bootstrap": self.bootstrap,
            "kafka_security": "sasl_ssl",
            "kafka_user": str(role),
            "kafka_password": read_password(self.secrets, role),
            "kafka_ca_file": self.secrets / CA_NAME,
        }
        return Settings(**{**chosen, **access})

    def make_topics(self, settings: Settings) -> None:
        """Make a contract's topics and their rights, and let the oracle read all of it."""
        allowed = [*grants(settings), *oracle_grants(settings)]
        set_up_access(self.administrator, self.secrets, allowed)
        Topics(self.administrator).ensure(topic_specs(settings))


def oracle_grants(settings: Settings) -> list[Grant]:
    """Return what a reader needs more, to judge."""
    live = (settings.transactions_topic, settings.labels_topic)
    return [
        *(Grant(Role.READER, "read", "topic", name) for name in live),
        *(Grant(Role.READER, "read", "group", group) for group in (ORACLE_GROUP, SCORER_GROUP)),
    ]
