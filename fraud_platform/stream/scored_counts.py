"""Scored rows by day and model, kept with the commits so that no reader counts the table.

Here: counting rows, the counts that a commit carries on, the closed days, reading both.
Not here: the commit itself (`scoring.log`), days as inputs of features (`scoring.state.history`).

Each numbered commit of `scored` carries the counts of the latest days in its metadata. Once these
are many, the older ones are appended to `scored_days` under the number of the last commit, before
the next commit leaves them out. So a kill in between loses nothing: a day that both hold counts as
the commit says. A row of an older day takes the day's counts from `scored_days` back into the
commit. Merging files and cleaning the log change neither.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import astuple, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from fraud_platform.contracts.time import LATE_DAYS, SECONDS_PER_DAY
from fraud_platform.contracts.uniqueness import repeats
from fraud_platform.errors import Outage
from fraud_platform.kill_points import kill_point
from fraud_platform.tables.scoring import SCORED, SCORED_DAYS, SCORING

if TYPE_CHECKING:
    from fraud_platform.contracts.ports import CountedTables

MOST_DAYS = 31
"""A commit carries at most so many days and those of its own rows."""
KEPT_DAYS = LATE_DAYS + 2
"""Rows still come for these latest days."""
_KEY = "scored_days"
_COUNTED = ("transaction_id", "tx_datetime", "is_alert", "is_late", "model_version", "micro_batch")


@dataclass(frozen=True)
class Counted:
    """Scored rows of one day and model.

    Attributes:
        rows: how many.
        alerts, late: how many of them are alerts, and came late.
        micro_batches: micro-batches whose earliest row of this model is of this day.
        content: exclusive or of the transaction ids.
    """

    rows: int = 0
    alerts: int = 0
    late: int = 0
    micro_batches: int = 0
    content: int = 0

    def __add__(self, other: Counted) -> Counted:
        return Counted(
            self.rows + other.rows,
            self.alerts + other.alerts,
            self.late + other.late,
            self.micro_batches + other.micro_batches,
            self.content ^ other.content,
        )


DayCounts = dict[tuple[int, int], Counted]
"""By day (days since 1970) and model version."""


def count_rows(rows: pa.Table) -> DayCounts:
    """Return the counts of rows of `scored`, without their micro-batches."""
    if not rows.num_rows:
        return {}
    day = _days_of(rows)
    version = rows["model_version"].to_numpy()
    order = np.lexsort((version, day))
    day, version = day[order], version[order]
    is_first = (np.diff(day) != 0) | (np.diff(version) != 0)
    starts = np.concatenate(([0], np.flatnonzero(is_first) + 1))
    flags = (_flags(rows, name)[order] for name in ("is_alert", "is_late"))
    alerts, late = (np.add.reduceat(flag, starts).tolist() for flag in flags)
    content = np.bitwise_xor.reduceat(rows["transaction_id"].to_numpy()[order], starts).tolist()
    sizes = np.diff(np.append(starts, day.size)).tolist()
    keys = zip(day[starts].tolist(), version[starts].tolist(), strict=True)
    cells = zip(sizes, alerts, late, [0] * len(sizes), content, strict=True)
    return {key: Counted(*cell) for key, cell in zip(keys, cells, strict=True)}


def sum_counts(parts: Iterable[DayCounts]) -> DayCounts:
    """Return the counts of several sets of rows together."""
    total: DayCounts = {}
    for part in parts:
        for key, counted in part.items():
            total[key] = total.get(key, Counted()) + counted
    return total


def as_one_micro_batch(counts: DayCounts) -> DayCounts:
    """Return the counts of the rows of one micro-batch, which counts once for each model."""
    first: dict[int, int] = {}
    for day, version in counts:
        first[version] = min(day, first.get(version, day))
    return {
        (day, version): replace(counted, micro_batches=int(first[version] == day))
        for (day, version), counted in counts.items()
    }


def by_model(counts: DayCounts) -> dict[int, Counted]:
    """Return the counts of each model version, in their order."""
    found: dict[int, Counted] = {}
    for (_, version), counted in sorted(counts.items()):
        found[version] = found.get(version, Counted()) + counted
    return dict(sorted(found.items()))


def by_day(counts: DayCounts) -> dict[int, Counted]:
    """Return the counts of each day (days since 1970), in their order."""
    found: dict[int, Counted] = {}
    for (day, _), counted in sorted(counts.items()):
        found[day] = found.get(day, Counted()) + counted
    return found


def as_json(counts: DayCounts) -> list[list[int]]:
    """Return counts as a commit's metadata and a task's result hold them."""
    return [[*key, *astuple(counted)] for key, counted in sorted(counts.items())]


def from_json(cells: Iterable[Iterable[int]]) -> DayCounts:
    """Return what `as_json` was given."""
    return {(day, version): Counted(*numbers) for day, version, *numbers in cells}


def read_counts(lake: CountedTables) -> DayCounts:
    """Return the counts of all scored rows, as of the last commit."""
    if lake.version(SCORED) is None:
        return {}
    return counts_as_of(lake, lake.numbered(SCORED, SCORING).metadata())


def counts_as_of(lake: CountedTables, metadata: Mapping[str, Any]) -> DayCounts:
    """Return the counts of all scored rows, as of a commit with this metadata.

    The rows of a table that an earlier version of the platform wrote are read and counted once.
    """
    if _KEY in metadata:
        return _closed(lake) | from_json(metadata[_KEY])
    number = metadata.get("number", 0)
    return _counted_before(lake, number, must_remember=False) if number else {}


def carried_on(lake: CountedTables, metadata: Mapping[str, Any], new: DayCounts) -> dict[str, Any]:
    """Return the metadata by which the next commit carries the counts on.

    Args:
        lake: where `scored_days` gets the days that the next commit leaves out.
        metadata: metadata of the last commit.
        new: counts of the next commit's rows.

    Raises:
        Outage: the older days could not be written; the next commit must wait.
    """
    number = metadata.get("number", 0)
    if _KEY in metadata:
        carried = from_json(metadata[_KEY])
    else:
        carried = _counted_before(lake, number, must_remember=True) if number else {}
    days = sorted({day for day, _ in carried})
    if len(days) > MOST_DAYS:
        first_kept = days[-KEPT_DAYS]
        _remember(lake, number, {key: n for key, n in carried.items() if key[0] < first_kept})
        kill_point("scoring.days_closed")
        carried = {key: n for key, n in carried.items() if key[0] >= first_kept}
    if unknown := {day for day, _ in new} - {day for day, _ in carried}:
        carried |= {key: n for key, n in _closed(lake).items() if key[0] in unknown}
    return {_KEY: as_json(sum_counts((carried, as_one_micro_batch(new))))}


def _closed(lake: CountedTables) -> DayCounts:
    """Return the days in `scored_days`, each as it was counted last."""
    rows = lake.read_arrow(SCORED_DAYS).sort_by("as_of")
    columns = [rows[name].to_pylist() for name in SCORED_DAYS.column_names[2:-1]]
    days = rows["tx_date"].cast(pa.int32()).to_pylist()
    keys = zip(days, rows["model_version"].to_pylist(), strict=True)
    return {key: Counted(*cell) for key, cell in zip(keys, zip(*columns, strict=True), strict=True)}


def _remember(lake: CountedTables, number: int, counts: DayCounts) -> None:
    """Append counts as of a commit, unless `scored_days` has them or later ones."""
    cells = [[*key, *astuple(counted), number] for key, counted in sorted(counts.items())]
    arrays = [
        pa.array(values, pa.int32()).cast(field.type)
        if pa.types.is_date(field.type)
        else pa.array(values, field.type)
        for values, field in zip(zip(*cells, strict=True), SCORED_DAYS.arrow_schema, strict=True)
    ]
    table = pa.Table.from_arrays(arrays, schema=SCORED_DAYS.arrow_schema)
    lake.numbered(SCORED_DAYS, SCORING).append_rows(table, number)


def _counted_before(lake: CountedTables, number: int, *, must_remember: bool) -> DayCounts:
    """Return all counts as of a commit that carries none; they are counted once.

    Raises:
        Outage: they could not be remembered, but must be.
    """
    as_of = lake.read_arrow(SCORED_DAYS, columns=["as_of"])["as_of"]
    if number in as_of.to_pylist():
        return _closed(lake)
    counts = _count_table(lake, number)
    if not counts:
        return counts
    if must_remember:
        _remember(lake, number, counts)
    else:
        with suppress(Outage):
            _remember(lake, number, counts)
    return counts


def _count_table(lake: CountedTables, number: int) -> DayCounts:
    """Count the rows of all micro-batches up to one, each row once."""
    columns = list(dict.fromkeys((*_COUNTED, *SCORED.unique_by)))
    rows = lake.read_arrow(SCORED, [("micro_batch", "<=", number)], columns)
    rows = rows.sort_by([(name, "ascending") for name in SCORED.unique_by])
    is_kept = np.ones(rows.num_rows, dtype=bool)
    is_kept[repeats(SCORED, rows)] = False
    rows = rows.filter(pa.array(is_kept))
    counts = count_rows(rows)
    first = pa.table(
        {
            "micro_batch": rows["micro_batch"],
            "model_version": rows["model_version"],
            "day": pa.array(_days_of(rows)),
        }
    )
    first = first.group_by(["micro_batch", "model_version"]).aggregate([("day", "min")])
    keys = zip(first["day_min"].to_pylist(), first["model_version"].to_pylist(), strict=True)
    return sum_counts((counts, *({key: Counted(micro_batches=1)} for key in keys)))


def _days_of(rows: pa.Table) -> np.ndarray:
    return rows["tx_datetime"].cast(pa.int64()).to_numpy() // (SECONDS_PER_DAY * 1_000_000)


def _flags(rows: pa.Table, name: str) -> np.ndarray:
    return rows[name].to_numpy(zero_copy_only=False).astype(np.int64)
