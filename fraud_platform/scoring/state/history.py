"""History from the stream for the days that no drop covers yet.

Here: the days that the stream has completed, its rows and labels as tiles and training need them.
Not here: the days of drops (`fraud_platform.calendar.due`), building tiles
(`features.batch.materialize`).

A drop is the truth for its days. Days from the drops' watermark on come from the stream until a
drop covers them; then they are built again from the drop.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from fraud_platform.calendar.due import STREAM, DropDay, fingerprint, watermark
from fraud_platform.contracts.active import LABEL_LOOKBACK_HOURS
from fraud_platform.contracts.tables import TRANSACTIONS
from fraud_platform.contracts.time import (
    EPOCH_DAY,
    HOURS_PER_DAY,
    TILE_SECONDS,
    midnight,
    numbered_day,
)
from fraud_platform.labels.book import LabelBook, LandedLabels
from fraud_platform.labels.of_drops import (
    READ_COLUMNS,
    drop_labels_of,
    drop_rows_of,
    transactions_of,
)
from fraud_platform.labels.rule import LANDING_ORDER
from fraud_platform.scoring.state.recovery import landed_of
from fraud_platform.stream.clock import front_in
from fraud_platform.stream.corrections import corrections_in
from fraud_platform.stream.scored_counts import by_day, read_counts
from fraud_platform.stream.scored_ids import ScoredRows
from fraud_platform.tables.scoring import (
    SCORED,
    SCORING,
    STREAM_LABELS,
    TOPIC_LABELS,
)

if TYPE_CHECKING:
    from fraud_platform.scoring.ports import StateTables


def stream_days(
    lake: StateTables, drop_days: Sequence[DropDay], now: datetime | None
) -> list[DropDay]:
    """Return the days after the drops' watermark that the stream has completed.

    A day is complete when stream time has passed its end. A late row changes its day's content, so
    the day is built again. The commits of `scored` carry the counts of each day: no row is read.

    Args:
        now: stream time; None if nothing was ever scored.
    """
    if now is None:
        return []
    first, end = watermark(drop_days), now.date()
    found = []
    for number, counted in by_day(read_counts(lake)).items():
        day = numbered_day(number)
        if (first or EPOCH_DAY) <= day < end:
            content = fingerprint([(STREAM, counted.rows, counted.content)])
            found.append(DropDay(STREAM, day, counted.rows, content))
    return found


def stream_time(lake: StateTables) -> datetime | None:
    """Return stream time (UTC), or None if nothing was scored yet."""
    if lake.version(SCORED) is None:
        return None
    second = lake.numbered(SCORED, SCORING).metadata().get("stream_second")
    return None if second is None else datetime.fromtimestamp(second, UTC)


def stream_front(lake: StateTables) -> datetime | None:
    """Return the stream's front (UTC), or None if nothing was scored yet; see `StreamClock`."""
    if lake.version(SCORED) is None:
        return None
    second = front_in(lake.numbered(SCORED, SCORING).metadata())
    return None if second is None else datetime.fromtimestamp(second, UTC)


def write_stream_labels(
    lake: StateTables, first_day: date | None, corrected: npt.ArrayLike = ()
) -> int:
    """Update `stream_labels` from landed labels and scored rows; return the number of versions.

    Args:
        first_day: the drops' watermark: labels of earlier transactions come with their drops.
        corrected: see `topic_labels`.
    """
    table = topic_labels(lake, first_day, corrected)
    lake.replace_arrow(STREAM_LABELS, table, None, {"first_day": first_day})
    return table.num_rows


