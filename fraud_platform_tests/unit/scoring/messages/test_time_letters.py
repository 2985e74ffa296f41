"""Messages with an impossible date become dead letters, unless their id was scored before."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import numpy as np
import pytest

from fraud_platform.contracts.arrays import Transactions
from fraud_platform.contracts.messages import Messages
from fraud_platform.scoring.messages.decode import decode
from fraud_platform.scoring.messages.time_letters import TimeBounds, bound_times
from fraud_platform.stream.clock import StreamClock
from fraud_platform.stream.scored_ids import ScoredRows

NOW = int(datetime(2018, 7, 1, 12, tzinfo=UTC).timestamp())
DAY = 86_400


def message(transaction_id: int, second: int) -> bytes:
    values = {
        "transaction_id": transaction_id,
        "tx_datetime": f"{datetime.fromtimestamp(second, UTC):%Y-%m-%d %H:%M:%S}",
        "customer_id": 7,
        "terminal_id": 1,
        "tx_amount": 10.0,
    }
    return json.dumps(values).encode()


def live_messages(seconds: dict[int, int]) -> Messages:
    size = len(seconds)
    return Messages(
        np.zeros(size, np.int32),
        np.arange(size, dtype=np.int64),
        np.full(size, NOW * 1000, np.int64),
        [b"7"] * size,
        [message(number, second) for number, second in seconds.items()],
    )


@pytest.mark.parametrize("wrong", [NOW - 20 * DAY, NOW + 20 * 365 * DAY], ids=["behind", "ahead"])
def test_a_message_whose_id_was_scored_is_no_dead_letter_whatever_its_date(wrong: int) -> None:
    known = ScoredRows()
    column = np.array([2], np.int64)
    known.add(Transactions(column, column, column, np.array([NOW - 20 * DAY]), column))
    messages = live_messages({1: NOW, 2: wrong, 3: wrong})
    bounds = TimeBounds(StreamClock(NOW), {}, 900, lambda ids: known.find(ids)[0])

    decoded = bound_times(messages, decode(messages.keys, messages.values), bounds)

    assert decoded.transactions.transaction_id.tolist() == [1, 2]
    (letter,) = decoded.dead
    assert letter.row == 2
    assert letter.reasons[0] in ("time_ahead", "time_behind")
