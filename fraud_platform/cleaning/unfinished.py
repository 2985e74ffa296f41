"""Undoing the commits of a failed run, which the ledger does not mark.

Here: finding such commits, restoring the versions before them, detecting that another run has
undone the commits of this one.
Not here: the order of a publication's commits (`publish`).

The metadata of each commit names its publication, and the ledger's row, which also names it, is
committed last. Every publication first undoes unmarked commits, so only the newest commit of a
table can be unmarked. The published state is therefore the version before it. Undoing does not
need the raw files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fraud_platform.contracts.tables import (
    CLEANING_LEDGER,
    DROP_LABELS,
    QUARANTINE,
    TRANSACTIONS,
    TableContract,
)
from fraud_platform.errors import Outage

if TYPE_CHECKING:
    from fraud_platform.cleaning.ports import CleaningTables

COMMITTED = (QUARANTINE, TRANSACTIONS, DROP_LABELS)
"""The tables of a publication, in the order of its commits."""

_UNDONE = {"is_undone": "true"}


def unfinished_commits(lake: CleaningTables) -> dict[TableContract, tuple[int, Mapping[str, Any]]]:
    """Return version and metadata of each table's newest commit, if the ledger does not mark it."""
    rows = lake.read_arrow(CLEANING_LEDGER, columns=["drop", "publication"]).to_pylist()
    marks = {row["drop"]: row["publication"] for row in rows}
    newest = {table: lake.last_commit(table, "publication") for table in COMMITTED}
    unfinished: dict[TableContract, tuple[int, Mapping[str, Any]]] = {}
    for table, commit in newest.items():
        if not commit:
            continue
        version, metadata = commit
        is_undone = metadata.items() >= _UNDONE.items()
        if not is_undone and marks.get(metadata["drop"]) != metadata["publication"]:
            names = ("drop", "run_id", "publication")
            unfinished[table] = (version, {name: metadata[name] for name in names})
    return unfinished


def undo_unfinished(lake: CleaningTables) -> None:
    """Restore each table to the version before its unmarked commit; idempotent."""
    # before the look: a commit that comes after it is not judged, so it is not undone
    versions = {table: lake.version(table) for table in COMMITTED}
    for table, (version, metadata) in unfinished_commits(lake).items():
        since = versions[table]
        if since is None or since < version:
            raise Outage(
                f"table {table.name}: another run committed version {version} while unfinished "
                "commits were looked for. Nothing was undone. Run again."
            )
        lake.restore(table, version - 1, {**metadata, **_UNDONE}, since)


def require_standing(
    lake: CleaningTables, tables: Sequence[TableContract], publication: str
) -> None:
    """Check that this publication's commits are still the newest ones of the tables.

    Raises:
        Outage: another run has undone them or has committed after them. A new run reads its state.
    """
    for table in tables:
        commit = lake.last_commit(table, "publication")
        metadata = {} if commit is None else commit[1]
        if metadata.get("publication") != publication or metadata.items() >= _UNDONE.items():
            raise Outage(
                f"table {table.name}: expected this run's commit to be the newest, found that of "
                f"run {metadata.get('run_id')}. Let one run at a time clean drops; run again."
            )
