"""Differences between the scored stream and a drop that landed later.

Here: comparing a day's scored rows with the rows, features and labels of its drop, and the small
table of differences.
Not here: which of both counts (the drop, see `scoring.state.history`), when to compare (`defs`).

Only rows scored before the drop landed are compared, because a replay of a landed drop proves
nothing. Counts are complete; a few rows are listed as examples, by id and column.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from fraud_platform.contracts.active import DECLARATION, SOURCE
from fraud_platform.contracts.tables import TRANSACTIONS
from fraud_platform.contracts.time import midnight
from fraud_platform.tables.features import TRANSACTION_FEATURES
from fraud_platform.tables.scoring import (
    DISAGREEMENT_KINDS,
    SCORED,
    SCORING,
    STREAM_DISAGREEMENTS,
    TOPIC_LABELS,
)

if TYPE_CHECKING:
    from fraud_platform.contracts.ports import ListedTables, ReplacedTables, Tables
    from fraud_platform.monitoring.ports import ComparedTables
    from fraud_platform.scoring.engines.micro_batch import PinnedModel

MAX_EXAMPLES = 20
"""Number of examples for each kind and day."""

_MAX_NAMED_COLUMNS = 5
_KEYS = ("tx_datetime", "customer_id", "terminal_id", "amount_cents", *SOURCE.fact_names)
_COMPUTED = (*(flag.name for flag in DECLARATION.flags), *DECLARATION.names)
_KEY_TEXT = SOURCE.key_texts.get("transaction_id")
Ints = npt.NDArray[np.int64]
ModelOf = Callable[[int], "PinnedModel | None"]


@dataclass
class DayComparison:
    """The differences of a day.

    Attributes:
        compared: number of ids in both.
        rows: number of differing rows, by kind.
        examples: the first of them, `id: columns`, by kind.
        key_texts: texts of the transactions' ids, if these are surrogates.
    """

    day: date
    compared: int = 0
    rows: dict[str, int] = field(default_factory=lambda: dict.fromkeys(DISAGREEMENT_KINDS, 0))
    examples: dict[str, list[str]] = field(default_factory=dict)
    key_texts: Mapping[int, str] = field(default_factory=dict)

    def note(self, kind: str, ids: Ints, columns: Callable[[int], Sequence[str]]) -> None:
        """Count rows of a kind, and list the first ones.

        Args:
            ids: of the rows.
            columns: the columns that differ, by place in `ids`.
        """
        self.rows[kind] = int(ids.size)
        first = np.argsort(ids, kind="stable")[:MAX_EXAMPLES].tolist()
        named = [self.key_texts.get(int(ids[i]), str(ids[i])) for i in first]
        self.examples[kind] = [
            _example(name, columns(i)) for i, name in zip(first, named, strict=True)
        ]


def days_to_compare(
    lake: ComparedTables,
    drop_days: Collection[date],
    inputs: Mapping[date, str],
    built: Mapping[date, str],
) -> dict[date, str]:
    """Return the days to compare now, each with the fingerprint of its inputs.

    A day is due when its drop has landed, its features are built from that drop, stream time has
    passed its end, rows of about that time were scored, and these inputs were not compared before.

    Args:
        drop_days: days that drops cover.
        inputs, built: the fingerprints of each day's current inputs and of those it was built from.
    """
    if lake.version(SCORED) is None:
        return {}
    stream_second = lake.numbered(SCORED, SCORING).metadata().get("stream_second")
    if stream_second is None:
        return {}
    end = datetime.fromtimestamp(stream_second, UTC).date()
    known = lake.read_arrow(STREAM_DISAGREEMENTS, columns=["tx_date", "inputs"]).to_pylist()
    done = {row["tx_date"]: row["inputs"] for row in known}
    ready = [
        day
        for day in drop_days
        if day < end and day in inputs and inputs[day] == built.get(day) != done.get(day)
    ]
    return {day: inputs[day] for day in sorted(_scored_days(lake, ready))}


def _scored_days(lake: ListedTables, days: Collection[date]) -> set[date]:
    """Return the days within the time span of some file of `scored`."""
    files = lake.data_files(SCORED)
    spans = zip(
        files["min.tx_datetime"].to_pylist(), files["max.tx_datetime"].to_pylist(), strict=True
    )
    spanned = {(low.date(), high.date()) for low, high in spans}
    return {day for day in days if any(low <= day <= high for low, high in spanned)}


def compare_day(
    lake: ComparedTables, day: date, landed_at: datetime, model_of: ModelOf
) -> DayComparison:
    """Compare the rows of a day that were scored before its drop had landed with the drop's.

    Args:
        landed_at: when the drop was published.
        model_of: returns a model by version; None if it can no longer score: the scores of its
            rows are then not compared.
    """
    result = DayComparison(day)
    stream = _stream_rows(lake, day, landed_at)
    if not stream.num_rows:
        return result
    columns = ["transaction_id", *_KEYS, *_COMPUTED]
    drop = lake.read_arrow(TRANSACTION_FEATURES, [("tx_date", "=", day)], columns)
    ours, theirs = _ids(stream), _ids(drop)
    both, at, drop_at = np.intersect1d(ours, theirs, return_indices=True)
    result.compared = int(both.size)
    result.key_texts = _key_texts(lake, day, stream)
    result.note("only_in_stream", np.setdiff1d(ours, theirs), lambda i: ())
    result.note("only_in_drop", np.setdiff1d(theirs, ours), lambda i: ())
    stream, drop = stream.take(pa.array(at)), drop.take(pa.array(drop_at))
    _note_columns(result, "transaction", both, stream, drop, _KEYS)
    changed = _note_columns(result, "features", both, stream, drop, _COMPUTED)
    is_rescored = _is_scored_otherwise(stream, drop, changed, model_of)
    result.note("score", both[is_rescored], lambda i: ("fraud_probability",))
    labels = _labels_that_differ(lake, day, both)
    result.note("label", labels, lambda i: ("fraud_scenario",))
    return result


def record(
    lake: ReplacedTables, compared: Sequence[DayComparison], inputs: Mapping[date, str]
) -> None:
    """Write the differences of these days and replace earlier results.

    Args:
        inputs: the fingerprint of each day's inputs.
    """
    now = datetime.now(UTC)
    rows = [
        {
            "tx_date": one.day,
            "kind": kind,
            "rows": one.rows[kind],
            "compared": one.compared,
            "examples": one.examples.get(kind, []),
            "inputs": inputs[one.day],
            "compared_at": now,
        }
        for one in compared
        for kind in DISAGREEMENT_KINDS
    ]
    if rows:
        days = ", ".join(f"'{one.day}'" for one in compared)
        table = pa.Table.from_pylist(rows, schema=STREAM_DISAGREEMENTS.arrow_schema)
        lake.replace_arrow(STREAM_DISAGREEMENTS, table, f"tx_date IN ({days})")


def _stream_rows(lake: Tables, day: date, landed_at: datetime) -> pa.Table:
    start = midnight(day)
    rows = lake.read_arrow(
        SCORED,
        [("tx_datetime", ">=", start), ("tx_datetime", "<", start + timedelta(days=1))],
        [
            *("transaction_id", *_KEYS, *_COMPUTED, "fraud_probability", "model_version"),
            *("scored_at", *([_KEY_TEXT] if _KEY_TEXT else [])),
        ],
    )
    return rows.filter(pc.less(rows["scored_at"], pa.scalar(landed_at, rows["scored_at"].type)))


def _key_texts(lake: Tables, day: date, stream: pa.Table) -> dict[int, str]:
    """Return the texts of the transaction ids of a day, by id; none if ids are numbers."""
    if _KEY_TEXT is None:
        return {}
    parts = [stream]
    if _KEY_TEXT in TRANSACTIONS.column_names:
        names = ["transaction_id", _KEY_TEXT]
        parts.append(lake.read_arrow(TRANSACTIONS, [("tx_date", "=", day)], names))
    texts: dict[int, str] = {}
    for rows in parts:
        texts |= zip(rows["transaction_id"].to_pylist(), rows[_KEY_TEXT].to_pylist(), strict=True)
    return texts


def _note_columns(
    result: DayComparison,
    kind: str,
    ids: Ints,
    stream: pa.Table,
    drop: pa.Table,
    names: Sequence[str],
) -> npt.NDArray[np.intp]:
    """Record the rows in which some of these columns differ, and return their places."""
    differs = np.column_stack([_unequal(stream[name], drop[name]) for name in names])
    places = np.flatnonzero(differs.any(axis=1))
    result.note(
        kind,
        ids[places],
        lambda i: [n for n, d in zip(names, differs[places[i]], strict=True) if d],
    )
    return places


def _is_scored_otherwise(
    stream: pa.Table, drop: pa.Table, changed: npt.NDArray[np.intp], model_of: ModelOf
) -> npt.NDArray[np.intp]:
    """Return the places of rows whose model would give the drop's row another score."""
    versions = stream["model_version"].to_numpy()
    found = [np.zeros(0, np.intp)]
    for version in np.unique(versions[changed]).tolist():
        model = model_of(version)
        if model is None:
            continue
        places = changed[versions[changed] == version]
        rows = drop.take(pa.array(places))
        matrix = np.column_stack([rows[n].to_numpy() for n in model.candidate.feature_names])
        score = model.candidate.predict_probability(np.ascontiguousarray(matrix.astype(np.float32)))
        found.append(places[score != stream["fraud_probability"].to_numpy()[places]])
    return np.concatenate(found)


