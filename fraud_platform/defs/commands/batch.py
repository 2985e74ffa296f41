"""Commands of the batch half, carried out as Dagster runs.

Here: opening the instance, running due jobs, releasing a held drop.
Not here: parsing arguments (`fraud_platform.cli.commands`), showing results
(`fraud_platform.reporting`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import dagster as dg

from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.cleaning.ledger import HELD
from fraud_platform.contracts.tables import CLEANING_LEDGER
from fraud_platform.defs.automation.at_work import DROP_ASSETS, partitions_of, runs_at_work
from fraud_platform.defs.commands.run_due import FinishedRun, execute, run_due_jobs
from fraud_platform.defs.partitions import DROPS
from fraud_platform.errors import NotHeldError, NothingToDoError
from fraud_platform.settings import Settings


@contextmanager
def open_instance(settings: Settings) -> Iterator[dg.DagsterInstance]:
    """Open the Dagster instance under `settings.home`, which `make dev` also uses."""
    from fraud_platform.operations.services.dagster_home import enter_dagster_home

    enter_dagster_home(settings)
    with dg.DagsterInstance.get() as instance:
        yield instance


def run_what_is_due(
    settings: Settings, on_run: Callable[[str, str], None] | None = None
) -> list[FinishedRun]:
    """Run everything that sensors and schedules request, in this process, until nothing is due."""
    from fraud_platform.adapters.spark.session import open_session
    from fraud_platform.defs.assembly import assemble

    session = open_session(settings)
    try:
        with open_instance(settings) as instance:
            return run_due_jobs(assemble(settings), instance, on_run)
    finally:
        session.stop()


def accept_drop(settings: Settings, drop: str, why: str) -> FinishedRun:
    """Release a held drop: start a run that cleans its raw file with a person's approval.

    Raises:
        NotHeldError: it is not held, or a run is cleaning it; nothing was started.
    """
    require_held(Lake(settings.lake), drop)
    with open_instance(settings) as instance:
        for record in runs_at_work(instance, "load_drop", DROP_ASSETS):
            run = record.dagster_run
            if partitions_of(run) == drop:
                raise NotHeldError(
                    f"drop {drop}: expected that no run cleans it, found run {run.run_id[:8]} "
                    "under way. Look at fraud-platform status after its end."
                )
        from fraud_platform.defs.assembly import assemble
        from fraud_platform.defs.assets.cleaned import clean_drop

        request = dg.RunRequest(
            partition_key=drop,
            asset_selection=list(clean_drop.keys),  # without `raw_drops`, which copies from landing
            run_config={"ops": {"clean_drop": {"config": {"accepted_because": why}}}},
        )
        instance.add_dynamic_partitions(str(DROPS.name), [drop])
        return execute(assemble(settings), instance, "load_drop", request)


def require_held(lake: Lake, drop: str) -> None:
    """Require that a drop is held.

    Raises:
        NotHeldError: it is not held; the error names its status and the held drops.
    """
    ledger = {row["drop"]: row for row in lake.read_arrow(CLEANING_LEDGER).to_pylist()}
    row = ledger.get(drop)
    if row is not None and row["status"] == HELD:
        return
    if row is None:
        found = "no cleaned drop of that name"
    else:
        found = f"that it is {row['status']} since {row['cleaned_at']:%Y-%m-%d %H:%M} UTC"
        if row["accepted_because"]:
            found += f" (accepted because: {row['accepted_because']})"
    held = ", ".join(sorted(d for d, r in ledger.items() if r["status"] == HELD))
    raise NotHeldError(
        f"drop {drop}: expected a drop that is held, to accept it, found {found}. "
        + (f"Held now: {held}." if held else "No drop is held now: there is nothing to accept.")
    )


def retry(settings: Settings, subject: str) -> str:
    """Let a failed request be repeated at the next tick; return what happens.

    Args:
        subject: as named in `status`, such as drop:2018-05-01, week:2018-07-02, days or plan.

    Raises:
        NothingToDoError: no request of that name failed.
    """
    from fraud_platform.defs.automation.requests import SUBJECT_TAG, UNDER_WAY, ask_again

    with open_instance(settings) as instance:
        if ask_again(instance, subject):
            return f"{subject} is requested again at the next tick of its sensor or schedule"
        tags = dg.RunsFilter(tags={SUBJECT_TAG: subject}, statuses=UNDER_WAY)
        if running := instance.get_run_ids(tags, limit=1):
            raise NothingToDoError(
                f"{subject}: run {running[0][:8]} is under way. Wait for its end."
            )
    raise NothingToDoError(
        f"{subject}: expected a failed request, found none of that name. "
        "fraud-platform status lists the failed requests and their names."
    )
