"""Reproducing a registered model from the table versions in its tags.

Here: training again on the same knowledge date and table versions, and comparing bit for bit.
Not here: training (`fraud_platform.training`), which versions vacuum keeps
(`defs.automation.maintenance`).
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from fraud_platform.adapters.spark.session import open_session
from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.contracts.model_files import folder_digest
from fraud_platform.contracts.tables import DROP_LABELS
from fraud_platform.operations.models.champion import known_digest
from fraud_platform.operations.models.registry import registry_of
from fraud_platform.operations.models.weeks import VERSION_TAG, build_rows, fit
from fraud_platform.operations.platform_state import read_state
from fraud_platform.settings import Settings
from fraud_platform.tables.features import TRANSACTION_FEATURES


@dataclass(frozen=True)
class Reproduction:
    """A reproduced model: the SHA-256 of its files then and now."""

    version: int
    expected: str
    found: str

    @property
    def is_equal(self) -> bool:
        """Whether every byte is the same."""
        return self.expected == self.found

    def __str__(self) -> str:
        if self.is_equal:
            return f"version {self.version} was reproduced bit for bit ({self.found})"
        return f"version {self.version} differs: SHA-256 {self.expected} then, {self.found} now"


def reproduce(settings: Settings, version: int) -> Reproduction:
    """Train a registered version again from the table versions in its tags.

    The settings must equal those of the original training; its MLflow parameters list them.

    Raises:
        UnknownModelError: there is no such version.
        ModelDamagedError: its stored files differ from those that were registered.
    """
    registry = registry_of(settings)
    model = registry.get(version)
    with registry.candidate_folder(version, known_digest(Lake(settings.lake), version)):
        pass  # opening it checks its files
    lake, spark = Lake(settings.lake), open_session(settings)
    state = read_state(lake, settings, with_stream=False)
    knowledge_date = date.fromisoformat(model.knowledge_date)
    read = {
        table.name: int(model.tags[f"{VERSION_TAG}{table.name}"])
        for table in (TRANSACTION_FEATURES, DROP_LABELS)
    }
    rows = build_rows(spark, lake, knowledge_date, read, settings, state).toArrow()
    candidate = fit(rows, settings, lambda: spark)
    with tempfile.TemporaryDirectory() as folder:
        candidate.save(Path(folder))
        found = folder_digest(Path(folder))
    return Reproduction(version, model.tags["content_sha256"], found)
