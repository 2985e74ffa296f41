"""Replacing whole partitions of a table in one commit, fenced by the files that they held.

Here: `replace_partitions`.
Not here: writing the files (`adapters.tables.partition_files`), replacing single files
(`adapters.tables.swapping`), other commits (`adapters.tables.lake`).

delta-rs 1.6.6 treats an overwrite of partitions as one that read nothing: two writers that fill the
same new partition both succeed, and rows that were merged or appended concurrently stay in addition
to the new ones (docs/commits.md). So each commit is tried once, as the version after the one that
was read. If another commit came first, the partitions must still hold the files of the start.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from deltalake import CommitProperties, DeltaTable
from deltalake.exceptions import CommitFailedError
from deltalake.transaction import AddAction

from fraud_platform.adapters.storage.probing import reaching
from fraud_platform.adapters.tables.store import TableStore
from fraud_platform.contracts.tables import DataFile, TableContract
from fraud_platform.errors import Outage
from fraud_platform.kill_points import kill_point

_TRIES = 20
_Filters = list[tuple[str, str, list[str]]]


def replace_partitions(
    lake: TableStore,
    table: TableContract,
    files: Sequence[DataFile],
    partitions: tuple[str, Sequence[str]],
    metadata: Mapping[str, str],
    since: int | None,
) -> int:
    """Make `files` all that these partitions hold; return the version.

    Args:
        partitions: the partition column and its values.
        since: the version that the files were made from; None takes the present one.

    Raises:
        Outage: another writer has changed these partitions since that version, or the storage
            refuses. Nothing was written.
    """
    column, values = partitions
    filters: _Filters = [(column, "in", list(values))]
    handle = lake.ensure(table)
    start = handle if since is None or since == handle.version() else lake.open(table, since)
    assert start is not None
    known = _held(start, filters)
    for _ in range(_TRIES):
        if _held(handle, filters) != known:
            raise Outage(
                f"table {table.name}: expected to replace what {column} {', '.join(values)} held "
                f"at version {start.version()}, found that another writer has replaced it by "
                f"version {handle.version()}. Nothing was written. Run again: what it wrote is "
                "then read."
            )
        kill_point(f"{table.name}.read")
        try:
            with reaching(lake.uri(table)):
                _commit(handle, table, files, filters, metadata)
            return handle.version() + 1
        except CommitFailedError:
            handle = lake.ensure(table)
    raise Outage(
        f"table {table.name}: {_TRIES} other commits came first. Nothing was written; run again."
    )


def _held(handle: DeltaTable, filters: _Filters) -> set[str]:
    return set(handle.file_uris(partition_filters=filters))


def _commit(
    handle: DeltaTable,
    table: TableContract,
    files: Sequence[DataFile],
    filters: _Filters,
    metadata: Mapping[str, str],
) -> None:
    now_ms = int(time.time() * 1000)
    handle.create_write_transaction(
        [
            AddAction(f.path, f.size_bytes, dict(f.partition), now_ms, True, f.stats)
            for f in files
        ],
        mode="overwrite",
        schema=table.arrow_schema,
        partition_by=list(table.partition_by),
        partition_filters=filters,
        commit_properties=CommitProperties(custom_metadata=dict(metadata), max_commit_retries=0),
    )  # fmt: skip
