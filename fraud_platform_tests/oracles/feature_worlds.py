"""Small worlds of transactions and labels, and their tiles by plain loops.

Here: hypothesis strategies that crowd the windows' edges, and kernel inputs made without Spark.
Not here: what the features should be (`oracles.features`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from hypothesis import strategies as st

from fraud_platform.contracts.active import DECLARATION
from fraud_platform.contracts.arrays import LabelTiles, Tiles, Transactions
from fraud_platform.contracts.feature_language.declarables import Declaration
from fraud_platform.features.compute.customers import CustomerPass
from fraud_platform.features.compute.kernel import FeatureBatch
from fraud_platform.features.compute.terminals import TerminalPass
from fraud_platform_tests.oracles.features import DELAY, HOUR, LabelVersion, Tx

START_HOUR = 423_000 // 24 * 24
"""A midnight in April 2018."""

Features = dict[int, dict[str, np.float32]]


@dataclass(frozen=True)
class World:
    """Transactions and every version of their labels."""

    transactions: tuple[Tx, ...]
    labels: tuple[LabelVersion, ...]

    def of_days(self, first_hour: int, last_hour: int) -> list[Tx]:
        return [t for t in self.transactions if first_hour <= t.hour < last_hour]


_EDGES = (0, 1, 24, 48, 72, 120, 168, 169, 192, 336, 504, 672, 720, 721, 888, 889)
"""Distances in hours at which a window begins or ends."""

_times = st.builds(
    lambda edge, nudge, second: (START_HOUR + 889 - edge + nudge) * HOUR + second,
    st.sampled_from(_EDGES),
    st.integers(-1, 1),
    st.sampled_from((0, 1, 1799, 3599)),
)
_cents = st.sampled_from((1, 50, 999, 1000, 2200, 2201, 3001, 22_001, 999_999_999))


@st.composite
def worlds(draw: st.DrawFn, customers: int = 2, terminals: int = 2) -> World:
    """Draw a world of up to 40 transactions whose labels are on time, late, corrected, absent."""
    rows = draw(
        st.lists(
            st.tuples(_times, st.integers(0, customers - 1), st.integers(0, terminals - 1), _cents),
            min_size=1,
            max_size=40,
        )
    )
    transactions = tuple(Tx(i, *row) for i, row in enumerate(rows))
    labels: list[LabelVersion] = []
    for tx in transactions:
        labels += draw(_versions(tx))
    return World(transactions, tuple(labels))


@st.composite
def _versions(draw: st.DrawFn, tx: Tx) -> list[LabelVersion]:
    kind = draw(st.sampled_from(("on_time", "on_time", "late", "corrected", "early", "absent")))
    if kind == "absent":
        return []
    scenarios = st.sampled_from((0, 0, 1, 2, 3))
    on_time = tx.hour + DELAY + 1
    late = on_time + draw(st.sampled_from((1, 23, 24, 167, 500, 720, 721)))
    first = LabelVersion(tx.id, draw(scenarios), late if kind == "late" else on_time)
    if kind not in ("corrected", "early"):
        return [first]
    second_from = late if kind == "corrected" else tx.hour + draw(st.integers(1, DELAY))
    second = LabelVersion(tx.id, draw(scenarios), second_from, version=2)
    return [first, second]


def label_tiles_of(world: World, entity: str, declaration: Declaration = DECLARATION) -> LabelTiles:
    """Sum the signed label versions of a world by entity, event hour and counts_from."""
    of_id = {t.id: t for t in world.transactions}
    versions = {(v.id, v.version): v for v in world.labels}
    sums: dict[tuple[int, int, int], dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for label in world.labels:
        tx = of_id[label.id]
        key = (getattr(tx, entity), tx.hour, label.counts_from)
        signed = [(label, 1)]
        if label.version > 1:
            signed.append((versions[label.id, label.version - 1], -1))
        for version, sign in signed:
            for measure in declaration.label_measures:
                if version.scenario in measure.scenarios:
                    value = {
                        "count": 1,
                        "cents": tx.cents,
                        "squares": ((tx.cents + 50) // 100) ** 2,
                    }[measure.value]
                    sums[key][measure.name] += sign * value
    keys = sorted(sums)
    return LabelTiles(
        longs(k[0] for k in keys),
        longs(k[1] for k in keys),
        longs(k[2] for k in keys),
        {m.name: longs(sums[k][m.name] for k in keys) for m in declaration.label_measures},
    )


def terminal_tiles_of(transactions: Iterable[Tx]) -> Tiles:
    """Count transactions by terminal and hour."""
    sums: dict[tuple[int, int], list[int]] = defaultdict(lambda: [0, 0])
    for tx in transactions:
        cell = sums[tx.terminal, tx.hour]
        cell[0] += 1
        cell[1] += tx.cents
    keys = sorted(sums)
    return Tiles(
        longs(k[0] for k in keys),
        longs(k[1] for k in keys),
        {
            "n_transactions": longs(sums[k][0] for k in keys),
            "amount_cents": longs(sums[k][1] for k in keys),
        },
    )


def customer_tiles_of(
    transactions: Sequence[Tx], flags: dict[int, dict[str, int]], first_hour: int
) -> Tiles:
    """Sum transactions from an hour on by customer, terminal and hour, with their frozen flags."""
    flag_names = [flag.name for flag in DECLARATION.flags]
    cells: dict[tuple[int, int, int], list[Tx]] = defaultdict(list)
    for tx in transactions:
        if tx.hour >= first_hour:
            cells[tx.customer, tx.terminal, tx.hour].append(tx)
    keys = sorted(cells)
    measures = {
        "n_transactions": longs(len(cells[k]) for k in keys),
        "amount_cents": longs(sum(t.cents for t in cells[k]) for k in keys),
    }
    for name in flag_names:
        measures[name] = longs(sum(flags[t.id][name] for t in cells[k]) for k in keys)
    for last in DECLARATION.last_times:
        measures[last.name] = longs(
            max(t.second if last.flag is None or flags[t.id][last.flag] else 0 for t in cells[k])
            for k in keys
        )
    return Tiles(
        longs(k[0] for k in keys),
        longs(k[2] for k in keys),
        measures,
        terminal=longs(k[1] for k in keys),
    )


def kernel_features(world: World) -> Features:
    """Return the kernel's features of a whole world in one run."""
    return run_kernel(world, world.transactions, customer_tiles_of([], {}, 0))[0]


