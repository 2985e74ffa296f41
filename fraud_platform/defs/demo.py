"""The demo: drops into landing, everything that follows from them, a report.

Here: the order of the three steps, and what is said while they run.
Not here: any step of its own; the sensors and schedules ask for the runs, as they do every day.
"""

from __future__ import annotations

import filecmp
import os
import shutil
import time
from pathlib import Path

from rich.console import Console

from fraud_platform.contracts.drops import drop_of
from fraud_platform.defs.operator import run_what_is_due
from fraud_platform.errors import DropNameError, SettingsError
from fraud_platform.ingest.arrivals import SUCCESS_MARK
from fraud_platform.reporting.terminal import progress_bar
from fraud_platform.settings import Settings


def run_demo(settings: Settings, drops: Path | None) -> bool:
    """Bring drops into landing, run what is due, and say how it went; True if all runs passed."""
    console = Console(highlight=False)
    started = time.monotonic()
    landing = Path(settings.landing.removeprefix("file://"))
    landing.mkdir(parents=True, exist_ok=True)
    if drops is None:
        _simulate(settings, landing, console)
    else:
        _bring(drops, landing, console)
    (landing / SUCCESS_MARK).touch()
    console.print("running what the sensor and the schedules ask for:")
    runs = run_what_is_due(settings, lambda job, part: console.print(f"  {job:<12} {part}"))
    for run in runs:
        if not run.success:
            console.print(f"[red]failed:[/red] {run.job_name} {run.partition}\n{run.error}")
    minutes = (time.monotonic() - started) / 60
    console.print(f"{len(runs)} runs in {minutes:.1f} minutes\n")
    return all(run.success for run in runs)


def _simulate(settings: Settings, landing: Path, console: Console) -> None:
    from fraud_platform.simulation import DirtRates, SimulationConfig, simulate_drops

    config = SimulationConfig(seed=settings.seed, dirt=DirtRates().scaled(20))
    days = [config.date_of(drop.start) for drop in config.drop_ranges()]
    expected = {f"{day}.txt" for day in days}
    if any(path.name not in expected for path in landing.glob("*.txt*")):
        raise SettingsError(_mixed(landing))
    with progress_bar("simulating four months", config.expected_rows, "rows") as advance:
        simulate_drops(config, landing, settings.home / "truth", progress=advance)


def _bring(drops: Path, landing: Path, console: Console) -> None:
    """Copy drops into landing, each appearing whole."""
    wanted = {}
    for path in sorted(drops.iterdir()):
        try:
            wanted[drop_of(path.name)] = path
        except DropNameError:
            continue
    if not wanted:
        raise SettingsError(f"{drops}: expected drops named YYYY-MM-DD.txt, found none.")
    for path in landing.glob("*.txt*"):
        ours = wanted.get(drop_of(path.name))
        if ours is None or ours.name != path.name or not filecmp.cmp(ours, path, shallow=False):
            raise SettingsError(_mixed(landing))
    for path in wanted.values():
        target = landing / path.name
        if not target.exists():
            shutil.copyfile(path, landing / f".{path.name}.part")
            os.replace(landing / f".{path.name}.part", target)
    console.print(f"{len(wanted)} drops from {drops}")


def _mixed(landing: Path) -> str:
    return (
        f"{landing} already holds other drops than this demo brings. "
        "Set FRAUD_HOME to another folder for it, or remove this one with `make clean`."
    )
