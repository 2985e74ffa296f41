"""The prequential split of a knowledge date: training days, a gap, the test week, a gap.

Here: `split_days`, the lengths for this data set, and `KnowledgeWeek`.
Not here: which weeks are due (`fraud_platform.calendar.due`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from fraud_platform.contracts.active import LABEL_DELAY_DAYS

_TEST_DAYS = 7
_LEAST_GAP_DAYS = 7


def split_days(label_delay_days: int) -> tuple[int, int, int]:
    """Return how many days before a knowledge date the test ends and begins, and training ends.

    The lengths are the split's own. A gap is longer only if the labels need it: those of training
    rows must be known when the test begins, and those of test rows at the knowledge date.
    """
    gap = max(_LEAST_GAP_DAYS, label_delay_days)
    return gap, gap + _TEST_DAYS, gap + _TEST_DAYS + gap


TEST_ENDS_DAYS_BEFORE, TEST_STARTS_DAYS_BEFORE, TRAINING_ENDS_DAYS_BEFORE = split_days(
    LABEL_DELAY_DAYS
)
MIN_TRAINING_DAYS = 7


@dataclass(frozen=True)
class KnowledgeWeek:
    """The prequential split of one knowledge date D (00:00 UTC).

    With a label delay of at most 7 days, training rows are before D - 21 d and test rows in
    [D - 14 d, D - 7 d). The gap between them is at least the label delay, and all labels of the
    test rows are known at D.
    """

    knowledge_date: date

    @property
    def train_end(self) -> date:
        """First day after the training days."""
        return self.knowledge_date - timedelta(days=TRAINING_ENDS_DAYS_BEFORE)

    @property
    def test_start(self) -> date:
        """First day of the test week."""
        return self.knowledge_date - timedelta(days=TEST_STARTS_DAYS_BEFORE)

    @property
    def test_end(self) -> date:
        """First day after the test week."""
        return self.knowledge_date - timedelta(days=TEST_ENDS_DAYS_BEFORE)
