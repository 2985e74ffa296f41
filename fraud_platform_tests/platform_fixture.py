"""A platform of the test's own: a home, its settings, its definitions, a Dagster instance."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import dagster as dg

from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.settings import Settings


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

    def arrive(self, name: str, content: bytes) -> None:
        """Put a file into landing, complete."""
        self.landing.mkdir(parents=True, exist_ok=True)
        (self.landing / name).write_bytes(content)
        (self.landing / "_SUCCESS").touch()
