"""Features of random declarations: both engines against loops, and against another future."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from fraud_platform.contracts.arrays import Labels, Transactions
from fraud_platform.features.compute.at_once import features_at_once, no_tiles
from fraud_platform.features.compute.customers import CustomerPass
from fraud_platform.features.compute.terminals import TerminalPass
from fraud_platform.features.compute.tiles import label_tiles
from fraud_platform.features.live.state import LiveState
from fraud_platform.labels.rule import on_time_hour
from fraud_platform_tests.oracles.declared_data import (
    DAY,
    Case,
    Row,
    cases,
    plain_feature,
    transactions_of,
    with_other_future,
)

_many = settings(max_examples=150, deadline=None)


def _at_once(case: Case) -> dict[int, list[bytes]]:
    """Return the bytes of each row's features by its id."""
    scenario = np.array([row.scenario for row in case.rows], np.int64)
    found = features_at_once(case.declaration, transactions_of(case.rows), scenario)
    return {row.id: [v.tobytes() for v in found[i]] for i, row in enumerate(case.rows)}


def _labels(rows: tuple[Row, ...]) -> Labels:
    given_rows = transactions_of(rows)
    scenario = np.array([row.scenario for row in rows], np.int64)
    ones = np.ones(len(rows), np.int64)
    return Labels(
        given_rows.hour, on_time_hour(given_rows.hour), given_rows.amount_cents, scenario, ones
    )


def _add_labels(state: LiveState, rows: tuple[Row, ...]) -> None:
    given_rows = transactions_of(rows)
    state.add_labels(given_rows.customer_id, given_rows.terminal_id, _labels(rows))


def _scored(case: Case, state: LiveState, rows: tuple[Row, ...]) -> dict[int, list[bytes]]:
    found: dict[int, list[bytes]] = {}
    for start in range(0, len(rows), 4):
        part = rows[start : start + 4]
        scored = state.score(transactions_of(part))
        assert not scored.is_late.any()
        for i, row in enumerate(part):
            found[row.id] = [scored.features[n][i].tobytes() for n in case.declaration.names]
    return found


def _in_time(rows: tuple[Row, ...]) -> tuple[Row, ...]:
    return tuple(sorted(rows, key=lambda row: (row.second, row.id)))


@_many
@given(cases())
def test_a_declared_feature_equals_loops_over_all_rows(case: Case) -> None:
    found = _at_once(case)
    for row in case.rows:
        expected = [plain_feature(f, row, case.rows) for f in case.declaration.features]
        assert np.isfinite(expected).all()
        assert found[row.id] == [value.tobytes() for value in expected]


@_many
@given(cases())
def test_live_features_equal_those_of_the_batch_engine_in_every_bit(case: Case) -> None:
    state = LiveState(case.declaration)
    _add_labels(state, case.rows)
    assert _scored(case, state, _in_time(case.rows)) == _at_once(case)


@_many
@given(cases(), st.integers(0, 31))
def test_live_features_from_tiles_of_earlier_days_equal_those_from_rows(
    case: Case, days_back: int
) -> None:
    rows = _in_time(case.rows)
    first_hour = (rows[-1].hour // DAY - days_back) * DAY
    before = tuple(row for row in rows if row.hour < first_hour)
    after = tuple(row for row in rows if row.hour >= first_hour)
    state = LiveState(case.declaration)
    _add_labels(state, case.rows)
    if before:
        _add_tiles(state, case, transactions_of(before))
    at_once = _at_once(case)
    assert _scored(case, state, after) == {row.id: at_once[row.id] for row in after}


def _add_tiles(state: LiveState, case: Case, before: Transactions) -> None:
    declaration, labels, rows = case.declaration, _labels(case.rows), transactions_of(case.rows)
    terminals = TerminalPass(
        declaration, before.terminal_id, before.hour, before.amount_cents,
        no_tiles(declaration.terminal_tile), label_tiles(declaration, rows.terminal_id, labels),
        before.second, before.facts,
    )  # fmt: skip
    customers = CustomerPass(
        declaration, before, terminals.matrix(), no_tiles(declaration.customer_tile),
        label_tiles(declaration, rows.customer_id, labels),
    )  # fmt: skip
    state.add_terminal_tiles(terminals.tiles)
    state.add_customer_tiles(customers.tiles)


@_many
@given(cases(), st.data())
def test_no_feature_changes_if_the_future_changes(case: Case, data: st.DataObject) -> None:
    target = data.draw(st.sampled_from(case.rows))
    other = with_other_future(case, target)
    assert _at_once(other)[target.id] == _at_once(case)[target.id]
