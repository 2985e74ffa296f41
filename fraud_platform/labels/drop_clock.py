"""The hour from which the labels of a drop count.

Here: the times that determine it, and the rule for whole columns of first labels.
Not here: writing labels (`cleaning.tasks`), correcting them (`cleaning.labels`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from fraud_platform.contracts.time import LABEL_DELAY_DAYS
from fraud_platform.rows.canonical import SECONDS_PER_DAY

if TYPE_CHECKING:
    import pyarrow as pa

Seconds = npt.NDArray[np.int64]

_HOUR_SECONDS = 3600
LABEL_DELAY_SECONDS = LABEL_DELAY_DAYS * SECONDS_PER_DAY


@dataclass(frozen=True)
class LabelClock:
    """The times (UTC) that determine from when a label counts.

    Args:
        stream_time: the time up to which scoring has come; None if nothing was ever scored.
        watermark: end of the published drops' data.
        told_since: returns the topic's labels of transactions that were scored since a day and are
            in no drop, with the columns of `stream_labels`.
    """

    stream_time: datetime | None = None
    watermark: datetime | None = None
    told_since: Callable[[date], pa.Table] | None = None

    @property
    def late_from(self) -> datetime | None:
        """When labels that land late begin to count; None if nothing was ever scored."""
        return None if self.stream_time is None else _next_midnight(self.stream_time)

    @property
    def corrected_from(self) -> datetime | None:
        """When corrections begin to count: after all days that were scored or are in a drop."""
        known = [moment for moment in (self.stream_time, self.watermark) if moment is not None]
        return _next_midnight(max(known)) if known else None

    def first_counts_from(self, known_at: Seconds) -> Seconds:
        """Return the hour after `known_at`, or the next midnight if stream time is past it.

        Times are in seconds since 1970, shape (n,).
        """
        on_time = (known_at // _HOUR_SECONDS + 1) * _HOUR_SECONDS
        if self.stream_time is None or self.late_from is None:
            return on_time
        is_late = on_time <= self.stream_time.timestamp()
        return np.where(is_late, int(self.late_from.timestamp()), on_time)


def _next_midnight(now: datetime) -> datetime:
    return now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
