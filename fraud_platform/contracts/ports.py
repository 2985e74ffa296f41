"""What stages ask of files and tables, as interfaces.

Here: one small protocol for each kind of use: single files, reading tables, committing partitions,
numbered appends. A stage that needs several joins them in a protocol of its own.
Not here: their implementations over disks, object stores and Delta (`fraud_platform.adapters`),
zones of whole files (`contracts.zones`), topics (`fraud_platform.scoring.ports`).

Every method raises `Outage` if the storage does not answer, `SettingsError` if it refuses access.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import IO, TYPE_CHECKING, Any, NamedTuple, Protocol

from fraud_platform.contracts.tables import DataFile, TableContract

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession

Filters = list[tuple[str, str, Any]]
"""Conditions that all hold: (column, operator, value)."""


class Files(Protocol):
    """Single files by URL, as streams of bytes.

    An instance can be pickled to a task on another machine and reaches the same files there.
    """

    def open_input(self, url: str) -> IO[bytes]:
        """Open a file for reading, seekable; `FileNotFoundError` if there is none."""

    def create(self, url: str) -> IO[bytes]:
        """Open a new file for writing, and make its folder if there is none."""

    def writing(self, url: str) -> AbstractContextManager[None]:
        """Translate the storage's errors while a file is written."""

    def free_bytes(self, url: str) -> int | None:
        """Return the space left at a URL, or None if the storage has no such figure."""

    def size_bytes(self, url: str) -> int:
        """Return a file's size; `FileNotFoundError` if there is none."""

    def version(self, url: str) -> str:
        """Return what changes with a file's content and costs no read; "" for no file."""

    def remove(self, url: str) -> None:
        """Remove a file; one that is absent is no error."""

    def remove_folder(self, url: str) -> None:
        """Remove a folder with its content; one that is absent is no error."""


class Tables(Protocol):
    """Small reads of tables, without a JVM. Each read sees one version as a whole."""

    def version(self, table: TableContract) -> int | None:
        """Return the table's current version, or None if it does not exist."""

    def read_arrow(
        self,
        table: TableContract,
        filters: Filters | None = None,
        columns: list[str] | None = None,
        version: int | None = None,
    ) -> pa.Table:
        """Return a table's rows; an absent table reads as empty."""


class TableFiles(Protocol):
    """The folders of tables, in which files lie unseen until a commit names them."""

    @property
    def url(self) -> str:
        """The URL that holds one folder for each table, without a slash at its end."""

    @property
    def files(self) -> Files:
        """The files of the storage that holds the tables."""

    def uri(self, table: TableContract) -> str:
        """Return the URL of the table's folder."""


class UniqueTables(Protocol):
    """Tables whose rows are checked for copies."""

    def require_unique(self, table: TableContract) -> None:
        """Return if the table holds each row once; `RepeatedRowsError` if it does not."""


class SparkTables(Protocol):
    """Large reads, by Spark."""

    def read(
        self, spark: SparkSession, table: TableContract, version: int | None = None
    ) -> DataFrame:
        """Return a table, at a version if one is given; creates it if absent."""


class ListedTables(Protocol):
    """Tables as their logs describe them, without a read of rows."""

    def prepare(self, table: TableContract) -> int:
        """Create the table or bring it up to date with its contract; return its version."""

    def data_files(self, table: TableContract, version: int | None = None) -> pa.Table:
        """Return one row for each file: path, num_records, `partition.*`, `min.*`, `max.*`."""

    def required_columns(self, table: TableContract) -> list[str]:
        """Return the stored columns in which every row has a value; creates the table if absent."""


class StoredPartitions(NamedTuple):
    """The partitions of one version of a table.

    Attributes:
        version: of the table.
        values: of the partition column, as text, sorted, each once.
    """

    version: int
    values: list[str]


class PartitionedTables(ListedTables, TableFiles, Protocol):
    """Tables of which whole partitions are replaced by files that were written before."""

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

        Args:
            since: the version that the files were made from; None takes the present one.

        Raises:
            Outage: another writer changed these partitions since; nothing was written.
        """


class ReplacedTables(Protocol):
    """Small tables of which selected rows are replaced."""

    def replace_arrow(
        self,
        table: TableContract,
        rows: pa.Table,
        predicate: str | None,
        metadata: Mapping[str, Any] | None = None,
    ) -> int:
        """Replace the rows that `predicate` selects (None: all) in one commit; return version."""


class RestoredTables(Protocol):
    """Tables whose last commit can be found by its metadata and undone."""

    def last_commit(
        self, table: TableContract, key: str, value: str | None = None
    ) -> tuple[int, dict[str, str]] | None:
        """Return version and metadata of the newest commit whose metadata has key = value.

        Without a value, of the newest whose metadata has the key.
        """

    def restore(
        self, table: TableContract, version: int, metadata: Mapping[str, Any], since: int
    ) -> None:
        """Make the table what it was at a version, in one commit.

        Args:
            since: the present version, by which the caller decided.

        Raises:
            VersionGoneError: a file of that version was removed.
            Outage: another writer committed since; nothing was undone.
        """


class NumberedTable(Protocol):
    """A table to which one application appends commits 1, 2, 3, ..

    Guarantee: of several writers with one number exactly one commits, also during other writes to
    the table.
    """

    @property
    def version(self) -> int:
        """The table's version, as of the last refresh or append."""

    @property
    def number(self) -> int:
        """The last number committed, 0 before the first, as of the last refresh or append."""

    def refresh(self) -> None:
        """Take in what was committed since."""

    def metadata(self) -> dict[str, Any]:
        """Return the metadata of the last numbered commit; empty before the first."""

    def commits(self) -> Iterator[dict[str, Any]]:
        """Yield the metadata of the numbered commits, the last one first."""

    def append(
        self, files: Sequence[DataFile], number: int, metadata: Mapping[str, Any] | None = None
    ) -> bool:
        """Commit files that were written into the table's folder; False if the number is taken."""

    def append_rows(
        self, rows: pa.Table, number: int, metadata: Mapping[str, Any] | None = None
    ) -> bool:
        """Write rows as a file of the table and commit it; False if the number is taken."""

    def files_above(self, number: int, column: str) -> list[str]:
        """Return URLs of the files that may hold rows whose `column` is above a number."""

    def number_before(self, rows: int, column: str) -> int:
        """Return a number above which `column` lies in at least `rows` rows, 0 if all are fewer."""

    def rows_above(self, number: int, column: str, columns: list[str]) -> pa.Table:
        """Return the rows whose `column` is above a number."""


class NumberedTables(Protocol):
    """Tables whose commits applications number."""

    def numbered(self, table: TableContract, application: str) -> NumberedTable:
        """Return a table whose commits one application numbers; creates it if absent."""


class CountedTables(Tables, NumberedTables, ListedTables, Protocol):
    """Tables whose rows are counted by their logs, and the small tables that keep such counts."""
