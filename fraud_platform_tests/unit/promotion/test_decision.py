"""Promotion rules on hand-made histories: weeks, re-runs, older weeks, people, interruptions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal

import pytest

from fraud_platform.comparison.gate import Verdict
from fraud_platform.errors import PromotionError
from fraud_platform.promotion.decision import (
    PromotionDecision,
    approve,
    decide,
    decline,
    rollback,
)
from fraud_platform.promotion.evidence import Evidence
from fraud_platform.promotion.guardrails import Guardrails
from fraud_platform.promotion.history import (
    Action,
    HistoryRow,
    alias_target,
    champion_before,
    champion_periods,
    history_from_table,
    history_table,
    previous_champion,
)
from fraud_platform_tests.testing.defaults import guardrails

Mode = Literal["automatic", "approval"]

WEEK_1 = date(2018, 6, 4)
WEEKS = [WEEK_1 + timedelta(weeks=i) for i in range(6)]
GUARDRAILS = guardrails(min_card_precision=0.10, min_scenario_recall=0.05)
NOW = datetime(2018, 6, 4, 12, tzinfo=UTC)


def evidence(
    week: int,
    candidate: str,
    champion: str | None,
    verdict: Verdict = Verdict.PROMOTE,
    **changes: Any,
) -> Evidence:
    day = WEEKS[week - 1]
    made = Evidence(
        knowledge_date=day,
        report_id=f"{day}_{candidate}_vs_{champion}",
        verdict=verdict,
        reason="because",
        model_name="fraud",
        candidate_version=candidate,
        champion_version=champion,
        card_precision=0.30,
        scenario_recall={1: 0.9, 2: 0.5, 3: 0.2},
        candidate_training_end=day - timedelta(days=21),
        champion_training_end=None if champion is None else day - timedelta(days=28),
    )
    return replace(made, **changes)


class Platform:
    """Keeps a history and an alias as the promotion asset does: history first, alias after."""

    def __init__(self) -> None:
        self.history: tuple[HistoryRow, ...] = ()
        self.alias: str | None = None
        self.minutes = 0

    def store(self, decision: PromotionDecision, alias_moves: bool = True) -> PromotionDecision:
        if decision.is_new:
            self.history = (*self.history, decision.row)
        if alias_moves:
            self.alias = decision.alias_target
        return decision

    def now(self) -> datetime:
        self.minutes += 1
        return NOW + timedelta(minutes=self.minutes)

    def run(
        self,
        found: Evidence,
        mode: Mode = "automatic",
        alias_moves: bool = True,
        guardrails: Guardrails = GUARDRAILS,
    ) -> PromotionDecision:
        decision = decide(self.history, found, guardrails, mode, "schedule", self.now())
        return self.store(decision, alias_moves)

    def person(
        self, act: Callable[..., PromotionDecision], target: date | str
    ) -> PromotionDecision:
        return self.store(act(self.history, target, "ana", self.now(), "seen"))


@pytest.fixture
def platform() -> Platform:
    return Platform()


@pytest.fixture
def three_weeks(platform: Platform) -> Platform:
    """Versions 1 and 2 promoted in weeks 1 and 2; week 3 kept 2."""
    platform.run(evidence(1, "1", None))
    platform.run(evidence(2, "2", "1"))
    platform.run(evidence(3, "3", "2", Verdict.NOT_ENOUGH_EVIDENCE))
    return platform


def test_the_first_candidate_that_beats_the_baselines_becomes_champion(platform: Platform) -> None:
    decision = platform.run(evidence(1, "1", None))
    assert (decision.action, platform.alias) == (Action.PROMOTED, "1")
    assert "1: promoted" in str(decision)


@pytest.mark.parametrize("verdict", [Verdict.KEEP, Verdict.NOT_ENOUGH_EVIDENCE])
def test_without_a_win_the_champion_stays(platform: Platform, verdict: Verdict) -> None:
    platform.run(evidence(1, "1", None))
    decision = platform.run(evidence(2, "2", "1", verdict))
    assert (decision.action, decision.row.champion_after, platform.alias) == (
        Action.KEPT,
        "1",
        "1",
    )


def test_a_first_candidate_that_does_not_win_leaves_no_champion(platform: Platform) -> None:
    platform.run(evidence(1, "1", None, Verdict.KEEP))
    assert platform.alias is None
    assert platform.run(evidence(2, "2", None)).alias_target == "2"


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"card_precision": 0.09}, "min_card_precision"),
        ({"card_precision": float("nan")}, "min_card_precision"),
        ({"scenario_recall": {1: 0.9, 2: 0.049}}, "min_scenario_recall"),
    ],
)
def test_a_guardrail_refuses_a_winner_by_its_name(
    platform: Platform, changes: dict[str, Any], name: str
) -> None:
    decision = platform.run(evidence(1, "1", None, **changes))
    assert (decision.action, decision.row.guardrail) == (Action.REFUSED, name)
    assert decision.row.reason.startswith(name)
    assert platform.alias is None


def test_a_guardrail_at_its_limit_does_not_refuse(platform: Platform) -> None:
    found = evidence(1, "1", None, card_precision=0.10, scenario_recall={2: 0.05})
    assert platform.run(found).action is Action.PROMOTED


def test_the_champion_of_a_week_is_the_one_before_its_own_promotion(three_weeks: Platform) -> None:
    champions = [champion_before(three_weeks.history, week) for week in WEEKS[:4]]
    assert champions == [None, "1", "2", "2"]


@pytest.mark.parametrize("week", [1, 2, 3])
def test_running_any_week_again_decides_the_same_and_changes_nothing(
    three_weeks: Platform, week: int
) -> None:
    before = three_weeks.history
    first = before[week - 1]
    found = evidence(week, first.model_version, first.champion_before, Verdict(str(first.verdict)))
    decision = three_weeks.run(found)
    assert (decision.row, decision.is_new) == (first, False)
    assert (three_weeks.history, three_weeks.alias) == (before, "2")


def test_an_older_week_never_moves_the_alias_nor_the_champion_of_later_weeks(
    platform: Platform,
) -> None:
    platform.run(evidence(1, "1", None))
    platform.run(evidence(4, "4", "1"))
    decision = platform.run(evidence(2, "2", "1"))
    assert decision.action is Action.SUPERSEDED
    assert platform.alias == "4"
    assert champion_before(platform.history, WEEKS[3]) == "1"
    assert not platform.run(evidence(2, "2", "1")).is_new
    assert not platform.run(evidence(4, "4", "1")).is_new


def test_an_older_week_with_a_new_report_leaves_its_own_champion_as_it_stood(
    three_weeks: Platform,
) -> None:
    retrained = evidence(2, "9", "1", Verdict.KEEP)
    assert three_weeks.run(retrained).action is Action.KEPT
    assert three_weeks.alias == "2"
    assert champion_before(three_weeks.history, WEEKS[2]) == "2"


def test_the_newest_week_with_a_new_report_is_decided_anew(platform: Platform) -> None:
    platform.run(evidence(1, "1", None))
    platform.run(evidence(2, "2", "1"))
    platform.run(evidence(2, "5", "1"))
    assert platform.alias == "5"
    platform.run(evidence(2, "6", "1", Verdict.KEEP))
    assert platform.alias == "1"


def test_killed_between_history_and_alias_the_next_run_moves_the_alias(platform: Platform) -> None:
    platform.run(evidence(1, "1", None))
    platform.run(evidence(2, "2", "1"), alias_moves=False)
    assert platform.alias == "1"
    assert alias_target(platform.history) == "2"
    decision = platform.run(evidence(2, "2", "1"))
    assert (decision.is_new, platform.alias, len(platform.history)) == (False, "2", 2)


def test_killed_before_the_history_is_written_the_next_run_decides_from_the_start(
    platform: Platform,
) -> None:
    lost = decide(
        platform.history, evidence(1, "1", None), GUARDRAILS, "automatic", "schedule", NOW
    )
    decision = platform.run(evidence(1, "1", None))
    assert decision.is_new
    assert replace(decision.row, decided_at=NOW) == lost.row


def test_a_report_against_another_champion_is_refused_with_what_to_do(
    three_weeks: Platform,
) -> None:
    with pytest.raises(PromotionError, match=r"compares with champion 1, .* is 2\. Materialize"):
        three_weeks.run(evidence(4, "4", "1"))


@pytest.mark.parametrize("who", ["candidate_training_end", "champion_training_end"])
def test_a_model_that_learnt_from_the_test_is_refused(platform: Platform, who: str) -> None:
    platform.run(evidence(1, "1", None))
    late = WEEKS[1] - timedelta(days=20)
    with pytest.raises(PromotionError, match="21 days before 2018-06-11"):
        platform.run(evidence(2, "2", "1", Verdict.PROMOTE, **{who: late}))


def test_in_approval_mode_a_winner_waits_for_a_person(platform: Platform) -> None:
    platform.run(evidence(1, "1", None))
    waiting = platform.run(evidence(2, "2", "1"), mode="approval")
    assert (waiting.action, platform.alias) == (Action.PENDING, "1")
    approved = platform.person(approve, WEEKS[1])
    assert (approved.row.decided_by, platform.alias) == ("ana", "2")
    assert approved.row.report_id == waiting.row.report_id


def test_a_candidate_waits_until_it_is_answered_or_a_newer_week_is_decided(
    platform: Platform,
) -> None:
    platform.run(evidence(1, "1", None))
    assert platform.run(evidence(2, "2", "1"), mode="approval").waiting == "2"
    assert platform.run(evidence(1, "1", None)).waiting == "2"
    assert platform.person(decline, WEEKS[1]).waiting is None
    assert platform.run(evidence(3, "3", "1"), mode="approval").waiting == "3"
    assert platform.run(evidence(4, "4", "1", Verdict.KEEP), mode="approval").waiting is None


@pytest.mark.parametrize("mode", ["automatic", "approval"])
@pytest.mark.parametrize(("answer", "champion"), [(approve, "2"), (decline, "1")])
def test_a_week_run_again_keeps_a_persons_answer(
    platform: Platform, mode: Mode, answer: Callable[..., PromotionDecision], champion: str
) -> None:
    platform.run(evidence(1, "1", None))
    platform.run(evidence(2, "2", "1"), mode="approval")
    platform.person(answer, WEEKS[1])
    assert not platform.run(evidence(2, "2", "1"), mode=mode).is_new
    assert platform.alias == champion


def test_an_approval_made_twice_stands_once(platform: Platform) -> None:
    platform.run(evidence(1, "1", None), mode="approval")
    platform.person(approve, WEEK_1)
    assert not platform.person(approve, WEEK_1).is_new
    assert platform.alias == "1"


def test_nothing_can_be_approved_where_nothing_waits(three_weeks: Platform) -> None:
    with pytest.raises(PromotionError, match="it was kept"):
        three_weeks.person(approve, WEEKS[2])
    with pytest.raises(PromotionError, match="nothing was decided"):
        three_weeks.person(approve, WEEKS[4])


def test_an_approval_that_comes_after_a_newer_week_is_refused(platform: Platform) -> None:
    platform.run(evidence(1, "1", None), mode="approval")
    platform.run(evidence(2, "2", None), mode="approval")
    with pytest.raises(PromotionError, match="Answer 2018-06-11 instead"):
        platform.person(approve, WEEK_1)


def test_guardrails_refuse_in_approval_mode_too(platform: Platform) -> None:
    found = evidence(1, "1", None, card_precision=0.0)
    assert platform.run(found, mode="approval").action is Action.REFUSED


def test_a_rollback_restores_the_previous_champion_and_a_second_one_goes_further(
    platform: Platform,
) -> None:
    for week, champion in ((1, None), (2, "1"), (3, "2")):
        platform.run(evidence(week, str(week), champion))
    platform.person(rollback, "3")
    assert platform.alias == "2"
    platform.person(rollback, "2")
    assert platform.alias == "1"
    with pytest.raises(PromotionError, match="there was no champion before version 1"):
        platform.person(rollback, "1")


def test_a_rollback_killed_before_the_alias_is_finished_not_made_twice(
    three_weeks: Platform,
) -> None:
    decision = rollback(three_weeks.history, "2", "ana", NOW, "alerts doubled")
    three_weeks.store(decision, alias_moves=False)
    assert three_weeks.alias == "2"
    again = three_weeks.person(rollback, "2")
    assert (again.is_new, three_weeks.alias, len(three_weeks.history)) == (False, "1", 4)


def test_a_rollback_from_somebody_else_is_refused(three_weeks: Platform) -> None:
    with pytest.raises(PromotionError, match="version 1 is not champion, version 2 is"):
        three_weeks.person(rollback, "1")


def test_a_week_run_again_does_not_undo_a_rollback(platform: Platform) -> None:
    platform.run(evidence(1, "1", None))
    platform.run(evidence(2, "2", "1"))
    platform.person(rollback, "2")
    assert not platform.run(evidence(2, "2", "1")).is_new
    assert platform.alias == "1"


def test_a_rollback_holds_from_the_newest_week_on_and_the_next_week_meets_the_restored(
    three_weeks: Platform,
) -> None:
    three_weeks.person(rollback, "2")
    assert champion_before(three_weeks.history, WEEKS[2]) == "2"
    assert champion_before(three_weeks.history, WEEKS[3]) == "1"
    three_weeks.run(evidence(4, "4", "1"))
    assert three_weeks.alias == "4"
    assert previous_champion(three_weeks.history) == "1"


def test_a_replaced_candidate_of_one_week_is_not_the_previous_champion(platform: Platform) -> None:
    platform.run(evidence(1, "1", None))
    platform.run(evidence(2, "2", "1"))
    platform.run(evidence(2, "5", "1"))
    platform.person(rollback, "5")
    assert platform.alias == "1"


def test_periods_say_who_was_champion_from_when_to_when(three_weeks: Platform) -> None:
    three_weeks.person(rollback, "2")
    rows = three_weeks.history
    periods = champion_periods(rows)
    assert [(p.version, p.since, p.until, p.action) for p in periods] == [
        ("1", rows[0].decided_at, rows[1].decided_at, Action.PROMOTED),
        ("2", rows[1].decided_at, rows[3].decided_at, Action.PROMOTED),
        ("1", rows[3].decided_at, None, Action.ROLLED_BACK),
    ]
    assert periods[0].report_id == rows[0].report_id


def test_the_history_survives_its_table_form_in_any_order(three_weeks: Platform) -> None:
    three_weeks.person(rollback, "2")
    table = history_table(three_weeks.history[::-1])
    assert history_from_table(table) == three_weeks.history


def test_weeks_launched_out_of_order_leave_the_newest_as_champion(platform: Platform) -> None:
    platform.run(evidence(3, "3", None))
    platform.run(evidence(1, "1", None))
    platform.run(evidence(2, "2", None))
    assert platform.alias == "3"
    rows = platform.history
    for week in (2, 3, 1):
        assert not platform.run(evidence(week, str(week), None)).is_new
    assert platform.history == rows


def test_weeks_that_promoted_nobody_make_no_period(platform: Platform) -> None:
    platform.run(evidence(1, "1", None, verdict=Verdict.KEEP))
    assert champion_periods(platform.history) == ()
