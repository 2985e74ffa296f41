"""The judged comparison: pairing, references, gate, verdict, and the forms it takes."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from scipy import stats

from fraud_platform.comparison.bootstrap import compare_models
from fraud_platform.comparison.forest_plot import forest_plot
from fraud_platform.comparison.gate import GateLine, Rule, Verdict, conclude, judge_line
from fraud_platform.comparison.inputs import (
    ComparisonConfig,
    ComparisonRows,
    Role,
    ScoredModel,
    baseline_models,
)
from fraud_platform.comparison.metrics import TESTED_METRICS, Metric
from fraud_platform.comparison.report import ComparisonResult, ab_report_table, report_id_of
from fraud_platform.comparison.results import Clustering, Difference
from fraud_platform.contracts.model_tables import AB_REPORT
from fraud_platform.errors import NotEnoughDataError, PromotionError
from fraud_platform.promotion.evidence import evidence_from_report
from fraud_platform.settings import Settings
from fraud_platform_tests.oracles.scored_customers import scored_rows
from fraud_platform_tests.testing.defaults import comparison

CONFIG = comparison(resamples=300, amount_rule_cents=22_000)
D = date(2018, 7, 30)


Compared = tuple[ComparisonRows, ScoredModel, ScoredModel, ComparisonResult]


@pytest.fixture(scope="module")
def compared() -> Compared:
    rows, candidate, champion = scored_rows(np.random.default_rng(1), skill=(1.6, 0.2))
    return rows, candidate, champion, compare_models(rows, candidate, champion, CONFIG)


def test_the_order_of_the_rows_changes_no_figure(compared: Compared) -> None:
    rows, candidate, champion, result = compared
    shuffled = np.random.default_rng(2).permutation(len(rows))

    def moved(model: ScoredModel) -> ScoredModel:
        return replace(model, probability=model.probability[shuffled])

    again = compare_models(rows.take(shuffled), moved(candidate), moved(champion), CONFIG)
    assert again == result


def test_models_that_score_alike_differ_by_exactly_nothing(compared: Compared) -> None:
    rows, candidate, _, _ = compared
    result = compare_models(rows, candidate, replace(candidate, version="1"), CONFIG)
    for metric in TESTED_METRICS:
        d = result.difference(metric)
        assert (d.value, d.low, d.high, d.z_score, d.p_value) == (0.0, 0.0, 0.0, 0.0, 1.0)
    assert result.verdict is Verdict.KEEP


def test_pairing_makes_the_difference_of_near_twins_far_surer_than_their_figures(
    compared: Compared,
) -> None:
    rows, _, champion, _ = compared
    noise = np.random.default_rng(3).normal(0, 0.05, len(rows))
    twin = replace(champion, probability=np.clip(champion.probability * np.exp(noise), 0, 1))
    result = compare_models(rows, champion, twin, CONFIG)
    spread = result.estimate(Metric.AUC_ROC).standard_deviation
    assert result.difference(Metric.AUC_ROC).standard_deviation < spread / 2


def test_the_reported_interval_reaches_as_far_as_any_percentile_or_student_bound(
    compared: Compared,
) -> None:
    for d in compared[3].differences:
        widths = {c: high - low for c, low, high in d.by_clustering}
        assert widths[d.clustered_by] == max(widths.values())
        reach = stats.t.ppf(0.975, d.degrees_of_freedom) * d.standard_deviation
        lows = [low for _, low, _ in d.by_clustering]
        highs = [high for _, _, high in d.by_clustering]
        assert d.low <= min(*lows, d.value - reach) + 1e-12
        assert d.high >= max(*highs, d.value + reach) - 1e-12
        assert d.high - d.low < 2 * max(*widths.values(), 2 * reach) + 1e-12
        assert d.value == pytest.approx(d.mean, abs=4 * d.standard_deviation)


def test_swapping_the_models_mirrors_every_difference(compared: Compared) -> None:
    rows, candidate, champion, result = compared
    mirrored = compare_models(rows, champion, candidate, CONFIG)
    for metric in TESTED_METRICS:
        one, other = result.difference(metric), mirrored.difference(metric)
        assert (one.value, one.z_score) == pytest.approx((-other.value, -other.z_score))
        assert (one.low, one.high) == pytest.approx((-other.high, -other.low))
    assert (result.verdict, mirrored.verdict) == (Verdict.PROMOTE, Verdict.KEEP)


def test_never_fraud_and_amount_above_stand_beside_both_models(compared: Compared) -> None:
    rows, _, _, result = compared
    prevalence = rows.is_fraud.mean()
    assert [m.role for m in result.models] == list(Role)
    never = {m: result.estimate(m, Role.NEVER_FRAUD).value for m in Metric}
    assert never[Metric.AVERAGE_PRECISION] == pytest.approx(prevalence)
    assert never[Metric.AUC_ROC] == 0.5
    assert never[Metric.RECALL] == never[Metric.FALSE_POSITIVE_RATE] == 0.0
    missed = rows.amount_cents[rows.is_fraud].sum() / 100 / 7
    assert never[Metric.EXPECTED_LOSS] == pytest.approx(missed)
    above = rows.amount_cents > 22_000
    recall = above[rows.is_fraud].mean()
    assert result.estimate(Metric.RECALL, Role.AMOUNT_ABOVE).value == pytest.approx(recall)
    false_positives = above[~rows.is_fraud].mean()
    rate = result.estimate(Metric.FALSE_POSITIVE_RATE, Role.AMOUNT_ABOVE).value
    assert rate == pytest.approx(false_positives)


def test_the_first_candidate_is_judged_against_both_baselines(compared: Compared) -> None:
    rows, candidate, _, _ = compared
    first = compare_models(rows, candidate, None, CONFIG)
    asked = [(line.against, line.metric, line.rule) for line in first.gate]
    gate = [
        (Metric.AVERAGE_PRECISION, Rule.SUPERIOR),
        (Metric.CARD_PRECISION, Rule.NOT_INFERIOR),
        (Metric.EXPECTED_LOSS, Rule.NOT_INFERIOR),
    ]
    baselines = (Role.NEVER_FRAUD, Role.AMOUNT_ABOVE)
    assert asked == [(against, *line) for against in baselines for line in gate]
    assert first.verdict is Verdict.PROMOTE


def test_a_first_candidate_that_knows_nothing_is_not_promoted(compared: Compared) -> None:
    rows, candidate, _, _ = compared
    guess = replace(candidate, probability=np.random.default_rng(4).random(len(rows)))
    assert compare_models(rows, guess, None, CONFIG).verdict is Verdict.KEEP


def difference(metric: Metric, low: float, high: float, value: float | None = None) -> Difference:
    middle = (low + high) / 2 if value is None else value
    return Difference(
        metric, Role.CHAMPION, middle, middle, 0.1, low, high, Clustering.CUSTOMER,
        30.0, 0.0, 1.0, 1.0, (),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("metric", "rule", "low", "high", "outcome"),
    [
        (Metric.AVERAGE_PRECISION, Rule.SUPERIOR, 0.001, 0.02, "passed"),
        (Metric.AVERAGE_PRECISION, Rule.SUPERIOR, 0.0, 0.02, "open"),
        (Metric.AVERAGE_PRECISION, Rule.SUPERIOR, -0.02, 0.01, "open"),
        (Metric.AVERAGE_PRECISION, Rule.SUPERIOR, -0.02, 0.0, "refuted"),
        (Metric.CARD_PRECISION, Rule.NOT_INFERIOR, -0.05, 0.01, "passed"),
        (Metric.CARD_PRECISION, Rule.NOT_INFERIOR, -0.06, 0.01, "open"),
        (Metric.CARD_PRECISION, Rule.NOT_INFERIOR, -0.09, -0.051, "refuted"),
        (Metric.EXPECTED_LOSS, Rule.NOT_INFERIOR, -3.0, 0.05, "passed"),
        (Metric.EXPECTED_LOSS, Rule.NOT_INFERIOR, -3.0, 0.06, "open"),
        (Metric.EXPECTED_LOSS, Rule.NOT_INFERIOR, 0.051, 0.06, "refuted"),
    ],
)
def test_a_gate_line_passes_is_open_or_refuted_by_its_interval(
    metric: Metric, rule: Rule, low: float, high: float, outcome: str
) -> None:
    margin = 0.0 if rule is Rule.SUPERIOR else 0.05
    assert judge_line(difference(metric, low, high), rule, margin).outcome == outcome


PASSED = judge_line(difference(Metric.AVERAGE_PRECISION, 0.1, 0.2), Rule.SUPERIOR, 0.0)
OPEN = judge_line(difference(Metric.CARD_PRECISION, -0.1, 0.2), Rule.NOT_INFERIOR, 0.01)
REFUTED = judge_line(difference(Metric.EXPECTED_LOSS, 0.1, 0.2), Rule.NOT_INFERIOR, 0.01)


@pytest.mark.parametrize(
    ("gate", "verdict", "words"),
    [
        ((PASSED,), Verdict.PROMOTE, "average precision is better than the champion's, +0.1500"),
        ((PASSED, OPEN), Verdict.NOT_ENOUGH_EVIDENCE, "is not shown to be at most 0.0100 worse"),
        ((PASSED, OPEN, REFUTED), Verdict.KEEP, "expected loss a day is more than 0.01 worse"),
    ],
)
def test_the_verdict_follows_the_gate_and_says_why(
    gate: tuple[GateLine, ...], verdict: Verdict, words: str
) -> None:
    found, reason = conclude(gate, 100, CONFIG)
    assert found is verdict
    assert words in reason


def test_too_few_defrauded_customers_are_never_enough() -> None:
    verdict, reason = conclude((PASSED,), 19, CONFIG)
    assert verdict is Verdict.NOT_ENOUGH_EVIDENCE
    assert "only 19 customers" in reason


def test_the_margin_of_expected_loss_is_a_share_of_the_references(compared: Compared) -> None:
    result = compared[3]
    line = next(x for x in result.gate if x.metric is Metric.EXPECTED_LOSS)
    loss = result.estimate(Metric.EXPECTED_LOSS, Role.CHAMPION).value
    assert line.margin == pytest.approx(CONFIG.expected_loss_margin * loss)


def test_holm_is_over_the_seven_tested_metrics_of_a_reference(compared: Compared) -> None:
    result = compared[3]
    p = sorted(d.p_value for d in result.differences if d.against is Role.CHAMPION)
    adjusted = min(d.p_value_holm for d in result.differences if d.against is Role.CHAMPION)
    assert len(p) == 7
    assert adjusted == pytest.approx(min(1.0, 7 * p[0]))


def test_rows_without_frauds_are_not_enough(compared: Compared) -> None:
    rows, candidate, champion, _ = compared
    none = replace(rows, is_fraud=np.zeros(len(rows), bool), fraud_scenario=rows.day * 0)
    with pytest.raises(NotEnoughDataError, match="found 0 frauds"):
        compare_models(none, candidate, champion, CONFIG)


def test_repeated_ids_wrong_lengths_and_scores_that_are_no_numbers_are_refused(
    compared: Compared,
) -> None:
    rows, candidate, champion, _ = compared
    twice = rows.transaction_id.copy()
    twice[1] = twice[0]
    with pytest.raises(ValueError, match="found 1 repeated"):
        compare_models(replace(rows, transaction_id=twice), candidate, champion, CONFIG)
    with pytest.raises(ValueError, match="columns of equal length"):
        compare_models(replace(rows, day=rows.day[1:]), candidate, champion, CONFIG)
    short = replace(champion, probability=champion.probability[:2])
    with pytest.raises(ValueError, match=r"scored \(2,\) rows"):
        compare_models(rows, candidate, short, CONFIG)
    broken = champion.probability.copy()
    broken[5] = np.inf
    with pytest.raises(ValueError, match="1 scores that are not finite"):
        compare_models(rows, candidate, replace(champion, probability=broken), CONFIG)


def test_a_scenario_without_frauds_has_no_recall_and_spoils_nothing(compared: Compared) -> None:
    rows, candidate, champion, _ = compared
    only_two = replace(rows, fraud_scenario=np.where(rows.is_fraud, 2, 0))
    result = compare_models(only_two, candidate, champion, CONFIG)
    assert np.isnan(result.estimate(Metric.RECALL_SCENARIO_3).value)
    assert "candidate.recall_scenario_3" not in result.metrics()
    table = ab_report_table(result, D, "r")
    values = {(r["subject"], r["metric"]): r["value"] for r in table.to_pylist()}
    assert values["candidate", "recall_scenario_3"] is None
    evidence = evidence_from_report(table, D, None)
    assert set(evidence.scenario_recall) == {2}


def test_the_result_prints_every_metric_the_gate_and_the_verdict(compared: Compared) -> None:
    text = str(compared[3])
    for metric in Metric:
        assert metric.label in text
    assert text.count("passed") == 3
    assert "Verdict: promote. average precision is better than the champion's" in text
    markdown = compared[3].as_markdown()
    assert markdown.startswith("**Promote**")
    assert "| average precision | " in markdown


def test_the_report_table_holds_one_row_a_figure_by_contract(compared: Compared) -> None:
    result = compared[3]
    report_id = report_id_of(D, "2", "1")
    table = ab_report_table(result, D, report_id)
    assert table.schema.equals(AB_REPORT.arrow_schema)
    rows = table.to_pylist()
    keys = {tuple(r[c] for c in AB_REPORT.key) for r in rows}
    assert len(keys) == len(rows) == 4 * len(Metric) + 3 * len(TESTED_METRICS)
    by_key = {(r["subject"], r["metric"]): r for r in rows}
    gate_row = by_key["candidate_less_champion", "expected_loss"]
    assert (gate_row["gate_rule"], gate_row["gate_outcome"]) == ("not_inferior", "passed")
    d = result.difference(Metric.EXPECTED_LOSS)
    assert (gate_row["low"], gate_row["high"], gate_row["z_score"]) == (d.low, d.high, d.z_score)
    assert {r["verdict"] for r in rows} == {"promote"}
    for column in AB_REPORT.columns:
        assert column.nullable or all(r[column.name] is not None for r in rows), column.name


def test_evidence_for_a_promotion_is_read_back_from_the_report(compared: Compared) -> None:
    result = compared[3]
    report_id = report_id_of(D, "2", "1")
    evidence = evidence_from_report(ab_report_table(result, D, report_id), D, D)
    assert (evidence.report_id, evidence.verdict) == (report_id, Verdict.PROMOTE)
    assert (evidence.candidate_version, evidence.champion_version) == ("2", "1")
    assert evidence.card_precision == result.estimate(Metric.CARD_PRECISION).value
    assert evidence.scenario_recall[3] == result.estimate(Metric.RECALL_SCENARIO_3).value
    with pytest.raises(PromotionError, match="one A/B report expected, found none"):
        evidence_from_report(AB_REPORT.arrow_schema.empty_table(), D, None)


def test_metrics_for_a_tracker_are_finite_and_named(compared: Compared) -> None:
    metrics = compared[3].metrics()
    assert all(np.isfinite(value) for value in metrics.values())
    assert metrics["candidate.average_precision"] > metrics["champion.average_precision"]
    assert "candidate_less_champion.average_precision.low" in metrics


def test_the_forest_plot_is_a_png_and_the_same_for_the_same_result(compared: Compared) -> None:
    rows, candidate, _, result = compared
    picture = forest_plot(result)
    assert picture.startswith(b"\x89PNG")
    assert picture == forest_plot(result)
    assert picture != forest_plot(result, Role.NEVER_FRAUD)
    assert forest_plot(compare_models(rows, candidate, None, CONFIG)).startswith(b"\x89PNG")


def test_rules_come_from_the_settings() -> None:
    settings = Settings(bootstrap_resamples=777, card_precision_margin=0.03, review_cost=2.5)
    config = ComparisonConfig.from_settings(settings)
    assert (config.resamples, config.card_precision_margin, config.review_cost) == (777, 0.03, 2.5)


def test_rows_are_read_from_columns_named_as_transactions(compared: Compared) -> None:
    rows = compared[0]
    columns = {name: getattr(rows, name) for name in vars(rows) if name != "day"}
    again = ComparisonRows.from_columns({**columns, "tx_date": rows.day})
    assert np.array_equal(again.day, rows.day)
    assert again.transaction_id is rows.transaction_id


def test_a_day_may_be_a_date(compared: Compared) -> None:
    rows, candidate, champion, result = compared
    dated = replace(rows, day=np.datetime64("2018-07-16") + rows.day)
    assert compare_models(dated, candidate, champion, CONFIG).estimates == result.estimates


def test_amount_above_k_alerts_above_k_and_not_at_it() -> None:
    amounts = np.array([22_000, 22_001])
    ids = np.array([0, 1])
    rows = ComparisonRows(ids, ids, ids, ids, amounts, np.array([True, False]), amounts * 0)
    rule = baseline_models(rows, 22_000)[Role.AMOUNT_ABOVE]
    assert (rule.probability >= rule.threshold).tolist() == [False, True]


def test_the_family_of_the_holm_adjustment_is_named_by_its_members() -> None:
    """A metric that only informs may be anywhere in the report's order."""
    tested = [
        Metric.AVERAGE_PRECISION,
        Metric.AUC_ROC,
        Metric.CARD_PRECISION,
        Metric.RECALL,
        Metric.FALSE_POSITIVE_RATE,
        Metric.EXPECTED_LOSS,
        Metric.BRIER,
    ]
    informing = [Metric[f"RECALL_SCENARIO_{scenario}"] for scenario in (1, 2, 3)]
    assert [metric for metric in Metric if metric in {*tested, *informing}] == tested + informing
    assert [metric for metric in TESTED_METRICS if metric in tested] == tested
    assert not set(TESTED_METRICS) & set(informing)
    assert Metric.FALSE_POSITIVE_RATE.show(0.123456) == "0.12346"
    assert [metric for metric in tested if not metric.higher_is_better] == tested[4:]
