"""Writers of a table that stop on the way and continue later.

Here: a table of labels, processes that stop themselves at a kill point.
Not here: which commit counts (`unit.adapters.tables.test_commits`).
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import psutil
import pyarrow as pa

from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.tables.scoring import TOPIC_LABELS
from fraud_platform_tests.testing.waiting import wait_for

APP, WAIT_SECONDS = "test", 60.0


MERGE_ALL = "from fraud_platform.adapters.tables import merging; merging.LEVELS = ((1 << 26, 2),)"


def label_rows(landing: int, count: int = 5) -> pa.Table:
    moment = datetime(2018, 8, 6, tzinfo=UTC)
    return pa.Table.from_pylist(
        [
            {
                "transaction_id": 100 * landing + i, "is_fraud": False, "fraud_scenario": 0,
                "known_at": moment, "source": "topic", "landed_at": None, "landing": landing,
                "source_partition": 0, "source_offset": 100 * landing + i,
            }
            for i in range(count)
        ],
        schema=TOPIC_LABELS.arrow_schema,
    )  # fmt: skip


def ids(lake: Lake) -> list[int]:
    return sorted(lake.read_arrow(TOPIC_LABELS)["transaction_id"].to_pylist())


def expected(*numbers: int) -> list[int]:
    return sorted(100 * number + i for number in numbers for i in range(5))


@contextmanager
def stopped_child(code: str, lake: Lake, point: str) -> Iterator[subprocess.Popen[bytes]]:
    """Give a process that stopped itself at a point; it is killed after the block."""
    variables = {**os.environ, "FRAUD_STOP_AT": point}
    child = subprocess.Popen([sys.executable, "-c", code, lake.url], env=variables)
    try:
        process = psutil.Process(child.pid)
        wait_for(
            lambda: process.status() == psutil.STATUS_STOPPED, WAIT_SECONDS, point, process=child
        )
        yield child
    finally:
        child.kill()
        child.wait(WAIT_SECONDS)


def go_on(child: subprocess.Popen[bytes]) -> None:
    child.send_signal(signal.SIGCONT)
    assert child.wait(WAIT_SECONDS) == 0
