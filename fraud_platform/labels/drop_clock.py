"""The times that determine from which hour the labels of a drop count.

Here: these times, and the hours of whole columns of first labels.
Not here: the rule (`labels.rule`), writing labels (`cleaning.tasks`), correcting them
(`cleaning.labels`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from fraud_platform.contracts.time import TILE_SECONDS
from fraud_platform.labels.rule import NEVER_LANDED, counts_from_hour

if TYPE_CHECKING:
    from fraud_platform.labels.ports import StreamLabels

Seconds = npt.NDArray[np.int64]


@dataclass(frozen=True)
class LabelClock:
    """The times (UTC) that determine from when a label counts.

    Args:
        stream_time: the front up to which rows were scored; None if nothing was ever scored.
        watermark: end of the published drops' data.
        topic_labels_since: returns the topic's labels of transactions that were scored since a day
            and are in no drop, with the columns of `stream_labels`.
    """

    stream_time: datetime | None = None
    watermark: datetime | None = None
    topic_labels_since: StreamLabels | None = None

    @property
    def corrections_landed_at(self) -> datetime | None:
        """When corrections land: after all that was scored or is in a drop; None if nothing is."""
        known = [moment for moment in (self.stream_time, self.watermark) if moment is not None]
        return max(known) if known else None

    def first_counts_from(self, tx_seconds: Seconds) -> Seconds:
        """Return when the first labels of transactions at these times count, shape (n,).

        All times are in seconds since 1970.
        """
        now = self.stream_time
        landed = NEVER_LANDED if now is None else int(now.timestamp())
        return counts_from_hour(tx_seconds, landed_second=landed) * TILE_SECONDS
