"""A registry and a lake with decisions, without training: for tests of models' identity.

Here: registries on SQLite that are made in milliseconds, candidates of no meaning, decisions.
Not here: candidates that score (`testing.worlds.scoring`), the tests themselves.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import mlflow

from fraud_platform.adapters.models.registry import ModelRegistry, ModelVersion
from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.comparison.gate import Verdict
from fraud_platform.operations.models.decisions import read_history, settle
from fraud_platform.operations.models.registry import registry_of
from fraud_platform.promotion.decision import PromotionDecision, decide
from fraud_platform.promotion.evidence import Evidence
from fraud_platform.promotion.history import History, champion_before
from fraud_platform.settings import Settings
from fraud_platform_tests.testing.defaults import guardrails

FIRST_MONDAY = date(2018, 7, 9)


def empty_database(folder: Path) -> Path:
    """Return an MLflow database with its tables made and nothing in them, to be copied."""
    path = folder / "empty.db"
    mlflow.MlflowClient(f"sqlite:///{path}").search_registered_models()
    return path


@dataclass
class RegistryWorld:
    """A home with a registry, and a lake with the history of its decisions."""

    settings: Settings

    @classmethod
    def make(cls, home: Path, database: Path) -> RegistryWorld:
        """Return an empty world in a folder of the test's own."""
        settings = Settings(home=home)
        path = Path(settings.mlflow.removeprefix("sqlite:///"))
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(database, path)
        return cls(settings)

    @property
    def database(self) -> Path:
        return Path(self.settings.mlflow.removeprefix("sqlite:///"))

    def use_database(self, path: Path) -> None:
        """Let the settings name another database, which may be a backup, or not be there."""
        self.settings = Settings(home=self.settings.home, mlflow_url=f"sqlite:///{path}")

    @property
    def lake(self) -> Lake:
        return Lake(self.settings.lake)

    @property
    def registry(self) -> ModelRegistry:
        return registry_of(self.settings)

    @property
    def client(self) -> mlflow.MlflowClient:
        return mlflow.MlflowClient(self.settings.mlflow, self.settings.mlflow)

    def day(self, week: int) -> date:
        return FIRST_MONDAY + timedelta(weeks=week)

    def train(self, week: int, content: str = "", known_models: int = 0) -> ModelVersion:
        """Register a candidate of a week; other content is another model."""
        folder = self.settings.home / f"candidate_{week}_{content}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "candidate.json").write_text(f'{{"week": {week}, "content": "{content}"}}')
        tags = {
            "training_end": (self.day(week) - timedelta(days=21)).isoformat(),
            "table_version.transaction_features": str(10 + week),
        }
        return self.registry.register(
            self.day(week).isoformat(), folder, ("amount",), {}, {}, {}, tags, known_models
        )

    def evidence(self, week: int, candidate: ModelVersion) -> Evidence:
        """Return what a report on a winner would say."""
        before = champion_before(read_history(self.lake), self.day(week))
        end = self.day(week) - timedelta(days=21)
        return Evidence(
            knowledge_date=self.day(week), report_id=f"r{week}", verdict=Verdict.PROMOTE,
            reason="better", model_name="fraud", candidate_version=str(candidate.version),
            champion_version=before, card_precision=0.5, scenario_recall={},
            candidate_training_end=end, champion_training_end=end if before else None,
            candidate_sha256=candidate.sha256,
            champion_sha256=self.registry.get(int(before)).sha256 if before else None,
        )  # fmt: skip

    def deciding(self, evidence: Evidence) -> Callable[[History], PromotionDecision]:
        """Return the function from a history to the decision on evidence."""

        def decide_on(history: History) -> PromotionDecision:
            limits = guardrails(min_card_precision=0.1)
            return decide(history, evidence, limits, "automatic", "run", datetime.now(UTC))

        return decide_on

    def promote(self, week: int, candidate: ModelVersion) -> PromotionDecision:
        """Let a candidate win its week."""
        decide_on = self.deciding(self.evidence(week, candidate))
        return settle(self.lake, self.registry, decide_on)


@dataclass(frozen=True)
class SavedWorld:
    """A world that each test gets as it was saved, on the same paths.

    Building a world takes 0.7 CPU seconds, most of them in MLflow; restoring takes 0.02. The paths
    stay the same because MLflow records absolute paths of artifacts, and keeps a database open for
    as long as the process lives: the database is therefore overwritten in place, not replaced.
    """

    settings: Settings
    saved: Path

    @classmethod
    def save(cls, world: RegistryWorld, folder: Path) -> SavedWorld:
        """Save a world in a folder that does not exist yet."""
        shutil.copytree(world.settings.home, folder)
        return cls(world.settings, folder)

    def restore(self) -> RegistryWorld:
        """Return the world as it was saved."""
        world, home = RegistryWorld(self.settings), self.settings.home
        opened = self.saved.with_name("opened.db")
        world.database.replace(opened)
        shutil.rmtree(home)
        shutil.copytree(self.saved, home)
        saved = self.saved / world.database.relative_to(home)
        opened.replace(world.database)
        with (
            closing(sqlite3.connect(saved)) as source,
            closing(sqlite3.connect(world.database)) as target,
        ):
            source.backup(target)
        return world
