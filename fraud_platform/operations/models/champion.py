"""Comparing the registry's champion with the promotion history, and repairing the registry.

Here: one comparison that scoring, decisions, vacuum, `doctor` and `status` share; the command that
restores the registry from the history.
Not here: deciding who is champion (`fraud_platform.promotion`), writing decisions
(`operations.models.decisions`).

The history is authoritative. A model is identified by its digest, not by its version number: a
registry whose database was restored assigns the same numbers again.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from fraud_platform.adapters.models.registry import CHAMPION, ModelRegistry, ModelVersion
from fraud_platform.adapters.models.storing import MODEL_NAME
from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.errors import (
    ChampionMismatchError,
    FraudPlatformError,
    PromotionError,
    RegistryLostError,
)
from fraud_platform.operations.models.champion_alias import let_aliases_follow
from fraud_platform.operations.models.decisions import (
    read_history,
    record_of_model,
    settle,
)
from fraud_platform.operations.models.registry import registry_of
from fraud_platform.promotion.decision import restore
from fraud_platform.promotion.history import (
    History,
    alias_target,
    digest_of,
    highest_version,
    last_sequence,
    record_of,
)
from fraud_platform.settings import Settings

COMMAND = "fraud-platform champion --from-history"


class Standing(StrEnum):
    """How registry and history compare."""

    AGREES = "agrees"
    NOBODY = "nobody"
    BY_HAND = "by_hand"
    FOLLOWS = "follows"
    MOVED = "moved"
    DELETED = "deleted"
    VERSION_GONE = "version_gone"
    OTHER_MODEL = "other_model"
    REGISTRY_LOST = "registry_lost"


_FINE = (Standing.AGREES, Standing.NOBODY, Standing.BY_HAND, Standing.FOLLOWS)
_GONE = (Standing.VERSION_GONE, Standing.OTHER_MODEL, Standing.REGISTRY_LOST)


@dataclass(frozen=True)
class Champion:
    """The champion according to history and registry.

    Attributes:
        standing: how the two compare.
        version: the version to score with; None if there is none.
        sha256: its digest in the history; None if the history has none.
        words: expected, found and the remedy; if there is no problem, a description.
    """

    standing: Standing
    version: int | None
    sha256: str | None
    words: str

    @property
    def is_fine(self) -> bool:
        """Whether scoring and decisions can use it."""
        return self.standing in _FINE

    def require(self) -> Champion:
        """Return it if it is fine.

        Raises:
            RegistryLostError: the registry is empty though the history names models.
            ChampionMismatchError: alias or version differ from the history.
        """
        if self.is_fine:
            return self
        kind = RegistryLostError if self.standing is Standing.REGISTRY_LOST else None
        raise (kind or ChampionMismatchError)(self.words)


def find_champion(lake: Lake, registry: ModelRegistry) -> Champion:
    """Compare the alias `champion` with the promotion history.

    Before the first decision a person may name a champion by setting the alias. Between a decision
    and the move of the aliases, the history's champion counts.
    """
    history = read_history(lake)
    if not history:
        alias = registry.alias(CHAMPION)
        if alias is None:
            return Champion(Standing.NOBODY, None, None, "no decision was made yet")
        words = f"version {alias}, set by hand: no decision was made yet"
        return Champion(Standing.BY_HAND, alias, None, words)
    return _compare(history, registry)


def _compare(history: History, registry: ModelRegistry) -> Champion:
    target, digest = alias_target(history), digest_of(history, alias_target(history))
    versions, alias = registry.versions(), registry.alias(CHAMPION)
    if not versions:
        return _wrong(
            Standing.REGISTRY_LOST,
            registry,
            f"the models that the promotion history names (champion {target or 'none'})",
            "an empty registry",
            "Check FRAUD_MLFLOW_URL and restore MLflow's database from a backup, or run "
            f"`{COMMAND}`, which registers the champion again from its artifacts.",
        )
    if target is not None and (gone := _gone(registry, versions, target, digest)):
        return gone
    version = int(target) if target else None
    if alias == version:
        words = f"version {target}, as the history says" if target else "none, as the history says"
        return Champion(Standing.AGREES if target else Standing.NOBODY, version, digest, words)
    carried_out = registry.carried_out()
    if carried_out is not None and carried_out < last_sequence(history):
        words = (
            f"version {target or 'none'} by decision {last_sequence(history)}, which the alias "
            f"(at {alias or 'none'}) follows next. If that does not change, run `{COMMAND}`"
        )
        return Champion(Standing.FOLLOWS, version, digest, words)
    return _wrong(
        Standing.DELETED if alias is None else Standing.MOVED,
        registry,
        f"the alias champion at version {target or 'none'}, as the promotion history says",
        "no such alias" if alias is None else f"it at {alias}, which no decision set",
        f"Run `{COMMAND}` to set the alias back; to change the champion use `fraud-platform "
        "rollback`, `approve` or the weekly decision.",
    )


def _gone(
    registry: ModelRegistry, versions: list[ModelVersion], target: str, digest: str | None
) -> Champion | None:
    """Return the problem of the champion's version; None if it is the model that was decided on."""
    model = {str(v.version): v for v in versions}.get(target)
    there = ", ".join(str(v.version) for v in versions)
    remedy = (
        f"Restore MLflow's database from a backup that has it, or run `{COMMAND}`, which registers "
        "the same files again."
    )
    if model is None:
        wanted = f"version {target}, the champion by the promotion history"
        return _wrong(Standing.VERSION_GONE, registry, wanted, f"versions {there}", remedy)
    if digest not in (None, model.sha256):
        wanted = f"version {target} to be the model with SHA-256 {str(digest)[:16]}"
        found = f"{str(model.sha256)[:16]}: another model has that number, which was not tested"
        return _wrong(Standing.OTHER_MODEL, registry, wanted, found, remedy)
    return None


