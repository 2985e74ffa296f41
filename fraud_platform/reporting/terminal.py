"""What the platform says in a terminal: progress, and the report on what is in the lake.

Here: words and tables made from the lake's own tables.
Not here: computing any figure (the stages did that), pictures (`reporting.plots`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from fraud_platform.contracts.active import SOURCE
from fraud_platform.contracts.model_tables import AB_REPORT, PROMOTION_HISTORY
from fraud_platform.contracts.quarantine_reasons import Repair
from fraud_platform.contracts.reason_words import REASON_DESCRIPTIONS, REASON_NAMES
from fraud_platform.contracts.tables import CLEANING_LEDGER
from fraud_platform.stream.scored_counts import by_model, read_counts
from fraud_platform.tables.scoring import (
    DEAD_LETTERS,
    DISAGREEMENT_KINDS,
    SCORED,
    STREAM_DISAGREEMENTS,
)

if TYPE_CHECKING:
    from fraud_platform.contracts.ports import CountedTables, Tables

NoteOnDrop = Callable[[Mapping[str, Any], Mapping[str, Mapping[str, Any]]], str | None]
"""From a drop's row of the cleaning ledger, and all of its rows by drop, to a note."""

_SHOWN_EXAMPLES = 3
_ROLES = ("candidate", "champion", "never_fraud", "amount_above")


