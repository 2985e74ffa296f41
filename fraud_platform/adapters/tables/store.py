"""Delta tables of one URL as handles: open, create, bring up to date, and guard a commit.

Here: `TableStore`, on which every other module of this package builds.
Not here: what is done with a handle: reading and replacing (`adapters.tables.lake`), numbered
appends (`adapters.tables.numbered`), swapping files (`adapters.tables.swapping`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from deltalake import CommitProperties, DeltaTable
from deltalake.exceptions import CommitFailedError, TableNotFoundError

from fraud_platform.adapters.storage.files import ByteFiles
from fraud_platform.adapters.storage.probing import reaching, require_safe_commits
from fraud_platform.adapters.storage.schemes import delta_options, table_url
from fraud_platform.adapters.tables.evolving import bring_up_to_date, is_up_to_date
from fraud_platform.adapters.tables.log_keeping import properties_of
from fraud_platform.adapters.tables.log_reading import reread
from fraud_platform.adapters.tables.table_features import require_plain
from fraud_platform.contracts.tables import TableContract
from fraud_platform.errors import Outage


class TableStore:
    """Handles of the Delta tables under one URL.

    Args:
        url: folder or object-store URL that holds one folder a table.
    """

    def __init__(self, url: str) -> None:
        self.url = table_url(url).rstrip("/")
        self.files = ByteFiles()
        self.storage_options = delta_options(self.url)

    def uri(self, table: TableContract) -> str:
        """Return the table's URL."""
        return f"{self.url}/{table.name}"

    def open(self, table: TableContract, version: int | None = None) -> DeltaTable | None:
        """Return a delta-rs handle, or None if the table does not exist yet.

        Raises:
            TableFeatureError: the table has a feature that the platform does not understand.
        """
        try:
            with reaching(self.uri(table)):
                handle = reread(
                    lambda: DeltaTable(
                        self.uri(table), version, storage_options=self.storage_options
                    )
                )
        except TableNotFoundError:
            return None
        require_plain(handle, table.name)
        return handle

    def version(self, table: TableContract) -> int | None:
        """Return the table's current version, or None if it does not exist."""
        handle = self.open(table)
        return None if handle is None else handle.version()

    def ensure(self, table: TableContract) -> DeltaTable:
        """Return the table's handle, creating it empty if it does not exist.

        Created before its first write, so that concurrent first writers agree on the protocol. Of
        those that create it at once one does; a commit tried again would say so a second time.
        """
        kept = properties_of(table)
        if handle := self.open(table):
            self._bring_up_to_date(handle, table, kept)
            return handle
        with self.committing(table):
            require_safe_commits(self.url)
            try:
                return DeltaTable.create(
                    self.uri(table),
                    schema=table.arrow_schema,
                    mode="ignore",
                    partition_by=list(table.partition_by) or None,
                    name=table.name,
                    description=table.description,
                    configuration=kept,
                    storage_options=self.storage_options,
                    commit_properties=CommitProperties(max_commit_retries=0),
                )
            except CommitFailedError:
                if handle := self.open(table):
                    return handle
                raise

    def _bring_up_to_date(
        self, handle: DeltaTable, table: TableContract, kept: Mapping[str, str]
    ) -> None:
        """Give a table that an earlier version of the platform made what its contract says now."""
        if not is_up_to_date(handle, table, kept):
            with self.committing(table):
                bring_up_to_date(handle, table, kept)

    @contextmanager
    def committing(self, table: TableContract) -> Iterator[None]:
        """Reach the table for one commit, and report another writer that committed first."""
        try:
            with reaching(self.uri(table)):
                yield
        except CommitFailedError as error:
            raise Outage(
                f"table {table.name}: another writer committed first ({error}). Nothing was "
                "written. Run again: what it wrote is then read."
            ) from error
