"""A month of live scoring on a simulated clock: what FRAUD_HOME holds stops growing.

Here: real plans, runs, ticks, commits and nightly jobs of each day; the figures of docs/server.md.
Not here: each clean-up by itself (`orchestration.automation.test_retention`), tables of data, which
grow with the data.
"""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.scheduler.instigation import TickData, TickStatus
from dagster._core.storage.compute_log_manager import ComputeIOType

from fraud_platform.adapters.services import cleanup
from fraud_platform.adapters.tables.log_keeping import MANY_COMMITS
from fraud_platform.defs.automation import retention
from fraud_platform.defs.automation.retention import bound_home
from fraud_platform.operations.services.dagster_home import write_dagster_yaml
from fraud_platform_tests.testing.worlds.live import Live
from fraud_platform_tests.testing.worlds.platform import Platform
from fraud_platform_tests.testing.worlds.scoring import mixed_stream, stream_rows

DAYS, PLANS_A_DAY, TICKS_A_DAY = 30, 3, 40
LOG_BYTES_A_DAY = 10_000_000
START = datetime(2026, 9, 1, tzinfo=UTC)
BATCH_RUN_DAYS = TICK_DAYS = 10
"""Shorter than a laptop has them (90 and 30 days), so that a month shows that growth ends."""
STEADY = DAYS // 2
"""From this day on, nothing but the data and its models grows."""
_PAGES = 32 * 4096
"""Databases grow by pages; a few are no growth."""


class Clock:
    """The simulated time, for the modules that ask for the time of day."""

    now = START

    def as_datetime(self) -> type[datetime]:
        clock = self

        class Simulated(datetime):
            @classmethod
            def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
                return clock.now

        return Simulated


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    # a table's log reads the time of the machine, in which a day takes seconds
    monkeypatch.setitem(MANY_COMMITS, "delta.logRetentionDuration", "interval 0 seconds")
    monkeypatch.setattr(retention, "datetime", clock.as_datetime())
    monkeypatch.setattr(cleanup, "time", SimpleNamespace(time=lambda: clock.now.timestamp()))
    return clock


@pytest.fixture
def laptop(live: Live, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Live]:
    """The live platform on the Dagster home of a laptop, whose runs begin at simulated times."""
    settings = live.settings.model_copy(update={"run_retention_days": BATCH_RUN_DAYS})
    monkeypatch.setenv("DAGSTER_HOME", str(settings.dagster_home))
    yaml = write_dagster_yaml(settings)
    kept = yaml.read_text().replace("success: 30", f"success: {TICK_DAYS}")
    yaml.write_text(kept)
    with dg.DagsterInstance.get() as instance:
        storage = instance.run_storage
        historical = storage.add_historical_run
        monkeypatch.setattr(storage, "add_run", lambda run: historical(run, clock.now))
        yield Live(Platform(settings, instance), live.registry)


def tick_as_the_daemon(instance: dg.DagsterInstance, clock: Clock, day: int) -> None:
    """Record the ticks of a day with their logs, and purge older ones as the daemon does."""
    names = ("live_transactions", "new_drops", "machine_cleanup")
    for name in names:
        for number in range(TICKS_A_DAY):
            at = clock.now + timedelta(minutes=number)
            key = ["__repository__", name, f"{day}-{number}"]
            status = TickStatus.SUCCESS if number % 8 == 0 else TickStatus.SKIPPED
            reason = "nothing new" if status == TickStatus.SKIPPED else None
            instance.create_tick(
                TickData(
                    name, name, InstigatorType.SENSOR, status, at.timestamp(), run_ids=[],
                    selector_id=name, skip_reason=reason, log_key=key,
                )
            )  # fmt: skip
        manager: Any = instance.compute_log_manager
        with manager.open_log_stream(key, ComputeIOType.STDERR) as log:
            log.write("nothing new\n")
        path = manager.get_captured_local_path(key, "err")
        os.utime(path, (clock.now.timestamp(),) * 2)
        for status, kept in instance.get_tick_retention_settings(InstigatorType.SENSOR).items():
            before = (clock.now - timedelta(days=kept)).timestamp()
            instance.purge_ticks(name, selector_id=name, before=before, tick_statuses=[status])


