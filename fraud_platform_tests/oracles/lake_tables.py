"""What a lake's cleaned tables hold, in forms that compare with the oracle and with each other.

Here: reading `transactions`, `quarantine`, `drop_labels` and the ledger without Spark.
Not here: what they should hold (`oracles.cleaning`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.contracts.tables import (
    CLEANING_LEDGER,
    DROP_LABELS,
    QUARANTINE,
    TRANSACTIONS,
    TableContract,
)
from fraud_platform_tests.oracles.cleaning import CleanedByOracle, CleanRow, QuarantinedRow

_OF_RUN = {"transactions_version", "publication", "run_id", "cleaned_at"}


def clean_rows(lake: Lake, drop: str) -> list[CleanRow]:
    """Return a drop's rows of `transactions`, sorted, and check the date column on the way."""
    table = lake.read_arrow(TRANSACTIONS, filters=[("drop", "=", drop)])
    columns = table.drop_columns(["drop", "tx_date"]).to_pydict()
    dates = [when.date() for when in columns["tx_datetime"]]
    assert table["tx_date"].to_pylist() == dates
    return sorted(zip(*columns.values(), strict=True))


def quarantined_rows(lake: Lake, drop: str) -> Counter[QuarantinedRow]:
    """Return a drop's rows of `quarantine`, counted."""
    rows = lake.read_arrow(QUARANTINE, filters=[("drop", "=", drop)]).to_pylist()
    return Counter(
        (row["reason"], tuple(row["reasons"]), row["raw_line"], row["transaction_id"])
        for row in rows
    )


def ledger(lake: Lake) -> dict[str, dict[str, Any]]:
    """Return the ledger by drop, without what differs from run to run."""
    return {
        row["drop"]: {name: value for name, value in row.items() if name not in _OF_RUN}
        for row in lake.read_arrow(CLEANING_LEDGER).to_pylist()
    }


def everything(lake: Lake) -> dict[str, Any]:
    """Return all four tables, for comparing one lake with another."""

    def rows(table: TableContract) -> Counter[tuple[Any, ...]]:
        columns = lake.read_arrow(table).to_pydict()
        if "reasons" in columns:
            columns["reasons"] = [tuple(reasons) for reasons in columns["reasons"]]
        return Counter(zip(*columns.values(), strict=True))

    return {t.name: rows(t) for t in (TRANSACTIONS, QUARANTINE, DROP_LABELS)} | {
        "ledger": ledger(lake)
    }


def assert_equals_oracle(lake: Lake, expected: Mapping[str, CleanedByOracle]) -> None:
    """Assert that tables and ledger hold exactly what the oracle says of these drops."""
    marks = ledger(lake)
    assert marks.keys() == expected.keys()
    for drop, result in expected.items():
        assert clean_rows(lake, drop) == result.clean
        assert quarantined_rows(lake, drop) == result.quarantined
        mark = marks[drop]
        assert mark["rows_read"] == result.rows_read
        assert mark["rows_clean"] == len(result.clean)
        assert mark["rows_quarantined"] == result.quarantined.total()
        assert mark["blank_lines"] == result.blank_lines
        assert mark["comment_lines"] == result.comment_lines
        assert mark["frauds"] == sum(row[5] for row in result.clean)
        dates = [row[1].date() for row in result.clean]
        assert mark["first_date"] == min(dates, default=None)
        assert mark["last_date"] == max(dates, default=None)
        by_reason: Counter[str] = Counter()
        for row, count in result.quarantined.items():
            by_reason[row[0]] += count
        found = {n.removeprefix("rejected_"): v for n, v in mark.items() if n[:9] == "rejected_"}
        assert Counter(found) == by_reason
        repairs = {n.removeprefix("repaired_"): v for n, v in mark.items() if n[:9] == "repaired_"}
        assert Counter(repairs) == result.repairs
