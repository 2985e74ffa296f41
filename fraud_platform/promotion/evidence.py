"""The evidence for a promotion decision.

Here: `Evidence`, and reading it from a week's rows of `AB_REPORT`.
Not here: creating the report (`fraud_platform.comparison`), deciding
(`fraud_platform.promotion.decision`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import pyarrow as pa

from fraud_platform.comparison.gate import Verdict
from fraud_platform.comparison.inputs import SCENARIOS, Role
from fraud_platform.comparison.metrics import Metric
from fraud_platform.errors import PromotionError


@dataclass(frozen=True)
class Evidence:
    """A week's report, and when the training of the compared models ended.

    Attributes:
        knowledge_date: the week's D.
        report_id: id of the A/B report.
        verdict: verdict of the report.
        reason: reason for the verdict.
        model_name: name of the registered model.
        candidate_version: the tested version, which is promoted without a refit.
        champion_version: the version it was compared with; None for the baselines.
        card_precision: the candidate's card precision at k.
        scenario_recall: the candidate's recall by scenario, for the scenarios in the test rows.
        candidate_training_end: the day after the candidate's last training day.
        champion_training_end: the day after the champion's last training day; None without one.
        candidate_sha256: digest of the candidate's tested files; None in older reports.
        champion_sha256: digest of the champion's tested files; None in older reports.
        attainable_card_precision: card precision of a model that knows the labels of the test
            rows; None in older reports.
        cards_per_day: k of card precision; None in older reports.
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
    candidate_sha256: str | None = None
    champion_sha256: str | None = None
    attainable_card_precision: float | None = None
    cards_per_day: int | None = None


def evidence_from_report(
    report: pa.Table, candidate_training_end: date, champion_training_end: date | None
) -> Evidence:
    """Return the evidence from one week's rows of `AB_REPORT`.

    Args:
        report: the rows of one knowledge date.
        candidate_training_end: the day after the candidate's last training day.
        champion_training_end: the day after the champion's last training day; None without one.

    Raises:
        PromotionError: there are no rows, or rows of more than one report.
    """
    rows = _rows_of_one_report(report)
    value = {r["metric"]: r["value"] for r in rows if r["subject"] == Role.CANDIDATE}
    recalls = {s: value[Metric[f"RECALL_SCENARIO_{s}"]] for s in SCENARIOS}
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
        candidate_sha256=first.get("candidate_sha256"),
        champion_sha256=first.get("champion_sha256"),
        attainable_card_precision=first.get("attainable_card_precision"),
        cards_per_day=first.get("cards_per_day"),
    )


def models_tested(report: pa.Table) -> tuple[tuple[str, str | None], tuple[str | None, str | None]]:
    """Return version and digest of the candidate and of the champion in a report.

    Raises:
        PromotionError: there are no rows, rows of more than one report, or a digest is missing.
    """
    first = _rows_of_one_report(report)[0]
    candidate: tuple[str, str | None] = (
        first["candidate_version"],
        first.get("candidate_sha256"),
    )
    champion = (first["champion_version"], first.get("champion_sha256"))
    unnamed = [version for version, digest in (candidate, champion) if version and not digest]
    if unnamed:
        raise PromotionError(
            f"{first['report_id']}: expected the digest of each model that was tested, found none "
            f"of version {', '.join(unnamed)}: the report was made before digests were kept. "
            "Materialize ab_report for this knowledge date again, then promotion."
        )
    return candidate, champion


def _rows_of_one_report(report: pa.Table) -> list[dict[str, Any]]:
    rows = report.to_pylist()
    reports = sorted({row["report_id"] for row in rows})
    if len(reports) != 1:
        raise PromotionError(
            f"one A/B report expected, found {reports or 'none'}. Materialize ab_report for this "
            "knowledge date, then promotion."
        )
    return rows
