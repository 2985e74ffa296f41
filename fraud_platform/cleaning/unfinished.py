"""What a run left in the tables that died: commits without a mark, undone.

Here: finding them, going back to the versions before them, noticing that this run's were undone.
Not here: the order of a publication's commits (`publish`).

Each commit names its publication, and the ledger's row, which names it too, comes last. Every
publication begins by undoing what is unmarked, so only a table's newest commit can be. What was
published is therefore the version before it, whatever has become of the raw files meanwhile.
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
    from fraud_platform.adapters.tables.lake import Lake

COMMITTED = (QUARANTINE, TRANSACTIONS, DROP_LABELS)
"""The tables of a publication, in the order of its commits."""

_UNDONE = {"is_undone": "true"}


def unfinished_commits(lake: Lake) -> dict[TableContract, tuple[int, Mapping[str, Any]]]:
    """Return, by table, version and metadata of the newest commit where nothing marks it."""
    rows = lake.read_arrow(CLEANING_LEDGER, columns=["drop", "publication"]).to_pylist()
    marks = {row["drop"]: row["publication"] for row in rows}
    newest = {table: lake.last_commit(table, "publication") for table in COMMITTED}
    return {
        table: (version, {name: said[name] for name in ("drop", "run_id", "publication")})
        for table, (version, said) in ((t, found) for t, found in newest.items() if found)
        if not said.items() >= _UNDONE.items() and marks.get(said["drop"]) != said["publication"]
    }


def undo_unfinished(lake: Lake) -> None:
    """Make each table what it was before its unmarked commit; done twice, it is done once."""
    for table, (version, said) in unfinished_commits(lake).items():
        lake.restore(table, version - 1, {**said, **_UNDONE})


def require_standing(lake: Lake, tables: Sequence[TableContract], publication: str) -> None:
    """Raise where another run has undone this publication's commits, or committed behind them.

    Raises:
        Outage: run again; what the other did is then read.
    """
    for table in tables:
        found = lake.last_commit(table, "publication")
        said = {} if found is None else found[1]
        if said.get("publication") != publication or said.items() >= _UNDONE.items():
            raise Outage(
                f"table {table.name}: expected this run's commit to be the newest, found that of "
                f"run {said.get('run_id')}. Let one run at a time clean drops; run again."
            )
