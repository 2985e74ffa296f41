"""History between drops: what the stream has scored, where no drop has landed yet.

Here: the days that the stream has completed, its rows and labels as tiles and training want them.
Not here: the days of drops (`fraud_platform.clock`), building tiles (`features.materialize`).

A drop is the truth for its days. Days from the drops' watermark on come from the stream until a
drop covers them; then they are built anew from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from fraud_platform.clock import DropDay, fingerprint, watermark
from fraud_platform.contracts.scoring_tables import (
    LANDING,
    SCORED,
    SCORING,
    STREAM_LABELS,
    TOPIC_LABELS,
)
from fraud_platform.scoring.labels import LabelBook
from fraud_platform.scoring.recovery import landed_of, transactions_of
from fraud_platform.scoring.rows import ScoredRows

if TYPE_CHECKING:
    from fraud_platform.adapters.tables.lake import Lake

STREAM = "stream"
"""What stands for a drop's name where a day comes from the stream."""

_DAY_SECONDS = 86_400
_KEYS = ["transaction_id", "customer_id", "terminal_id", "tx_datetime", "amount_cents"]


def stream_days(lake: Lake, drop_days: Sequence[DropDay]) -> list[DropDay]:
    """Return the days that the stream has completed behind the drops' watermark.

    A day is complete when stream time has passed its end. A row that came late changes its day's
    content, so the day is built again with it.
    """
    if lake.open(SCORED) is None:
        return []
    end_second = lake.numbered(SCORED, SCORING).metadata().get("stream_second")
    if end_second is None:
        return []
    first, end = watermark(drop_days), datetime.fromtimestamp(end_second, UTC).date()
    rows = _scored(lake, first, ["transaction_id", "tx_datetime"])
    micros = rows["tx_datetime"].cast(pa.int64()).to_numpy()
    days = micros // (_DAY_SECONDS * 1_000_000)
    ids = rows["transaction_id"].to_numpy()
    found = []
    for number in np.unique(days).tolist():
        day = date.fromordinal(date(1970, 1, 1).toordinal() + number)
        own = ids[days == number]
        if day < end:
            content = fingerprint([(STREAM, own.size, int(np.bitwise_xor.reduce(own)))])
            found.append(DropDay(STREAM, day, int(own.size), content))
    return found


def write_stream_labels(lake: Lake, first_day: date | None) -> int:
    """Bring `stream_labels` up to date with what landed and was scored; return how many versions.

    Args:
        first_day: the drops' watermark: labels of earlier transactions come with their drops.
    """
    book, rows = _book(lake, first_day)
    topic = lake.numbered(TOPIC_LABELS, LANDING)
    landed = topic.rows_above(0, "landing", TOPIC_LABELS.column_names)
    order = ("landing", "source_partition", "source_offset")
    labels = landed_of(landed.sort_by([(name, "ascending") for name in order]))
    is_of_stream, _ = rows.find(labels.transaction_id)
    parts, numbers = [], dict[int, int]()
    for versions in book.land(labels.take(np.flatnonzero(is_of_stream))):
        entering = np.flatnonzero(versions.labels.sign > 0)
        ids = versions.transaction_id[entering]
        version = [numbers.get(i, 0) + 1 for i in ids.tolist()]
        numbers.update(zip(ids.tolist(), version, strict=True))
        scenario = versions.labels.scenario[entering]
        parts.append(
            pa.table(
                [
                    pa.array(ids),
                    pa.array(scenario > 0),
                    pa.array(scenario.astype(np.int32)),
                    _moments(versions.known_at_second[entering]),
                    _moments(versions.labels.counts_from_hour[entering] * 3600),
                    pa.array(version, pa.int32()),
                ],
                schema=STREAM_LABELS.arrow_schema,
            )
        )
    table = pa.concat_tables([STREAM_LABELS.arrow_schema.empty_table(), *parts])
    lake.replace_arrow(STREAM_LABELS, table, None, {"first_day": first_day})
    return table.num_rows


def _book(lake: Lake, first_day: date | None) -> tuple[LabelBook, ScoredRows]:
    rows = ScoredRows()
    rows.add(transactions_of(_scored(lake, first_day, _KEYS)))
    return LabelBook(rows), rows


def _scored(lake: Lake, first_day: date | None, columns: list[str]) -> pa.Table:
    """Return columns of the rows scored from a day on."""
    first = datetime(1970, 1, 1, tzinfo=UTC)
    if first_day is not None:
        first = datetime(first_day.year, first_day.month, first_day.day, tzinfo=UTC)
    return lake.read_arrow(SCORED, filters=[("tx_datetime", ">=", first)], columns=columns)


def _moments(seconds: np.ndarray) -> pa.Array:
    return pa.array(seconds * 1_000_000, pa.int64()).view(pa.timestamp("us", tz="UTC"))
