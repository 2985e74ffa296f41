"""Putting a changed declaration in the place of the one in use, without a break for models.

Here: `apply_declaration`: what is refused, and which features stay computed.
Not here: what a change means for people (`operations.data_set_plan`), building days again
(`fraud_platform.calendar.due`).

A process reads the declaration as it starts, so champion and challenger live side by side: features
of both are computed until no model needs the older ones.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.contracts.active import DATA_SET, KEPT_FILE, kept_features
from fraud_platform.contracts.data_set import DataSet
from fraud_platform.contracts.source_language.loading import declared_in
from fraud_platform.errors import SettingsError
from fraud_platform.operations.models.champion import find_champion
from fraud_platform.operations.models.registry import registry_of
from fraud_platform.operations.own_home import CURRENT, require_own_rows, write_whole
from fraud_platform.settings import Settings
from fraud_platform.tables.features import TRANSACTION_FEATURES
from fraud_platform.training.candidate import Candidate


def apply_declaration(settings: Settings) -> Iterator[str]:
    """Make this process's declaration the one in use; yield what was done.

    Raises:
        SettingsError: it changes the meaning of stored rows, or of a feature's name.
    """
    require_own_rows(settings)
    current = settings.home / CURRENT
    if not current.exists():
        write_whole(current, DATA_SET.text)
        yield f"{DATA_SET.name} is applied: {len(DATA_SET.declaration.names)} features"
        return
    before = declared_in(DATA_SET.name, current.read_text(), kept_features())
    own = declared_in(DATA_SET.name, DATA_SET.text)
    if changed := changed_names(own, before):
        raise SettingsError(
            f"{DATA_SET.name}: expected each feature as before, found another meaning of "
            f"{', '.join(changed)}. Days and models know them by name: give what changed another "
            "name, and keep or remove the old one."
        )
    gone = [name for name in before.declaration.names if name not in own.declaration.names]
    needed = _needed(settings)
    kept = [name for name in gone if name in needed]
    _note_kept(settings.home, before, kept)
    write_whole(current, DATA_SET.text)
    new = [name for name in own.declaration.names if name not in before.declaration.names]
    yield f"{DATA_SET.name} is applied: {len(new)} features are new: {', '.join(new) or 'none'}"
    if kept:
        yield f"still computed, because tables or the champion need them: {', '.join(kept)}"
    if len(gone) > len(kept):
        yield f"gone: {', '.join(name for name in gone if name not in kept)}"
    yield "Restart the services and followers; the schedules then build days again as needed."


def changed_names(data_set: DataSet, before: DataSet) -> list[str]:
    """Return the features of both declarations whose values would differ."""
    now, then = data_set.declaration, before.declaration
    both = [name for name in now.names if name in then.names]
    return [name for name in both if now.signature_of([name]) != then.signature_of([name])]


def _needed(settings: Settings) -> set[str]:
    """Return the features of which every stored row has a value, and those of the champion."""
    lake = Lake(settings.lake)
    needed: set[str] = set()
    if lake.version(TRANSACTION_FEATURES) is not None:
        needed |= set(lake.required_columns(TRANSACTION_FEATURES))
    registry = registry_of(settings)
    version = find_champion(lake, registry).version
    if version is not None:
        with registry.candidate_folder(version) as folder:
            needed |= set(Candidate.load(folder).feature_names)
    return needed


def _note_kept(home: Path, before: DataSet, kept: list[str]) -> None:
    """Note features with the text that declares them: the last one, or an older one."""
    of_older = {name for older in before.kept for name in older["names"]}
    notes = [
        {"text": older["text"], "names": [name for name in older["names"] if name in kept]}
        for older in before.kept
    ]
    notes.append({"text": before.text, "names": [name for name in kept if name not in of_older]})
    write_whole(home / KEPT_FILE, json.dumps([note for note in notes if note["names"]]))
