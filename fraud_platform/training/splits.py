"""The time split of a knowledge date's training days: fit, calibration, threshold.

Here: dates only.
Not here: the test week and the gap (`fraud_platform.contracts.knowledge_week.KnowledgeWeek`), rows
(`fraud_platform.training.training_set`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from fraud_platform.contracts.knowledge_week import MIN_TRAINING_DAYS, KnowledgeWeek
from fraud_platform.errors import NotEnoughDataError
from fraud_platform.tables.training import CALIBRATION, FIT, THRESHOLD


@dataclass(frozen=True)
class TrainingParts:
    """Three consecutive spans of days; each ends on the day before the next begins."""

    fit_start: date
    calibration_start: date
    threshold_start: date
    end: date

    @property
    def days(self) -> int:
        """Number of days in all three parts."""
        return (self.end - self.fit_start).days

    def spans(self) -> dict[str, tuple[date, date]]:
        """Return each part's first day and the day after its last."""
        return {
            FIT: (self.fit_start, self.calibration_start),
            CALIBRATION: (self.calibration_start, self.threshold_start),
            THRESHOLD: (self.threshold_start, self.end),
        }


def training_parts(knowledge_date: date, training_days: int, first_day: date) -> TrainingParts:
    """Split the last days before D - 21 d, at most `training_days` of them.

    The second-last seventh is for calibration and the last seventh for the threshold, each at
    least one day, so that both use days after those that the model was fitted on.

    Args:
        knowledge_date: D.
        training_days: maximum number of days.
        first_day: first day that has features.

    Raises:
        NotEnoughDataError: fewer than `MIN_TRAINING_DAYS` days with features lie before D - 21 d.
    """
    end = KnowledgeWeek(knowledge_date).train_end
    available = (end - first_day).days
    if available < MIN_TRAINING_DAYS:
        earliest = first_day + (knowledge_date - end) + timedelta(days=MIN_TRAINING_DAYS)
        raise NotEnoughDataError(
            f"knowledge date {knowledge_date}: expected at least {MIN_TRAINING_DAYS} days of "
            f"features before {end} (D - 21 d), found {max(available, 0)}, from {first_day} on. "
            f"Take a knowledge date from {earliest} on, or bring earlier drops."
        )
    days = min(training_days, available)
    held_out = max(1, days // 7)
    return TrainingParts(
        fit_start=end - timedelta(days=days),
        calibration_start=end - timedelta(days=2 * held_out),
        threshold_start=end - timedelta(days=held_out),
        end=end,
    )
