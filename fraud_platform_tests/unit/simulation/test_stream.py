"""Messages of a replayed drop, and bad messages, compared with the contract."""

from __future__ import annotations

import json
import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from fraud_platform.errors import SettingsError
from fraud_platform.operations.live.produce import Pace
from fraud_platform.scoring.messages.decode import judge_message
from fraud_platform.simulation.stream import (
    bad_messages,
    label_messages,
    moments,
    stream_order,
    transaction_messages,
)
from fraud_platform.simulation.stream_messages import BadMessage

REASONS = {
    "malformed_row",
    "bad_timestamp",
    "unknown_customer",
    "unknown_terminal",
    "non_positive_amount",
    "not_json",
    "wrong_key",
    "too_large",
    "duplicate",
}


def rows(count: int = 200) -> pl.DataFrame:
    first = datetime(2018, 7, 30, 0, 0, 41, tzinfo=UTC)
    return pl.DataFrame(
        {
            "transaction_id": [17 + i for i in range(count)],
            "tx_datetime": [first + timedelta(seconds=61 * i) for i in range(count)],
            "customer_id": [596 + i % 9 for i in range(count)],
            "terminal_id": [3156 - i for i in range(count)],
            "amount_cents": [5716 + 7 * i for i in range(count)],
            "is_fraud": [i % 3 == 0 for i in range(count)],
            "fraud_scenario": [1 if i % 3 == 0 else 0 for i in range(count)],
        },
        schema_overrides={"tx_datetime": pl.Datetime("us", "UTC")},
    )


def test_messages_equal_the_examples_of_the_contract() -> None:
    messages = transaction_messages(rows(1))
    assert messages.keys == [b"596"]
    assert messages.values == [
        (
            b'{"transaction_id": 17, "tx_datetime": "2018-07-30 00:00:41", "customer_id": 596, '
            b'"terminal_id": 3156, "tx_amount": 57.16}'
        )
    ]
    labels = label_messages(rows(1))
    assert labels.keys == [b"17"]
    assert labels.values == [
        (
            b'{"transaction_id": 17, "is_fraud": true, "fraud_scenario": 1, '
            b'"known_at": "2018-08-06 00:00:41"}'
        )
    ]


@pytest.mark.parametrize(
    ("cents", "text"), [(1, b"0.01"), (10, b"0.10"), (5, b"0.05"), (999_999_999, b"9999999.99")]
)
def test_amounts_have_two_decimals(cents: int, text: bytes) -> None:
    one = rows(1).with_columns(pl.lit(cents, pl.Int64).alias("amount_cents"))
    assert transaction_messages(one).values[0].endswith(b'"tx_amount": ' + text + b"}")


def test_every_message_decodes_to_its_row() -> None:
    table = rows()
    for row, key, value in zip(
        table.to_dicts(),
        (messages := transaction_messages(table)).keys,
        messages.values,
        strict=True,
    ):
        read = json.loads(value)
        assert (read["transaction_id"], read["customer_id"]) == (
            row["transaction_id"],
            row["customer_id"],
        )
        assert read["tx_datetime"] == row["tx_datetime"].strftime("%Y-%m-%d %H:%M:%S")
        assert round(read["tx_amount"] * 100) == row["amount_cents"]
        assert key == str(row["customer_id"]).encode()
    assert moments(table).tolist() == [int(t.timestamp()) for t in table["tx_datetime"]]


def test_the_stream_is_in_order_of_time_then_id() -> None:
    table = rows(6).with_columns(pl.col("tx_datetime").dt.truncate("2m"))
    shuffled = table.sample(fraction=1, shuffle=True, seed=5)
    ordered = stream_order(shuffled)
    found = list(zip(ordered["tx_datetime"], ordered["transaction_id"], strict=True))
    assert found == sorted(found)


