"""Keeping the lake small without losing the training data of registered models.

Here: vacuum, which keeps every table version that a model names or an interrupted cleaning must be
rolled back to, and shorter logs of append-only tables; their job and schedule.
Not here: removing files (`fraud_platform.adapters.tables.lake`) and log entries
(`fraud_platform.adapters.tables.compaction`).
"""

import json
from collections.abc import Mapping

import dagster as dg

from fraud_platform.adapters.models.registry import ModelRegistry
from fraud_platform.adapters.tables.compaction import shorten_log
from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.cleaning.unfinished import unfinished_commits
from fraud_platform.defs.automation.requests import SCHEDULE_STATUS, ask_daily
from fraud_platform.defs.deployment import SettingsResource
from fraud_platform.defs.failures import noting_failures
from fraud_platform.defs.resources import LakeResource, ModelRegistryResource
from fraud_platform.operations.models.champion import find_champion
from fraud_platform.operations.models.decisions import read_history
from fraud_platform.operations.models.registry import registry_of
from fraud_platform.operations.models.weeks import VERSION_TAG
from fraud_platform.scoring.label_intake import settle_landings
from fraud_platform.scoring.log import ScoringLog
from fraud_platform.settings import Settings
from fraud_platform.tables.catalog import ALL_TABLES
from fraud_platform.tables.scoring import SCORED, TOPIC_LABELS


def vacuum_lake(settings: Settings) -> dict[str, int]:
    """Vacuum every table and return the number of files removed from each."""
    return _vacuum(Lake(settings.lake), registry_of(settings), settings.vacuum_retention_hours)


def _vacuum(lake: Lake, registry: ModelRegistry, retention_hours: int) -> dict[str, int]:
    named = _tags_of_models(lake, registry)
    # a file of dead messages that waits for its commit must stay
    if lake.open(SCORED) is not None:
        ScoringLog(lake).settle()
    if lake.open(TOPIC_LABELS) is not None:
        settle_landings(lake)
    kept: dict[str, set[int]] = {}
    for tags in named:
        for tag, version in tags.items():
            if tag.startswith(VERSION_TAG):
                kept.setdefault(tag.removeprefix(VERSION_TAG), set()).add(int(version))
    for table, (unfinished, _) in unfinished_commits(lake).items():
        kept.setdefault(table.name, set()).add(unfinished - 1)  # the next cleaning rolls back to it
    for table in ALL_TABLES:
        if not table.keeps_versions:
            shorten_log(lake, table)
    return {
        table.name: lake.vacuum(table, sorted(kept.get(table.name, ())), retention_hours)
        for table in ALL_TABLES
    }


def _tags_of_models(lake: Lake, registry: ModelRegistry) -> list[Mapping[str, str]]:
    """Return the tags of every model in the registry, and of those only in the history.

    Raises:
        RegistryLostError, ChampionMismatchError: registry and history disagree. A registry that
            lost its models names no table version, so vacuum would remove all of them.
    """
    history = read_history(lake)
    if history:
        find_champion(lake, registry).require()
    tags: list[Mapping[str, str]] = [model.tags for model in registry.versions()]
    kept = (row.model_record for row in history)
    return tags + [json.loads(record)["tags"] for record in kept if record]


@dg.op(description="Remove files that no current or named table version needs.")
def vacuum_tables(
    context: dg.OpExecutionContext,
    lake: LakeResource,
    registry: ModelRegistryResource,
    settings: SettingsResource,
) -> None:
    """Vacuum every table; versions named by a registered model stay readable."""
    with noting_failures(context):
        removed = _vacuum(lake.open(), registry.open(), settings.vacuum_retention_hours)
    context.log.info(f"files removed: {removed}")


@dg.job(executor_def=dg.in_process_executor, description="Vacuum the lake.")
def vacuum() -> None:
    """One op: vacuum every table."""
    vacuum_tables()


@dg.schedule(
    job=vacuum,
    cron_schedule="*/10 * * * *",
    default_status=SCHEDULE_STATUS,
    description="Vacuum the lake each night; table versions that models name are kept.",
)
def nightly_vacuum(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Request it once a night, and again until it succeeds."""
    return ask_daily(context.instance, "vacuum", 3, 30)
