"""The platform's clocks and spans, one definition each.

Here: label delay, tile width, the parts of a knowledge date's week.
Not here: today's date. Schedules work on the data's clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

LABEL_DELAY_DAYS = 7
TILE_SECONDS = 3600
HOURS_PER_DAY = 24
LABEL_DELAY_HOURS = LABEL_DELAY_DAYS * HOURS_PER_DAY
MIN_TRAINING_DAYS = 7
LATE_DAYS = 7
"""A row this late still finds all that it looks back to; the state keeps nothing beyond."""


@dataclass(frozen=True)
class KnowledgeWeek:
    """The prequential split of one knowledge date D (a Monday, 00:00 UTC).

    Training rows lie before D - 21 d, test rows in [D - 14 d, D - 7 d); the gap between them is
    the label delay, and every label of the test rows is known at D.
    """

    knowledge_date: date

    @property
    def train_end(self) -> date:
        """First day that is no longer training data: D - 21 d."""
        return self.knowledge_date - timedelta(days=3 * LABEL_DELAY_DAYS)

    @property
    def test_start(self) -> date:
        """First day of the test week: D - 14 d."""
        return self.knowledge_date - timedelta(days=2 * LABEL_DELAY_DAYS)

    @property
    def test_end(self) -> date:
        """First day after the test week: D - 7 d."""
        return self.knowledge_date - timedelta(days=LABEL_DELAY_DAYS)
