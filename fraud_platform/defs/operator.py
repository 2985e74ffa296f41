"""What a person asks of the platform from the command line, as Dagster runs.

Here: opening the instance, draining what is due, releasing a held drop.
Not here: parsing words (`fraud_platform.cli`), showing results (`fraud_platform.reporting`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import dagster as dg

from fraud_platform.defs.drain import DrainedRun, drain, execute
from fraud_platform.defs.partitions import DROPS
from fraud_platform.errors import NotHeldError
from fraud_platform.settings import Settings


@contextmanager
def open_instance(settings: Settings) -> Iterator[dg.DagsterInstance]:
    """Give the Dagster instance under `settings.home`, the one that `make dev` shows."""
    from fraud_platform.adapters.services.dagster_home import enter_dagster_home

    enter_dagster_home(settings)
    with dg.DagsterInstance.get() as instance:
        yield instance


def run_what_is_due(
    settings: Settings, on_run: Callable[[str, str], None] | None = None
) -> list[DrainedRun]:
    """Run everything that sensors and schedules ask for, in this process, until nothing is due."""
    from fraud_platform.adapters.spark.session import open_session
    from fraud_platform.definitions import defs

    session = open_session(settings)
    try:
        with open_instance(settings) as instance:
            return drain(defs, instance, on_run)
    finally:
        session.stop()


def accept_drop(settings: Settings, drop: str, why: str) -> DrainedRun:
    """Release a held drop: clean what the raw zone holds of it with a person's word, as a run."""
    from fraud_platform.definitions import defs
    from fraud_platform.defs.cleaned import clean_drop

    request = dg.RunRequest(
        partition_key=drop,
        asset_selection=list(clean_drop.keys),  # without `raw_drops`, which copies from landing
        run_config={"ops": {"clean_drop": {"config": {"accepted_because": why}}}},
    )
    with open_instance(settings) as instance:
        if not instance.has_dynamic_partition(str(DROPS.name), drop):
            raise NotHeldError(
                f"drop {drop}: expected a drop that is held, to accept it, found none of that name."
            )
        return execute(defs, instance, "load_drop", request)
