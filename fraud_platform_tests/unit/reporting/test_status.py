"""`status` is a screenful, and a table's keys are whole on 80 columns."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from rich.console import Console

from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.contracts.quarantine_reasons import Reason, Repair
from fraud_platform.contracts.tables import CLEANING_LEDGER
from fraud_platform.operations.services import laptop
from fraud_platform.reporting.needs import needs_lines
from fraud_platform.reporting.status import lake_lines
from fraud_platform.reporting.terminal import print_report
from fraud_platform.settings import Settings
from fraud_platform_tests.testing.worlds.platform import Platform

KEYS = ["2026-08-01", "2026-09-30", *Reason, *(f"repaired: {repair}" for repair in Repair)]


def _row(drop: str, held: str | None = None) -> dict[str, object]:
    empty = {c.name: {"string": "x", "long": 1}.get(c.type) for c in CLEANING_LEDGER.columns}
    moment = datetime(2026, 11, 1, tzinfo=UTC)
    row = {
        name: (moment if "timestamp" in str(CLEANING_LEDGER.arrow_schema.field(name).type) else v)
        for name, v in empty.items()
    }
    return row | {
        "drop": drop,
        "status": "held" if held else "published",
        "published_sha256": None if held else "s",
        "held_because": held,
        "rows_read": 1_234_567,
        "rows_clean": 1_234_500,
        "rows_quarantined": 67,
        "first_date": moment.date(),
        "last_date": moment.date(),
    }


@pytest.fixture
def lake(platform: Platform) -> Lake:
    rows = [_row(f"2026-0{n}-01") for n in range(1, 9)]
    rows.append(_row("2026-09-30", "1.2 % of its rows are in quarantine, at most 1 % may be"))
    known = [{k: v for k, v in row.items() if k in CLEANING_LEDGER.column_names} for row in rows]
    table = pa.Table.from_pylist(known, schema=CLEANING_LEDGER.arrow_schema)
    platform.lake.replace_arrow(CLEANING_LEDGER, table, None)
    return platform.lake


def test_status_is_at_most_twelve_lines_of_eighty_columns(lake: Lake, tmp_path: Path) -> None:
    lines = lake_lines(lake)
    services = laptop.status(Settings(home=tmp_path, spark_server=True))
    topics, champion = 2, 1
    assert len(needs_lines([])) + len(services) + topics + champion + len(lines) <= 12
    assert all(len(line) <= 80 for line in [*lines, *services]), lines
    assert lines[0] == "drops: 5 older, 2026-06-01, 2026-07-01, 2026-08-01 published; 1 held"


def test_status_of_an_empty_lake_says_what_to_do(platform: Platform) -> None:
    (line,) = lake_lines(platform.lake)
    assert "fraud-platform demo" in line


def test_keys_of_the_report_are_whole_on_eighty_columns_and_a_held_drop_says_why(
    lake: Lake,
) -> None:
    console = Console(record=True, width=80)
    print_report(lake, console)
    text = console.export_text()
    for key in KEYS:
        assert str(key) in text, key
    assert "Drop 2026-09-30 is held: 1.2 % of its rows" in text