def judge(bad: BadMessage, good_ids: set[int]) -> str:  # noqa: C901 - the contract, rule by rule
    """Return the outcome of a message by the contract's table, with a simple implementation."""
    if len(bad.value or b"") > 1_000_000:
        return "too_large"

    def refuse(word: str) -> None:
        raise ValueError(word)

    try:
        text = (bad.value or b"").decode()
        # Python refuses integers of more than 4,300 digits, although they are valid JSON.
        read = json.loads(text, parse_constant=refuse, parse_int=lambda digits: int(digits[:99]))
    except (ValueError, RecursionError):
        return "not_json"
    if any(text.count(f'"{name}"') > 1 for name in read):
        return "malformed_row"
    number = read.get("transaction_id", read.get("tranaction_id"))
    if not is_id(number) or number < 0:
        return "malformed_row"
    customer, terminal, amount = (
        read.get(name) for name in ("customer_id", "terminal_id", "tx_amount")
    )
    for value in (customer, terminal):
        if value is not None and not is_id(value):
            return "malformed_row"
    if amount is not None and (isinstance(amount, bool) or not isinstance(amount, int | float)):
        return "malformed_row"
    try:
        if not re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", read["tx_datetime"]):
            return "bad_timestamp"
        moment = datetime.strptime(read["tx_datetime"], "%Y-%m-%d %H:%M:%S")
        if not 2000 <= moment.year <= 2099:
            return "bad_timestamp"
    except (KeyError, TypeError, ValueError):
        return "bad_timestamp"
    if customer is None or customer < 0:
        return "unknown_customer"
    if terminal is None or terminal < 0:
        return "unknown_terminal"
    if amount is None or not 0.005 <= amount <= 9_999_999.99:
        return "non_positive_amount"
    if bad.key != str(customer).encode():
        return "wrong_key"
    return "duplicate" if number in good_ids else "scored"


def is_id(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**18


def test_every_bad_message_has_the_reason_that_it_claims() -> None:
    table = rows()
    made = bad_messages(table, 1.0, seed=3, each_kind=True)
    ids = set(table["transaction_id"])
    wrong = [(bad.reason, bad.key, bad.value) for bad in made if judge(bad, ids) != bad.reason]
    assert wrong == []
    assert {bad.reason for bad in made} == REASONS
    assert Counter(bad.reason for bad in made)["too_large"] == 1
    assert any(bad.value is None for bad in made)


def test_the_scorer_assigns_every_bad_message_its_reason() -> None:
    made = bad_messages(rows(), 1.0, seed=3, each_kind=True)
    found = [(judge_message(bad.key, bad.value).reasons or ("duplicate",))[0] for bad in made]
    assert found == [bad.reason for bad in made]


def test_bad_messages_are_ordered_have_their_rate_and_are_reproducible() -> None:
    table = rows(20_000)
    made = bad_messages(table, 0.05, seed=1)
    assert abs(len(made) - 1000) < 150
    assert [bad.after for bad in made] == sorted(bad.after for bad in made)
    assert max(bad.after for bad in made) < table.height
    assert made == bad_messages(table, 0.05, seed=1)
    assert made != bad_messages(table, 0.05, seed=2)
    assert bad_messages(table, 0.0, seed=1, each_kind=True) == []


def test_a_duplicate_follows_its_original() -> None:
    table = rows()
    good = transaction_messages(table)
    copies = [b for b in bad_messages(table, 1.0, seed=9) if b.reason == "duplicate"]
    assert copies
    for copy in copies:
        read = json.loads((copy.value or b"").replace(b"tranaction_id", b"transaction_id"))
        assert read == json.loads(good.values[copy.after])
        assert copy.key == good.keys[copy.after]


def test_a_pace_gives_the_due_time_of_each_transaction() -> None:
    numbers, ages = np.arange(4), np.array([0, 60, 60, 3600])
    assert Pace(rate=400).due_seconds(numbers, ages).tolist() == [0, 0.0025, 0.005, 0.0075]
    assert Pace(speedup=60).due_seconds(numbers, ages).tolist() == [0, 1, 1, 60]
    assert Pace().due_seconds(numbers, ages).tolist() == [0, 0, 0, 0]
    assert Pace.parse("max", None) == Pace()
    assert Pace.parse("2.5", None) == Pace(rate=2.5)
    assert Pace.parse("400", 60) == Pace(speedup=60)


@pytest.mark.parametrize("rate", ["", "fast", "0", "-1", "nan", "inf"])
def test_an_invalid_pace_is_refused(rate: str) -> None:
    with pytest.raises(SettingsError, match="--rate above 0 or max"):
        Pace.parse(rate, None)