def topic_labels(
    lake: StateTables, first_day: date | None, corrected: npt.ArrayLike = ()
) -> pa.Table:
    """Return the versions of the topic's labels with when they count; see `stream_labels`.

    Args:
        first_day: labels of earlier transactions, and those that came with a drop, are left out.
        corrected: ids of drops' transactions whose label the topic corrects; the corrections are
            versions after the drop's.
    """
    drop_labels = drop_labels_of(lake, np.asarray(corrected, dtype=np.int64))
    scored = transactions_of(_scored(lake, first_day, READ_COLUMNS))
    of_drops = transactions_of(drop_rows_of(lake, drop_labels.transaction_id))
    rows = ScoredRows()
    rows.add(scored)
    rows.add(of_drops)
    rows.label(*drop_labels.known)
    book = LabelBook(rows)
    labels = _landed(lake, np.concatenate((scored.second, of_drops.second)))
    is_due = book.is_known(labels.transaction_id)
    is_due &= ~np.isin(
        labels.transaction_id, _landed_before(lake, first_day, drop_labels.transaction_id)
    )
    parts, numbers = [], _by_id(drop_labels.transaction_id, drop_labels.version)
    for versions in book.land(labels.take(np.flatnonzero(is_due))):
        entering = np.flatnonzero(versions.labels.sign > 0)
        ids = versions.transaction_id[entering]
        version = [numbers.get(i, 0) + 1 for i in ids.tolist()]
        numbers |= _by_id(ids, np.array(version))
        scenario = versions.labels.scenario[entering]
        parts.append(
            pa.table(
                [
                    pa.array(ids),
                    pa.array(scenario > 0),
                    pa.array(scenario.astype(np.int32)),
                    _moments(versions.known_at_second[entering]),
                    _moments(versions.labels.counts_from_hour[entering] * TILE_SECONDS),
                    pa.array(version, pa.int32()),
                    pa.array(
                        (versions.labels.event_hour[entering] // HOURS_PER_DAY).astype("i4")
                    ).view(pa.date32()),
                ],
                schema=STREAM_LABELS.arrow_schema,
            )
        )
    return pa.concat_tables([STREAM_LABELS.arrow_schema.empty_table(), *parts])


def _landed(lake: StateTables, seconds: np.ndarray) -> LandedLabels:
    """Return the topic's labels in order, without those known long before these moments."""
    if not seconds.size:
        return LandedLabels.join()
    oldest = int(seconds.min()) - LABEL_LOOKBACK_HOURS * TILE_SECONDS
    since = datetime.fromtimestamp(max(oldest, 0), UTC)
    landed = lake.read_arrow(TOPIC_LABELS, filters=[("known_at", ">=", since)])
    corrections = corrections_in(lake.numbered(SCORED, SCORING).metadata())
    return landed_of(landed.sort_by([(name, "ascending") for name in LANDING_ORDER]), corrections)


def _landed_before(lake: StateTables, first_day: date | None, corrected: np.ndarray) -> np.ndarray:
    """Return the ids of drops' rows after the drops' days: their labels came with the drop."""
    beyond = lake.read_arrow(
        TRANSACTIONS,
        filters=[("tx_datetime", ">=", _midnight(first_day))],
        columns=["transaction_id"],
    )
    return np.setdiff1d(beyond["transaction_id"].to_numpy(), corrected)


def _by_id(ids: np.ndarray, values: np.ndarray) -> dict[int, int]:
    return dict(zip(ids.tolist(), values.tolist(), strict=True))


def _scored(lake: StateTables, first_day: date | None, columns: list[str]) -> pa.Table:
    """Return columns of the rows scored from a day on.

    Raises:
        RepeatedRowsError: the table holds some rows more than once.
    """
    lake.require_unique(SCORED)
    filters = [("tx_datetime", ">=", _midnight(first_day))]
    return lake.read_arrow(SCORED, filters=filters, columns=columns)


def _midnight(day: date | None) -> datetime:
    """Return the beginning of a day; None for the earliest time."""
    return midnight(day or EPOCH_DAY)


def _moments(seconds: np.ndarray) -> pa.Array:
    return pa.array(seconds * 1_000_000, pa.int64()).view(pa.timestamp("us", tz="UTC"))
