"""The kernel compared with the brute-force oracle, and with data that it must not use."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from fraud_platform.contracts.active import DECLARATION, FEATURE_NAMES
from fraud_platform_tests.oracles.feature_worlds import (
    START_HOUR,
    World,
    kernel_features,
    kernel_features_by_day,
    with_ids_spread,
    worlds,
)
from fraud_platform_tests.oracles.features import DELAY, HOUR, LabelVersion, Oracle, Tx, is_same

_slow_worlds = settings(max_examples=150, deadline=None)


def _assert_equal(found: dict[str, np.float32], expected: dict[str, np.float32], tx: Tx) -> None:
    wrong = {n: (found[n], expected[n]) for n in expected if not is_same(n, found[n], expected[n])}
    assert not wrong, f"{tx}: found, expected {wrong}"


@_slow_worlds
@given(worlds())
def test_kernel_equals_the_oracle_on_every_transaction(world: World) -> None:
    oracle = Oracle(world.transactions, world.labels)
    found = kernel_features(world)
    assert len(found) == len(world.transactions)
    for tx in world.transactions:
        _assert_equal(found[tx.id], oracle.features(tx, FEATURE_NAMES), tx)


@_slow_worlds
@given(worlds())
def test_days_built_one_by_one_from_tiles_equal_one_run_over_all_days(world: World) -> None:
    at_once, by_day = kernel_features(world), kernel_features_by_day(world)
    assert at_once.keys() == by_day.keys()
    for tx in world.transactions:
        _assert_equal(by_day[tx.id], at_once[tx.id], tx)


@_slow_worlds
@given(worlds(), worlds(), st.data())
def test_no_later_row_and_no_label_not_yet_known_changes_a_feature(
    world: World, other: World, data: st.DataObject
) -> None:
    target = data.draw(st.sampled_from(world.transactions))
    seen = (target.second, target.id)
    kept = [t for t in world.transactions if (t.second, t.id) <= seen]
    replaced = [
        Tx(1_000 + t.id, max(t.second, target.second), t.customer, t.terminal, t.cents)
        for t in other.transactions
    ]
    counted: dict[int, int] = {}
    for v in world.labels:
        if v.counts_from <= target.hour:
            counted[v.id] = max(v.version, counted.get(v.id, 0))
    kept_ids = {t.id for t in kept}
    known = [v for v in world.labels if v.id in kept_ids and v.version <= counted.get(v.id, 0)]
    unknown = [
        LabelVersion(
            t.id, data.draw(st.integers(0, 3)), target.hour + 1 + i, counted.get(t.id, 0) + 1
        )
        for i, t in enumerate(kept)
    ]
    changed = World((*kept, *replaced), (*known, *unknown))
    _assert_equal(kernel_features(changed)[target.id], kernel_features(world)[target.id], target)


@settings(max_examples=30, deadline=None)
@given(worlds())
def test_ids_of_eighteen_digits_give_the_features_of_small_ones(world: World) -> None:
    small = kernel_features(world)
    large = kernel_features(with_ids_spread(world, 10**17 + 3))
    for tx in world.transactions:
        _assert_equal(large[tx.id], small[tx.id], tx)


def test_a_first_transaction_has_defaults_and_no_nan() -> None:
    world = World((Tx(1, START_HOUR * HOUR + 60, 7, 8, 1234),), ())
    features = kernel_features(world)[1]
    assert set(features) == set(FEATURE_NAMES)
    assert all(np.isfinite(v) and v.dtype == np.float32 for v in features.values())
    assert features["amount"] == np.float32(12.34)
    assert features["is_first_visit"] == 1
    assert features["hours_since_last_transaction"] == 720
    assert features["amount_to_known_genuine_mean"] == 1
    assert features["terminal_risk_7d"] == 0


def test_rows_of_one_second_are_ordered_by_transaction_id() -> None:
    second = START_HOUR * HOUR
    world = World(tuple(Tx(i, second, 1, 1, 100) for i in (5, 3, 4)), ())
    counts = {i: f["customer_n_transactions_1d"] for i, f in kernel_features(world).items()}
    assert counts == {3: 1, 4: 2, 5: 3}


def test_a_label_counts_in_its_hour_and_not_in_the_hour_before() -> None:
    fraud = Tx(1, START_HOUR * HOUR, 1, 9, 100)
    counts_from = fraud.hour + DELAY + 1
    before = Tx(2, (counts_from - 1) * HOUR + 3599, 2, 9, 100)
    after = Tx(3, counts_from * HOUR, 2, 9, 100)
    world = World((fraud, before, after), (LabelVersion(1, 2, counts_from),))
    found = kernel_features(world)
    assert found[2]["terminal_known_frauds_1d"] == 0
    assert found[3]["terminal_known_frauds_1d"] == 1


def test_a_late_label_enters_when_it_counts_and_leaves_with_its_event_hour() -> None:
    fraud = Tx(1, START_HOUR * HOUR, 1, 9, 100)
    late = fraud.hour + DELAY + 1 + 24
    last = fraud.hour + DELAY + 2 * 24
    hours = (late - 1, late, last, last + 1)
    others = tuple(Tx(10 + i, hour * HOUR, 2, 9, 100) for i, hour in enumerate(hours))
    found = kernel_features(World((fraud, *others), (LabelVersion(1, 2, late),)))
    assert [found[10 + i]["terminal_known_frauds_2d"] for i in range(4)] == [0, 1, 1, 0]


def test_a_corrected_label_leaves_as_the_new_version_enters() -> None:
    first = Tx(1, START_HOUR * HOUR, 1, 9, 100)
    correction = first.hour + DELAY + 1 + 5
    others = tuple(
        Tx(10 + i, hour * HOUR, 2, 9, 100) for i, hour in enumerate((correction - 1, correction))
    )
    labels = (
        LabelVersion(1, 2, first.hour + DELAY + 1),
        LabelVersion(1, 0, correction, version=2),
    )
    found = kernel_features(World((first, *others), labels))
    assert [found[i]["terminal_known_fraud_share_7d"] for i in (10, 11)] == [1, 0]
    assert [found[i]["terminal_hours_since_known_genuine"] for i in (10, 11)] == [720, 6]


def test_no_feature_name_is_declared_twice() -> None:
    assert len(set(FEATURE_NAMES)) == len(FEATURE_NAMES) == len(DECLARATION.features)
