"""Reports of a follower: what it scored since the last report.

Here: the report, and the interface of a receiver of reports.
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
    """What was scored since the previous report.

    Attributes:
        progress: counts of what was scored.
        model_version, threshold: version and threshold of the model that scored.
        highs: first and next offset of each partition at that time, for the lag.
        at: time of the report, UTC.
    """

    progress: Progress
    model_version: int
    threshold: float
    highs: dict[int, tuple[int, int]]
    at: datetime


class Reports(Protocol):
    """Receives the reports of a follower."""

    @property
    def problem(self) -> str:
        """Why reports do not arrive; empty if they arrive."""

    def send(self, report: Report) -> None:
        """Accept a report and return at once."""
