"""The gate: the rules that a candidate must pass, and the verdict with its reason.

Here: the rules of superiority and non-inferiority, judged by an interval, and the verdict.
Not here: intervals (`fraud_platform.comparison.bootstrap`), acting on a verdict, guardrails
(`fraud_platform.promotion`).

A non-inferiority margin is the largest loss that the team accepts in exchange for a better ranking
(Piaggio et al., Reporting of noninferiority and equivalence randomized trials, JAMA 2012).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from fraud_platform.comparison.inputs import BASELINES, ComparisonConfig, Role
from fraud_platform.comparison.metrics import Metric
from fraud_platform.comparison.results import Difference, Estimate


class Rule(StrEnum):
    """What a line of the gate requires of the difference, candidate minus reference."""

    SUPERIOR = "superior"
    NOT_INFERIOR = "not_inferior"


class Verdict(StrEnum):
    """The conclusion of a comparison."""

    PROMOTE = "promote"
    KEEP = "keep"
    NOT_ENOUGH_EVIDENCE = "not_enough_evidence"


@dataclass(frozen=True)
class GateLine:
    """One rule of the gate, judged.

    Attributes:
        metric: the metric.
        against: the reference.
        rule: the requirement.
        difference: candidate minus reference, in the metric's unit.
        low: lower bound of its interval.
        high: upper bound of its interval.
        margin: the tolerated loss in the metric's unit, >= 0; 0 for superior.
        passed: whether the whole interval satisfies the rule.
        refuted: whether the whole interval contradicts the rule.
    """

    metric: Metric
    against: Role
    rule: Rule
    difference: float
    low: float
    high: float
    margin: float
    passed: bool
    refuted: bool

    @property
    def outcome(self) -> str:
        """`passed`, `refuted` or `open`."""
        return "passed" if self.passed else "refuted" if self.refuted else "open"

    @property
    def interval(self) -> str:
        """The difference and its interval as text."""
        return self.metric.show_difference(self.difference, self.low, self.high)

    @property
    def requirement(self) -> str:
        """The requirement as text."""
        return f"{self.metric.label} {self._claim}"

    @property
    def statement(self) -> str:
        """The conclusion from the interval as text."""
        if self.passed:
            says = f"is {self._claim}"
        elif not self.refuted:
            says = f"is not shown to be {self._claim}"
        elif self.rule is Rule.SUPERIOR:
            says = f"is not {self._claim}"
        else:
            says = f"is {self._claim.replace('at most', 'more than')}"
        return f"{self.metric.label} {says}, {self.interval}"

    @property
    def _claim(self) -> str:
        whose = "the champion's"
        if self.against is not Role.CHAMPION:
            whose = f'that of "{self.against.replace("_", " ")}"'
        if self.rule is Rule.SUPERIOR:
            return f"better than {whose}"
        return f"at most {self.metric.show(self.margin)} worse than {whose}"

    def __str__(self) -> str:
        return f"{self.outcome:8} {self.requirement}: {self.interval}"


def judge(
    differences: Iterable[Difference], estimates: Iterable[Estimate], config: ComparisonConfig
) -> tuple[GateLine, ...]:
    """Return the judged lines of the gate, against the champion or else against each baseline.

    Args:
        differences: candidate minus reference for every metric and reference.
        estimates: each model's metrics; the margin of expected loss is relative to the reference's.
        config: the margins.
    """
    by_key = {(d.metric, d.against): d for d in differences}
    value = {(e.metric, e.role): e.value for e in estimates}
    has_champion = any(against is Role.CHAMPION for _, against in by_key)
    lines = []
    for against in (Role.CHAMPION,) if has_champion else BASELINES:
        loss_margin = config.expected_loss_margin * value[Metric.EXPECTED_LOSS, against]
        for metric, rule, margin in (
            (Metric.AVERAGE_PRECISION, Rule.SUPERIOR, 0.0),
            (Metric.CARD_PRECISION, Rule.NOT_INFERIOR, config.card_precision_margin),
            (Metric.EXPECTED_LOSS, Rule.NOT_INFERIOR, loss_margin),
        ):
            lines.append(judge_line(by_key[metric, against], rule, margin))
    return tuple(lines)


def judge_line(difference: Difference, rule: Rule, margin: float) -> GateLine:
    """Return one judged line of the gate from a difference and its interval."""
    worse_by, better_by = -difference.low, difference.high
    if not difference.metric.higher_is_better:
        worse_by, better_by = difference.high, -difference.low
    if rule is Rule.SUPERIOR:
        passed, refuted = worse_by < 0, better_by <= 0
    else:
        passed, refuted = worse_by <= margin, better_by < -margin
    return GateLine(
        metric=difference.metric,
        against=difference.against,
        rule=rule,
        difference=difference.value,
        low=difference.low,
        high=difference.high,
        margin=margin,
        passed=passed,
        refuted=refuted,
    )


def conclude(
    gate: tuple[GateLine, ...], defrauded_customers: int, config: ComparisonConfig
) -> tuple[Verdict, str]:
    """Return the verdict and its reason as text.

    With too few defrauded customers the verdict is always not_enough_evidence. Otherwise it is
    promote if every line passed, keep if at least one is refuted, else not_enough_evidence.
    """
    if defrauded_customers < config.min_defrauded_customers:
        return Verdict.NOT_ENOUGH_EVIDENCE, (
            f"only {defrauded_customers} customers were defrauded in the test; at least "
            f"{config.min_defrauded_customers} are needed for intervals that can be trusted "
            "(FRAUD_MIN_DEFRAUDED_CUSTOMERS)"
        )
    level = f"at {config.confidence_level:.0%} confidence"
    refuted = [line.statement for line in gate if line.refuted]
    still_open = [line.statement for line in gate if not line.passed]
    if refuted:
        return Verdict.KEEP, f"{'; '.join(refuted)} ({level})"
    if still_open:
        return Verdict.NOT_ENOUGH_EVIDENCE, f"{'; '.join(still_open)} ({level})"
    better = [line.statement for line in gate if line.rule is Rule.SUPERIOR]
    within = dict.fromkeys(x.metric.label for x in gate if x.rule is Rule.NOT_INFERIOR)
    return Verdict.PROMOTE, (
        f"{'; '.join(better)}; {' and '.join(within)} within the margins ({level})"
    )