@contextmanager
def progress_bar(what: str, total: int, unit: str) -> Iterator[Callable[[int], None]]:
    """Show a progress bar; the block gets a function that advances it by a number of units."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit),
        TimeRemainingColumn(),
    )
    with Progress(*columns) as progress:
        task = progress.add_task(what, total=total)
        yield lambda count: progress.advance(task, count)


def print_report(
    lake: CountedTables, console: Console | None = None, note_on: NoteOnDrop | None = None
) -> None:
    """Print what came in, what was quarantined and why, and how the models compare.

    Args:
        note_on: returns what is remarkable about a published drop, None if nothing is.
    """
    out = console or Console(highlight=False)
    ledger = sorted(lake.read_arrow(CLEANING_LEDGER).to_pylist(), key=lambda row: row["drop"])
    if not ledger:
        out.print("the lake holds no drop yet")
        return
    out.print(_drops_table(ledger))
    for row in ledger:
        if row["status"] == "held":
            out.print(f"Drop {row['drop']} is held: {row['held_because']}")
        elif note_on and (note := note_on(row, {r["drop"]: r for r in ledger})):
            out.print(f"Drop {row['drop']}: {note}")
    out.print(_rejects_table(ledger))
    report = lake.read_arrow(AB_REPORT).to_pylist()
    if report:
        _print_comparisons(out, report)
    history = lake.read_arrow(PROMOTION_HISTORY).to_pylist()
    if history:
        out.print(_history_table(history))
    if lake.version(SCORED) is not None:
        _print_live(out, lake)


def _print_live(out: Console, lake: CountedTables) -> None:
    """Print what became of live messages, and which models scored them."""
    table = Table(title="Live transactions", title_justify="left")
    for name in ("model", "scored", "alerts", "late", "micro-batches"):
        table.add_column(name, justify="right")
    for version, counted in by_model(read_counts(lake)).items():
        numbers = (counted.rows, counted.alerts, counted.late, counted.micro_batches)
        table.add_row(str(version), *(f"{number:,}" for number in numbers))
    out.print(table)
    dead = lake.read_arrow(DEAD_LETTERS, columns=["reason"]).to_pandas()["reason"].value_counts()
    words = ", ".join(f"{count} {reason}" for reason, count in sorted(dead.items()))
    out.print(f"Dead letters: {words or 'none'}")
    _print_disagreements(out, lake)


def _print_disagreements(out: Console, lake: Tables) -> None:
    """Print where drops that came later differ from what was scored live."""
    rows = lake.read_arrow(STREAM_DISAGREEMENTS).to_pandas()
    rows = rows[(rows.groupby("tx_date")["compared"].transform("sum") > 0) | (rows["rows"] > 0)]
    if rows.empty:
        return
    table = Table(title="Scored live, then told by a drop: what differs", title_justify="left")
    for name in ("kind", "rows", "days", "for example"):
        is_count = name in ("rows", "days")
        table.add_column(name, justify="right" if is_count else "left", no_wrap=name == "kind")
    for kind in DISAGREEMENT_KINDS:
        own = rows[(rows["kind"] == kind) & (rows["rows"] > 0)].sort_values("tx_date")
        named = [example for examples in own["examples"] for example in examples]
        table.add_row(
            kind.replace("_", " "),
            f"{int(own['rows'].sum()):,}",
            str(len(own)),
            "; ".join(named[:_SHOWN_EXAMPLES]),
        )
    out.print(table)
    days, compared = rows["tx_date"].nunique(), rows.drop_duplicates("tx_date")["compared"].sum()
    out.print(f"{compared:,} transactions of {days} days are in both. The drop counts.")


def _drops_table(ledger: list[dict[str, Any]]) -> Table:
    table = Table(title="What came in", title_justify="left")
    for name in ("drop", "status", "rows read", "clean", "quarantined", "share", "frauds", "days"):
        is_word = name in ("drop", "status", "days")
        table.add_column(name, justify="left" if is_word else "right", no_wrap=name == "drop")
    for row in ledger:
        table.add_row(
            row["drop"],
            row["status"],
            f"{row['rows_read']:,}",
            f"{row['rows_clean']:,}",
            f"{row['rows_quarantined']:,}",
            f"{row['rows_quarantined'] / max(row['rows_read'], 1):.4%}",
            f"{row['frauds']:,}",
            f"{row['first_date']} to {row['last_date']}",
        )
    return table


def _rejects_table(ledger: list[dict[str, Any]]) -> Table:
    table = Table(title="What was quarantined or repaired, and why", title_justify="left")
    table.add_column("reason", no_wrap=True)
    table.add_column("rows", justify="right")
    table.add_column("fits when")
    for reason in REASON_NAMES:
        count = sum(row[f"rejected_{reason}"] or 0 for row in ledger)
        table.add_row(reason, f"{count:,}", REASON_DESCRIPTIONS[reason])
    for repair in Repair:
        count = sum(row[f"repaired_{repair}"] for row in ledger)
        table.add_row(f"repaired: {repair}", f"{count:,}", "counted on clean rows")
    return table


def _print_comparisons(out: Console, report: list[dict[str, Any]]) -> None:
    """Print the latest comparison whole, and the verdicts of those before it."""
    latest = max(row["knowledge_date"] for row in report)
    rows = [row for row in report if row["knowledge_date"] == latest]
    table = Table(title=f"Models on the test week of {latest}", title_justify="left")
    table.add_column("metric", no_wrap=True)
    for role in _ROLES:
        table.add_column(role.replace("_", " "), justify="right")
    for metric in dict.fromkeys(row["metric"] for row in rows):
        cells = {
            row["subject"]: _figure(row)
            for row in rows
            if row["metric"] == metric and row["kind"] == "model"
        }
        table.add_row(metric_words(metric), *(cells.get(role, "-") for role in _ROLES))
    out.print(table)
    out.print("\n[italic]Verdicts[/italic]")
    for day in sorted({row["knowledge_date"] for row in report}):
        row = next(r for r in report if r["knowledge_date"] == day)
        champion = row["champion_version"]
        against = f"{row['champion_name']} {champion}" if champion else "the baselines"
        out.print(
            f"{day}  {row['candidate_name']} {row['candidate_version']} against {against}: "
            f"[bold]{row['verdict'].replace('_', ' ')}[/bold]. {row['verdict_reason']}"
        )


def metric_words(name: str, kinds: Sequence[str] = SOURCE.label.kinds) -> str:
    """Return a metric's name for people; a recall is of a kind of fraud as it is declared."""
    number = name.removeprefix("recall_scenario_")
    if number.isdigit() and int(number) <= len(kinds):
        return f"recall, {kinds[int(number) - 1]}"
    return name.replace("_", " ")


def _figure(row: dict[str, Any]) -> str:
    if row["value"] is None:
        return "-"
    if row["low"] is None or row["high"] is None:
        return f"{row['value']:.4f}"
    return f"{row['value']:.4f} [{row['low']:.4f}, {row['high']:.4f}]"


def _history_table(history: list[dict[str, Any]]) -> Table:
    table = Table(title="Decisions about the champion", title_justify="left")
    shown = ("knowledge_date", "action", "model_version", "champion_after", "decided_at")
    for name in shown:
        table.add_column(name.replace("_", " "), no_wrap=name == "knowledge_date")
    for row in sorted(history, key=lambda r: r["sequence"]):
        texts = {**row, "decided_at": f"{row['decided_at']:%Y-%m-%d %H:%M}"}
        table.add_row(*("" if texts[name] is None else str(texts[name]) for name in shown))
    return table
