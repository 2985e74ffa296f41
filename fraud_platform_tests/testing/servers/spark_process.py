"""A warm Spark server of a test's own, in a home of its own.

Here: starting and stopping it as `up --spark-server` does, without the other services.
Not here: the tests that use it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fraud_platform.adapters.services.processes import Started, start, stop, wait_until_healthy
from fraud_platform.adapters.spark import server as spark_server
from fraud_platform.settings import Settings
from fraud_platform_tests.testing.home import STATE
from fraud_platform_tests.testing.ports import free_port


def settings_of(home: Path, **chosen: Any) -> Settings:
    """Settings with a server's port of their own and the jars of this machine."""
    home.mkdir(parents=True, exist_ok=True)
    if not (home / "jars").exists():
        (home / "jars").symlink_to(STATE / "jars")
    port = free_port()
    return Settings(
        home=home, spark_server=True, spark_server_port=port, spark_memory="2g", **chosen
    )


@contextmanager
def running_server(settings: Settings) -> Iterator[Started]:
    """Run the server until the block ends."""
    run = settings.home / "run"
    started = start(spark_server.service(settings), run, settings.home / "logs")
    try:
        wait_until_healthy(started, 120)
        yield started
    finally:
        stop(started.record, run)
        started.process.wait(timeout=10)
