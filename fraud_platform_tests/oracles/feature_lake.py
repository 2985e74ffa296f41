"""Worlds of transactions and labels in a lake, and what its feature tables hold.

Here: seeded worlds of some thousand rows, writing them as clean tables, reading features back.
Not here: the small worlds of property tests (`oracles.feature_worlds`).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.contracts.active import FEATURE_NAMES
from fraud_platform.contracts.tables import DROP_LABELS, TRANSACTIONS, TableContract
from fraud_platform.tables.features import TRANSACTION_FEATURES
from fraud_platform_tests.oracles.feature_worlds import START_HOUR, Features, World
from fraud_platform_tests.oracles.features import (
    DAY,
    DELAY,
    HOUR,
    LabelVersion,
    Oracle,
    Tx,
    is_same,
)

FIRST_DAY = date(1970, 1, 1) + timedelta(days=START_HOUR // 24)
DROP = FIRST_DAY.isoformat()


def seeded_world(days: int, rows: int, seed: int = 5) -> World:
    """Return a world in which one label in ten is late and one in ten is corrected."""
    rng = np.random.default_rng(seed)
    start = START_HOUR * HOUR
    seconds = start + np.sort(rng.integers(0, days * DAY, rows))
    transactions = tuple(
        Tx(i, int(s), int(c), int(t), int(a))
        for i, (s, c, t, a) in enumerate(
            zip(
                seconds,
                rng.integers(0, 25, rows) ** 2,
                rng.integers(0, 12, rows),
                rng.integers(1, 30_000, rows),
                strict=True,
            )
        )
    )
    labels: list[LabelVersion] = []
    for tx in transactions:
        on_time = tx.hour + DELAY + 1
        kind = rng.integers(0, 10)
        scenario = int(rng.integers(1, 4)) if rng.random() < 0.2 else 0
        late = (on_time // 24 + 1 + int(rng.integers(0, 20))) * 24
        labels.append(LabelVersion(tx.id, scenario, late if kind == 0 else on_time))
        if kind == 1:
            labels.append(LabelVersion(tx.id, int(rng.integers(0, 4)), late, version=2))
    return World(transactions, tuple(labels))


def write_world(lake: Lake, world: World) -> None:
    """Write a world's transactions and labels as one drop."""
    of_id = {t.id: t for t in world.transactions}
    latest = {v.id: v.scenario for v in sorted(world.labels, key=lambda v: v.version)}
    _write(
        lake,
        TRANSACTIONS,
        [
            {
                "transaction_id": t.id,
                "tx_datetime": _moment(t.second),
                "tx_date": _moment(t.second).date(),
                "customer_id": t.customer,
                "terminal_id": t.terminal,
                "amount_cents": t.cents,
                "is_fraud": latest.get(t.id, 0) > 0,
                "fraud_scenario": latest.get(t.id, 0),
                "drop": DROP,
            }
            for t in world.transactions
        ],
    )
    _write(
        lake,
        DROP_LABELS,
        [
            {
                "transaction_id": v.id,
                "is_fraud": v.scenario > 0,
                "fraud_scenario": v.scenario,
                "known_at": _moment(of_id[v.id].second + DELAY * HOUR),
                "source": "drop",
                "counts_from": _moment(v.counts_from * HOUR),
                "version": v.version,
                "drop": DROP,
            }
            for v in world.labels
        ],
    )


def read_features(lake: Lake, ids: Iterable[int]) -> Features:
    """Return the stored features of some transactions."""
    wanted = pa.array(list(ids), pa.int64())
    rows = lake.read_arrow(TRANSACTION_FEATURES)
    rows = rows.filter(pc.is_in(rows["transaction_id"], wanted))
    columns = {name: rows[name].to_numpy() for name in rows.column_names}
    return {
        int(key): {name: column[i] for name, column in columns.items()}
        for i, key in enumerate(columns["transaction_id"])
    }


def assert_equals_oracle(lake: Lake, world: World, targets: Iterable[Tx]) -> None:
    """Compare the stored features of some of a world's transactions with the oracle's."""
    oracle = Oracle(world.transactions, world.labels)
    targets = list(targets)
    found = read_features(lake, (t.id for t in targets))
    for tx in targets:
        expected = oracle.features(tx, FEATURE_NAMES)
        own = found[tx.id]
        wrong = {n: (own[n], v) for n, v in expected.items() if not is_same(n, own[n], v)}
        assert not wrong, f"{tx}: found, expected {wrong}"


def contents(lake: Lake, table: TableContract) -> pa.Table:
    """Return a table's rows in the order of its key."""
    return lake.read_arrow(table).sort_by([(name, "ascending") for name in table.key])


def files_by_day(lake: Lake, table: TableContract) -> dict[date, set[str]]:
    """Return the files that hold each day."""
    files = lake.data_files(table)
    days = files[f"partition.{table.partition_by[0]}"].to_pylist()
    found: dict[date, set[str]] = {}
    for day, path in zip(days, files["path"].to_pylist(), strict=True):
        found.setdefault(day, set()).add(path)
    return found


def read_real_transactions(folder: Path) -> dict[str, np.ndarray]:
    """Return the columns of the real drops: id, second, customer, terminal, cents, scenario."""
    import lzma

    parts = []
    for path in sorted(folder.glob("*.txt.xz")):
        with lzma.open(path) as text:
            parts.append(np.loadtxt(text, dtype=str, delimiter=",", comments=None, skiprows=1))
    rows = np.concatenate(parts)
    return {
        "id": rows[:, 0].astype(np.int64),
        "second": rows[:, 1].astype("datetime64[s]").astype(np.int64),
        "customer": rows[:, 2].astype(np.int64),
        "terminal": rows[:, 3].astype(np.int64),
        "cents": np.rint(rows[:, 4].astype(float) * 100).astype(np.int64),
        "scenario": rows[:, 8].astype(np.int64),
    }


def _write(lake: Lake, table: TableContract, rows: list[dict[str, object]]) -> None:
    lake.replace_arrow(table, pa.Table.from_pylist(rows, table.arrow_schema), f"drop = '{DROP}'")


def _moment(second: int) -> datetime:
    return datetime.fromtimestamp(second, UTC)
