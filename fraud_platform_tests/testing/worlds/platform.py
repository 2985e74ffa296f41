"""A platform of the test's own: a home, its settings, its definitions, a Dagster instance."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import dagster as dg

from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.settings import Settings
from fraud_platform_tests.testing.shared import copy_of


def dagster_home(folder: Path) -> Path:
    """Return a folder in which an instance of Dagster finds its empty databases.

    Creating their tables takes three times the CPU time that copying them takes.
    """
    return copy_of("dagster_home", _create_databases, folder)


def _create_databases(folder: Path) -> None:
    folder.mkdir()
    with dg.DagsterInstance.local_temp(str(folder)) as instance:
        instance.get_runs(limit=1)
        instance.all_instigator_state()
        instance.fetch_run_status_changes(dg.DagsterEventType.RUN_SUCCESS, limit=1)


def run_of(instance: dg.DagsterInstance, run_id: str) -> dg.DagsterRun:
    """Return a run that must be there."""
    run = instance.get_run_by_id(run_id)
    assert run is not None, f"expected run {run_id}, found none"
    return run


def result_of(check: dg.AssetChecksDefinition, **resources: object) -> dg.AssetCheckResult:
    """Call an asset check and return its one result."""
    result = check(**resources)
    assert isinstance(result, dg.AssetCheckResult), result
    return result


@contextmanager
def copied_output(path: str, stream: IO[str]) -> Iterator[tuple[None, None]]:
    """Copy what a step printed to a stream when it ends.

    Dagster does that while the step runs, by two processes for each stream, one a Python.
    """
    try:
        yield None, None
    finally:
        if Path(path).exists():
            stream.write(Path(path).read_text(errors="replace"))


@dataclass
class Platform:
    """What a test of the orchestration works on."""

    settings: Settings
    instance: dg.DagsterInstance

    def choose(self, **settings: object) -> None:
        """Work with other values of some settings from now on."""
        self.settings = self.settings.model_copy(update=settings)

    @property
    def landing(self) -> Path:
        return Path(self.settings.landing)

    @property
    def lake(self) -> Lake:
        return Lake(self.settings.lake)

    @property
    def defs(self) -> dg.Definitions:
        from fraud_platform.defs.assembly import assemble

        return assemble(self.settings)

    @property
    def lake_resource(self) -> object:
        """The resource `lake` of the definitions."""
        return (self.defs.resources or {})["lake"]

    def arrive(self, name: str, content: bytes) -> None:
        """Put a file into landing, complete."""
        self.landing.mkdir(parents=True, exist_ok=True)
        (self.landing / name).write_bytes(content)
        (self.landing / "_SUCCESS").touch()
