"""The promotion history and the aliases that follow it.

Here: reading the history, writing a decision, and decisions by a person.
Not here: what is decided (`fraud_platform.promotion`), moving the aliases
(`operations.models.champion_alias`), whether registry and history agree
(`operations.models.champion`).

The history is written first; then the aliases are set to what the history says, including
decisions of other writers. A decision is appended under the number after the last decision that it
was based on. If another was written in between, the commit fails and the decision is made again on
the new history. After a stop between history and aliases, the same call moves the aliases.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime

from fraud_platform.adapters.models.registry import (
    CHAMPION,
    ModelRegistry,
    ModelVersion,
)
from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.contracts.model_tables import PROMOTION_HISTORY
from fraud_platform.errors import (
    ChampionMismatchError,
    DecisionConflictError,
    PromotionError,
)
from fraud_platform.kill_points import kill_point
from fraud_platform.operations.models.champion_alias import let_aliases_follow, tag_decision
from fraud_platform.operations.models.registry import registry_of
from fraud_platform.promotion.decision import PromotionDecision
from fraud_platform.promotion.decision import approve as approve_candidate
from fraud_platform.promotion.decision import decline as decline_candidate
from fraud_platform.promotion.decision import rollback as restore_previous
from fraud_platform.promotion.history import (
    Action,
    History,
    HistoryRow,
    alias_target,
    digest_of,
    history_from_table,
    history_table,
)
from fraud_platform.settings import Settings

_APPLICATION = "promotion_history"
_TRIES = 5
"""How often a decision is attempted when another one is written first each time."""


def read_history(lake: Lake) -> History:
    """Return every decision so far, in order."""
    return history_from_table(lake.read_arrow(PROMOTION_HISTORY))


def decided_dates(lake: Lake) -> set[date]:
    """Return the knowledge dates for which a decision was made."""
    return {row.knowledge_date for row in read_history(lake)}


def settle(
    lake: Lake,
    registry: ModelRegistry,
    decide: Callable[[History], PromotionDecision],
    say: Callable[[str], object] = lambda words: None,
) -> PromotionDecision:
    """Decide on the current history and carry the decision out; decide again if it has changed.

    Args:
        decide: returns a decision for a history.
        say: called with the error of each decision that lost to one written first.

    Raises:
        PromotionError: the history does not allow the decision, or no longer allows it.
        DecisionConflictError: another decision was written first each time.
    """
    for _ in range(_TRIES):
        decision = decide(read_history(lake))
        try:
            carry_out(lake, registry, decision)
        except DecisionConflictError as error:
            conflict = error
            say(f"{error} The decision is made again.")
            continue
        return decision
    raise conflict


def carry_out(lake: Lake, registry: ModelRegistry, decision: PromotionDecision) -> None:
    """Write a decision to the history, then set the aliases to what the history says.

    Raises:
        DecisionConflictError: another decision was written after this one was made.
        ChampionMismatchError: a version in the decision is another model in the registry.
        UnknownModelError: the registry has no such version.
    """
    if decision.is_new:
        history = read_history(lake)
        row = _identified(registry, decision.row)
        _require_champion(registry, (*history, row), row.champion_after)
        kill_point("promotion.before_history")
        _append(lake, row)
        kill_point("promotion.after_history")
    tag_decision(registry, decision.row)
    let_aliases_follow(lambda: read_history(lake), registry)


def _append(lake: Lake, row: HistoryRow) -> None:
    """Append a decision under its number, if the previous one is still the last."""
    table = lake.numbered(PROMOTION_HISTORY, _APPLICATION)
    if table.append_rows(history_table([row]), row.sequence):
        return
    others = [other for other in read_history(lake) if other.sequence >= row.sequence]
    words = "; ".join(
        f"{other.decided_by} wrote {other.action.replace('_', ' ')} {other.model_version} "
        f"({other.reason})"
        for other in others
    )
    raise DecisionConflictError(
        f"decision {row.sequence} on {row.knowledge_date} ({row.action.replace('_', ' ')} "
        f"{row.model_version}): expected decision {row.sequence - 1} to be the last, found that "
        f"since then {words or 'another was written'}. Nothing of it was written."
    )


def _identified(registry: ModelRegistry, row: HistoryRow) -> HistoryRow:
    """Return a row with its model's digest and the data to register the model again."""
    if row.action in (Action.ROLLED_BACK, Action.RESTORED):
        return row
    model = registry.get(int(row.model_version))
    if row.model_sha256 not in (None, model.sha256):
        raise ChampionMismatchError(
            f"model {row.model_name} {row.model_version}: expected the model with SHA-256 "
            f"{str(row.model_sha256)[:16]} that was tested, found {str(model.sha256)[:16]} in the "
            "registry under that version. Nothing was decided. Materialize ab_report for "
            f"{row.knowledge_date} again, then promotion."
        )
    return replace(row, model_sha256=model.sha256, model_record=record_of_model(model))


