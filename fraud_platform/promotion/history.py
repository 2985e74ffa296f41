"""The promotion history: decisions in order, and what follows from them.

Here: one row a decision, its table form, the champion before a week, the champion now.
Not here: deciding (`fraud_platform.promotion.decision`), reading and writing the table
(`fraud_platform.defs`).

The history is append-only and written before the alias moves; the alias is what `alias_target`
says of it. Two orders matter: `sequence`, in which decisions were made, and `knowledge_date`, which
they are about. The champion is what the last row by (knowledge_date, sequence) says, so a decision
made late about an older week cannot change who is champion now.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from enum import StrEnum

import pyarrow as pa

from fraud_platform.contracts.model_tables import PROMOTION_HISTORY


class Action(StrEnum):
    """What a decision did."""

    PROMOTED = "promoted"
    PENDING = "pending"
    KEPT = "kept"
    REFUSED = "refused"
    SUPERSEDED = "superseded"
    APPROVED = "approved"
    DECLINED = "declined"
    ROLLED_BACK = "rolled_back"
    RESTORED = "restored"


PERSONS_WORD = (Action.APPROVED, Action.DECLINED, Action.ROLLED_BACK, Action.RESTORED)
"""Actions that only a person takes; all others follow from a report."""


@dataclass(frozen=True)
class HistoryRow:
    """One decision, as `PROMOTION_HISTORY` has it.

    Attributes:
        sequence: 1, 2, ... in the order of decision.
        knowledge_date: the week that it is about.
        action: what was done.
        model_name: registered model.
        model_version: the version that it is about.
        champion_before: champion before this week; None where there was none.
        champion_after: champion after this decision.
        report_id: the A/B report that it rests on; None for a rollback.
        verdict: that report's verdict.
        guardrail: the guardrail that refused.
        reason: why, in words.
        decided_by: who or what decided.
        decided_at: when, UTC.
        model_sha256: digest of the files of `model_version`; None in rows of before it was kept.
            With it a version is a model, whatever the registry gives that number to later.
        model_record: JSON of what is needed to register these files again.
    """

    sequence: int
    knowledge_date: date
    action: Action
    model_name: str
    model_version: str
    champion_before: str | None
    champion_after: str | None
    report_id: str | None
    verdict: str | None
    guardrail: str | None
    reason: str
    decided_by: str
    decided_at: datetime
    model_sha256: str | None = None
    model_record: str | None = None


History = tuple[HistoryRow, ...]


@dataclass(frozen=True)
class ChampionPeriod:
    """Who was champion from when to when (None: still), by which report or rollback."""

    version: str
    since: datetime
    until: datetime | None
    report_id: str | None
    action: Action


def history_from_table(table: pa.Table) -> History:
    """Return the rows of `PROMOTION_HISTORY` in the order of decision."""
    rows = [HistoryRow(**{**row, "action": Action(row["action"])}) for row in table.to_pylist()]
    return tuple(sorted(rows, key=lambda row: row.sequence))


def history_table(rows: Sequence[HistoryRow]) -> pa.Table:
    """Return rows in the form of `PROMOTION_HISTORY`, to be appended to it."""
    plain = [{**asdict(row), "action": str(row.action)} for row in rows]
    return pa.Table.from_pylist(plain, schema=PROMOTION_HISTORY.arrow_schema)


def champion_before(history: Sequence[HistoryRow], knowledge_date: date) -> str | None:
    """Return the champion as it was before a week's own decision, None where there was none.

    It reads only rows of earlier weeks, so running the week again gives the same champion, also
    after the week's own candidate became champion.
    """
    earlier = [row for row in history if row.knowledge_date < knowledge_date]
    return _present_version(history, _after_last(earlier))


def alias_target(history: Sequence[HistoryRow]) -> str | None:
    """Return the version that the alias `champion` must point to, None for no alias."""
    return _present_version(history, _after_last(history))


def digest_of(history: Sequence[HistoryRow], version: str | None) -> str | None:
    """Return the digest of a version's files as the history names it, None if it does not."""
    row = _last_of(history, version)
    return None if row is None else row.model_sha256


