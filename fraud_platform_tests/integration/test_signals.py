"""SIGTERM and SIGINT end every long command, also where a shell left SIGINT ignored."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from fraud_platform_tests.testing.waiting import comes_true

SCRIPT = '''
import sys, threading
import dagster as dg
from pathlib import Path
from fraud_platform.cli import commands as cli
from fraud_platform.defs.commands import demo
from fraud_platform.defs.commands.run_due import execute

READY = Path(sys.argv.pop())


@dg.op
def work():
    """A run's step that goes on until somebody ends it, as a long Spark job does."""
    READY.touch()
    while True:
        threading.Event().wait(0.1)


@dg.job(executor_def=dg.in_process_executor)
def build_days():
    work()


def run_demo(settings, drops):
    from fraud_platform.defs.commands.batch import open_instance

    with open_instance(settings) as instance:
        # a run before it, by which Dagster has set and put back its handlers
        execute(dg.Definitions(jobs=[quick]), instance, "quick", dg.RunRequest())
        return execute(dg.Definitions(jobs=[build_days]), instance, "build_days", dg.RunRequest())


@dg.op
def nothing():
    pass


@dg.job(executor_def=dg.in_process_executor)
def quick():
    nothing()


demo.run_demo = run_demo
cli.main()
'''


def ignore_interrupts() -> None:
    """What a shell without job control does to a command that it starts with `&`."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@pytest.mark.parametrize(
    ("number", "ignored", "code"),
    [
        (signal.SIGTERM, True, 143),
        (signal.SIGTERM, False, 143),
        (signal.SIGINT, False, 130),
        (signal.SIGINT, True, 130),
        (signal.SIGHUP, False, 129),
    ],
)
def test_a_signal_ends_a_run_in_a_command(
    tmp_path: Path, number: signal.Signals, ignored: bool, code: int
) -> None:
    ready = tmp_path / "ready"
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, "demo", str(ready)],
        env={**os.environ, "FRAUD_HOME": str(tmp_path / "home")},
        preexec_fn=ignore_interrupts if ignored else None,  # noqa: PLW1509 - the child must not share the group
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert comes_true(lambda: ready.exists() or process.poll() is not None, 120)
        children = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(number)
        _, output = process.communicate(timeout=30)
        assert process.returncode == code, output
        assert "stopped; nothing is half-written" in output
        assert comes_true(lambda: not any(child.is_running() for child in children), 20)
    finally:
        process.kill()


def test_a_second_signal_does_not_stop_the_cleaning_up(tmp_path: Path) -> None:
    script = """
import sys, time
from pathlib import Path
from fraud_platform.cli import commands as cli
from fraud_platform.defs.commands import demo
folder = Path(sys.argv.pop())


def run_demo(settings, drops):
    try:
        (folder / "ready").touch()
        while True:
            time.sleep(0.05)
    finally:
        (folder / "ending").touch()
        deadline = time.monotonic() + 20
        while not (folder / "go").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        (folder / "cleaned").touch()


demo.run_demo = run_demo
cli.main()
"""
    process = subprocess.Popen(
        [sys.executable, "-c", script, "demo", str(tmp_path)],
        env={**os.environ, "FRAUD_HOME": str(tmp_path / "home")},
    )
    try:
        assert comes_true((tmp_path / "ready").exists, 60)
        process.terminate()
        assert comes_true((tmp_path / "ending").exists, 20)
        process.terminate()
        process.send_signal(signal.SIGINT)
        (tmp_path / "go").touch()
        assert process.wait(30) == 143
        assert (tmp_path / "cleaned").exists()
    finally:
        process.kill()
