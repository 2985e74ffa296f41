"""Two models on the same scored rows: whose alerts differ, and by how much the scores do.

Here: counts that need no label, in words.
Not here: metrics and their intervals, which need labels (`comparison.bootstrap`), reading rows
(`fraud_platform.operations.live.rescoring`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fraud_platform.comparison.inputs import ScoredModel


@dataclass(frozen=True)
class PairedAlerts:
    """Alerts of a model and of the one that decided, on the same rows.

    Attributes:
        both, only_new, only_decided: rows that alert with both, or with one of them.
        mean_difference: of the probabilities, new less decided.
        largest_difference: its absolute value where it is largest.
    """

    new: str
    decided: str
    rows: int
    both: int
    only_new: int
    only_decided: int
    mean_difference: float
    largest_difference: float

    @classmethod
    def of(cls, new: ScoredModel, decided: ScoredModel) -> PairedAlerts:
        """Count the alerts of two models on the same rows, in the same order."""
        alert_new = new.probability >= new.threshold
        alert_decided = decided.probability >= decided.threshold
        difference = new.probability - decided.probability
        return cls(
            new.version,
            decided.version,
            int(alert_new.size),
            int((alert_new & alert_decided).sum()),
            int((alert_new & ~alert_decided).sum()),
            int((~alert_new & alert_decided).sum()),
            float(difference.mean()) if difference.size else 0.0,
            float(np.abs(difference).max(initial=0.0)),
        )

    def __str__(self) -> str:
        new, decided = f"version {self.new}", f"version {self.decided}"
        return "\n".join(
            [
                f"{self.rows:,} rows that {decided} decided, scored again with {new}:",
                f"  alerts of {decided}: {self.both + self.only_decided:,}",
                f"  alerts of {new}: {self.both + self.only_new:,}",
                (
                    f"  alerts of both: {self.both:,}; only of {new}: {self.only_new:,}; only of "
                    f"{decided}: {self.only_decided:,}"
                ),
                (
                    f"  probability of {new} less that of {decided}: {self.mean_difference:+.6f} "
                    f"in the mean, {self.largest_difference:.6f} at most"
                ),
            ]
        )


def threshold_of(probability: npt.NDArray[np.float64], is_alert: npt.NDArray[np.bool_]) -> float:
    """Return a threshold that gives exactly these alerts of one model."""
    if is_alert.any():
        return float(probability[is_alert].min())
    return float(np.nextafter(probability.max(initial=0.0), np.inf))
