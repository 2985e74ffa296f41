"""The cleaning ledger, and the state of the lake before a publication.

Here: the row that marks a drop as published or held, and reading the published drops.
Not here: the order of the commits (`publish`), undoing commits of a failed run (`unfinished`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from fraud_platform.cleaning.drop import CleanedDrop
from fraud_platform.cleaning.stored import StoredFile, stored_files
from fraud_platform.contracts.quarantine_reasons import Repair
from fraud_platform.contracts.reason_words import REASON_NAMES
from fraud_platform.contracts.tables import CLEANING_LEDGER, QUARANTINE, TRANSACTIONS

if TYPE_CHECKING:
    from fraud_platform.cleaning.ports import CleaningTables
    from fraud_platform.contracts.ports import ReplacedTables

PUBLISHED, HELD = "published", "held"


@dataclass(frozen=True)
class DropOutcome:
    """The result of publishing a drop.

    Args:
        drop: the drop's key.
        status: `PUBLISHED` or `HELD`.
        ledger: the drop's row of the table `cleaning_ledger`.
        rewritten_drops: drops later by name that share ids and were rewritten in the same commit.
    """

    drop: str
    status: str
    ledger: Mapping[str, Any]
    rewritten_drops: tuple[str, ...] = ()

    @property
    def is_published(self) -> bool:
        """Whether the drop's rows are in `transactions`."""
        return self.status == PUBLISHED


@dataclass(frozen=True)
class LakeState:
    """The state of the lake when a publication begins.

    Args:
        ledger: ledger rows by drop.
        clean: files of `transactions`.
        quarantine: files of `quarantine`.
    """

    ledger: Mapping[str, Mapping[str, Any]]
    clean: Sequence[StoredFile]
    quarantine: Sequence[StoredFile]


def read_state(lake: CleaningTables) -> LakeState:
    """Read the ledger and the files of the lake."""
    rows = lake.read_arrow(CLEANING_LEDGER).to_pylist()
    ledger = {row["drop"]: row for row in rows}
    return LakeState(ledger, stored_files(lake, TRANSACTIONS), stored_files(lake, QUARANTINE))


def counts_of(cleaned: CleanedDrop) -> dict[str, Any]:
    """Return the ledger's columns that are computed from a drop's rows."""
    counts = cleaned.counts
    return {
        "rows_read": cleaned.rows_read,
        "rows_clean": cleaned.rows_clean,
        "rows_quarantined": cleaned.rows_quarantined,
        **{f"rejected_{reason}": counts[f"rejected_{reason}"] for reason in REASON_NAMES},
        **{f"repaired_{repair}": counts[f"repaired_{repair}"] for repair in Repair},
        "blank_lines": counts["blank_lines"],
        "comment_lines": counts["comment_lines"],
        "frauds": counts["frauds"],
        "first_date": cleaned.first_date,
        "last_date": cleaned.last_date,
    }


def count_kinds(lake: CleaningTables, drops: Sequence[str]) -> Counter[int]:
    """Return the frauds of published drops by scenario."""
    filters = [("drop", "in", list(drops)), ("fraud_scenario", ">", 0)]
    rows = lake.read_arrow(TRANSACTIONS, filters, ["fraud_scenario"])
    return Counter(rows["fraud_scenario"].to_pylist())


def write_ledger(
    lake: ReplacedTables, rows: list[dict[str, Any]], metadata: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Replace these drops' rows in one commit and return them with `cleaned_at` set to now."""
    stamped = [row | {"cleaned_at": datetime.now(UTC)} for row in rows]
    table = pa.Table.from_pylist(stamped, schema=CLEANING_LEDGER.arrow_schema)
    names = ", ".join(f"'{row['drop']}'" for row in stamped)
    lake.replace_arrow(CLEANING_LEDGER, table, f"drop IN ({names})", metadata)
    return stamped
