"""Decisions on a verdict (promote, keep, refuse, wait for approval) and decisions of a person.

Here: `decide`, `approve`, `decline`, `rollback` and `restore`, which return a decision from the
history.
Not here: the verdict (`fraud_platform.comparison`), storing the decision and moving the alias
(`fraud_platform.defs`): append `PromotionDecision.row` if `PromotionDecision.is_new`, then set the
alias to `PromotionDecision.alias_target`. If a run stops between the two, the same call returns
`is_new=False` and the same target, so that the alias is corrected.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Literal

from fraud_platform.comparison.gate import Verdict
from fraud_platform.contracts.knowledge_week import KnowledgeWeek
from fraud_platform.errors import PromotionError
from fraud_platform.promotion.evidence import Evidence
from fraud_platform.promotion.guardrails import Guardrails
from fraud_platform.promotion.history import (
    PERSONS_WORD,
    Action,
    History,
    HistoryRow,
    alias_target,
    champion_as_of,
    champion_before,
    digest_of,
    last_sequence,
    previous_champion,
    record_of,
    waiting_candidate,
)


@dataclass(frozen=True)
class PromotionDecision:
    """A decision and its effect on the alias.

    Attributes:
        row: the decision as a row of the history.
        is_new: whether the row must be appended; False if it is in the history already.
        alias_target: the champion after the decision, None for no alias.
        waiting: the version that then waits for approval, or None.
    """

    row: HistoryRow
    is_new: bool
    alias_target: str | None
    waiting: str | None

    @property
    def action(self) -> Action:
        """The action of the decision."""
        return self.row.action

    def __str__(self) -> str:
        champion = self.alias_target or "none"
        state = "decided" if self.is_new else "decided before"
        return (
            f"{self.row.knowledge_date} {self.row.model_name} {self.row.model_version}: "
            f"{self.action.replace('_', ' ')} ({state}); champion {champion}. {self.row.reason}"
        )


def decide(
    history: History,
    evidence: Evidence,
    guardrails: Guardrails,
    mode: Literal["automatic", "approval"],
    decided_by: str,
    decided_at: datetime,
) -> PromotionDecision:
    """Decide on a week's candidate from its report.

    A repeated run of a week with the same report returns the existing decision, even if a person
    has approved it, declined it or rolled it back since. With another report, the newest week is
    decided again; a decision on an older week is recorded without changing the champion.

    Args:
        history: all decisions so far.
        evidence: the report, and when the training of the two models ended.
        guardrails: minimum values of a champion, which can refuse a winner.
        mode: whether a winner is promoted at once or waits for `approve`.
        decided_by: the person or process that decides.
        decided_at: current time, UTC.

    Raises:
        PromotionError: a model was trained on test data, the report's champion is not the one in
            the history for that week, or a version is another model than in the history.
    """
    check_out_of_time(evidence)
    day = evidence.knowledge_date
    before = champion_before(history, day)
    if evidence.champion_version != before:
        raise PromotionError(
            f"{evidence.report_id} compares with champion {evidence.champion_version or 'none'}, "
            f"but before {day} the champion is {before or 'none'}. Materialize ab_report for {day} "
            "again, then promotion."
        )
    _check_identity(history, evidence, before)
    action, guardrail, reason = _judge(evidence, guardrails, mode)
    fresh = HistoryRow(
        sequence=_next_sequence(history),
        knowledge_date=day,
        action=action,
        model_name=evidence.model_name,
        model_version=evidence.candidate_version,
        champion_before=before,
        champion_after=evidence.candidate_version
        if action is Action.PROMOTED
        else _champion_without_winner(history, day, before),
        report_id=evidence.report_id,
        verdict=str(evidence.verdict),
        guardrail=guardrail,
        reason=reason,
        decided_by=decided_by,
        decided_at=decided_at,
        model_sha256=evidence.candidate_sha256,
    )
    newer = max((row.knowledge_date for row in history), default=day)
    if newer > day:
        fresh = _without_effect(fresh, champion_as_of(history, day), newer)
    standing = _standing_decision(history, fresh)
    return _decision(history, standing or fresh, is_new=standing is None)


def approve(
    history: History, knowledge_date: date, decided_by: str, decided_at: datetime, reason: str
) -> PromotionDecision:
    """Promote the waiting candidate; if it is approved already, return that decision.

    Raises:
        PromotionError: no candidate of that week waits, or a newer week has been decided.
    """
    return _answer(history, knowledge_date, Action.APPROVED, decided_by, decided_at, reason)


def decline(
    history: History, knowledge_date: date, decided_by: str, decided_at: datetime, reason: str
) -> PromotionDecision:
    """Decline the waiting candidate; if it is declined already, return that decision.

    Raises:
        PromotionError: no candidate of that week waits, or a newer week has been decided.
    """
    return _answer(history, knowledge_date, Action.DECLINED, decided_by, decided_at, reason)


def rollback(
    history: History, from_version: str, decided_by: str, decided_at: datetime, reason: str
) -> PromotionDecision:
    """Roll back to the previous champion.

    Args:
        history: all decisions so far.
        from_version: the current champion, as the alias shows it. If a rollback from it is
            recorded but the alias was not moved, that rollback is returned again.
        decided_by: the person who rolls back.
        decided_at: current time, UTC.
        reason: the reason.

    Raises:
        PromotionError: from_version is not champion, or there was no champion before it.
    """
    champion = alias_target(history)
    if from_version != champion:
        last = max(history, key=lambda row: row.sequence, default=None)
        if last and last.action is Action.ROLLED_BACK and last.model_version == from_version:
            return _decision(history, last, is_new=False)
        raise PromotionError(
            f"version {from_version} is not champion, version {champion or 'none'} is. Roll back "
            "from that version."
        )
    previous = previous_champion(history)
    if previous is None:
        raise PromotionError(
            f"there was no champion before version {champion}, so there is nothing to roll back to"
        )
    newest = max(history, key=lambda row: (row.knowledge_date, row.sequence))
    row = replace(
        newest,
        sequence=_next_sequence(history),
        action=Action.ROLLED_BACK,
        model_version=from_version,
        champion_before=champion_before(history, newest.knowledge_date),
        champion_after=previous,
        report_id=None,
        verdict=None,
        guardrail=None,
        reason=reason,
        decided_by=decided_by,
        decided_at=decided_at,
        model_sha256=digest_of(history, from_version),
        model_record=record_of(history, from_version),
    )
    return _decision(history, row, is_new=True)


def restore(
    history: History, version: str, record: str, decided_by: str, decided_at: datetime
) -> PromotionDecision:
    """Record the new version of a champion whose registered version was lost.

    Args:
        history: all decisions so far.
        version: the new version, registered from the same files.
        record: JSON with which the files can be registered again.
        decided_by: the person who restores.
        decided_at: current time, UTC.

    Raises:
        PromotionError: the history names no champion.
    """
    lost = alias_target(history)
    if lost is None:
        raise PromotionError("the history names no champion, so there is nothing to restore")
    newest = max(history, key=lambda row: (row.knowledge_date, row.sequence))
    row = replace(
        newest,
        sequence=_next_sequence(history),
        action=Action.RESTORED,
        model_version=version,
        champion_before=lost,
        champion_after=version,
        report_id=None,
        verdict=None,
        guardrail=None,
        reason=f"the registry lost version {lost}; the same files are version {version} now",
        decided_by=decided_by,
        decided_at=decided_at,
        model_sha256=digest_of(history, lost),
        model_record=record,
    )
    return _decision(history, row, is_new=True)


def check_out_of_time(evidence: Evidence) -> None:
    """Check that neither model was trained on rows of the test.

    Raises:
        PromotionError: the training of the candidate or of the champion ends after D - 21 d.
    """
    limit = KnowledgeWeek(evidence.knowledge_date).train_end
    ends = {
        f"candidate {evidence.candidate_version}": evidence.candidate_training_end,
        f"champion {evidence.champion_version}": evidence.champion_training_end,
    }
    late = [f"{who} ends {end}" for who, end in ends.items() if end is not None and end > limit]
    if late:
        raise PromotionError(
            f"training must end by {limit} (21 days before {evidence.knowledge_date}), found: "
            f"{'; '.join(late)}. Compare models of earlier weeks."
        )


def _check_identity(history: History, evidence: Evidence, champion: str | None) -> None:
    """Check that the versions in the report have the same files as in the history.

    A registry whose database was restored from a backup assigns version numbers again.

    Raises:
        PromotionError: a version is another model than in the history.
    """
    tested = {
        evidence.candidate_version: evidence.candidate_sha256,
        champion: evidence.champion_sha256,
    }
    for version, found in tested.items():
        known = digest_of(history, version)
        if known and found and known != found:
            raise PromotionError(
                f"{evidence.report_id}: expected version {version} to be the model with SHA-256 "
                f"{known[:16]}, as the promotion history names it, found {found[:16]}: the "
                "registry gave this number to another model. Run `fraud-platform champion "
                "--from-history`, then materialize candidate_model, ab_report and promotion of "
                f"{evidence.knowledge_date} again."
            )


def _judge(evidence: Evidence, guardrails: Guardrails, mode: str) -> tuple[Action, str | None, str]:
    if evidence.verdict is not Verdict.PROMOTE:
        unattainable = guardrails.unattainable(evidence)
        return Action.KEPT, None, "; ".join(filter(None, (evidence.reason, unattainable)))
    refusal = guardrails.refusal(evidence)
    if refusal is not None:
        return Action.REFUSED, *refusal
    if mode == "approval":
        return Action.PENDING, None, f"waits for approval: {evidence.reason}"
    return Action.PROMOTED, None, evidence.reason


def _champion_without_winner(history: History, day: date, before: str | None) -> str | None:
    """Return the champion if a week promotes no candidate; its own earlier promotion is undone.

    A person's rollback in that week is kept.
    """
    moves = (Action.PROMOTED, Action.APPROVED, Action.ROLLED_BACK)
    moved = [row for row in history if row.knowledge_date == day and row.action in moves]
    if moved and moved[-1].action is Action.ROLLED_BACK:
        return champion_as_of(history, day)
    return before


def _without_effect(row: HistoryRow, champion: str | None, newer: date) -> HistoryRow:
    """Return the decision on an older week as a record that does not change the champion."""
    row = replace(row, champion_after=champion)
    if row.action not in (Action.PROMOTED, Action.PENDING):
        return row
    reason = f"{newer} is decided already, so nothing moves: {row.reason}"
    return replace(row, action=Action.SUPERSEDED, reason=reason)


def _standing_decision(history: History, fresh: HistoryRow) -> HistoryRow | None:
    """Return the week's existing decision, if it is equal or a person has already acted on it."""
    of_week = [row for row in history if row.knowledge_date == fresh.knowledge_date]
    decisions = [row for row in of_week if row.action not in PERSONS_WORD]
    if not decisions:
        return None
    last = decisions[-1]
    if (last.report_id, last.model_version) != (fresh.report_id, fresh.model_version):
        return None
    if fresh.model_sha256 and last.model_sha256 not in (None, fresh.model_sha256):
        return None
    was_answered = any(
        row.action in PERSONS_WORD and row.sequence > last.sequence for row in of_week
    )
    same = (last.action, last.guardrail) == (fresh.action, fresh.guardrail)
    outdated = fresh.action is Action.SUPERSEDED and last.verdict == fresh.verdict
    return last if same or was_answered or outdated else None


