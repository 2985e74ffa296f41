"""What drops say of transactions that labels from the topic are about.

Here: which ids the topic labels otherwise than their drop, and those transactions with their
present label, so that a correction finds what it corrects.
Not here: when a label counts and which one holds (`labels.rule`), labels of scored rows
(`scoring.state.history`).
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from fraud_platform.contracts.active import SOURCE
from fraud_platform.contracts.arrays import ID_CHECK, Transactions
from fraud_platform.contracts.tables import DROP_LABELS, ID_TEXT, TRANSACTIONS
from fraud_platform.contracts.time import TILE_SECONDS
from fraud_platform.labels.rule import confirms, corrects
from fraud_platform.rows.surrogates import id_checks

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from fraud_platform.contracts.ports import Tables

Ints = npt.NDArray[np.int64]
READ_COLUMNS = [
    "transaction_id", "customer_id", "terminal_id", "tx_datetime", "amount_cents",
    *SOURCE.fact_names,
]  # fmt: skip
"""What `transactions_of` reads."""


@dataclass(frozen=True)
class PresentLabels:
    """The last version of each id's label, int64 columns of shape (ids,), sorted by id."""

    transaction_id: Ints
    scenario: Ints
    counts_from_hour: Ints
    known_at_second: Ints
    version: Ints

    def take(self, rows: npt.NDArray[Any]) -> PresentLabels:
        """Return the labels at these positions."""
        return PresentLabels(*(getattr(self, f.name)[rows] for f in fields(self)))

    @property
    def known(self) -> tuple[Ints, Ints, Ints, Ints]:
        """The columns that `ScoredRows.label` takes."""
        return self.transaction_id, self.scenario, self.counts_from_hour, self.known_at_second


def drop_labels_of(lake: Tables, ids: Ints, since_second: int = 0) -> PresentLabels:
    """Return what drops say of these ids, of those that a drop holds.

    Args:
        since_second: labels that became known earlier may be left out.
    """
    names = ["transaction_id", "fraud_scenario", "counts_from", "known_at", "version"]
    filters = [*_between(ids), ("known_at", ">=", datetime.fromtimestamp(since_second, UTC))]
    found = _only(lake.read_arrow(DROP_LABELS, filters=filters, columns=names), ids)
    rows = found.sort_by([("transaction_id", "ascending"), ("version", "ascending")])
    key = _longs(rows["transaction_id"])
    labels = PresentLabels(
        key,
        _longs(rows["fraud_scenario"]),
        _longs(rows["counts_from"].cast(pa.int64())) // (TILE_SECONDS * 1_000_000),
        _longs(rows["known_at"].cast(pa.int64())) // 1_000_000,
        _longs(rows["version"]),
    )
    return labels.take(np.flatnonzero(np.append(np.diff(key) > 0, True)[: key.size]))


def drop_rows_of(lake: Tables, ids: Ints, since_second: int = 0) -> pa.Table:
    """Return transactions of drops by these ids, with the columns that labels need of them.

    Args:
        since_second: earlier ones may be left out.
    """
    filters = [*_between(ids), ("tx_datetime", ">=", datetime.fromtimestamp(since_second, UTC))]
    return _only(lake.read_arrow(TRANSACTIONS, filters=filters, columns=READ_COLUMNS), ids)


def corrected_ids(drop_labels: DataFrame, topic_labels: DataFrame, since: date) -> Ints:
    """Return the ids of drops' transactions to which the topic, later, gives another label.

    Args:
        since: labels that became known before it are passed over.
    """
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    last = Window.partitionBy("transaction_id").orderBy(F.desc("version"))
    latest = (
        drop_labels.where(F.col("known_at") >= F.lit(since))
        .withColumn("place", F.row_number().over(last))
        .where("place = 1")
        .select(
            "transaction_id",
            F.col("known_at").alias("drop_known_at"),
            F.col("fraud_scenario").alias("drop_scenario"),
        )
    )
    rows = (
        topic_labels.where(F.col("known_at") >= F.lit(since))
        .join(latest, "transaction_id")
        .where(
            corrects(*map(F.col, ("known_at", "fraud_scenario", "drop_known_at", "drop_scenario")))
        )
        .select("transaction_id")
        .distinct()
        .collect()
    )
    return np.sort(np.array([row[0] for row in rows], dtype=np.int64))


def worth_noting(
    drop_labels: PresentLabels, ids: Ints, scenario: Ints, known_at: Ints
) -> PresentLabels:
    """Return the drops' labels that these, from the topic, correct or confirm later.

    Args:
        ids, scenario, known_at: of the topic's labels, shape (labels,).
    """
    at = np.minimum(
        np.searchsorted(drop_labels.transaction_id, ids), drop_labels.transaction_id.size - 1
    )
    if not drop_labels.transaction_id.size:
        return drop_labels
    is_own = drop_labels.transaction_id[at] == ids
    both = known_at, scenario, drop_labels.known_at_second[at], drop_labels.scenario[at]
    confirms_later = confirms(*both) & (known_at > drop_labels.known_at_second[at])
    return drop_labels.take(np.unique(at[is_own & (corrects(*both) | confirms_later)]))


def transactions_of(rows: pa.Table) -> Transactions:
    """Return rows of a table as the kernel takes them; with `ID_CHECK` if they have ids' texts."""
    facts = {name: _longs(rows[name]) for name in SOURCE.fact_names}
    for column in ID_TEXT:
        if column.name in rows.column_names:
            facts[ID_CHECK] = id_checks(pl.Series(rows[column.name]))
    micros = _longs(rows["tx_datetime"].cast(pa.int64()))
    return Transactions(
        _longs(rows["transaction_id"]),
        _longs(rows["customer_id"]),
        _longs(rows["terminal_id"]),
        micros // 1_000_000,
        _longs(rows["amount_cents"]),
        facts,
    )


def _between(ids: Ints) -> list[tuple[str, str, Any]]:
    """Return a filter that lets storage skip files and row groups with none of the ids."""
    first, last = (int(ids.min()), int(ids.max())) if ids.size else (0, -1)
    return [("transaction_id", ">=", first), ("transaction_id", "<=", last)]


def _only(rows: pa.Table, ids: Ints) -> pa.Table:
    return rows.filter(pc.is_in(rows["transaction_id"], pa.array(ids)))


def _longs(column: pa.ChunkedArray) -> Ints:
    return column.to_numpy().astype(np.int64, copy=False)