def record_of_model(model: ModelVersion) -> str:
    """Return the record of a version in the history, from which it can be registered again."""
    tags = {name: text for name, text in model.tags.items() if not name.startswith("promotion.")}
    return json.dumps({"run_id": model.run_id, "tags": tags}, sort_keys=True)


def _require_champion(registry: ModelRegistry, history: History, version: str | None) -> None:
    """Require that the registry's version is the model that would become champion."""
    if version is None:
        return
    expected, found = digest_of(history, version), registry.get(int(version)).sha256
    if expected not in (None, found):
        raise ChampionMismatchError(
            f"model {version}: expected the model with SHA-256 {str(expected)[:16]} as the "
            f"promotion history names it, found {str(found)[:16]} in the registry. Nothing was "
            "decided. Run `fraud-platform champion --from-history` first."
        )


def approve(settings: Settings, knowledge_date: date, person: str, why: str) -> str:
    """Promote the candidate that waits at a knowledge date; return what was done."""
    return _answer(
        settings,
        lambda history: approve_candidate(history, knowledge_date, person, _now(), why),
    )


def decline(settings: Settings, knowledge_date: date, person: str, why: str) -> str:
    """Decline the candidate that waits at a knowledge date; return what was done."""
    return _answer(
        settings,
        lambda history: decline_candidate(history, knowledge_date, person, _now(), why),
    )


def rollback(settings: Settings, person: str, why: str) -> str:
    """Restore the previous champion; return what was done.

    The champion to replace is determined when the command starts: if a rollback was stopped before
    the alias moved, it is the alias; otherwise it is the history's champion.

    Raises:
        PromotionError: there is no champion, or there was none before it.
        ModelDamagedError: the files of the previous champion are missing or damaged.
    """
    lake, registry = Lake(settings.lake), registry_of(settings)
    history = read_history(lake)
    champion = _champion_to_leave(history, registry)
    if champion is None:
        raise PromotionError("there is no champion, so there is nothing to roll back from.")

    def decide(history: History) -> PromotionDecision:
        decision = restore_previous(history, champion, person, _now(), why)
        if decision.is_new and decision.alias_target:
            digest = digest_of(history, decision.alias_target)
            with registry.candidate_folder(int(decision.alias_target), digest):
                pass  # opening it checks its files
        return decision

    return str(settle(lake, registry, decide))


def _champion_to_leave(history: History, registry: ModelRegistry) -> str | None:
    alias, target = registry.alias(CHAMPION), alias_target(history)
    last = max(history, key=lambda row: row.sequence, default=None)
    if last and last.action is Action.ROLLED_BACK and str(alias) == last.model_version:
        return str(alias)
    return target


def _answer(settings: Settings, decide: Callable[[History], PromotionDecision]) -> str:
    return str(settle(Lake(settings.lake), registry_of(settings), decide))


def _now() -> datetime:
    return datetime.now(UTC)