def _labels_that_differ(lake: Tables, day: date, ids: Ints) -> Ints:
    """Return the ids that topic and drop label differently."""
    if not ids.size:
        return ids
    bounds = [("transaction_id", ">=", int(ids.min())), ("transaction_id", "<=", int(ids.max()))]
    topic = lake.read_arrow(TOPIC_LABELS, bounds, ["transaction_id", "fraud_scenario", "known_at"])
    # the last of equal ids counts
    topic = topic.sort_by([("transaction_id", "ascending"), ("known_at", "ascending")])
    own = _ids(topic)
    last = np.flatnonzero(np.append(own[1:] != own[:-1], True)) if own.size else own
    columns = ["transaction_id", "fraud_scenario"]
    drop = lake.read_arrow(TRANSACTIONS, [("tx_date", "=", day)], columns)
    both, at, drop_at = np.intersect1d(own[last], _ids(drop), return_indices=True)
    of_topic = topic["fraud_scenario"].to_numpy()[last][at]
    differs = both[of_topic != drop["fraud_scenario"].to_numpy()[drop_at]]
    return np.intersect1d(differs, ids)


def _unequal(one: pa.ChunkedArray, other: pa.ChunkedArray) -> npt.NDArray[np.bool_]:
    a, b = _numbers(one), _numbers(other)
    # unknown in both is equal; rows scored before a feature was declared have no value to compare
    unsaid = np.asarray(one.is_null(nan_is_null=False).to_numpy())
    return (a != b) & ~((a != a) & (b != b)) & ~unsaid


def _numbers(column: pa.ChunkedArray) -> npt.NDArray[Any]:
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.int64())
    return np.asarray(column.to_numpy())


def _ids(rows: pa.Table) -> Ints:
    return np.asarray(rows["transaction_id"].to_numpy(), np.int64)


def _example(transaction: str, columns: Sequence[str]) -> str:
    named = ", ".join(columns[:_MAX_NAMED_COLUMNS])
    more = len(columns) - _MAX_NAMED_COLUMNS
    words = f"{named} and {more} more" if more > 0 else named
    return f"{transaction}: {words}" if words else transaction