def leave_files_of_a_killed_process(home: Path) -> None:
    program = (
        "import os, sys, tempfile\nfrom pathlib import Path\n"
        "from fraud_platform.adapters.services.cleanup import in_scratch_folder\n"
        "with in_scratch_folder(Path(sys.argv[1])):\n"
        "    Path(tempfile.mkdtemp(), 'model').write_bytes(b'x' * 1_000_000)\n"
        "    os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", program, str(home)], check=False).returncode == -9


def write_log(home: Path, size_bytes: int) -> None:
    (home / "logs").mkdir(exist_ok=True)
    line = b"2026-09-01 00:00:00 +0000 - dagster.daemon.SensorDaemon - INFO - Checking\n"
    with (home / "logs" / "dagster.log").open("ab") as log:
        log.write(line * (size_bytes // len(line)))


def run_nightly_jobs(laptop: Live) -> None:
    for job in ("retention", "vacuum"):
        done = laptop.platform.defs.resolve_job_def(job).execute_in_process(
            instance=laptop.platform.instance,
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )
        assert done.success
    bound_home(laptop.settings)


def held(laptop: Live) -> dict[str, int]:
    """Return bytes by place of FRAUD_HOME, files of logs and tables, and rows of databases."""
    home, dagster = Path(laptop.settings.home), Path(laptop.settings.dagster_home)
    runs = dagster / "history" / "runs"
    found = {
        "databases of runs, bytes": _bytes(p for p in runs.iterdir() if p.stem != "index"),
        "index of events, bytes": _bytes(runs.glob("index.db*")),
        "runs, bytes": _bytes((dagster / "history").glob("runs.db*")),
        "ticks, bytes": _bytes((dagster / "schedules").iterdir()),
        "output of runs and ticks, files": _files(dagster / "storage"),
        "logs, bytes": _bytes((home / "logs").iterdir()),
        "tmp, bytes": _bytes((home / "tmp").rglob("*")),
    }
    for database in (runs / "index.db", dagster / "history" / "runs.db"):
        found |= _rows(database)
    for table in sorted(Path(laptop.settings.lake).iterdir()):
        found[f"lake: log of {table.name}, files"] = _files(table / "_delta_log")
    return found


def _bytes(paths: Any) -> int:
    return sum(path.stat().st_size for path in paths if path.is_file())


def _files(folder: Path) -> int:
    return sum(path.is_file() for path in folder.rglob("*"))


def _rows(database: Path) -> dict[str, int]:
    with sqlite3.connect(database) as connection:
        names = [
            name
            for (name,) in connection.execute("select name from sqlite_master where type='table'")
        ]
        return {
            f"{database.stem}.{name}, rows": connection.execute(
                f'select count(*) from "{name}"'
            ).fetchone()[0]
            for name in names
        }


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_month_of_scoring_leaves_no_more_than_two_weeks_of_it(laptop: Live, clock: Clock) -> None:
    stream = mixed_stream(stream_rows(DAYS * PLANS_A_DAY * 40, seed=3, days=DAYS))
    size = len(stream) // (DAYS * PLANS_A_DAY)
    days: list[dict[str, int]] = []
    for day in range(DAYS):
        clock.now = START + timedelta(days=day)
        for plan in range(PLANS_A_DAY):
            start = (day * PLANS_A_DAY + plan) * size
            laptop.produce(stream[start : start + size])
            laptop.score()
        tick_as_the_daemon(laptop.platform.instance, clock, day)
        leave_files_of_a_killed_process(Path(laptop.settings.home))
        write_log(Path(laptop.settings.home), LOG_BYTES_A_DAY)
        clock.now += timedelta(hours=23)
        run_nightly_jobs(laptop)
        days.append(held(laptop))
        print(json.dumps({"day": day + 1, **days[-1]}), flush=True)
    early = {name: max(one.get(name, 0) for one in days[:STEADY]) for name in days[-1]}
    late = {name: max(one[name] for one in days[STEADY:]) for name in days[-1]}
    grown = {
        name: (early[name], late[name])
        for name in late
        if late[name] > 1.1 * early[name] + (_PAGES if name.endswith("bytes") else 4)
    }
    assert grown == {}
