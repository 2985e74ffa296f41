"""The promotion history: all decisions in order, and the champion that follows from them.

Here: one row for each decision, converting rows to a table, the champion before a week, the
current champion.
Not here: deciding (`fraud_platform.promotion.decision`), reading and writing the table
(`fraud_platform.defs`).

The history is append-only and is written before the alias moves; `alias_target` computes the alias
from it. Rows have two orders: `sequence`, the order in which decisions were made, and
`knowledge_date`, the week that they concern. The last row by (knowledge_date, sequence) determines
the champion, so a late decision on an older week cannot change the current champion.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from enum import StrEnum

import pyarrow as pa

from fraud_platform.contracts.model_tables import PROMOTION_HISTORY


class Action(StrEnum):
    """The action of a decision."""

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
"""Actions that only a person takes; all others result from a report."""


@dataclass(frozen=True)
class HistoryRow:
    """One decision, a row of `PROMOTION_HISTORY`.

    Attributes:
        sequence: 1, 2, ... in the order of decisions.
        knowledge_date: the week that the decision concerns.
        action: the action.
        model_name: name of the registered model.
        model_version: the version that the decision concerns.
        champion_before: champion before this week, or None.
        champion_after: champion after this decision, or None.
        report_id: the A/B report; None for a rollback or restoration.
        verdict: verdict of the report.
        guardrail: the guardrail that refused the candidate.
        reason: the reason.
        decided_by: the person or process that decided.
        decided_at: time of the decision, UTC.
        model_sha256: digest of the files of `model_version`; None in older rows. It identifies the
            model even if the registry later assigns the version number to another one.
        model_record: JSON with which these files can be registered again.
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
    """A period in which a version was champion (`until` None: still), and what started it."""

    version: str
    since: datetime
    until: datetime | None
    report_id: str | None
    action: Action


def history_from_table(table: pa.Table) -> History:
    """Return the rows of `PROMOTION_HISTORY` in the order of decisions."""
    rows = [HistoryRow(**{**row, "action": Action(row["action"])}) for row in table.to_pylist()]
    return tuple(sorted(rows, key=lambda row: row.sequence))


def history_table(rows: Sequence[HistoryRow]) -> pa.Table:
    """Return rows as a table with the schema of `PROMOTION_HISTORY`."""
    plain = [{**asdict(row), "action": str(row.action)} for row in rows]
    return pa.Table.from_pylist(plain, schema=PROMOTION_HISTORY.arrow_schema)


def champion_before(history: Sequence[HistoryRow], knowledge_date: date) -> str | None:
    """Return the champion before a week's own decision, or None.

    It depends only on rows of earlier weeks, so a repeated run of the week gets the same champion,
    even if the week's own candidate has become champion.
    """
    earlier = [row for row in history if row.knowledge_date < knowledge_date]
    return _present_version(history, _after_last(earlier))


def alias_target(history: Sequence[HistoryRow]) -> str | None:
    """Return the version that the alias `champion` must point to, None for no alias."""
    return _present_version(history, _after_last(history))


def digest_of(history: Sequence[HistoryRow], version: str | None) -> str | None:
    """Return the digest of a version's files from the history, or None."""
    row = _last_of(history, version)
    return None if row is None else row.model_sha256


def record_of(history: Sequence[HistoryRow], version: str | None) -> str | None:
    """Return the JSON with which a version's files can be registered again, or None."""
    row = _last_of(history, version)
    return None if row is None else row.model_record


def highest_version(history: Sequence[HistoryRow]) -> int:
    """Return the highest version number in the history, 0 if it is empty."""
    return max((int(row.model_version) for row in history), default=0)


def last_sequence(history: Sequence[HistoryRow]) -> int:
    """Return the sequence number of the last decision, 0 before the first."""
    return max((row.sequence for row in history), default=0)


def _last_of(history: Sequence[HistoryRow], version: str | None) -> HistoryRow | None:
    rows = [row for row in history if row.model_version == version and row.model_sha256]
    return max(rows, key=lambda row: row.sequence, default=None)


def _present_version(history: Sequence[HistoryRow], version: str | None) -> str | None:
    """Return a champion's current version, which a restoration may have replaced."""
    for row in sorted(history, key=lambda row: row.sequence):
        if row.action is Action.RESTORED and row.champion_before == version:
            version = row.model_version
    return version


def waiting_candidate(history: Sequence[HistoryRow]) -> str | None:
    """Return the version that waits for approval, or None.

    Only the newest decision can wait: a newer week, an answer or a rollback ends the wait.
    """
    last = max(history, key=_standing_order, default=None)
    return last.model_version if last and last.action is Action.PENDING else None


def champion_as_of(history: Sequence[HistoryRow], knowledge_date: date) -> str | None:
    """Return the champion of a week, including the week's own decisions."""
    until = [row for row in history if row.knowledge_date <= knowledge_date]
    return _present_version(history, _after_last(until))


def previous_champion(history: Sequence[HistoryRow]) -> str | None:
    """Return the champion that a rollback restores, the one before the current champion.

    Champions form a stack: a promotion pushes a version on top of the champion that it beat, a
    rollback pops one. A second rollback therefore goes further back instead of undoing the first.
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
    """Return the periods of all champions, the earliest first."""
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
    """Pop all versions above a version; return False if it is not in the stack."""
    if version not in stack:
        return False
    del stack[stack.index(version) + 1 :]
    return True
