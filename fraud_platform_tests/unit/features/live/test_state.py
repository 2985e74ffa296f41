"""The live state computes the same features as the batch engine does later."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from fraud_platform.contracts.arrays import Labels, Tiles, Transactions
from fraud_platform.contracts.feature_language.tiles import Tile
from fraud_platform.features.compute.customers import CustomerPass
from fraud_platform.features.compute.terminals import TerminalPass
from fraud_platform.features.live.state import LiveState
from fraud_platform_tests.oracles.feature_worlds import (
    World,
    customer_tiles_of,
    kernel_features,
    label_tiles_of,
    longs,
    run_kernel,
    terminal_tiles_of,
    with_ids_spread,
    worlds,
)
from fraud_platform_tests.oracles.features import LabelVersion, Oracle, Tx
from fraud_platform_tests.oracles.more_measures import MORE, plain_tiles

_worlds = settings(max_examples=150, deadline=None)
Features = dict[int, dict[str, np.float32]]


def _transactions(rows: list[Tx]) -> Transactions:
    return Transactions(
        longs(t.id for t in rows),
        longs(t.customer for t in rows),
        longs(t.terminal for t in rows),
        longs(t.second for t in rows),
        longs(t.cents for t in rows),
    )


def _score(state: LiveState, rows: list[Tx], cuts: list[int]) -> tuple[Features, set[int]]:
    """Score rows in calls divided at `cuts`; return features and the ids of late rows."""
    found: Features = {}
    late: set[int] = set()
    bounds = [0, *sorted(min(c, len(rows)) for c in cuts), len(rows)]
    for start, stop in itertools.pairwise(bounds):
        part = rows[start:stop]
        scored = state.score(_transactions(part))
        for place, tx in enumerate(part):
            found[tx.id] = {n: column[place] for n, column in scored.features.items()}
            if scored.is_late[place]:
                late.add(tx.id)
    return found, late


def _in_time(world: World) -> list[Tx]:
    return sorted(world.transactions, key=lambda t: (t.second, t.id))


def _knowing(world: World) -> LiveState:
    state = LiveState()
    for entity in ("customer", "terminal"):
        state.add_label_tiles(entity, label_tiles_of(world, entity))
    return state


@_worlds
@given(worlds(), st.lists(st.integers(0, 40), max_size=6))
def test_rows_in_order_have_the_features_of_the_batch_engine(world: World, cuts: list[int]) -> None:
    found, late = _score(_knowing(world), _in_time(world), cuts)
    assert late == set()
    assert found == kernel_features(world)


@_worlds
@given(worlds(), st.lists(st.integers(0, 40), max_size=6), st.integers(0, 2), st.booleans())
def test_a_state_that_starts_from_tiles_gives_the_same_features(
    world: World, cuts: list[int], days_back: int, is_settled: bool
) -> None:
    rows = _in_time(world)
    first_hour = (rows[-1].hour // 24 - days_back) * 24
    before = [t for t in rows if t.hour < first_hour]
    _, flags = run_kernel(world, before, customer_tiles_of([], {}, 0))
    state = _knowing(world)
    state.add_customer_tiles(customer_tiles_of(before, flags, 0))
    state.add_terminal_tiles(terminal_tiles_of(before))
    if is_settled:
        state.settle()
    after = [t for t in rows if t.hour >= first_hour]
    found, late = _score(state, after, cuts)
    expected = kernel_features(world)
    assert late == set()
    assert found == {t.id: expected[t.id] for t in after}


@_worlds
@given(st.data(), worlds(), st.lists(st.integers(0, 40), max_size=6))
def test_a_late_row_sees_what_came_before_it_in_both_orders(
    data: st.DataObject, world: World, cuts: list[int]
) -> None:
    arriving = data.draw(st.permutations(world.transactions))
    found, late = _score(_knowing(world), arriving, cuts)
    greatest: dict[int, tuple[int, int]] = {}
    seen: list[Tx] = []
    for tx in arriving:
        assert (tx.id in late) == ((tx.second, tx.id) < greatest.get(tx.customer, (-1, -1)))
        greatest[tx.customer] = max((tx.second, tx.id), greatest.get(tx.customer, (-1, -1)))
        seen.append(tx)
    # A customer's windows contain what arrived before. A terminal's windows contain whole hours
    # of a week ago, which later arrivals in these small worlds can still change.
    names = [n for n in found[arriving[0].id] if n.startswith(("customer_n_", "hours_since"))]
    for place, tx in enumerate(arriving):
        oracle = Oracle(seen[: place + 1], world.labels)
        flagged = Oracle(world.transactions, world.labels)
        oracle.flag_of = flagged.flag_of
        expected = oracle.features(tx, [n for n in names if "suspicious" not in n])
        assert {n: found[tx.id][n] for n in expected} == expected


@_worlds
@given(worlds(), st.data())
def test_labels_can_be_added_in_any_order(world: World, data: st.DataObject) -> None:
    of_id = {t.id: t for t in world.transactions}
    versions = {(v.id, v.version): v for v in world.labels}
    state = LiveState()
    arriving = data.draw(st.permutations(world.labels))
    for label in arriving:
        signed = [(label, 1)]
        if label.version > 1:
            signed.append((versions[label.id, label.version - 1], -1))
        _add(state, of_id[label.id], label, signed)
    found, _ = _score(state, _in_time(world), [])
    assert found == kernel_features(world)


def _add(
    state: LiveState, tx: Tx, label: LabelVersion, signed: list[tuple[LabelVersion, int]]
) -> None:
    state.add_labels(
        longs([tx.customer] * len(signed)),
        longs([tx.terminal] * len(signed)),
        Labels(
            longs([tx.hour] * len(signed)),
            longs([label.counts_from] * len(signed)),
            longs([tx.cents] * len(signed)),
            longs(v.scenario for v, _ in signed),
            longs(sign for _, sign in signed),
        ),
    )


def test_a_state_drops_what_is_older_than_any_lookback() -> None:
    rng = np.random.default_rng(5)
    days, per_day = 200, 50
    endless, bounded = LiveState(), LiveState()
    history: list[Transactions] = []
    for day in range(days):
        second = np.sort(rng.integers(0, 86_400, per_day)) + (20_000 + day) * 86_400
        ids = np.arange(per_day) + day * per_day
        # The last 20 customers have transactions only once in months.
        customer = np.where(rng.random(per_day) < 0.02, 30 + day % 20, rng.integers(0, 30, per_day))
        rows = Transactions(
            ids, customer, rng.integers(0, 12, per_day), second, rng.integers(1, 9**5, per_day)
        )
        history.append(rows)
        bounded.keep_since(int(second[0]) - 7 * 86_400)
        scored, kept = endless.score(rows), bounded.score(rows)
        for name, column in scored.features.items():
            assert np.array_equal(column, kept.features[name]), name
        assert np.array_equal(scored.is_late, kept.is_late)
        if day >= 7:
            for state in (endless, bounded):
                _label(state, history[day - 7], day, np.random.default_rng(day))
    assert endless.n_events == days * per_day
    # 37 days of events, a quarter more until the next merge, and the last event per customer.
    assert bounded.n_events < 1.3 * 37 * per_day + 50


def _label(state: LiveState, rows: Transactions, day: int, rng: np.random.Generator) -> None:
    """Add the labels of a day of rows on time, and correct some of them later."""
    scenario = np.where(rng.random(rows.second.size) < 0.1, rng.integers(1, 4, rows.second.size), 0)
    on_time = rows.hour + 7 * 24 + 1
    late = np.flatnonzero(rng.random(rows.second.size) < 0.05)
    midnight = np.full(late.size, (20_000 + day + 2) * 24)
    both = np.concatenate((np.arange(rows.second.size), late, late))
    size = rows.second.size
    signs = np.concatenate((np.ones(size), -np.ones(late.size), np.ones(late.size)))
    state.add_labels(
        rows.customer_id[both],
        rows.terminal_id[both],
        Labels(
            rows.hour[both],
            np.concatenate((on_time, midnight, midnight)),
            rows.amount_cents[both],
            np.concatenate((scenario, scenario[late], 3 - scenario[late])),
            signs.astype(np.int64),
        ),
    )


@settings(max_examples=30, deadline=None)
@given(worlds())
def test_ids_of_eighteen_digits_give_the_features_of_small_ones(world: World) -> None:
    large = with_ids_spread(world, 10**17 + 3)
    found, _ = _score(_knowing(large), _in_time(large), [3, 9])
    assert found == kernel_features(world)


@settings(max_examples=60, deadline=None)
@given(worlds(), st.lists(st.integers(0, 40), max_size=3), st.integers(0, 2))
def test_a_further_measure_of_each_kind_is_the_same_in_batch_and_live(
    world: World, cuts: list[int], days_back: int
) -> None:
    rows = _in_time(world)
    first_hour = (rows[-1].hour // 24 - days_back) * 24
    before, after = (
        [t for t in rows if (t.hour < first_hour) == is_old] for is_old in (True, False)
    )
    whole, flags, _, _ = _run_passes(world, rows)
    _, _, terminals, customers = _run_passes(world, before)
    for tiles, tile in ((terminals, MORE.terminal_tile), (customers, MORE.customer_tile)):
        assert _by_key(tile, tiles) == plain_tiles(tile, before, flags)

    state = LiveState(MORE)
    for entity in ("customer", "terminal"):
        state.add_label_tiles(entity, label_tiles_of(world, entity, MORE))
    state.add_customer_tiles(customers)
    state.add_terminal_tiles(terminals)
    found, _ = _score(state, after, cuts)
    assert found == {t.id: whole[t.id] for t in after}


def _run_passes(
    world: World, rows: list[Tx]
) -> tuple[Features, dict[int, dict[str, int]], Tiles, Tiles]:
    """Return features and flags by id, and the tiles of terminals and customers."""
    labels = {e: label_tiles_of(world, e, MORE) for e in ("customer", "terminal")}
    given_rows = _transactions(rows)
    nothing = [_no_tiles(tile) for tile in (MORE.terminal_tile, MORE.customer_tile)]
    terminals = TerminalPass(
        MORE,
        given_rows.terminal_id,
        given_rows.hour,
        given_rows.amount_cents,
        nothing[0],
        labels["terminal"],
    )
    customers = CustomerPass(MORE, given_rows, terminals.matrix(), nothing[1], labels["customer"])
    features: Features = {}
    flags: dict[int, dict[str, int]] = {}
    for _, batches in customers.by_day():
        for batch in batches:
            for place, row in enumerate(batch.rows):
                features[rows[row].id] = {n: v[place] for n, v in batch.features.items()}
                flags[rows[row].id] = {n: int(v[place]) for n, v in batch.flags.items()}
    return features, flags, terminals.tiles, customers.tiles


def _no_tiles(tile: Tile) -> Tiles:
    return Tiles(longs([]), longs([]), {name: longs([]) for name in tile.names})


def _by_key(tile: Tile, tiles: Tiles) -> dict[tuple[int, ...], dict[str, int]]:
    columns = {tile.entity_column: tiles.entity, tile.hour_column: tiles.hour}
    columns = {"terminal_id": tiles.terminal} | columns
    keys = zip(*(columns[name].tolist() for name in tile.key), strict=True)
    return {
        key: {name: int(tiles.measures[name][place]) for name in tile.names}
        for place, key in enumerate(keys)
    }
