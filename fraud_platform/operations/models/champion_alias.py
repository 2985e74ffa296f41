"""What happens when the aliases `champion` and `challenger` move.

Here: moving the aliases to the versions that the promotion history names; a decision's tags.
Not here: writing a decision, which comes first (`operations.models.decisions`), comparing the
registry with the history (`operations.models.champion`), loading a new champion
(`operations.live.follow` in a follower, `operations.live.planning` for a plan).
"""

from collections.abc import Callable

from fraud_platform.adapters.models.registry import CHALLENGER, CHAMPION, ModelRegistry
from fraud_platform.errors import Outage, UnknownModelError
from fraud_platform.kill_points import kill_point
from fraud_platform.promotion.history import (
    History,
    HistoryRow,
    alias_target,
    last_sequence,
    waiting_candidate,
)

_TRIES = 5


def tag_decision(registry: ModelRegistry, row: HistoryRow) -> None:
    """Tag the version that a decision is about with who decided what and why."""
    try:
        registry.get(int(row.model_version))
    except UnknownModelError:
        return  # the version that a rollback leaves may have been deleted
    registry.tag(
        int(row.model_version),
        {
            "promotion.action": str(row.action),
            "promotion.by": row.decided_by,
            "promotion.reason": row.reason[:4_000],
            "promotion.report": row.report_id or "",
        },
    )


def let_aliases_follow(read_history: Callable[[], History], registry: ModelRegistry) -> None:
    """Set the aliases to what the history says, and repeat if the history changed in between.

    The registry has no compare-and-set. Each writer therefore reads the history again after it set
    an alias: of two concurrent writers, the later one sets the alias to the last decision.

    Args:
        read_history: returns the promotion history as it is now.
        registry: the registry that has the aliases.
    """
    for _ in range(_TRIES):
        history = read_history()
        last = last_sequence(history)
        aliases = ((CHAMPION, alias_target(history)), (CHALLENGER, waiting_candidate(history)))
        for alias, version in aliases:
            registry.set_alias(alias, int(version) if version else None)
            kill_point(f"promotion.set_{alias}")
        registry.note_carried_out(last)
        if last_sequence(read_history()) == last:
            return
    raise Outage("the promotion history changed during each attempt. Run the command again.")
