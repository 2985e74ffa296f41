"""The values that a comparison computes.

Here: each model's estimates and the paired differences, as frozen dataclasses.
Not here: computing them (`fraud_platform.comparison.bootstrap`), the gate's rules
(`fraud_platform.comparison.gate`), the complete result and its text
(`fraud_platform.comparison.report`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from fraud_platform.comparison.inputs import Role
from fraud_platform.comparison.metrics import Metric


class Clustering(StrEnum):
    """The unit that is drawn as a whole in a resample."""

    CUSTOMER = "customer"
    TERMINAL = "terminal"


@dataclass(frozen=True)
class Estimate:
    """One metric of one model.

    Attributes:
        metric: the metric.
        role: the model's role.
        value: value on the original rows.
        mean: mean over resamples.
        standard_deviation: standard deviation over resamples.
        low: lower bound of the percentile interval.
        high: upper bound of the percentile interval.
        clustered_by: the clustering with the wider interval; mean, standard deviation and bounds
            are from it.
    """

    metric: Metric
    role: Role
    value: float
    mean: float
    standard_deviation: float
    low: float
    high: float
    clustered_by: Clustering


@dataclass(frozen=True)
class Difference:
    """One metric's paired difference, candidate minus reference, on the same resamples.

    Attributes:
        metric: the metric.
        against: the reference.
        value: difference on the original rows.
        mean: mean over resamples.
        standard_deviation: standard deviation over resamples.
        low: the lowest of both clusterings' percentile and Student's t bounds.
        high: the highest of these bounds.
        clustered_by: the clustering with the wider interval; the other values are from it.
        degrees_of_freedom: degrees of freedom of the standard deviation; low if a few clusters
            account for most of it.
        z_score: value / standard_deviation.
        p_value: two-sided p-value of the z-score under Student's t.
        p_value_holm: p-value after Holm's adjustment over the tested metrics of this reference.
        by_clustering: clustering and bounds of each percentile interval.
    """

    metric: Metric
    against: Role
    value: float
    mean: float
    standard_deviation: float
    low: float
    high: float
    clustered_by: Clustering
    degrees_of_freedom: float
    z_score: float
    p_value: float
    p_value_holm: float
    by_clustering: tuple[tuple[Clustering, float, float], ...]
