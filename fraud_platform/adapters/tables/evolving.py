"""Upgrading tables of an older version of the platform to the current contract.

Here: adding columns through the log alone, table properties, rows of files that were written before
a column was added.
Not here: creating a table (`adapters.tables.lake`), filling a new column of past days
(`features.batch.materialize` builds such days again).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable, Schema
from deltalake.schema import Field
from pyarrow import fs

from fraud_platform.contracts.tables import TableContract


def bring_up_to_date(handle: DeltaTable, table: TableContract, kept: Mapping[str, str]) -> None:
    """Add the contract's columns and properties that a table does not have yet.

    A column is added through the log alone: existing rows have null in it, so a handle's column may
    be null even if the contract's may not. Readers and writers of other columns are not affected.

    Args:
        handle: the table; it is reloaded afterwards.
        table: its contract.
        kept: properties for the retention of its log.
    """
    added = missing_columns(handle, table)
    is_kept = kept.items() <= handle.metadata().configuration.items()
    if added:
        handle.alter.add_columns(added)
    if not is_kept:
        handle.alter.set_table_properties(dict(kept))
    if added or not is_kept:
        handle.update_incremental()


def is_up_to_date(handle: DeltaTable, table: TableContract, kept: Mapping[str, str]) -> bool:
    """Return whether a table has the columns and the properties that its contract has now."""
    configuration = handle.metadata().configuration
    return kept.items() <= configuration.items() and not missing_columns(handle, table)


def missing_columns(handle: DeltaTable, table: TableContract) -> list[Field]:
    """Return the contract's columns that a table does not have yet, nullable."""
    there = {field.name for field in handle.schema().fields}
    if there >= set(table.column_names):
        return []
    wanted = Schema.from_arrow(table.arrow_schema).fields
    return [Field(f.name, f.type, nullable=True) for f in wanted if f.name not in there]


def read_rows(
    handle: DeltaTable,
    table: TableContract,
    filters: list[tuple[str, str, Any]] | None,
    columns: list[str] | None,
    filesystem: fs.FileSystem | None,
) -> pa.Table:
    """Return rows of a handle; a column that its version does not have yet is null in all."""
    there = {field.name for field in handle.schema().fields}
    wanted = columns or table.column_names
    if there >= set(wanted):
        return handle.to_pyarrow_table(filters=filters, columns=columns, filesystem=filesystem)
    present = [name for name in wanted if name in there]
    rows = handle.to_pyarrow_table(
        filters=filters, columns=present or sorted(there)[:1], filesystem=filesystem
    )
    return completed(rows, pa.schema([table.arrow_schema.field(name) for name in wanted]))


def completed(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return rows of a file with a schema's columns; null if the file was written before one."""
    arrays = [
        rows[field.name].cast(field.type)
        if field.name in rows.column_names
        else pa.chunked_array([pa.nulls(rows.num_rows, field.type)])
        for field in schema
    ]
    fields = [
        field.with_nullable(field.nullable or array.null_count > 0)
        for field, array in zip(schema, arrays, strict=True)
    ]
    return pa.Table.from_arrays(arrays, schema=pa.schema(fields))
