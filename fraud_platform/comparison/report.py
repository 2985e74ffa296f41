"""The complete result of a comparison, as text, Markdown, metrics and table rows.

Here: `ComparisonResult` and its output formats.
Not here: computing it (`fraud_platform.comparison.bootstrap`), its plot
(`fraud_platform.comparison.forest_plot`), storing it (`fraud_platform.defs`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa

from fraud_platform.comparison.gate import GateLine, Verdict
from fraud_platform.comparison.inputs import ComparisonConfig, ComparisonRows, Role
from fraud_platform.comparison.metrics import Metric
from fraud_platform.comparison.results import Difference, Estimate
from fraud_platform.contracts.model_tables import AB_REPORT


@dataclass(frozen=True)
class ComparedModel:
    """The model of a role: a registered model with its threshold, or a baseline."""

    role: Role
    name: str
    version: str
    threshold: float

    def __str__(self) -> str:
        return f"{self.name} {self.version}".strip()


@dataclass(frozen=True)
class RowCounts:
    """The amount of data in a comparison."""

    rows: int
    days: int
    frauds: int
    customers: int
    defrauded_customers: int
    terminals: int

    @classmethod
    def of(cls, rows: ComparisonRows) -> RowCounts:
        """Count a comparison's rows."""
        fraud = rows.is_fraud.astype(bool)
        return cls(
            rows=len(rows),
            days=len(np.unique(rows.day)),
            frauds=int(fraud.sum()),
            customers=len(np.unique(rows.customer_id)),
            defrauded_customers=len(np.unique(rows.customer_id[fraud])),
            terminals=len(np.unique(rows.terminal_id)),
        )

    def __str__(self) -> str:
        return (
            f"{self.rows:,} transactions of {self.customers:,} customers at {self.terminals:,} "
            f"terminals over {self.days} days, {self.frauds:,} frauds of "
            f"{self.defrauded_customers:,} customers"
        )


@dataclass(frozen=True)
class ComparisonResult:
    """The result of a comparison of the candidate with the champion or the baselines.

    Attributes:
        models: the compared models, the candidate first.
        estimates: every metric of every model.
        differences: every tested metric, candidate minus each of the others.
        gate: the judged rules; all must pass for a promotion.
        verdict: promote, keep or not enough evidence.
        reason: the reason for the verdict.
        counts: the amount of data.
        config: the rules of the comparison.
        attainable_card_precision: card precision of a model that knows the labels of these rows.
    """

    models: tuple[ComparedModel, ...]
    estimates: tuple[Estimate, ...]
    differences: tuple[Difference, ...]
    gate: tuple[GateLine, ...]
    verdict: Verdict
    reason: str
    counts: RowCounts
    config: ComparisonConfig
    attainable_card_precision: float | None = None

    @property
    def reference(self) -> Role:
        """The reference that is shown: the champion, else the baseline "amount above k"."""
        roles = [model.role for model in self.models]
        return Role.CHAMPION if Role.CHAMPION in roles else Role.AMOUNT_ABOVE

    @property
    def rules(self) -> str:
        """The rules that a reader needs to understand the values, as text."""
        words = f"{self.config.resamples:,} paired resamples, k = {self.config.k} cards a day"
        if self.attainable_card_precision is None:
            return words
        return f"{words} (a perfect model's card precision: {self.attainable_card_precision:.4f})"

    def model(self, role: Role) -> ComparedModel:
        """Return the model of a role."""
        return next(model for model in self.models if model.role is role)

    def estimate(self, metric: Metric, role: Role = Role.CANDIDATE) -> Estimate:
        """Return one metric of one model."""
        return next(e for e in self.estimates if e.metric is metric and e.role is role)

    def difference(self, metric: Metric, against: Role | None = None) -> Difference:
        """Return the candidate's difference from a reference, by default from `reference`."""
        reference = against or self.reference
        return next(d for d in self.differences if d.metric is metric and d.against is reference)

    def metrics(self) -> dict[str, float]:
        """Return every finite value by a name that MLflow accepts, like candidate.auc_roc."""
        values = {f"{e.role}.{e.metric}": e.value for e in self.estimates}
        for d in self.differences:
            name = f"candidate_less_{d.against}.{d.metric}"
            values |= {name: d.value, f"{name}.low": d.low, f"{name}.high": d.high}
            values |= {f"{name}.z": d.z_score, f"{name}.p_holm": d.p_value_holm}
        return {name: value for name, value in values.items() if np.isfinite(value)}

    def estimate_table(self) -> list[list[str]]:
        """Return the models' metrics as a table of texts, header first."""
        header = ["metric", *(role_words(model.role) for model in self.models)]
        lines = [
            [m.label, *(_estimate_cell(self.estimate(m, x.role)) for x in self.models)]
            for m in Metric
        ]
        return [header, *lines]

    def difference_table(self) -> list[list[str]]:
        """Return the differences from `reference` as a table of texts, header first."""
        level = f"{self.config.confidence_level:.0%} interval"
        header = ["metric", "difference", level, "by", "z", "p", "p Holm"]
        shown = [d for d in self.differences if d.against is self.reference]
        return [
            header,
            *(
                [
                    d.metric.label,
                    d.metric.show(d.value, signed=True),
                    f"[{d.metric.show(d.low, True)}, {d.metric.show(d.high, True)}]",
                    d.clustered_by,
                    f"{d.z_score:+.2f}",
                    f"{d.p_value:.4f}",
                    f"{d.p_value_holm:.4f}",
                ]
                for d in shown
            ),
        ]

    def __str__(self) -> str:
        parts = [
            f"Candidate {self.model(Role.CANDIDATE)} against {self.model(self.reference)}",
            f"{self.counts}; {self.rules}",
            _aligned_text(self.estimate_table()),
            f"Candidate minus {role_words(self.reference)}\n"
            + _aligned_text(self.difference_table()),
            "Gate\n" + "\n".join(f"  {line}" for line in self.gate),
            f"Verdict: {verdict_words(self.verdict)}. {self.reason}",
        ]
        return "\n\n".join(parts)

    def as_markdown(self) -> str:
        """Return the result as Markdown."""
        gate = [
            ["outcome", "rule"],
            *([line.outcome, f"{line.requirement}: {line.interval}"] for line in self.gate),
        ]
        return "\n\n".join(
            [
                f"**{verdict_words(self.verdict).capitalize()}**: {self.reason}",
                (
                    f"Candidate {self.model(Role.CANDIDATE)} against {self.model(self.reference)}; "
                    f"{self.counts}; {self.rules}."
                ),
                _markdown(gate),
                _markdown(self.difference_table()),
                _markdown(self.estimate_table()),
            ]
        )


