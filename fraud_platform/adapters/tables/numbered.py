"""Appending to a table under numbers that are used once.

Here: `NumberedTable`, which makes a writer's commits one sequence in the table's log.
Not here: tables in general (`adapters.tables.lake`), what the numbers mean
(`fraud_platform.scoring`).
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake import CommitProperties, DeltaTable, Transaction
from deltalake.exceptions import CommitFailedError, DeltaError
from deltalake.transaction import AddAction

from fraud_platform.adapters.storage.probing import reaching
from fraud_platform.adapters.tables.evolving import completed
from fraud_platform.adapters.tables.log_reading import reread
from fraud_platform.adapters.tables.store import TableStore
from fraud_platform.contracts.tables import DataFile, TableContract
from fraud_platform.errors import DataError
from fraud_platform.tables.row_files import write_rows

_NUMBER = "number"
_TRIES = 20
_CLEANED = "Invalid table version"
"""delta-rs raises this, and commits nothing, if the log was cleaned beyond the version of the
handle: that happens to a writer that was suspended for minutes."""


class NumberedTable:
    """A table to which one application appends commits 1, 2, 3, ..

    Guarantee: of several writers with one number exactly one commits, with any other concurrent
    writes. Delta's optimistic commit decides: a commit fails if the log has advanced; then the log
    is read again, and the number is looked up in it before the retry.

    Args:
        lake: where the table is.
        application: whose sequence of numbers it is.
    """

    def __init__(self, lake: TableStore, table: TableContract, application: str) -> None:
        self._lake, self._table, self._application = lake, table, application
        self._handle: DeltaTable = lake.ensure(table)
        self.refresh()
        self._said: dict[str, Any] = {}
        """Metadata of the last commit made or looked up here, cached for its readers."""

    def refresh(self) -> None:
        """Read the new entries of the log."""
        with self._reaching():
            reread(self._read, self._reopen)

    def _read(self) -> None:
        """Read on, and note the last number: later what the handle has read may be cleaned."""
        self._handle.update_incremental()
        self._number = self._handle.transaction_version(self._application) or 0

    def _reopen(self) -> None:
        self._handle = self._lake.ensure(self._table)

    @property
    def version(self) -> int:
        """The table's version, as of the last refresh or append."""
        return self._handle.version()

    @property
    def number(self) -> int:
        """The last number committed, 0 before the first, as of the last refresh or append."""
        return self._number

    def metadata(self) -> dict[str, Any]:
        """Return the metadata of the last numbered commit; empty before the first.

        Raises:
            DataError: the log no longer holds that commit.
        """
        if self._said.get(_NUMBER) == self.number:
            return dict(self._said)
        self._said = said = next(self.commits(), {})
        if said.get(_NUMBER, 0) != self.number:
            raise DataError(
                f"table {self._table.name}: expected commit {self.number} of {self._application} "
                f"in its log, found {said.get(_NUMBER, 'none')}: log entries were removed that "
                "are still needed. Restore _delta_log from a backup; starting without it would "
                "do things twice."
            )
        return dict(said)

    def commits(self) -> Iterator[dict[str, Any]]:
        """Yield the metadata of the numbered commits, the last one first.

        Commits of others since the last refresh are left out, even if the log already has them.
        """
        seen, limit = 0, 8
        while self.number:
            with self._reaching():
                history = self._history(limit)
            for commit in history[seen:]:
                if commit.get("application") == self._application:
                    said = json.loads(commit["said"])
                    if said[_NUMBER] <= self.number:
                        yield said
            if len(history) < limit:
                return
            seen, limit = len(history), limit * 8

    def _history(self, limit: int) -> list[dict[str, Any]]:
        handle = self._handle

        def reopen() -> None:
            nonlocal handle
            handle = self._lake.ensure(self._table)

        return reread(lambda: handle.history(limit), reopen)

    def append(
        self, files: Sequence[DataFile], number: int, metadata: Mapping[str, Any] | None = None
    ) -> bool:
        """Commit files that were written into the table's folder; False if the number is taken.

        Args:
            files: may be empty.
            number: one more than the last, or later.
            metadata: JSON that `metadata` gives back while the number is the last.

        Raises:
            Outage: the storage refuses; `refresh` shows whether it was committed.
        """
        now_ms = int(time.time() * 1000)
        said = json.dumps({**(metadata or {}), _NUMBER: number})
        for _ in range(_TRIES):
            if self.number >= number:
                return False
            try:
                with self._reaching():
                    self._commit(files, number, said, now_ms)
            except DeltaError as error:
                if not isinstance(error, CommitFailedError) and _CLEANED not in str(error):
                    raise
                self.refresh()
                continue
            version = self._handle.version() + 1
            self.refresh()
            if self._holds(files, version):
                self._said = json.loads(said)
                return True
        raise CommitFailedError(f"{self._table.name}: {_TRIES} other commits came between")

    def append_rows(
        self, rows: pa.Table, number: int, metadata: Mapping[str, Any] | None = None
    ) -> bool:
        """Write rows as a file of the table and commit it; False if the number is taken.

        Args:
            number, metadata: as of `append`.

        Raises:
            SchemaMismatchError: `rows` has other columns than the contract.
            Outage: the storage refuses; `refresh` shows whether it was committed.
        """
        self._table.check_arrow(rows.schema)
        if self._table.partition_by:
            raise ValueError(
                f"table {self._table.name}: expected one without partitions, found "
                f"{self._table.partition_by}. Write a file for each partition and `append` them."
            )
        if self.number >= number:
            return False
        rows = rows.cast(self._table.arrow_schema)
        files = write_rows(self._lake.files, self._lake.uri(self._table), self._table, rows)
        if self.append(files, number, metadata):
            return True
        for file in files:
            self._lake.files.remove(f"{self._lake.uri(self._table)}/{file.path}")
        return False

    def _holds(self, files: Sequence[DataFile], version: int) -> bool:
        """Return whether a commit that was just made as a version is part of the table.

        It is not if this process was suspended between reading and writing the log for so long that
        the log was cleaned beyond that version: no reader looks at its entry. Its files show that;
        without files, the next entry does, which a cleaned log does not have. If neither is seen,
        the number decides: a writer that finds it taken reads its content.
        """
        if self.version == version:
            return True
        if not files:
            entry = f"{self._lake.uri(self._table)}/_delta_log/{version + 1:020}.json"
            return self._lake.files.version(entry) != ""
        paths = set(pa.table(self._handle.get_add_actions())["path"].to_pylist())
        return paths >= {file.path for file in files}

    def _commit(
        self,
        files: Sequence[DataFile],
        number: int,
        said: str,
        now_ms: int,
    ) -> None:
        self._handle.create_write_transaction(
            [
                AddAction(f.path, f.size_bytes, dict(f.partition), now_ms, True, f.stats)
                for f in files
            ],
            mode="append",
            schema=self._table.arrow_schema,
            partition_by=list(self._table.partition_by),
            commit_properties=CommitProperties(
                custom_metadata={
                    "application": self._application,
                    "said": said,
                },
                max_commit_retries=0,
                app_transactions=[Transaction(self._application, number)],
            ),
        )

    def _reaching(self) -> AbstractContextManager[None]:
        return reaching(self._lake.uri(self._table))

    def files_above(self, number: int, column: str) -> list[str]:
        """Return URLs of the files that may hold rows whose `column` is above a number."""
        return [
            f"{self._lake.uri(self._table)}/{path}"
            for path, _, (_, highest) in self._files(column)
            if highest is None or highest > number
        ]

    def number_before(self, rows: int, column: str) -> int:
        """Return a number above which `column` lies in so many rows or more, 0 if all are fewer.

        From file statistics: it is lower than necessary if a merged file holds many.
        """
        found = 0
        files = [(lowest or 0, count) for _, count, (lowest, _) in self._files(column)]
        for lowest, count in sorted(files, reverse=True):
            found += count
            if found >= rows:
                return max(0, lowest - 1)
        return 0

    def _files(self, column: str) -> list[tuple[str, int, tuple[int | None, int | None]]]:
        """Return path, rows, and lowest and highest value of a column of each file."""
        actions = pa.table(self._handle.get_add_actions(flatten=True))
        bounds = [
            actions[name].to_pylist() if name in actions.column_names else [None] * len(actions)
            for name in (f"min.{column}", f"max.{column}")
        ]
        paths, rows = (actions[name].to_pylist() for name in ("path", "num_records"))
        return list(zip(paths, rows, zip(*bounds, strict=True), strict=True))

    def rows_above(self, number: int, column: str, columns: list[str]) -> pa.Table:
        """Return the rows whose `column` is above a number."""
        wanted = list(dict.fromkeys([*columns, column]))
        schema = pa.schema([self._table.arrow_schema.field(name) for name in wanted])
        tables = []
        for url in self.files_above(number, column):
            with self._lake.files.open_input(url) as file:
                parquet = pq.ParquetFile(file)
                # a file may be of before a column was declared
                there = [name for name in wanted if name in parquet.schema_arrow.names]
                rows = parquet.read(columns=there)
            rows = rows.filter(pc.greater(rows[column], number))
            tables.append(completed(rows, schema))
        if not tables:
            return schema.empty_table().select(columns)
        return pa.concat_tables(tables, promote_options="permissive").select(columns)
