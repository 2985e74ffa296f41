"""Reports of a follower: what it scored since the last report.

Here: the report, and the interface of what takes reports.
Not here: reporting to Dagster (`defs.pages.follow_reports`), when to report
(`operations.live.follow`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from fraud_platform.scoring.scorer import Progress


@dataclass(frozen=True)
class Report:
    """What was scored since the report before.

    Attributes:
        progress: the work.
        model_version, threshold: of the model that did it.
        highs: first and next offset of each partition at the time, for the lag.
        at: when, in UTC.
    """

    progress: Progress
    model_version: int
    threshold: float
    highs: dict[int, tuple[int, int]]
    at: datetime


class Reports(Protocol):
    """Takes the reports of a follower."""

    @property
    def problem(self) -> str:
        """Why reports do not arrive; empty if they do."""

    def tell(self, report: Report) -> None:
        """Take a report, and return at once."""