def _answer(
    history: History, day: date, action: Action, decided_by: str, decided_at: datetime, reason: str
) -> PromotionDecision:
    of_week = [row for row in history if row.knowledge_date == day]
    last = of_week[-1] if of_week else None
    if last is not None and last.action is action:
        return _decision(history, last, is_new=False)
    if last is None or last.action is not Action.PENDING:
        found = f"it was {last.action.replace('_', ' ')}" if last else "nothing was decided"
        raise PromotionError(f"no candidate waits at {day}: {found}. See promotion_history.")
    newer = max(row.knowledge_date for row in history)
    if newer > day:
        raise PromotionError(
            f"{newer} was decided after {day}, on the champion as it was. Answer {newer} instead."
        )
    approved = action is Action.APPROVED
    row = replace(
        last,
        sequence=_next_sequence(history),
        action=action,
        champion_after=last.model_version if approved else last.champion_after,
        reason=reason,
        decided_by=decided_by,
        decided_at=decided_at,
    )
    return _decision(history, row, is_new=True)


def _next_sequence(history: History) -> int:
    return last_sequence(history) + 1


def _decision(history: History, row: HistoryRow, is_new: bool) -> PromotionDecision:
    after = (*history, row) if is_new else history
    return PromotionDecision(row, is_new, alias_target(after), waiting_candidate(after))
