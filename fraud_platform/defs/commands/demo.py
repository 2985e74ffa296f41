"""The demo: drops to a promoted model, then live transactions scored by it, then the last drop.

Here: the order of the steps, and the progress messages.
Not here: its drops (`operations.demo_drops`), the steps; sensors and schedules request the runs, as
in daily operation.

The last drop arrives twice, as in production: its first transactions live on Kafka, where a Dagster
daemon's sensor requests runs that score them; and later as the drop, which is then the truth.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from fraud_platform.adapters.storage.zones import open_zone
from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.contracts.zones import Zone
from fraud_platform.defs.commands.batch import open_instance, run_what_is_due
from fraud_platform.errors import Outage
from fraud_platform.operations.demo_drops import drops_for_landing, land, simulate_months
from fraud_platform.operations.live.drop_rows import load_rows
from fraud_platform.operations.live.produce import Extras, Pace, produce
from fraud_platform.operations.models.champion import find_champion
from fraud_platform.operations.models.registry import registry_of
from fraud_platform.operations.needs import held_drops
from fraud_platform.reporting.needs import Need
from fraud_platform.reporting.terminal import progress_bar
from fraud_platform.reporting.waiting import waiting
from fraud_platform.scoring.log import ScoringLog, offsets_in
from fraud_platform.settings import Settings

LIVE_TRANSACTIONS = 20_000
LIVE_DIRT = 0.002
LIVE_SECONDS = 300.0
_POLL_SECONDS = 1.0


def run_demo(settings: Settings, drops: Path | None) -> bool:
    """Land drops, run what is due, score live transactions; return whether all runs passed."""
    console = Console(highlight=False)
    started = time.monotonic()
    landing = open_zone(settings.landing, create=True)
    if drops is None:
        drops = settings.home / "simulated"
        simulate_months(settings, drops, console)
    wanted = drops_for_landing(drops, landing)
    *first, last = sorted(wanted)
    passed = True
    if first and landing.stat(wanted[last].name) is None:
        passed = _land_and_run(settings, [wanted[drop] for drop in first], landing, console)
        if passed and find_champion(Lake(settings.lake), registry_of(settings)).version is None:
            if held := held_words(held_drops(Lake(settings.lake))):
                # the last drop stays out, so that the next demo goes live with it
                console.print(held)
                return False
            console.print("no candidate was promoted (the report says why): nothing scores live")
        elif passed:
            _go_live(settings, wanted[last], console)
    passed = passed and _land_and_run(settings, list(wanted.values()), landing, console)
    console.print(f"{(time.monotonic() - started) / 60:.1f} minutes in all\n")
    return passed


def held_words(needs: Iterable[Need]) -> str:
    """Return why there is no champion if drops are held, and what to do; empty without one."""
    held = [f"  {need}" for need in needs]
    if not held:
        return ""
    after = "Then run the demo again: it goes on from here, and the last drop is not used yet."
    return "\n".join(["no model was promoted, and drops are held:", *held, after])


def _land_and_run(settings: Settings, drops: list[Path], landing: Zone, console: Console) -> bool:
    """Copy drops into landing, and run what is then requested."""
    land(drops, landing)
    console.print(f"{len(drops)} drops have landed; running what the sensor and schedules request:")
    with waiting("starting Spark, then the runs", "1 minute, then 10 to 60 s each", console):
        runs = run_what_is_due(settings, lambda job, part: console.print(f"  {job:<12} {part}"))
    for run in runs:
        if not run.success:
            console.print(f"[red]failed:[/red] {run.job_name} {run.partition}\n{run.error}")
    return all(run.success for run in runs)


def _go_live(settings: Settings, drop: Path, console: Console) -> None:
    """Produce the first transactions of a drop, and wait until the daemon's runs score them."""
    console.print("going live: Kafka, a Dagster daemon whose sensor requests scoring runs")
    # this process runs what a schedule requests, because it has a warm Spark
    with _services(settings.model_copy(update={"schedules": "stopped"}), console.print):
        rows, _ = load_rows(settings, str(drop), LIVE_TRANSACTIONS)
        with progress_bar("producing", rows.height, "transactions") as advance:
            extras = Extras(False, False, LIVE_DIRT, settings.seed)
            produced = produce(rows, settings, Pace.parse("max", None), extras, advance)
        total = produced.transactions + sum(produced.bad.values())
        with progress_bar("scoring", total, "messages") as advance:
            _await_scores(settings, total, advance)


@contextmanager
def _services(settings: Settings, say: Callable[[str], object]) -> Iterator[None]:
    """Run the services during the block; services that ran before keep running."""
    from fraud_platform.adapters.services.processes import read_records
    from fraud_platform.operations.services.laptop import down, run_folder, up

    were_running = bool(read_records(run_folder(settings)))
    for line in up(settings):
        say(f"  {line}")
    try:
        yield
    finally:
        if not were_running:
            for line in down(settings):
                say(f"  {line}")


def _await_scores(settings: Settings, total: int, advance: Callable[[int], None]) -> None:
    """Wait until every produced message was scored, is a duplicate or is a dead letter.

    Raises:
        Outage: that took too long.
    """
    log, seen = ScoringLog(Lake(settings.lake)), 0
    deadline = time.monotonic() + LIVE_SECONDS
    while seen < total:
        if time.monotonic() > deadline:
            raise Outage(
                f"expected {total} messages scored within {LIVE_SECONDS:.0f} s, found {seen}. Look "
                f"at the sensor live_transactions (make dev) and {settings.home / 'logs'}."
            )
        time.sleep(_POLL_SECONDS)
        log.settle()
        ended = sum(offsets_in(log.last()).values())
        advance(ended - seen)
        seen = ended
    while _is_running(settings) and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)


def _is_running(settings: Settings) -> bool:
    """Return whether a run is active; if stopped before its end, it would count as failed."""
    with open_instance(settings) as instance:
        return any(not run.is_finished for run in instance.get_runs(limit=20))
