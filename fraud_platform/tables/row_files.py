"""Parquet files of rows, which a numbered commit adds to their table later.

Here: encodings and file statistics, with which readers find the rows after a number.
Not here: the commit (`adapters.tables.numbered`), any Parquet file (`tables.data_files`).
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pyarrow as pa

from fraud_platform.contracts.tables import DataFile, TableContract
from fraud_platform.tables.data_files import DataFileWriter, FileStats

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
    url = f"{table_url}/{uuid.uuid4().hex}.parquet"
    dictionary = [name for name in _REPEATED if name in table.column_names]
    file = DataFileWriter(
        files, url, rows.schema, FileStats(table.bounded),
        compression="snappy", use_dictionary=dictionary, write_statistics=False,
        # the Arrow schema is a third of a micro-batch's file, and the table has it
        store_schema=False,
    )  # fmt: skip
    with file:
        file.write(rows)
    return [file.finished().in_table(table_url)]
