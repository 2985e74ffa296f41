"""A platform whose daemons work alone.

Here: its processes, how far it has come.
Not here: the tests that kill them.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import psutil

from fraud_platform.adapters.kafka import broker
from fraud_platform.adapters.services.processes import port_owner, read_records
from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.errors import Outage
from fraud_platform.operations.services import laptop
from fraud_platform.scoring.log import ScoringLog, offsets_in
from fraud_platform.settings import Settings
from fraud_platform_tests.testing.waiting import wait_for

LIMIT_SECONDS = 900


def wait_long(condition: Callable[[], object], what: str) -> None:
    """Wait for what daemons do, which may take minutes."""
    wait_for(condition, LIMIT_SECONDS, what, every=1.0)


def run_workers(home: Path) -> list[psutil.Process]:
    """Return the processes that execute runs of this home's instance: its code server's spawn."""
    found = []
    for process in psutil.process_iter(["cmdline", "environ"]):
        words = " ".join(process.info["cmdline"] or ())
        environ = process.info["environ"] or {}
        if "multiprocessing.spawn" in words and environ.get("FRAUD_HOME") == str(home):
            found.append(process)
    return found


def committed(settings: Settings) -> int:
    """Return how many messages ended somewhere."""
    try:
        return sum(offsets_in(ScoringLog(Lake(settings.lake)).last()).values())
    except Outage:
        return 0


def kill_broker(settings: Settings) -> None:
    records = read_records(laptop.run_folder(settings))
    record = next(record for record in records if record.name == broker.NAME)
    psutil.Process(record.pid).kill()
    wait_for(lambda: port_owner(settings.kafka_port) is None)