def kernel_features_by_day(world: World) -> Features:
    """Return the kernel's features, each day from the tiles of the 30 days before it alone."""
    features: Features = {}
    flags: dict[int, dict[str, int]] = {}
    done: list[Tx] = []
    for day in sorted({t.hour // 24 for t in world.transactions}):
        rows = world.of_days(day * 24, day * 24 + 24)
        history = customer_tiles_of(done, flags, first_hour=(day - 30) * 24)
        of_day, flags_of_day = run_kernel(world, rows, history, done)
        features.update(of_day)
        flags.update(flags_of_day)
        done += rows
    return features


def features_of(
    declaration: Declaration,
    transactions: Transactions,
    customer_history: Tiles,
    terminal_history: Tiles,
    customer_labels: LabelTiles,
    terminal_labels: LabelTiles,
) -> Iterator[FeatureBatch]:
    """Yield all features of transactions, with the histories of their customers and terminals."""
    terminals = TerminalPass(
        declaration,
        transactions.terminal_id,
        transactions.hour,
        transactions.amount_cents,
        terminal_history,
        terminal_labels,
    )
    customers = CustomerPass(
        declaration, transactions, terminals.matrix(), customer_history, customer_labels
    )
    for _, batches in customers.by_day():
        yield from batches


def run_kernel(
    world: World, rows: Sequence[Tx], history: Tiles, before: Sequence[Tx] = ()
) -> tuple[Features, dict[int, dict[str, int]]]:
    """Return features and flags of some rows by transaction id."""
    ids = longs(t.id for t in rows)
    batches = features_of(
        DECLARATION,
        Transactions(
            ids,
            longs(t.customer for t in rows),
            longs(t.terminal for t in rows),
            longs(t.second for t in rows),
            longs(t.cents for t in rows),
        ),
        history,
        terminal_tiles_of(before),
        label_tiles_of(world, "customer"),
        label_tiles_of(world, "terminal"),
    )
    features: Features = {}
    flags: dict[int, dict[str, int]] = {}
    for batch in batches:
        for place, row in enumerate(batch.rows):
            features[int(ids[row])] = {n: v[place] for n, v in batch.features.items()}
            flags[int(ids[row])] = {n: int(v[place]) for n, v in batch.flags.items()}
    return features, flags


def with_ids_spread(world: World, factor: int) -> World:
    """Return the world with customer and terminal ids multiplied."""
    return World(
        tuple(
            replace(t, customer=t.customer * factor, terminal=t.terminal * factor)
            for t in world.transactions
        ),
        world.labels,
    )


def longs(values: Iterable[int]) -> np.ndarray:
    return np.fromiter(values, dtype=np.int64)
