"""The contenders of the features benchmark, polars and pandas, and its simulated lakes.

Here: lakes with clean simulated transactions, and the Handbook's 15 features over exact seconds,
computed from them with polars and with pandas.
Not here: measuring (`benchmarks.features`), whether features are right (the tests).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pyarrow as pa

from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.contracts.active import LABEL_DELAY_DAYS
from fraud_platform.contracts.tables import DROP_LABELS, TRANSACTIONS
from fraud_platform.contracts.time import TILE_SECONDS
from fraud_platform.simulation import SimulationConfig
from fraud_platform.simulation.days import DayRows, simulate_day
from fraud_platform.simulation.population import draw_population

FIRST_DAY = date(2018, 4, 1)
DROP_DAYS = 30
TERMINALS = 10_000
ROWS_PER_CUSTOMER_AND_DAY = 1.94
_MICROSECONDS = 1_000_000
_SECONDS_PER_DAY = 86_400
_EPOCH_DAY = (FIRST_DAY - date(1970, 1, 1)).days
_WINDOW_DAYS = (1, 7, 30)


@dataclass(frozen=True)
class Crowd:
    """Shares of all transactions of one customer and one terminal, for skewed lakes."""

    customer: float = 0.0
    terminal: float = 0.0


def write_clean_tables(
    lake: Lake,
    rows_per_day: int,
    first: int,
    days: int,
    crowd: Crowd | None = None,
    terminals: int = TERMINALS,
    drop_days: int = DROP_DAYS,
) -> None:
    """Write simulated transactions and labels of some days, drop by drop.

    Args:
        lake: the lake.
        rows_per_day: approximate number of transactions a day.
        first: first day, counted from `FIRST_DAY`; a drop begins on it.
        days: number of days.
        crowd: shares of one customer and one terminal; None for no skew.
        terminals: number of terminals; the radius is scaled so that a customer reaches the same
            number of them.
        drop_days: days in a drop, all of which are in memory at once.
    """
    config = SimulationConfig(
        customers=round(rows_per_day / ROWS_PER_CUSTOMER_AND_DAY),
        terminals=terminals,
        radius=5.0 * math.sqrt(TERMINALS / terminals),
        first_day=FIRST_DAY,
    )
    population = draw_population(config)
    for start in range(first, first + days, drop_days):
        end = min(start + drop_days, first + days)
        simulated = [simulate_day(config, population, day) for day in range(start, end)]
        _write_drop(lake, start, simulated, crowd or Crowd())


def _write_drop(lake: Lake, start: int, days: list[DayRows], crowd: Crowd) -> None:
    second = np.concatenate([d.second + (d.day + _EPOCH_DAY) * _SECONDS_PER_DAY for d in days])
    second = second.astype(np.int64)
    random = np.random.default_rng(start)
    customer = np.concatenate([d.customer_id for d in days]).astype(np.int64)
    customer[random.random(customer.size) < crowd.customer] = 0
    terminal = np.concatenate([d.terminal_id for d in days]).astype(np.int64)
    terminal[random.random(terminal.size) < crowd.terminal] = 0
    scenario = np.concatenate([d.fraud_scenario for d in days]).astype(np.int32)
    known = second + LABEL_DELAY_DAYS * _SECONDS_PER_DAY
    columns = {
        "transaction_id": start * 10**9 + np.arange(second.size),
        "tx_datetime": _moments(second),
        "tx_date": pa.array((second // _SECONDS_PER_DAY).astype(np.int32)).view(pa.date32()),
        "customer_id": customer,
        "terminal_id": terminal,
        "amount_cents": np.concatenate([d.amount_cents for d in days]),
        "is_fraud": scenario > 0,
        "fraud_scenario": scenario,
        "known_at": _moments(known),
        "source": pa.array(["drop"]).take(pa.array(np.zeros(second.size, np.int8))),
        "counts_from": _moments((known // TILE_SECONDS + 1) * TILE_SECONDS),
        "version": np.ones(second.size, np.int32),
    }
    drop = (FIRST_DAY + timedelta(days=start)).isoformat()
    columns["drop"] = pa.array([drop]).take(pa.array(np.zeros(second.size, np.int8)))
    for table in (TRANSACTIONS, DROP_LABELS):
        rows = pa.table({name: columns[name] for name in table.column_names})
        lake.replace_arrow(table, rows.cast(table.arrow_schema), f"drop = '{drop}'")


def _moments(seconds: np.ndarray) -> pa.Array:
    return pa.array(seconds * _MICROSECONDS).view(pa.timestamp("us", tz="UTC"))


def handbook_by_polars(transactions: pa.Table) -> int:
    """Compute the Handbook's 15 features with polars' time windows; return the row count."""
    import polars as pl

    frame = pl.from_arrow(transactions)
    assert isinstance(frame, pl.DataFrame)
    moment = pl.col("tx_datetime")
    frame = frame.sort("tx_datetime", "transaction_id").select(
        "customer_id",
        "terminal_id",
        "tx_datetime",
        (pl.col("amount_cents") / 100).alias("amount"),
        pl.col("is_fraud").cast(pl.Int64).alias("fraud"),
        pl.lit(1, pl.Int64).alias("one"),
        (moment.dt.weekday() >= 6).alias("is_weekend"),
        (moment.dt.hour() <= 6).alias("is_night"),
    )

    def within(column: str, days: int, key: str) -> pl.Expr:
        return pl.col(column).rolling_sum_by("tx_datetime", f"{days}d").over(key)

    customers = []
    terminals = []
    for days in _WINDOW_DAYS:
        count = within("one", days, "customer_id")
        customers += [
            count.alias(f"customer_n_{days}"),
            (within("amount", days, "customer_id") / count).alias(f"customer_mean_{days}"),
        ]
        delayed = {
            column: within(column, days + LABEL_DELAY_DAYS, "terminal_id")
            - within(column, LABEL_DELAY_DAYS, "terminal_id")
            for column in ("one", "fraud")
        }
        terminals += [
            delayed["one"].alias(f"terminal_n_{days}"),
            (delayed["fraud"] / delayed["one"]).fill_nan(0.0).alias(f"terminal_risk_{days}"),
        ]
    return frame.with_columns(*customers, *terminals).height


def handbook_by_pandas(transactions: pa.Table) -> int:
    """Compute the Handbook's 15 features with pandas' time windows; return the row count."""
    frame = transactions.to_pandas().sort_values(["tx_datetime", "transaction_id"])
    frame["amount"] = frame["amount_cents"] / 100
    frame["fraud"] = frame["is_fraud"].astype(np.int64)
    frame["is_weekend"] = frame["tx_datetime"].dt.weekday >= 5
    frame["is_night"] = frame["tx_datetime"].dt.hour <= 6

    def within(column: str, days: int, key: str) -> tuple[np.ndarray, np.ndarray]:
        ordered = frame.sort_values([key, "tx_datetime", "transaction_id"])
        windows = ordered.set_index("tx_datetime").groupby(key)[column].rolling(f"{days}D")
        sums, counts = np.empty(len(frame)), np.empty(len(frame))
        places = frame.index.get_indexer(ordered.index)
        sums[places], counts[places] = windows.sum().to_numpy(), windows.count().to_numpy()
        return sums, counts

    for days in _WINDOW_DAYS:
        amounts, counts = within("amount", days, "customer_id")
        frame[f"customer_n_{days}"] = counts
        frame[f"customer_mean_{days}"] = amounts / counts
    late_frauds, late_counts = within("fraud", LABEL_DELAY_DAYS, "terminal_id")
    for days in _WINDOW_DAYS:
        frauds, counts = within("fraud", days + LABEL_DELAY_DAYS, "terminal_id")
        delayed = counts - late_counts
        frame[f"terminal_n_{days}"] = delayed
        frame[f"terminal_risk_{days}"] = (frauds - late_frauds) / np.maximum(delayed, 1)
    return len(frame)
