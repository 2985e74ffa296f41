"""Delta tables of the lake: create, read, replace, append, metadata.

Here: one class, `Lake`, over one URL. Spark writes and reads what is large; delta-rs, with no JVM,
what is small and all metadata, and it makes every commit: on S3 its commit is a conditional put.
Not here: what the rows mean (`contracts.tables`) or how they are made (stage packages).

Guarantee: each write is one Delta commit. A reader sees the table before or after it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import (
    ColumnProperties,
    CommitProperties,
    DeltaTable,
    WriterProperties,
    write_deltalake,
)
from deltalake.exceptions import DeltaError
from pyarrow import fs

from fraud_platform.adapters.storage.probing import reaching
from fraud_platform.adapters.storage.schemes import local_path
from fraud_platform.adapters.tables.evolving import read_rows
from fraud_platform.adapters.tables.log_reading import newest_first
from fraud_platform.adapters.tables.numbered import NumberedTable
from fraud_platform.adapters.tables.partition_commits import replace_partitions
from fraud_platform.adapters.tables.partition_files import gathered, write_files
from fraud_platform.adapters.tables.store import TableStore
from fraud_platform.adapters.tables.table_features import require_plain
from fraud_platform.adapters.tables.uniqueness import repeated_rows
from fraud_platform.contracts.ports import StoredPartitions
from fraud_platform.contracts.tables import DataFile, TableContract
from fraud_platform.contracts.uniqueness import repeated_rows_error
from fraud_platform.errors import VersionGoneError
from fraud_platform.tables.data_files import with_statistics

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


class Lake(TableStore):
    """The platform's Delta tables under one URL, with all that is done with them."""

    def require_unique(self, table: TableContract) -> None:
        """Return if the table holds each row once; few of its files are read for that.

        Raises:
            RepeatedRowsError: it does not; `fraud-platform mend-table` removes the copies.
        """
        if found := list(repeated_rows(self, table)):
            count = sum(group.count for group in found)
            raise repeated_rows_error(table, count, found[0].first)

    def numbered(self, table: TableContract, application: str) -> NumberedTable:
        """Return a table whose commits one application numbers, creating it where absent."""
        return NumberedTable(self, table, application)

    def prepare(self, table: TableContract) -> int:
        """Create the table or bring it up to date with its contract; return its version."""
        return self.ensure(table).version()

    def partitions(self, table: TableContract, column: str) -> StoredPartitions | None:
        """Return the values of a partition column that the present version has files of.

        None if the table does not exist.
        """
        handle = self.open(table)
        if handle is None:
            return None
        values = {str(partition[column]) for partition in handle.partitions()}
        return StoredPartitions(handle.version(), sorted(values))

    def required_columns(self, table: TableContract) -> list[str]:
        """Return the stored columns in which every row has a value; creates the table if absent."""
        return [field.name for field in self.ensure(table).schema().fields if not field.nullable]

    def has_rows(self, table: TableContract) -> bool:
        """Return whether the table exists and holds a row, from its log alone."""
        handle = self.open(table)
        return handle is not None and handle.get_add_actions().num_rows > 0

    def vacuum(self, table: TableContract, keep_versions: list[int], retention_hours: int) -> int:
        """Remove files that neither the newest version nor a kept one needs; return how many.

        Args:
            keep_versions: versions that stay readable at any age.
            retention_hours: files of versions younger than this stay too.
        """
        handle = self.open(table)
        if handle is None:
            return 0
        kept = [version for version in keep_versions if version <= handle.version()]
        with reaching(self.uri(table)):
            removed = handle.vacuum(
                retention_hours,
                dry_run=False,
                enforce_retention_duration=False,
                full=True,
                keep_versions=kept or None,
            )
        return len(removed)

    def last_commit(
        self, table: TableContract, key: str, value: str | None = None
    ) -> tuple[int, dict[str, str]] | None:
        """Return version and metadata of the newest commit with key = value in its metadata.

        Without a value, any value matches.
        """
        handle = self.open(table)
        for commit in newest_first(handle) if handle is not None else ():
            said = {**json.loads(commit.get("userMetadata") or "{}"), **commit}
            if key in said and value in (None, said[key]):
                return commit["version"], {k: v for k, v in said.items() if isinstance(v, str)}
        return None

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
        with reaching(self.uri(table)):
            return read_rows(handle, table, filters, columns, _filesystem(self.uri(table)))

    def read_in_batches(
        self,
        table: TableContract,
        filters: list[tuple[str, str, Any]],
        columns: list[str],
        version: int,
        rows: int = 2_000_000,
    ) -> Iterator[pa.Table]:
        """Yield a version's rows, so many at a time or a few more, in no certain order."""
        handle = self.open(table, version)
        assert handle is not None, f"{table.name} has a version {version}"
        with reaching(self.uri(table)):
            batches = handle.to_pyarrow_dataset(filesystem=_filesystem(self.uri(table))).to_batches(
                columns=columns,
                filter=pq.filters_to_expression(filters),
                fragment_readahead=1,
                batch_readahead=2,
            )
            yield from gathered(batches, rows)

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
        table.check_arrow(rows.schema)
        handle = self.ensure(table)
        # without a predicate delta-rs keeps rows that others add concurrently: then it gets one try
        retries = 0 if predicate is None else None
        with self.committing(table):
            write_deltalake(
                handle,
                rows.cast(table.arrow_schema),
                mode="overwrite",
                predicate=predicate,
                writer_properties=_writing(table),
                commit_properties=CommitProperties(
                    custom_metadata=_text(metadata), max_commit_retries=retries
                ),
            )
        return handle.version()

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
        partition_column: str,
        partitions: Sequence[str],
        metadata: Mapping[str, Any] | None = None,
    ) -> int:
        """Make `rows`, written by Spark, all that these partitions hold; return the version.

        Raises:
            SchemaMismatchError: `rows` has other columns than the contract.
        """
        table.check(
            {
                f.name: f.dataType.simpleString().replace("bigint", "long")
                for f in rows.schema.fields
            }
        )
        since = self.ensure(table).version()
        files = write_files(rows, self.files, self.uri(table), table)
        return self.commit_files(table, files, partition_column, partitions, metadata, since)

    def data_files(self, table: TableContract, version: int | None = None) -> pa.Table:
        """Return one row a file of a version: path, num_records, `partition.*`, `min.*`.

        Raises:
            TableNotFoundError: the table does not exist (call `ensure` first).
        """
        with reaching(self.uri(table)):
            handle = DeltaTable(self.uri(table), version, storage_options=self.storage_options)
            require_plain(handle, table.name)
            return pa.table(handle.get_add_actions(flatten=True))

    def commit_files(
        self,
        table: TableContract,
        files: Sequence[DataFile],
        partition_column: str,
        partitions: Sequence[str],
        metadata: Mapping[str, Any] | None = None,
        since: int | None = None,
    ) -> int:
        """Make `files` all that these partitions hold, in one commit; return the version.

        The files were written into the table's folder before and are invisible until now; they
        must have the contract's columns less the partition columns.

        Args:
            since: the version of this table that the files were made from; None takes the present
                one.

        Raises:
            Outage: another writer has changed these partitions since; run again.
        """
        chosen = (partition_column, partitions)
        return replace_partitions(self, table, files, chosen, _text(metadata), since)

    def restore(
        self, table: TableContract, version: int, metadata: Mapping[str, Any], since: int
    ) -> None:
        """Restore the table to a version, in one commit.

        Args:
            since: the current version, on which the caller decided; a later commit is not undone.

        Raises:
            VersionGoneError: a file of that version was removed.
            Outage: another writer committed since.
        """
        handle = self.open(table, since)
        assert handle is not None, f"{table.name} has a version {since}"
        properties = CommitProperties(custom_metadata=_text(metadata))
        with self.committing(table):
            try:
                handle.restore(version, commit_properties=properties)
            except DeltaError as error:
                if "missing file" not in str(error):
                    raise
                raise VersionGoneError(
                    f"table {table.name}: expected the files of version {version}, to go back to "
                    f"it, found one gone ({error}). Bring it back from a backup; without one, "
                    "remove the tables of this lake and materialize its drops again."
                ) from error


def _filesystem(table_url: str) -> fs.FileSystem | None:
    """Return pyarrow's own file system where the table is local, else None: delta-rs's.

    With delta-rs's, pyarrow's threads run Python to close a file. One that does so while the
    process ends aborts it: a command that had done its work ended with code 134, one in twelve.
    """
    path = local_path(table_url)
    return None if path is None else fs.SubTreeFileSystem(str(path), fs.LocalFileSystem())


def _text(metadata: Mapping[str, Any] | None) -> dict[str, str]:
    return {key: str(value) for key, value in (metadata or {}).items()}


def _writing(table: TableContract) -> WriterProperties:
    """Return how delta-rs writes files: with the statistics of `tables.data_files`."""
    kept = with_statistics(table.arrow_schema)
    none = ColumnProperties(statistics_enabled="NONE")
    without = {name: none for name in table.column_names if name not in kept}
    return WriterProperties(compression="SNAPPY", column_properties=without or None)
