"""What labels ask of other sources, as interfaces.

Here: the source of labels that came by the topic.
Not here: tables and files (`contracts.ports`), the implementation over the lake
(`scoring.state.history`).
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import pyarrow as pa


class StreamLabels(Protocol):
    """Returns labels that came by the topic for transactions that are in no drop."""

    def __call__(self, first_day: date, /) -> pa.Table:
        """Return those of transactions scored since a day, with the columns of `stream_labels`."""
