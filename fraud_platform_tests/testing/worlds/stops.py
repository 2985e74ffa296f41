"""Processes of a platform that are stopped for longer than every timeout, and continued.

Here: `Stops`, and the programs that it starts.
Not here: which process is stopped when (`integration.scoring.test_stops`).
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import psutil

from fraud_platform.adapters.kafka.connection import KafkaConnection
from fraud_platform.adapters.kafka.follower_mark import follower
from fraud_platform.settings import Settings
from fraud_platform_tests.testing.waiting import comes_true, wait_for

STOPPED_SECONDS = 75.0
"""Longer than the mark of who follows (10 s), an answer of Kafka (10 s, in a run 30 s), and a
transaction (60 s, the longest)."""
BROKER_STOPPED_SECONDS = 65.0
ZOMBIE_SECONDS = 10.0
"""How long a process goes on after SIGCONT, if it does not end by itself."""
FOLLOW = (
    "import sys; from fraud_platform.cli.commands import main; "
    "sys.argv[1:] = ['score', '--follow']; main()"
)
RUN = """
import sys
from datetime import UTC, datetime
import dagster as dg
from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.definitions import defs
from fraud_platform.defs.commands.run_due import execute
from fraud_platform.defs.commands.batch import open_instance
from fraud_platform.operations.live.planning import plan_next
from fraud_platform.operations.models.registry import registry_of
from fraud_platform.settings import load_settings

settings = load_settings()
step = plan_next(settings, Lake(settings.lake), registry_of(settings))
if step.plan is None:
    sys.exit(step.reason)
request = dg.RunRequest(
    run_config={"ops": {"score_plan": {"config": {"plan": step.plan.number}}}},
    partition_key=datetime.now(UTC).strftime("%Y-%m-%d-%H:00"),
)
print("running", flush=True)
with open_instance(settings) as instance:
    run = execute(defs, instance, "score_transactions", request)
sys.exit(run.error)
"""


@dataclass
class Stopped:
    """A process that was stopped, until it is continued and ends."""

    process: psutil.Process
    continue_at: float
    end_at: float = float("inf")


@dataclass
class Stops:
    """Starts processes of a platform, stops them, continues each when it is time.

    Attributes:
        count: stops by kind of process.
        ends: codes of processes that had been continued.
    """

    settings: Settings
    stopped_seconds: float = STOPPED_SECONDS
    count: Counter[str] = field(default_factory=Counter)
    ends: Counter[str] = field(default_factory=Counter)
    waiting: list[Stopped] = field(default_factory=list)
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def log(self) -> Path:
        return self.settings.home / "stops.log"

    def start(self, code: str, stop_at: str = "") -> subprocess.Popen[bytes]:
        variables = {**os.environ, **self.settings.environment, "FRAUD_STOP_AT": stop_at}
        with self.log.open("ab") as log_file:
            process = subprocess.Popen(
                [sys.executable, "-u", "-c", code], env=variables, stdout=log_file, stderr=log_file
            )
        self.started.append(process)
        return process

    def follow(self, stop_at: str = "") -> subprocess.Popen[bytes]:
        """Start a follower as soon as none has the mark; return it once it follows."""
        limit = time.monotonic() + 180
        while time.monotonic() < limit:
            self.await_no_mark(limit)
            at = self.log.stat().st_size if self.log.exists() else 0
            process = self.start(FOLLOW, stop_at)
            has_started = partial(self._has_started, process, at)
            if comes_true(has_started, limit - time.monotonic()) and process.poll() is None:
                return process
        raise AssertionError(f"no follower came to follow: {self.output}")

    def _has_started(self, process: subprocess.Popen[bytes], at: int) -> bool:
        """Return whether a follower follows, or was stopped or ended before."""
        self.go_on_where_due()
        is_following = b"following" in self.log.read_bytes()[at:]
        return is_following or process.poll() is not None or is_stopped(process.pid)

    def await_no_mark(self, limit: float) -> None:
        """Wait until the mark of a follower that was stopped or killed has ended."""
        connection = KafkaConnection.from_settings(self.settings)

        def has_ended() -> bool:
            self.go_on_where_due()
            return follower(connection, self.settings.transactions_topic) is None

        wait_for(has_ended, limit - time.monotonic(), lambda: self.output, every=0.2)

    def stop(self, kind: str, *processes: psutil.Process) -> None:
        """Stop processes, or note that they stopped themselves."""
        self.count[kind] += 1
        for process in processes:
            if process.is_running():
                process.send_signal(signal.SIGSTOP)
                due = time.monotonic() + self.stopped_seconds
                self.waiting.append(Stopped(process, due))

    def go_on_where_due(self) -> None:
        """Continue what was stopped long enough; end what goes on for too long after it."""
        now = time.monotonic()
        for one in list(self.waiting):
            if now >= one.continue_at and one.end_at == float("inf"):
                one.process.send_signal(signal.SIGCONT)
                one.end_at = now + ZOMBIE_SECONDS
            has_ended = has_gone(one.process)
            if has_ended or now >= one.end_at:
                self.ends["by itself" if has_ended else "killed"] += 1
                if not has_ended:
                    one.process.kill()
                self.waiting.remove(one)

    def finish(self) -> None:
        """Continue all that is stopped, each when it is time, and wait until all have ended."""

        def have_ended() -> bool:
            self.go_on_where_due()
            return not self.waiting

        limit = self.stopped_seconds + 120
        wait_for(have_ended, limit, lambda: f"{self.waiting} never ended: {self.output}")
        for process in self.started:
            process.kill()
            process.wait(30)

    @property
    def output(self) -> str:
        return self.log.read_text()[-20_000:] if self.log.exists() else ""


def is_stopped(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() == psutil.STATUS_STOPPED


def has_gone(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def child_of(process: subprocess.Popen[bytes]) -> psutil.Process:
    """Return the follower's process for reports and merging."""

    def child() -> psutil.Process | None:
        children = psutil.Process(process.pid).children()
        return next((c for c in children if any("spawn_main" in w for w in c.cmdline())), None)

    found = wait_for(child, 30, "the follower's child")
    assert found is not None
    return found


def await_stop(process: psutil.Process, seconds: float, stops: Stops) -> bool:
    """Wait until a process has stopped itself; False if it did not, or ended."""

    def is_decided() -> bool:
        stops.go_on_where_due()
        return has_gone(process) or process.status() == psutil.STATUS_STOPPED

    return comes_true(is_decided, seconds) and not has_gone(process)
