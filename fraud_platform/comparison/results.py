"""What a comparison gives: typed, frozen values.

Here: each model's estimates and the paired differences.
Not here: computing them (`fraud_platform.comparison.bootstrap`), the gate's rules
(`fraud_platform.comparison.gate`), the whole result and its print
(`fraud_platform.comparison.report`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from fraud_platform.comparison.inputs import Metric, Role


class Clustering(StrEnum):
    """What is drawn as a whole in a resample."""

    CUSTOMER = "customer"
    TERMINAL = "terminal"


@dataclass(frozen=True)
class Estimate:
    """One metric of one model.

    Attributes:
        metric: what is measured.
        role: whose.
        value: on the rows as they are.
        mean: over resamples.
        standard_deviation: over resamples.
        low: lower bound of the percentile interval.
        high: upper bound.
        clustered_by: the clustering whose interval is the wider one, and which all of mean,
            standard deviation and bounds come from.
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
    """One metric's paired difference, candidate less reference, over the same resamples.

    Attributes:
        metric: what is measured.
        against: the reference.
        value: on the rows as they are.
        mean: over resamples.
        standard_deviation: over resamples.
        low: the lowest of both clusterings' percentile and Student bounds.
        high: the highest.
        clustered_by: the clustering whose interval is the wider one; other figures come from it.
        degrees_of_freedom: of the standard deviation; small where few clusters carry nearly all.
        z_score: value / standard_deviation.
        p_value: two-sided, of the z-score as Student's t with these degrees of freedom.
        p_value_holm: Holm-adjusted over the tested metrics of this reference; NaN outside them.
        by_clustering: the interval under each clustering.
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
