"""A state read from the lake knows the ids that the state which scored them knows."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.contracts.scoring_tables import SCORED, SCORING
from fraud_platform.features.kernel import Transactions
from fraud_platform.scoring.files import write_rows
from fraud_platform.scoring.log import ScoringLog
from fraud_platform.scoring.recovery import NO_SNAPSHOT, RecoveredState
from fraud_platform.scoring.state import ScoringState

START, DAY = 1_532_908_800, 86_400


def micro_batches() -> list[Transactions]:
    """Sixty days of rows, a batch a day; some come years, months, days late, or are far ahead."""
    random = np.random.default_rng(8)
    batches = []
    for day in range(60):
        size = 40
        delays = random.choice([3, 20, 29, 31, 90, 5_000], size)
        seconds = START + day * DAY + np.sort(random.integers(0, DAY, size))
        seconds -= np.where(random.random(size) < 0.2, delays, 0) * DAY
        seconds[-1] += 9_000 * DAY * (day in (10, 30, 50))
        ids = np.arange(size) + day * size
        batches.append(Transactions(ids, ids % 9, ids % 7, seconds, ids + 1))
    return batches


def commit(lake: Lake, number: int, rows: Transactions, stream_second: int | None) -> None:
    """Write rows as the scorer would; features and scores do not matter here."""
    known = {
        "transaction_id": rows.transaction_id,
        "customer_id": rows.customer_id,
        "terminal_id": rows.terminal_id,
        "amount_cents": rows.amount_cents,
        "tx_datetime": rows.second * 1_000_000,
        "micro_batch": np.full(rows.second.size, number),
        "source_offset": rows.transaction_id,
    }
    columns = []
    for field in SCORED.arrow_schema:
        if pa.types.is_string(field.type) or pa.types.is_list(field.type):
            empty = "" if pa.types.is_string(field.type) else None
            columns.append(pa.array([empty] * rows.second.size, field.type))
        else:
            values = known.get(field.name, np.zeros(rows.second.size, np.int64))
            columns.append(pa.array(values, pa.int64()).cast(field.type))
    table = pa.Table.from_arrays(columns, schema=SCORED.arrow_schema)
    files = write_rows(lake.files, lake.uri(SCORED), SCORED, table)
    said = {"stream_second": stream_second, "end_offsets": {}}
    assert lake.numbered(SCORED, SCORING).append(files, number, said)


@pytest.mark.parametrize("looks", [(60,), (20, 21, 45, 60)])
def test_copies_are_the_same_to_a_state_that_scored_and_to_one_that_recovered(
    lake: Lake, looks: tuple[int, ...]
):
    scored, log = ScoringState(duplicate_horizon_days=30), ScoringLog(lake)
    recovered = RecoveredState(lake, NO_SNAPSHOT, 30)
    sent_again = np.arange(60 * 40)
    for number, rows in enumerate(micro_batches(), 1):
        scored.score(rows)
        commit(lake, number, rows, scored.clock.second)
        if number in looks:
            log.settle()
            recovered.catch_up(log)
            assert recovered.state.clock.second == scored.clock.second
            expected = scored.is_duplicate(sent_again)
            assert recovered.state.is_duplicate(sent_again).tolist() == expected.tolist()
            # whatever its date, a row of the last weeks is known
            last = number * 40
            assert expected[max(0, last - 22 * 40) : last].all()