def record_of(history: Sequence[HistoryRow], version: str | None) -> str | None:
    """Return what is needed to register a version's files again, None if it was not kept."""
    row = _last_of(history, version)
    return None if row is None else row.model_record


def highest_version(history: Sequence[HistoryRow]) -> int:
    """Return the highest version number that the history names, 0 where it names none."""
    return max((int(row.model_version) for row in history), default=0)


def last_sequence(history: Sequence[HistoryRow]) -> int:
    """Return the number of the last decision, 0 before the first."""
    return max((row.sequence for row in history), default=0)


def _last_of(history: Sequence[HistoryRow], version: str | None) -> HistoryRow | None:
    rows = [row for row in history if row.model_version == version and row.model_sha256]
    return max(rows, key=lambda row: row.sequence, default=None)


def _present_version(history: Sequence[HistoryRow], version: str | None) -> str | None:
    """Return the version that a champion has now: a restored one was registered again."""
    for row in sorted(history, key=lambda row: row.sequence):
        if row.action is Action.RESTORED and row.champion_before == version:
            version = row.model_version
    return version


def waiting_candidate(history: Sequence[HistoryRow]) -> str | None:
    """Return the version that waits for a person's answer, None where nothing waits.

    Only the newest decision can wait: a newer week, an answer or a rollback ends the wait.
    """
    last = max(history, key=_standing_order, default=None)
    return last.model_version if last and last.action is Action.PENDING else None


def champion_as_of(history: Sequence[HistoryRow], knowledge_date: date) -> str | None:
    """Return the champion that the history gives for a week, its own decisions included."""
    until = [row for row in history if row.knowledge_date <= knowledge_date]
    return _present_version(history, _after_last(until))


def previous_champion(history: Sequence[HistoryRow]) -> str | None:
    """Return whom a rollback restores: the champion before the one that stands now.

    Champions are a stack: a promotion is laid on the champion that it beat, a rollback takes one
    off. So a second rollback goes further back instead of returning to what was just left.
    """
    stack: list[str] = []
    for row in sorted(history, key=_standing_order):
        if row.action is Action.RESTORED:
            stack = [row.model_version if v == row.champion_before else v for v in stack]
        if row.action in (Action.PROMOTED, Action.APPROVED):
            _unwind(stack, row.champion_before)
        if row.champion_after is None:
            stack.clear()
        elif not _unwind(stack, row.champion_after):
            stack.append(row.champion_after)
    return stack[-2] if len(stack) > 1 else None


def champion_periods(history: Sequence[HistoryRow]) -> tuple[ChampionPeriod, ...]:
    """Return who was champion from when to when, the earliest first."""
    ordered = sorted(history, key=lambda row: row.sequence)
    changes: list[tuple[str | None, HistoryRow]] = []
    for n, row in enumerate(ordered, start=1):
        target = alias_target(ordered[:n])
        if target != (changes[-1][0] if changes else None):
            changes.append((target, row))
    if not changes:
        return ()
    ends = [row.decided_at for _, row in changes[1:]]
    return tuple(
        ChampionPeriod(version, row.decided_at, until, row.report_id, row.action)
        for (version, row), until in zip(changes, [*ends, None], strict=True)
        if version is not None
    )


def _standing_order(row: HistoryRow) -> tuple[date, int]:
    return row.knowledge_date, row.sequence


def _after_last(rows: Sequence[HistoryRow]) -> str | None:
    return max(rows, key=_standing_order).champion_after if rows else None


def _unwind(stack: list[str], version: str | None) -> bool:
    """Take off what lies above a version; False where it is not in the stack."""
    if version not in stack:
        return False
    del stack[stack.index(version) + 1 :]
    return True
