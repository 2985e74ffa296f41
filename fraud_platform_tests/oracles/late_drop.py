"""A lake in which a drop came after its day was scored, with every kind of difference by hand.

Here: the rows, and what must be found.
Not here: the comparison (`fraud_platform.monitoring.disagreements`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pyarrow as pa

from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.contracts.active import DECLARATION
from fraud_platform.contracts.tables import TRANSACTIONS, TableContract
from fraud_platform.tables.features import TRANSACTION_FEATURES
from fraud_platform.tables.row_files import write_rows
from fraud_platform.tables.scoring import LANDING, SCORED, SCORING, TOPIC_LABELS

DAY = date(2018, 7, 30)
NOON = datetime(2018, 7, 30, 12, tzinfo=UTC)
LANDED = datetime(2026, 1, 10, tzinfo=UTC)
BEFORE, AFTER = LANDED - timedelta(days=2), LANDED + timedelta(days=2)
USED, UNUSED = DECLARATION.names[3:5]
"""Two features: the model uses the first alone."""

MODEL = SimpleNamespace(
    candidate=SimpleNamespace(
        feature_names=[USED], predict_probability=lambda matrix: matrix[:, 0].astype(float) / 8
    )
)

FOUND: dict[str, list[str]] = {
    "only_in_stream": ["9"],
    "only_in_drop": ["6", "7"],
    "transaction": ["2: customer_id, amount_cents"],
    "features": [f"3: {USED}", f"8: {UNUSED}"],
    "score": ["3: fraud_probability"],
    "label": ["5: fraud_scenario"],
}
COMPARED = 6
"""1, 2, 3, 4, 5 and 8 are in both; 7 was scored again when the drop was there."""


def write_late_drop(lake: Lake) -> None:
    """Write the four tables that are compared."""
    drop = {i: _row(i) for i in (1, 2, 3, 4, 5, 6, 7, 8)}
    stream = {i: _row(i) for i in (1, 2, 3, 4, 5, 7, 8, 9)}
    stream[2] |= {"customer_id": 77, "amount_cents": 1}
    drop[3][USED] = 2.0
    drop[4][UNUSED] = stream[4][UNUSED] = float("nan")
    drop[8][UNUSED] = 5.0
    for number, row in stream.items():
        row["scored_at"] = AFTER if number == 7 else BEFORE
        row["fraud_probability"] = row[USED] / 8
    lake.replace_arrow(TRANSACTION_FEATURES, _table(TRANSACTION_FEATURES, drop), None)
    drop[5]["fraud_scenario"], drop[5]["is_fraud"] = 2, True
    lake.replace_arrow(TRANSACTIONS, _table(TRANSACTIONS, drop), None)
    stream_end = (NOON + timedelta(days=1)).timestamp()
    _append(lake, SCORED, SCORING, stream, {"stream_second": int(stream_end)})
    # 1 is corrected to what the drop says, 5 to what it does not, 9 is in no drop
    labels = [(1, 3, 0), (1, 0, 5), (5, 2, 0), (5, 0, 5), (4, 0, 0), (9, 1, 0)]
    rows = {
        place: _row(number) | {"fraud_scenario": kind, "known_at": NOON + timedelta(days=7 + later)}
        for place, (number, kind, later) in enumerate(labels)
    }
    _append(lake, TOPIC_LABELS, LANDING, rows, {})


def _row(number: int) -> dict[str, Any]:
    return {
        "transaction_id": number,
        "tx_datetime": NOON + timedelta(minutes=number),
        "tx_date": DAY,
        "customer_id": 10 + number,
        "amount_cents": 100 * number,
        USED: 1.0,
    }


def _append(
    lake: Lake,
    table: TableContract,
    application: str,
    rows: Mapping[int, Mapping[str, Any]],
    output: Mapping[str, Any],
) -> None:
    files = write_rows(lake.files, lake.uri(table), table, _table(table, rows))
    assert lake.numbered(table, application).append(files, 1, output)


def _table(table: TableContract, rows: Mapping[int, Mapping[str, Any]]) -> pa.Table:
    """Return rows with all columns of a table; what they do not say is nothing."""
    return pa.Table.from_arrays(
        [
            pa.array([row.get(f.name, _nothing(f.type)) for row in rows.values()], f.type)
            for f in table.arrow_schema
        ],
        schema=table.arrow_schema,
    )


def _nothing(kind: pa.DataType) -> Any:
    if pa.types.is_string(kind):
        return "x"
    if pa.types.is_timestamp(kind):
        return NOON
    if pa.types.is_list(kind):
        return None
    return False if pa.types.is_boolean(kind) else 0
