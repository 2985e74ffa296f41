"""A team with other amounts, fewer frauds and own limits gets a champion, or learns why not."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import numpy as np
import pytest

from fraud_platform.comparison.bootstrap import attainable_card_precision, compare_models
from fraud_platform.comparison.gate import Verdict
from fraud_platform.comparison.inputs import ComparisonConfig, ComparisonRows, Role, ScoredModel
from fraud_platform.comparison.metrics import Metric
from fraud_platform.comparison.report import ComparisonResult, ab_report_table, report_id_of
from fraud_platform.promotion.decision import PromotionDecision, decide
from fraud_platform.promotion.evidence import Evidence, evidence_from_report
from fraud_platform.promotion.guardrails import Guardrails
from fraud_platform.promotion.history import Action
from fraud_platform.settings import Settings
from fraud_platform.training.amount_rule import learn_amount_rule
from fraud_platform.training.thresholds import Constraints, choose_threshold
from fraud_platform_tests.testing.defaults import comparison, guardrails

MONDAY = date(2018, 7, 9)
LIMITS = Constraints(max_alerts_per_day=40.0, max_false_positive_rate=0.02, review_cost=5.0)
DAYS, CARDS_A_DAY, DEFRAUDED_A_DAY = 7, 1_500, 11


def portfolio(scale: float, seed: int) -> tuple[ComparisonRows, np.ndarray]:
    """Return a week in which 11 cards a day are defrauded, and a good model's scores of it.

    Args:
        scale: what an amount is multiplied by, as in another currency.
    """
    random = np.random.default_rng(seed)
    size = DAYS * CARDS_A_DAY
    fraud = np.zeros((DAYS, CARDS_A_DAY), dtype=bool)
    fraud[:, :DEFRAUDED_A_DAY] = True
    is_fraud = fraud.ravel()
    amounts = np.exp(random.normal(3.5, 0.8, size) + 0.3 * is_fraud) * scale
    rows = ComparisonRows(
        day=np.repeat(np.arange(DAYS), CARDS_A_DAY),
        transaction_id=np.arange(size),
        # "never fraud" ranks by id alone, which must say nothing
        customer_id=random.permutation(size),
        terminal_id=random.integers(0, 300, size),
        amount_cents=np.maximum(1, (amounts * 100).astype(np.int64)),
        is_fraud=is_fraud,
        fraud_scenario=np.where(is_fraud, 2, 0),
    )
    log_odds = random.normal(-6, 1, size) + 5 * is_fraud
    return rows, 1 / (1 + np.exp(-log_odds))


def compared(
    scale: float, config: ComparisonConfig
) -> tuple[ComparisonRows, int, ComparisonResult]:
    """Return the first candidate's comparison, and the amount rule that it was made with."""
    limits = replace(LIMITS, review_cost=LIMITS.review_cost * scale)
    slice_rows, slice_scores = portfolio(scale, seed=1)
    ones = np.ones(len(slice_rows))
    labels, cents = slice_rows.is_fraud, slice_rows.amount_cents
    threshold = choose_threshold(slice_scores, labels, cents, ones, DAYS, limits).value
    rule = learn_amount_rule(cents, labels, ones, DAYS, limits)
    assert rule is not None
    rows, scores = portfolio(scale, seed=2)
    config = replace(config, resamples=300, review_cost=limits.review_cost, amount_rule_cents=rule)
    candidate = ScoredModel("fraud", "1", scores, threshold)
    return rows, rule, compare_models(rows, candidate, None, config)


def decided(result: ComparisonResult, guardrails: Guardrails, days: int = 21) -> PromotionDecision:
    report = ab_report_table(result, MONDAY, report_id_of(MONDAY, "1", None), "a" * 64)
    evidence = evidence_from_report(report, date(2018, 6, 18), None)
    now = datetime.now(UTC)
    return decide((), evidence, guardrails, "automatic", "test", now)


@pytest.mark.parametrize("scale", [0.02, 1.0, 150.0])
def test_a_new_team_gets_a_champion_by_the_defaults_whatever_its_currency(scale: float) -> None:
    settings = Settings(home=".")
    _, _, result = compared(scale, ComparisonConfig.from_settings(settings))
    assert result.verdict is Verdict.PROMOTE, result.reason
    decision = decided(result, Guardrails.from_settings(settings))
    assert decision.action is Action.PROMOTED, decision.row.reason


@pytest.mark.parametrize("scale", [0.02, 1.0, 150.0])
def test_the_amount_baseline_keeps_the_teams_own_limits(scale: float) -> None:
    rows, rule, result = compared(scale, comparison())
    alerts = int(np.sum(rows.amount_cents > rule))
    assert alerts / DAYS <= 1.5 * LIMITS.max_alerts_per_day
    rate = result.estimate(Metric.FALSE_POSITIVE_RATE, Role.AMOUNT_ABOVE).value
    assert rate <= 1.5 * LIMITS.max_false_positive_rate
    name = result.model(Role.AMOUNT_ABOVE).name
    assert name == f"amount above {rule / 100:,.2f}"


