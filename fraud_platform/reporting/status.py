"""What the lake holds, in the few lines of `fraud-platform status`.

Here: drops with their names, the data's days, what was scored live.
Not here: the whole report (`reporting.terminal`), what needs a person (`reporting.needs`),
services and topics (`operations.services.laptop`, `adapters.kafka.topics`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from fraud_platform.contracts.tables import CLEANING_LEDGER
from fraud_platform.stream.scored_counts import read_counts
from fraud_platform.tables.scoring import DEAD_LETTERS, SCORED

if TYPE_CHECKING:
    from fraud_platform.contracts.ports import CountedTables

_NAMED_DROPS = 3


def lake_lines(lake: CountedTables) -> list[str]:
    """Return what came in and what was scored, at most four lines."""
    ledger = sorted(lake.read_arrow(CLEANING_LEDGER).to_pylist(), key=lambda row: row["drop"])
    if not ledger:
        return ["the lake holds no drop yet: put one into landing, or run fraud-platform demo"]
    lines = [_drops_line(ledger), _data_line(ledger)]
    if lake.version(SCORED) is not None:
        lines.append(_scored_line(lake))
    return [*lines, "more: fraud-platform report"]


def _drops_line(ledger: Sequence[dict[str, Any]]) -> str:
    shown = [row["drop"] for row in ledger if row["published_sha256"]]
    before = f"{len(shown) - _NAMED_DROPS} older, " if len(shown) > _NAMED_DROPS else ""
    named = ", ".join(shown[-_NAMED_DROPS:]) or "none"
    held = [row["drop"] for row in ledger if row["status"] == "held"]
    return f"drops: {before}{named} published" + (f"; {len(held)} held" if held else "")


def _data_line(ledger: Sequence[dict[str, Any]]) -> str:
    published = [row for row in ledger if row["published_sha256"]]
    if not published:
        return "data: nothing is published"
    days = [row[name] for row in published for name in ("first_date", "last_date") if row[name]]
    clean, bad = (sum(row[n] for row in published) for n in ("rows_clean", "rows_quarantined"))
    span = f"{min(days)} to {max(days)}, " if days else ""
    return f"data: {span}{clean:,} rows, {bad:,} in quarantine"


def _scored_line(lake: CountedTables) -> str:
    """Return what was scored live, by the counts that the tables' logs hold."""
    counts = read_counts(lake).values()
    scored, alerts = sum(c.rows for c in counts), sum(c.alerts for c in counts)
    has_dead = lake.version(DEAD_LETTERS) is not None
    dead = sum(lake.data_files(DEAD_LETTERS)["num_records"].to_pylist()) if has_dead else 0
    return f"live: {scored:,} scored, {alerts:,} alerts, {dead:,} dead letters"