def _wrong(
    standing: Standing, registry: ModelRegistry, expected: str, found: str, remedy: str
) -> Champion:
    words = f"model {MODEL_NAME} at {registry.url}: expected {expected}, found {found}. {remedy}"
    return Champion(standing, None, None, words)


def known_digest(lake: Lake, version: int) -> str | None:
    """Return a version's digest in the history; None if the history has none."""
    return digest_of(read_history(lake), str(version))


def known_models(lake: Lake) -> int:
    """Return the highest version that the history names; 0 on a platform without decisions."""
    return highest_version(read_history(lake))


def champion_line(settings: Settings) -> str:
    """Return the line about the champion in `status`."""
    try:
        return f"champion: {find_champion(Lake(settings.lake), registry_of(settings)).words}"
    except FraudPlatformError as error:
        return f"champion: unknown. {error}"


def mend_champion(settings: Settings, person: str) -> str:
    """Restore the registry from the promotion history; return what was done.

    An alias that was moved or deleted is set again. If the champion's version is missing or is
    another model, the champion is registered again from its artifacts, and the history gets a row
    with its new version. A deleted experiment is restored.

    Raises:
        PromotionError: there is no history, or it holds too little to register the champion again.
        ModelDamagedError: the champion's artifacts are missing, or differ from those decided on.
    """
    lake, registry = Lake(settings.lake), registry_of(settings)
    found, history = find_champion(lake, registry), read_history(lake)
    if not history:
        raise PromotionError(
            f"expected decisions in the promotion history, found none ({found.words}). Let the "
            "weekly decision promote a candidate."
        )
    done = []
    if found.standing is Standing.REGISTRY_LOST or registry.is_experiment_deleted():
        registry.begin_again()
        done.append("the experiment and the registered model were restored")
    if found.standing in _GONE and alias_target(history) is not None:
        model = _registered_again(registry, history)
        record = record_of_model(model)
        settle(
            lake,
            registry,
            lambda now: restore(now, str(model.version), record, person, datetime.now(UTC)),
        )
        done.append(f"the champion was registered again, as version {model.version}")
    elif not found.is_fine or found.standing is Standing.FOLLOWS:
        let_aliases_follow(lambda: read_history(lake), registry)
        done.append(f"the alias champion is at version {alias_target(history) or 'none'} again")
    return "; ".join(done) or f"nothing to repair: {found.words}"


def _registered_again(registry: ModelRegistry, history: History) -> ModelVersion:
    """Return the version that has the champion's files: an existing one or a new one."""
    lost = alias_target(history)
    digest, record = digest_of(history, lost), record_of(history, lost)
    if not digest or not record:
        raise PromotionError(
            f"version {lost}: expected its digest and the location of its files in the history, "
            "found an older decision without them. Restore MLflow's database from a backup, "
            "or decide again: materialize candidate_model, ab_report and promotion of the newest "
            "week."
        )
    same = [model for model in registry.versions() if model.sha256 == digest]
    if same:
        return same[-1]
    kept = json.loads(record)
    return registry.register_again(kept["run_id"], kept["tags"], highest_version(history))
