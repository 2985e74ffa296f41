"""One Kafka broker for all workers of a run of tests.

Here: starting it when the first test asks, finding it again, ending it with the run.
Not here: brokers that a test kills or configures, which are the test's own
(`fraud_platform.adapters.kafka.broker.running`).

A broker costs a JVM, and the first client of each creates the 100 partitions of its offsets and
transactions. Topics have names of the test's own, so workers do not meet on it.
"""

from __future__ import annotations

import json
import os
import signal
from contextlib import suppress
from pathlib import Path

from fraud_platform.adapters.kafka import broker
from fraud_platform.adapters.kafka.broker_settings import Node
from fraud_platform.adapters.kafka.connection import KafkaConnection
from fraud_platform.adapters.services.processes import (
    HOST,
    read_records,
    start,
    stop,
    wait_until_healthy,
)
from fraud_platform_tests.testing.ports import free_port
from fraud_platform_tests.testing.shared import locked, shared_folder

_NAME = "broker"


def shared_broker(jars: Path) -> KafkaConnection:
    """Return the broker of this run of tests, which the first worker starts under a lock."""
    folder = shared_folder() / _NAME
    address = folder / "address.json"
    with locked(_NAME):
        if not address.exists():
            node = Node(folder / broker.NAME, free_port())
            try:
                started = start(broker.service_of(jars, node), folder / "run", folder / "logs")
                wait_until_healthy(started, broker.START_SECONDS)
            except BaseException:
                end_shared_broker(shared_folder())
                raise
            address.write_text(json.dumps(f"{HOST}:{node.port}"))
        return KafkaConnection(json.loads(address.read_text()))


def end_shared_broker(shared: Path) -> None:
    """Kill the broker of a run of tests; its data has no further use."""
    run = shared / _NAME / "run"
    for record in read_records(run):
        with suppress(ProcessLookupError):
            os.killpg(record.pid, signal.SIGKILL)
        stop(record, run)
