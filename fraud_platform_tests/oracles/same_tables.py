"""Whether two lakes hold the same rows in every table.

Here: reading and comparing them without Spark, less what differs from one run to the next.
Not here: what the rows should be (the other oracles).
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.contracts.tables import TableContract
from fraud_platform.scoring.state.recovery import STREAM_PART
from fraud_platform.tables.catalog import ALL_TABLES
from fraud_platform.tables.scoring import SCORED_DAYS, SCORING_STATE

OF_A_RUN = {
    "transactions_version", "publication", "run_id", "cleaned_at", "built_at", "decided_at",
    "scored_at", "landed_at", "state_version", "micro_batch", "number", "plan", "landing",
    "planned_at", "planned_by", "decided_by", "raw_path", "published_path",
    "topic_id", "source_partition", "source_offset", "rescored_at", "produced_at", "failed_at",
    "compared_at", "ranges",
}  # fmt: skip
"""Wall-clock times, ids of runs, versions of tables, bounds of batches, where files are."""
COMPARED = tuple(table for table in ALL_TABLES if table is not SCORED_DAYS)
"""Bounds of batches decide which days are in `scored_days` already."""


def differences(one: Lake, other: Lake, tables: tuple[TableContract, ...] = COMPARED) -> list[str]:
    """Return what differs, a line a table."""
    found = []
    for table in tables:
        left, right = _rows(one, table), _rows(other, table)
        if left != right:
            only = [
                sorted((a - b).elements(), key=repr)[:2] for a, b in ((left, right), (right, left))
            ]
            found.append(
                f"{table.name}: {left.total()} and {right.total()} rows, {(left - right).total()} "
                f"differ: {only}"
            )
    return found


def counts(lake: Lake) -> dict[str, int]:
    """Return the rows of every table that has any."""
    return {t.name: n for t in ALL_TABLES if (n := lake.read_arrow(t).num_rows)}


def _rows(lake: Lake, table: TableContract) -> Counter[tuple[Any, ...]]:
    rows = lake.read_arrow(table)
    if table is SCORING_STATE:
        # which micro-batches are in it: a bound of batches
        rows = rows.filter(pc.not_equal(rows["part"], STREAM_PART))
    rows = rows.select([n for n in rows.column_names if n not in OF_A_RUN])
    columns = [
        [tuple(v) if v is not None else None for v in column.to_pylist()]
        if pa.types.is_list(column.type) or pa.types.is_large_list(column.type)
        else column.to_pylist()
        for column in rows.columns
    ]
    return Counter(zip(*columns, strict=True)) if columns else Counter()
