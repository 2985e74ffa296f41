"""What a promotion decision rests on.

Here: `Evidence`, and reading it from a week's rows of `AB_REPORT`.
Not here: making the report (`fraud_platform.comparison`), deciding
(`fraud_platform.promotion.decision`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import pyarrow as pa

from fraud_platform.comparison.gate import Verdict
from fraud_platform.comparison.inputs import SCENARIOS, Metric, Role
from fraud_platform.errors import PromotionError


@dataclass(frozen=True)
class Evidence:
    """A week's report, and when the compared models' training ended.

    Attributes:
        knowledge_date: the week's D.
        report_id: the A/B report.
        verdict: its verdict.
        reason: its reason in words.
        model_name: registered model.
        candidate_version: the model that was tested, and would be promoted without a refit.
        champion_version: whom it was compared with; None for the baselines.
        card_precision: the candidate's card precision at k.
        scenario_recall: the candidate's recall by scenario, of the scenarios that were tested.
        candidate_training_end: first day that the candidate was not trained on.
        champion_training_end: the same of the champion; None without one.
    """

    knowledge_date: date
    report_id: str
    verdict: Verdict
    reason: str
    model_name: str
    candidate_version: str
    champion_version: str | None
    card_precision: float
    scenario_recall: Mapping[int, float]
    candidate_training_end: date
    champion_training_end: date | None


def evidence_from_report(
    report: pa.Table, candidate_training_end: date, champion_training_end: date | None
) -> Evidence:
    """Return the evidence of one week's rows of `AB_REPORT`.

    Args:
        report: the rows of one knowledge date.
        candidate_training_end: first day that the candidate was not trained on.
        champion_training_end: the same of the champion; None without one.

    Raises:
        PromotionError: there is no row, or rows of more than one report.
    """
    rows = report.to_pylist()
    reports = sorted({row["report_id"] for row in rows})
    if len(reports) != 1:
        raise PromotionError(
            f"one A/B report expected, found {reports or 'none'}. Materialize ab_report for this "
            "knowledge date, then promotion."
        )
    value = {r["metric"]: r["value"] for r in rows if r["subject"] == Role.CANDIDATE}
    recalls = {s: value[Metric(f"recall_scenario_{s}")] for s in SCENARIOS}
    first = rows[0]
    return Evidence(
        knowledge_date=first["knowledge_date"],
        report_id=first["report_id"],
        verdict=Verdict(first["verdict"]),
        reason=first["verdict_reason"],
        model_name=first["candidate_name"],
        candidate_version=first["candidate_version"],
        champion_version=first["champion_version"],
        card_precision=value[Metric.CARD_PRECISION],
        scenario_recall={s: recall for s, recall in recalls.items() if recall is not None},
        candidate_training_end=candidate_training_end,
        champion_training_end=champion_training_end,
    )
