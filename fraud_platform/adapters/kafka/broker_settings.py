"""The files that a broker of this machine reads: its settings and what it logs.

Here: `Node`, and its `server.properties`, plain or secured, alone or one of several.
Not here: starting it (`adapters.kafka.broker`), certificates, users and rights
(`adapters.kafka.broker_security`).

Secured, clients come by SASL_SSL with SCRAM-SHA-512, brokers, controllers and the administrator by
TLS with a certificate on both sides; so no password is in any setting or on any command line.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fraud_platform.adapters.kafka.access import CA_NAME, MECHANISM
from fraud_platform.adapters.kafka.broker_security import CERTIFICATE_NAME, SUPER_USER
from fraud_platform.adapters.services.processes import HOST
from fraud_platform.contracts.messages import MAX_MESSAGE_BYTES
from fraud_platform.contracts.time import MINUTES_PER_DAY

_SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule"
# Long: without another broker, declaring a paused one dead has no benefit.
_SESSION = {"broker.session.timeout.ms": 30_000, "broker.heartbeat.interval.ms": 500}
_SESSION_AMONG_OTHERS = {"broker.session.timeout.ms": 6_000, "broker.heartbeat.interval.ms": 500}
_SHORT_SESSION = {"broker.session.timeout.ms": 200, "broker.heartbeat.interval.ms": 100}
_LOGGING = """\
status=error
appender.out.type=Console
appender.out.name=out
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d{ISO8601} %p %c: %m%n
rootLogger.level=warn
rootLogger.appenderRef.out.ref=out
"""
_CONTROLLER_LOGGING = """\
logger.controller.name=org.apache.kafka.controller
logger.controller.level=info
"""
_INTERNAL = re.compile(r"^listeners=.*BROKERS://[^:]+:(\d+)", re.MULTILINE)


@dataclass(frozen=True)
class Node:
    """A broker and controller of this machine.

    Attributes:
        data: its folder.
        port: that clients know.
        secrets: folder of certificates; None is plaintext.
        number: its place among the nodes, from 1.
        controllers: the ports of all nodes' controllers; a node alone picks its own at each start.
        cluster_id: common to all nodes; a node alone makes its own.
    """

    data: Path
    port: int
    secrets: Path | None = None
    number: int = 1
    controllers: tuple[int, ...] = ()
    cluster_id: str | None = None

    @property
    def is_alone(self) -> bool:
        """Whether it is the only one."""
        return len(self.controllers) < 2

    def internal_port(self) -> int | None:
        """Return the port of brokers and the administrator, None if it was not secured."""
        path = self.data / "server.properties"
        found = _INTERNAL.search(path.read_text()) if path.exists() else None
        return int(found.group(1)) if found else None


def free_port() -> int:
    """Return a currently free port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def write_settings(node: Node) -> None:
    """Write a broker's settings; it chooses all ports except the clients' itself."""
    controllers = node.controllers or (free_port(),)
    listeners = {"CLIENTS": node.port, "CONTROLLER": controllers[node.number - 1]}
    if node.secrets:
        listeners["BROKERS"] = free_port()
    spoken = {name: f"{name}://{HOST}:{port}" for name, port in listeners.items()}
    advertised = [spoken[name] for name in spoken if name != "CONTROLLER"]
    session = _SESSION if node.is_alone else _SESSION_AMONG_OTHERS
    chosen = {
        **_quorum(node, controllers),
        "process.roles": "broker,controller",
        "listeners": ",".join(spoken.values()),
        "advertised.listeners": ",".join(advertised),
        "inter.broker.listener.name": "BROKERS" if node.secrets else "CLIENTS",
        "log.dirs": node.data / "log",
        "auto.create.topics.enable": "false",
        "message.max.bytes": 2 * MAX_MESSAGE_BYTES,
        **_copies(len(controllers)),
        "group.initial.rebalance.delay.ms": 0,
        # The scorer's offsets record what is published, also after an idle year.
        "offsets.retention.minutes": 366 * MINUTES_PER_DAY,
        **_security(node.secrets),
        **session,
    }
    _write_files(node.data, chosen, _LOGGING)


def write_fencing_settings(node: Node, work: Path, port: int) -> None:
    """Write the settings of a controller alone, on the log of a node alone, with short sessions."""
    chosen = {
        **_quorum(node, (port,)),
        "process.roles": "controller",
        "listeners": f"CONTROLLER://{HOST}:{port}",
        "log.dirs": node.data / "log",
        **_security(node.secrets),
        **_SHORT_SESSION,
    }
    _write_files(work, chosen, _LOGGING + _CONTROLLER_LOGGING)


def _quorum(node: Node, controllers: tuple[int, ...]) -> dict[str, object]:
    voters = ",".join(f"{number}@{HOST}:{port}" for number, port in enumerate(controllers, 1))
    return {
        "node.id": node.number,
        "controller.quorum.voters": voters,
        "controller.listener.names": "CONTROLLER",
    }


def _copies(nodes: int) -> dict[str, object]:
    """Return how many copies of everything are kept, and how many must have a message."""
    copies, enough = min(nodes, 3), min(nodes, 2)
    internal = ("offsets.topic", "transaction.state.log", "share.coordinator.state.topic")
    return {
        "default.replication.factor": copies,
        "min.insync.replicas": enough,
        # The defaults make 100 partitions of internal topics on three nodes.
        **{f"{name}.num.partitions": 4 for name in internal},
        **{f"{name}.replication.factor": copies for name in internal},
        **{f"{name}.min.isr": enough for name in internal if name != "offsets.topic"},
    }


def _security(secrets: Path | None) -> dict[str, object]:
    if secrets is None:
        return {"listener.security.protocol.map": "CLIENTS:PLAINTEXT,CONTROLLER:PLAINTEXT"}
    return {
        "listener.security.protocol.map": "CLIENTS:SASL_SSL,BROKERS:SSL,CONTROLLER:SSL",
        "sasl.enabled.mechanisms": MECHANISM,
        f"listener.name.clients.{MECHANISM.lower()}.sasl.jaas.config": f"{_SCRAM} required;",
        "listener.name.brokers.ssl.client.auth": "required",
        "listener.name.controller.ssl.client.auth": "required",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": secrets / CERTIFICATE_NAME,
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": secrets / CA_NAME,
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": SUPER_USER,
    }


def _write_files(folder: Path, chosen: Mapping[str, object], logging: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    lines = "".join(f"{name}={_escaped(str(value))}\n" for name, value in chosen.items())
    (folder / "server.properties").write_text(lines, encoding="ascii")
    (folder / "log4j2.properties").write_text(logging)


def _escaped(value: str) -> str:
    """Return a value as a properties file spells it: Java reads the file as Latin-1."""
    units = value.replace("\\", "\\\\").encode("utf-16-be")
    codes = [int.from_bytes(units[n : n + 2], "big") for n in range(0, len(units), 2)]
    return "".join(chr(code) if code < 128 else f"\\u{code:04x}" for code in codes)
