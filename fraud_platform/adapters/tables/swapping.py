"""Replacing some files of a table by others, in one commit that its own entry in the log fences.

Here: `swap_files`, for merging small files and for mending.
Not here: which files, and what is in the new ones (`adapters.tables.compaction`,
`adapters.tables.mending`), all other commits, which delta-rs makes (`adapters.tables.lake`).

delta-rs 1.6.6 lets two OPTIMIZE commits remove the same files: what an OPTIMIZE removes is no
conflict to it, and it ignores the limit of tries and the application's numbers that it is given
(docs/commits.md). So this module writes the entry itself. It is version n + 1 of the log, created
only where no such file is, and it is written only where version n has every file that it removes.
So a file is removed once, however long a process was stopped before it wrote its entry.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable

from fraud_platform.adapters.storage.probing import reaching
from fraud_platform.adapters.storage.schemes import create_once
from fraud_platform.adapters.tables.store import TableStore
from fraud_platform.contracts.tables import DataFile, TableContract
from fraud_platform.errors import Outage
from fraud_platform.kill_points import kill_point

_TRIES = 20


def active_files(handle: DeltaTable, *more: str) -> dict[str, dict[str, Any]]:
    """Return the files of a handle's version: path to path, size_bytes, num_records.

    Args:
        more: further columns of delta-rs's flat list of files, for example the least micro_batch;
            one that the list does not have is left out.
    """
    rows = pa.table(handle.get_add_actions(flatten=True))
    wanted = ["path", "size_bytes", "num_records", *more]
    return {
        row["path"]: row
        for row in rows.select([n for n in wanted if n in rows.column_names]).to_pylist()
    }


@dataclass(frozen=True)
class Swap:
    """A commit by which some files take the place of others.

    Attributes:
        removed: paths as the log names them.
        added: files that were written into the table's folder.
        metadata: metadata of the commit: its operation, and more.
        changes_data: whether the rows differ from before.
        properties: of the table, set by the same commit; they outlive the log's entry.
    """

    removed: Sequence[str]
    added: Sequence[DataFile]
    metadata: Mapping[str, str]
    changes_data: bool = False
    properties: Mapping[str, str] = field(default_factory=dict)


def swap_files(lake: TableStore, table: TableContract, swap: Swap) -> int | None:
    """Commit a swap; return the version.

    Other commits that come first do no harm as long as they leave the files to be removed in the
    table.

    Returns:
        None if another writer has removed one of the files: nothing was committed.

    Raises:
        Outage: the storage refuses, or other commits came first too often. Read the table again to
            find out whether it was committed.
    """
    assert not table.partition_by, f"{table.name} has partitions"
    for _ in range(_TRIES):
        handle = lake.open(table)
        active = {} if handle is None else active_files(handle)
        if handle is None or not active.keys() >= set(swap.removed):
            return None
        version = handle.version() + 1
        entry = _entry(swap, [active[path] for path in swap.removed], handle)
        kill_point("swap.listed")
        if _create(lake, table, version, entry):
            kill_point("swap.committed")
            return version if _is_in(lake, table, version, swap.added) else None
    raise Outage(
        f"table {table.name}: {_TRIES} other commits came first. Nothing was written; run again."
    )


def _create(lake: TableStore, table: TableContract, version: int, entry: bytes) -> bool:
    url = f"{lake.uri(table)}/_delta_log/{version:020}.json"
    try:
        with reaching(lake.uri(table)):
            return create_once(url, entry)
    except OSError as error:
        raise Outage(
            f"table {table.name}: expected to write {url}, found: {error}. Run again: the table is "
            "as it was before this commit, or as it is after it."
        ) from error


def _is_in(lake: TableStore, table: TableContract, version: int, added: Sequence[DataFile]) -> bool:
    """Return whether an entry that was written belongs to the table.

    It does not if this process was suspended so long that the log was cleaned beyond its version:
    then no entry had that name any more, and no reader looks at it.
    """
    handle = lake.open(table)
    if handle is None or handle.version() < version:
        return False
    return handle.version() == version or active_files(handle).keys() >= {f.path for f in added}


def _entry(swap: Swap, removed: Sequence[Mapping[str, Any]], handle: DeltaTable) -> bytes:
    now_ms = int(time.time() * 1000)
    commit = {
        "timestamp": now_ms,
        "operationParameters": {},
        "readVersion": handle.version(),
        "isBlindAppend": False,
        "engineInfo": "fraud_platform",
        "txnId": str(uuid.uuid4()),
        **swap.metadata,
    }
    actions: list[dict[str, Any]] = [{"commitInfo": commit}]
    if swap.properties:
        actions.append({"metaData": _metadata(handle, swap.properties)})
    same = {"partitionValues": {}, "dataChange": swap.changes_data}
    for file in removed:
        facts = {"path": file["path"], "size": file["size_bytes"], "deletionTimestamp": now_ms}
        actions.append({"remove": {**facts, "extendedFileMetadata": True, **same}})
    for new in swap.added:
        facts = {"path": new.path, "size": new.size_bytes, "modificationTime": now_ms}
        actions.append({"add": {**facts, "stats": new.stats, **same}})
    return "".join(json.dumps(action) + "\n" for action in actions).encode()


def _metadata(handle: DeltaTable, properties: Mapping[str, str]) -> dict[str, Any]:
    found = handle.metadata()
    return {
        "id": found.id,
        "name": found.name,
        "description": found.description,
        "format": {"provider": "parquet", "options": {}},
        "schemaString": handle.schema().to_json(),
        "partitionColumns": found.partition_columns,
        "createdTime": found.created_time,
        "configuration": {**found.configuration, **properties},
    }