def ab_report_table(
    result: ComparisonResult,
    knowledge_date: date,
    report_id: str,
    candidate_sha256: str | None = None,
    champion_sha256: str | None = None,
) -> pa.Table:
    """Return the result as rows of `AB_REPORT`: one for each estimate and each difference.

    Args:
        result: the comparison.
        knowledge_date: the week's D.
        report_id: id of the report, from `report_id_of`.
        candidate_sha256: digest of the candidate's files that were tested.
        champion_sha256: digest of the champion's files that were tested.
    """
    config, counts, candidate = result.config, result.counts, result.model(Role.CANDIDATE)
    champion = {m.role: m for m in result.models}.get(Role.CHAMPION)
    shared: dict[str, Any] = {
        "knowledge_date": knowledge_date,
        "report_id": report_id,
        "candidate_name": candidate.name,
        "candidate_version": candidate.version,
        "champion_name": champion.name if champion else None,
        "champion_version": champion.version if champion else None,
        "candidate_sha256": candidate_sha256,
        "champion_sha256": champion_sha256,
        "attainable_card_precision": result.attainable_card_precision,
        "cards_per_day": config.k,
        "verdict": str(result.verdict),
        "verdict_reason": result.reason,
        "confidence_level": config.confidence_level,
        "resamples": config.resamples,
        "seed": config.seed,
        "rows": counts.rows,
        "days": counts.days,
        "frauds": counts.frauds,
        "customers": counts.customers,
        "defrauded_customers": counts.defrauded_customers,
        "terminals": counts.terminals,
    }
    gate = {(line.metric, line.against): line for line in result.gate}
    rows = [_estimate_row(e, result.model(e.role)) for e in result.estimates]
    rows += [_difference_row(d, gate.get((d.metric, d.against))) for d in result.differences]
    complete = [dict.fromkeys(AB_REPORT.column_names) | shared | row for row in rows]
    return pa.Table.from_pylist(complete, schema=AB_REPORT.arrow_schema)


def report_id_of(knowledge_date: date, candidate_version: str, champion_version: str | None) -> str:
    """Return a report's id; repeated runs of the same comparison have the same id."""
    return f"{knowledge_date.isoformat()}_{candidate_version}_vs_{champion_version or 'baselines'}"


def role_words(role: Role) -> str:
    """Return a role's display name."""
    return role.replace("_", " ")


def verdict_words(verdict: Verdict) -> str:
    """Return a verdict's display name."""
    return verdict.replace("_", " ")


def _figures(figure: Estimate | Difference) -> dict[str, Any]:
    numbers = {
        "value": figure.value,
        "mean": figure.mean,
        "standard_deviation": figure.standard_deviation,
        "low": figure.low,
        "high": figure.high,
    }
    return {
        "metric": str(figure.metric),
        "clustered_by": str(figure.clustered_by),
        **{name: _null_if_nan(number) for name, number in numbers.items()},
    }


def _estimate_row(estimate: Estimate, model: ComparedModel) -> dict[str, Any]:
    return {
        **_figures(estimate),
        "kind": "model",
        "subject": str(estimate.role),
        "subject_name": str(model),
        "threshold": model.threshold,
    }


def _difference_row(difference: Difference, line: GateLine | None) -> dict[str, Any]:
    row = {
        **_figures(difference),
        "kind": "difference",
        "subject": f"candidate_less_{difference.against}",
        "subject_name": f"candidate less {role_words(difference.against)}",
        "degrees_of_freedom": difference.degrees_of_freedom,
        "z_score": _null_if_nan(difference.z_score),
        "p_value": _null_if_nan(difference.p_value),
        "p_value_holm": _null_if_nan(difference.p_value_holm),
    }
    for clustering, low, high in difference.by_clustering:
        row[f"{clustering}_low"] = _null_if_nan(low)
        row[f"{clustering}_high"] = _null_if_nan(high)
    if line is not None:
        row |= {
            "gate_rule": str(line.rule),
            "gate_margin": line.margin,
            "gate_outcome": line.outcome,
        }
    return row


def _null_if_nan(number: float) -> float | None:
    return None if np.isnan(number) else number


def _estimate_cell(estimate: Estimate) -> str:
    if np.isnan(estimate.value):
        return "-"
    value, deviation, low, high = (
        estimate.metric.show(number)
        for number in (
            estimate.value,
            estimate.standard_deviation,
            estimate.low,
            estimate.high,
        )
    )
    return f"{value} ± {deviation} [{low}, {high}]"


def _aligned_text(table: list[list[str]]) -> str:
    widths = [max(len(line[i]) for line in table) for i in range(len(table[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in table
    )


def _markdown(table: list[list[str]]) -> str:
    header, *lines = table
    rule = ["---"] * len(header)
    return "\n".join("| " + " | ".join(line) + " |" for line in (header, rule, *lines))