@pytest.mark.parametrize("seed", range(8))
def test_the_amount_rule_is_the_cheapest_that_keeps_both_limits(seed: int) -> None:
    """Against every cut, one by one."""
    random = np.random.default_rng(seed)
    cents = random.integers(1, 60, 400) * 500
    fraud = random.random(400) < 0.05 + 0.2 * (cents > 20_000)
    limits = Constraints(random.uniform(2, 30), random.uniform(0.01, 0.2), random.uniform(0, 50))
    rule = learn_amount_rule(cents, fraud, np.ones(400), 4, limits)
    allowed = {}
    for cut in np.unique(cents):
        alert = cents >= cut
        if (
            alert.sum() / 4 <= limits.max_alerts_per_day
            and (alert & ~fraud).sum() / (~fraud).sum() <= limits.max_false_positive_rate
        ):
            missed = cents[fraud & ~alert].sum() / 100 / 4
            allowed[int(cut)] = missed + limits.review_cost * alert.sum() / 4
    assert rule is not None
    if not allowed:
        assert not (cents > rule).any()
        return
    chosen = min(cut for cut in cents if cut > rule)
    assert allowed[int(chosen)] == pytest.approx(min(allowed.values()))


def test_without_days_to_learn_on_the_baseline_alerts_on_nothing() -> None:
    nothing = np.zeros(0)
    rule = learn_amount_rule(nothing.astype(np.int64), nothing > 0, nothing, 0, LIMITS)
    assert rule is None
    rows, scores = portfolio(1.0, 3)
    config = comparison(resamples=300, amount_rule_cents=rule)
    result = compare_models(rows, ScoredModel("fraud", "1", scores, 0.5), None, config)
    assert result.estimate(Metric.RECALL, Role.AMOUNT_ABOVE).value == 0


def test_what_a_perfect_model_reaches_by_hand() -> None:
    """Day 0: cards 1, 2, 3 defrauded; day 1: 1 (found before, gone) and 4; k = 2, then 10."""
    day = np.array([0, 0, 0, 0, 1, 1, 1])
    card = np.array([1, 2, 3, 9, 1, 4, 9])
    fraud = np.array([1, 1, 1, 0, 1, 1, 0], dtype=bool)
    rows = ComparisonRows(day, np.arange(7), card, card, card * 100, fraud, fraud * 1)
    # k = 2: cards 1 and 2 on day 0, card 4 on day 1 (3 had no fraud then): (1 + 1/2) / 2
    assert attainable_card_precision(rows, 2) == pytest.approx(0.75)
    assert attainable_card_precision(rows, 10) == pytest.approx((3 + 1) / 10 / 2)


def test_a_guardrail_that_no_model_can_pass_says_so_with_the_value_and_the_remedy() -> None:
    _, _, result = compared(1.0, comparison())
    assert result.attainable_card_precision == pytest.approx(DEFRAUDED_A_DAY / 100)
    assert "a perfect model's card precision: 0.1100" in str(result)
    decision = decided(result, guardrails(min_card_precision=0.2))
    assert decision.action is Action.REFUSED
    for part in (
        "min_card_precision refuses", "perfect model reaches only 0.1100", "no model can pass",
        "FRAUD_MIN_CARD_PRECISION below 0.1100", "FRAUD_CARDS_PER_DAY", "about 11",
    ):  # fmt: skip
        assert part in decision.row.reason


def test_a_guardrail_that_can_be_passed_says_how_far_it_is() -> None:
    _, _, result = compared(1.0, comparison(k=11))
    own = result.estimate(Metric.CARD_PRECISION).value
    decision = decided(result, guardrails(min_card_precision_share=0.999))
    assert decision.action is Action.REFUSED
    assert decision.row.guardrail == "min_card_precision_share"
    assert f"card precision is {own:.4f}" in decision.row.reason
    assert "a perfect model reaches 1.0000 on these rows" in decision.row.reason


def test_k_follows_what_the_team_looks_at() -> None:
    settings = Settings(home=".", cards_per_day=11)
    _, _, result = compared(1.0, ComparisonConfig.from_settings(settings))
    assert result.attainable_card_precision == pytest.approx(1.0)
    assert "k = 11 cards a day" in result.rules
    assert result.estimate(Metric.CARD_PRECISION).value > 0.5


def test_a_verdict_to_keep_also_names_the_guardrail_that_waits() -> None:
    evidence = Evidence(
        knowledge_date=MONDAY, report_id="r", verdict=Verdict.KEEP, reason="not better",
        model_name="fraud", candidate_version="1", champion_version=None, card_precision=0.05,
        scenario_recall={}, candidate_training_end=date(2018, 6, 18), champion_training_end=None,
        attainable_card_precision=0.08, cards_per_day=100,
    )  # fmt: skip
    decision = decide(
        (), evidence, guardrails(min_card_precision=0.1), "automatic", "test", datetime.now(UTC)
    )
    assert decision.action is Action.KEPT
    assert "not better; min_card_precision 0.1000 cannot be attained" in decision.row.reason


def test_too_few_defrauded_customers_name_the_setting() -> None:
    rows, scores = portfolio(1.0, 4)
    few = rows.is_fraud & (np.arange(len(rows)) < 5)
    few_rows = ComparisonRows(**{**vars(rows), "is_fraud": few, "fraud_scenario": few * 2})
    config = comparison(resamples=300)
    result = compare_models(few_rows, ScoredModel("fraud", "1", scores, 0.5), None, config)
    assert result.verdict is Verdict.NOT_ENOUGH_EVIDENCE
    assert "only 5 customers" in result.reason
    assert "FRAUD_MIN_DEFRAUDED_CUSTOMERS" in result.reason
