"""Parquet files of the scored tables, which a numbered commit adds later.

Here: encodings and file statistics, with which readers find the rows after a number.
Not here: the commit (`adapters.tables.numbered`).
"""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from fraud_platform.contracts.tables import DataFile, TableContract
from fraud_platform.errors import Outage

if TYPE_CHECKING:
    from fraud_platform.contracts.ports import Files

_REPEATED = (
    "model_name", "model_version", "state_version", "micro_batch", "threshold", "source_partition",
    "scored_at", "reason", "is_fraud", "fraud_scenario", "source", "landed_at",
)  # fmt: skip


def write_rows(
    files: Files, table_url: str, table: TableContract, rows: pa.Table
) -> list[DataFile]:
    """Write rows into the table's folder; no rows make no file.

    Raises:
        Outage: the storage is full, read-only or does not answer.
    """
    if not rows.num_rows:
        return []
    path = f"{uuid.uuid4().hex}.parquet"
    url = f"{table_url}/{path}"
    dictionary = [name for name in _REPEATED if name in table.column_names]
    try:
        with files.create(url) as stream:
            pq.write_table(
                rows, stream,
                compression="snappy", use_dictionary=dictionary, write_statistics=False,
                # the Arrow schema is a third of a micro-batch's file, and the table has it
                store_schema=False,
            )  # fmt: skip
    except OSError as error:
        raise Outage(
            f"lake: expected to write {url}, found: {error}. Check that the storage is there, "
            "writable and not full; nothing of this file was committed."
        ) from error
    bounds = {n: pc.min_max(rows[n]).as_py() for n in table.bounded}
    stats = {
        "numRecords": rows.num_rows,
        "minValues": {n: _json(b["min"]) for n, b in bounds.items()},
        "maxValues": {n: _json(b["max"]) for n, b in bounds.items()},
        "nullCount": dict.fromkeys(bounds, 0),
    }
    return [DataFile(path, files.size_bytes(url), rows.num_rows, {}, json.dumps(stats))]


def _json(value: object) -> object:
    return value if isinstance(value, int) else str(value)
