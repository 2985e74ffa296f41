"""Delta tables of the lake: create, read, replace, append, metadata.

Here: one class, `Lake`, over one URL. Spark writes and reads what is large; delta-rs, with no JVM,
what is small and all metadata.
Not here: what the rows mean (`contracts.tables`) or how they are made (stage packages).

Guarantee: each write is one Delta commit. A reader sees the table before or after it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, write_deltalake
from deltalake.exceptions import TableNotFoundError

from fraud_platform.contracts.tables import TableContract

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_LOG_RETENTION = "interval 36500 days"
"""The log is kept, so that a version that a model names can be read as long as its files are."""


class Lake:
    """The platform's Delta tables under one URL.

    Args:
        url: folder or object-store URL that holds one folder a table.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")

    def uri(self, table: TableContract) -> str:
        """Return the table's URL."""
        return f"{self.url}/{table.name}"

    def open(self, table: TableContract, version: int | None = None) -> DeltaTable | None:
        """Return a delta-rs handle, or None where the table does not exist yet."""
        try:
            return DeltaTable(self.uri(table), version=version)
        except TableNotFoundError:
            return None

    def ensure(self, table: TableContract) -> DeltaTable:
        """Return the table's handle, creating it empty where it does not exist.

        Created before its first write, so that concurrent first writers agree on the protocol.
        """
        return self.open(table) or DeltaTable.create(
            self.uri(table),
            schema=table.arrow_schema,
            mode="ignore",
            partition_by=list(table.partition_by) or None,
            name=table.name,
            description=table.description,
            configuration={"delta.logRetentionDuration": _LOG_RETENTION},
        )

    def version(self, table: TableContract) -> int | None:
        """Return the table's current version, or None where it does not exist."""
        handle = self.open(table)
        return None if handle is None else handle.version()

    def vacuum(self, table: TableContract, keep_versions: list[int], retention_hours: int) -> int:
        """Remove files that neither the newest version nor a kept one needs; return how many.

        Args:
            keep_versions: versions that stay readable whatever their age.
            retention_hours: files of versions younger than this stay too.
        """
        handle = self.open(table)
        if handle is None:
            return 0
        kept = [version for version in keep_versions if version <= handle.version()]
        removed = handle.vacuum(
            retention_hours,
            dry_run=False,
            enforce_retention_duration=False,
            full=True,
            keep_versions=kept or None,
        )
        return len(removed)

    def read_arrow(
        self,
        table: TableContract,
        filters: list[tuple[str, str, Any]] | None = None,
        columns: list[str] | None = None,
        version: int | None = None,
    ) -> pa.Table:
        """Read a table without a JVM; an absent table reads as empty."""
        handle = self.open(table, version)
        if handle is None:
            names = columns or table.column_names
            return table.arrow_schema.empty_table().select(names)
        return handle.to_pyarrow_table(filters=filters, columns=columns)

    def replace_arrow(
        self,
        table: TableContract,
        rows: pa.Table,
        predicate: str | None,
        metadata: Mapping[str, Any] | None = None,
    ) -> int:
        """Replace the rows that `predicate` selects (all, if None) in one commit; return version.

        Raises:
            SchemaMismatchError: `rows` has other columns than the contract.
        """
        table.check({f.name: _spark_name(table, f) for f in rows.schema})
        self.ensure(table)
        write_deltalake(
            self.uri(table),
            rows.cast(table.arrow_schema),
            mode="overwrite",
            predicate=predicate,
            commit_properties=CommitProperties(custom_metadata=_text(metadata)),
        )
        version = self.version(table)
        assert version is not None
        return version

    def read(
        self, spark: SparkSession, table: TableContract, version: int | None = None
    ) -> DataFrame:
        """Read a table with Spark, at a version if one is given; creates it where absent."""
        self.ensure(table)
        reader = spark.read.format("delta")
        if version is not None:
            reader = reader.option("versionAsOf", version)
        return reader.load(self.uri(table))

    def replace(
        self,
        table: TableContract,
        rows: DataFrame,
        predicate: str,
        metadata: Mapping[str, Any] | None = None,
    ) -> int:
        """Replace with Spark the rows that `predicate` selects, in one commit; return version.

        Raises:
            SchemaMismatchError: `rows` has other columns than the contract.
        """
        table.check(
            {
                f.name: f.dataType.simpleString().replace("bigint", "long")
                for f in rows.schema.fields
            }
        )
        self.ensure(table)
        (
            rows.write.format("delta")
            .mode("overwrite")
            .option("replaceWhere", predicate)
            .option("userMetadata", json.dumps(_text(metadata)))
            .save(self.uri(table))
        )
        version = self.version(table)
        assert version is not None
        return version


def _text(metadata: Mapping[str, Any] | None) -> dict[str, str]:
    return {key: str(value) for key, value in (metadata or {}).items()}


def _spark_name(table: TableContract, field: pa.Field) -> str:
    """Return the contract's type name where the Arrow types agree, else Arrow's own name."""
    for column, expected in zip(table.columns, table.arrow_schema, strict=True):
        if column.name == field.name and (
            expected.type == field.type
            or (pa.types.is_large_string(field.type) and pa.types.is_string(expected.type))
        ):
            return column.type
    return str(field.type)
