"""Ids of text that share a surrogate: no transaction is taken for a copy of another one."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import polars as pl
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from fraud_platform.contracts.arrays import ID_CHECK, Transactions
from fraud_platform.rows.surrogates import id_checks, surrogates
from fraud_platform.scoring.messages.declared import DeclaredMessages
from fraud_platform.scoring.state.scorer_state import ScoringState
from fraud_platform_tests.testing.worlds.declared import SOURCE, messages, payments

NARROW = replace(SOURCE, transaction_id=replace(SOURCE.transaction_id, bits=5))
"""Ids with 32 surrogates."""
DAY = datetime(2019, 3, 5, tzinfo=UTC)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 50), st.lists(st.integers(0, 59), max_size=40))
def test_each_message_is_scored_a_copy_or_another_id_with_the_surrogate(
    cut: int, again: list[int]
) -> None:
    rows = payments(60, DAY)
    rows = pl.concat([rows, rows[again]]) if again else rows
    reader, state = DeclaredMessages(NARROW), ScoringState(30)
    owners: dict[int, str] = {}
    scored: list[str] = []
    for part in (rows[:cut], rows[cut:]):
        found = reader.decode(*messages(part))
        one = found.transactions
        collides, is_copy = state.is_collision(one), state.is_duplicate(one.transaction_id)
        for place, text in enumerate(part["payment"]):
            code = int(one.transaction_id[place])
            owner = owners.setdefault(code, text)
            assert bool(collides[place]) == (owner != text)
            if owner == text:
                assert bool(is_copy[place]) == (text in scored)
                scored.append(text)
        new = np.flatnonzero(~collides & ~is_copy)
        state.remember(one.take(new), one.second[new])
    assert len(owners) <= 32 < 60
    assert len(set(scored)) == len(owners)


def test_rows_that_are_read_back_have_the_check_of_their_messages() -> None:
    found = DeclaredMessages(SOURCE).decode(*messages(payments(40, DAY)))
    stored = found.key_texts["transaction_key"].to_arrow().cast(pa.string())
    checks = id_checks(pl.Series(pa.chunked_array([stored])))
    assert checks.tolist() == found.transactions.facts[ID_CHECK].tolist()
    assert (checks != surrogates(found.key_texts["transaction_key"])).all()
    assert len(set(checks.tolist())) == 40


def test_ids_that_are_integers_never_collide() -> None:
    ids = np.array([1, 1, 2], np.int64)
    state = ScoringState(30)
    assert not state.is_collision(Transactions(ids, ids, ids, ids, ids)).any()
