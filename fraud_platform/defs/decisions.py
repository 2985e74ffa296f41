"""The promotion history and the alias that follows it.

Here: reading the history, writing a decision and moving the alias, and a person's word.
Not here: what is decided (`fraud_platform.promotion`).

The history is written first; the alias is set to what the history says. Stopped in between, the
same call again moves the alias.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime

from fraud_platform.adapters.models.registry import CHALLENGER, CHAMPION, ModelRegistry
from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.contracts.model_tables import PROMOTION_HISTORY
from fraud_platform.defs.resources import registry_of
from fraud_platform.errors import Outage, PromotionError
from fraud_platform.faults import kill_point
from fraud_platform.promotion.decision import PromotionDecision
from fraud_platform.promotion.decision import approve as approve_candidate
from fraud_platform.promotion.decision import decline as decline_candidate
from fraud_platform.promotion.decision import rollback as restore_previous
from fraud_platform.promotion.history import History, history_from_table, history_table
from fraud_platform.settings import Settings

_APPLICATION = "promotion_history"


def read_history(lake: Lake) -> History:
    """Return every decision so far, in order."""
    return history_from_table(lake.read_arrow(PROMOTION_HISTORY))


def decided_dates(lake: Lake) -> set[date]:
    """Return the knowledge dates that a decision was made on."""
    return {row.knowledge_date for row in read_history(lake)}


def carry_out(lake: Lake, registry: ModelRegistry, decision: PromotionDecision) -> None:
    """Write a decision to the history, then let the aliases follow."""
    row = decision.row
    if decision.is_new:
        kill_point("promotion.before_history")
        rows = history_table([row])
        if not lake.append_numbered(PROMOTION_HISTORY, rows, _APPLICATION, row.sequence):
            raise Outage(f"decision {row.sequence} was made by somebody else. Run again.")
        kill_point("promotion.after_history")
    registry.tag(
        int(row.model_version),
        {
            "promotion.action": str(row.action),
            "promotion.by": row.decided_by,
            "promotion.reason": row.reason[:4_000],
            "promotion.report": row.report_id or "",
        },
    )
    for alias, version in ((CHAMPION, decision.alias_target), (CHALLENGER, decision.waiting)):
        registry.set_alias(alias, int(version) if version else None)


def approve(settings: Settings, knowledge_date: date, person: str, why: str) -> str:
    """Promote the candidate that waits at a knowledge date, and say what happened."""
    return _answer(
        settings,
        lambda history: approve_candidate(history, knowledge_date, person, _now(), why),
    )


def decline(settings: Settings, knowledge_date: date, person: str, why: str) -> str:
    """Turn down the candidate that waits at a knowledge date, and say what happened."""
    return _answer(
        settings,
        lambda history: decline_candidate(history, knowledge_date, person, _now(), why),
    )


def rollback(settings: Settings, person: str, why: str) -> str:
    """Restore the champion before the present one, and say what happened."""
    champion = registry_of(settings).alias(CHAMPION)
    if champion is None:
        raise PromotionError("nobody is champion, so there is nothing to roll back from.")
    return _answer(
        settings, lambda history: restore_previous(history, str(champion), person, _now(), why)
    )


def _answer(settings: Settings, decide: Callable[[History], PromotionDecision]) -> str:
    lake = Lake(settings.lake)
    decision = decide(read_history(lake))
    carry_out(lake, registry_of(settings), decision)
    return str(decision)


def _now() -> datetime:
    return datetime.now(UTC)
