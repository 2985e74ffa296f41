"""Messages become transactions or dead letters by the contract's rules, each on its own."""

from __future__ import annotations

import json
import time

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fraud_platform.scoring.messages.decode import decode, judge_message

GOOD = (
    b'{"transaction_id": 17, "tx_datetime": "2018-07-30 00:00:41", "customer_id": 596, '
    b'"terminal_id": 3156, "tx_amount": 57.16}'
)
SECOND = 1_532_908_841


def _with(**fields: str) -> bytes:
    """The good message with fields replaced by raw JSON text."""
    values = {
        "transaction_id": "17",
        "tx_datetime": '"2018-07-30 00:00:41"',
        "customer_id": "596",
        "terminal_id": "3156",
        "tx_amount": "57.16",
    } | fields
    return ("{" + ", ".join(f'"{k}": {v}' for k, v in values.items() if v) + "}").encode()


def _one(value: bytes | None, key: bytes | None = b"596") -> tuple[object, ...]:
    """What becomes of one message: its contents, or its reasons."""
    decoded = decode([key], [value])
    if decoded.dead:
        return decoded.dead[0].reasons
    tx = decoded.transactions
    columns = (tx.transaction_id, tx.customer_id, tx.terminal_id, tx.second, tx.amount_cents)
    return tuple(int(column[0]) for column in columns)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (GOOD, (17, 596, 3156, SECOND, 5716)),
        (GOOD.replace(b" ", b"").replace(b"30", b"30 "), (17, 596, 3156, SECOND, 5716)),
        (GOOD.replace(b"transaction_id", b"tranaction_id"), (17, 596, 3156, SECOND, 5716)),
        (_with(extra='"x"'), (17, 596, 3156, SECOND, 5716)),
        (_with(extra="[" * 255 + "]" * 255), (17, 596, 3156, SECOND, 5716)),
        (_with(extra="[[], {}, " * 150 + "1" + "]" * 150), (17, 596, 3156, SECOND, 5716)),
        (_with(extra='"' + "[{" * 5_000 + '\\"[\\\\"'), (17, 596, 3156, SECOND, 5716)),
        (_with(terminal_id="0"), (17, 596, 0, SECOND, 5716)),
        (_with(tx_amount="57"), (17, 596, 3156, SECOND, 5700)),
        (_with(tx_amount="57.165"), (17, 596, 3156, SECOND, 5717)),
        (_with(tx_amount="9999999.994"), (17, 596, 3156, SECOND, 999_999_999)),
        (_with(tx_datetime='"2018-07-29 24:00:00"'), (17, 596, 3156, SECOND - 41, 5716)),
        (_with(tx_datetime='" 2018-07-30 00:00:41 "'), (17, 596, 3156, SECOND, 5716)),
    ],
)
def test_a_valid_message_is_its_transaction(value: bytes, expected: tuple[int, ...]) -> None:
    assert _one(value) == expected


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "not_json"),
        (b"", "not_json"),
        (b"{", "not_json"),
        (b"\x00\x00", "not_json"),
        (GOOD + GOOD, "not_json"),
        (GOOD[:-1], "not_json"),
        (GOOD.replace(b"596", b"\xff\xfe"), "not_json"),
        (_with(tx_amount="NaN"), "not_json"),
        (_with(tx_amount="Infinity"), "not_json"),
        (_with(tx_amount="057.16"), "not_json"),
        (_with(transaction_id="017"), "not_json"),
        (b"[" * 100_000, "not_json"),
        (b'"text"', "malformed_row"),
        (b"[1, 2]", "malformed_row"),
        (_with(transaction_id=""), "malformed_row"),
        (_with(transaction_id="null"), "malformed_row"),
        (_with(transaction_id="-1"), "malformed_row"),
        (_with(transaction_id='"17"'), "malformed_row"),
        (_with(transaction_id="true"), "malformed_row"),
        (_with(transaction_id="17.0"), "malformed_row"),
        (_with(transaction_id="1" * 19), "malformed_row"),
        (_with(tranaction_id="17"), "malformed_row"),
        (_with(tx_amount="1e3"), "malformed_row"),
        (_with(tx_amount='"57.16"'), "malformed_row"),
        (_with(customer_id='{"id": 596}'), "malformed_row"),
        (_with(customer_id="9" * 5_000), "malformed_row"),
        (_with(customer_id="-" + "9" * 5_000), "malformed_row"),
        (_with(tx_amount="9" * 5_000), "non_positive_amount"),
        (_with(extra="[" * 256 + "]" * 256), "not_json"),
        (GOOD[:-1] + b', "customer_id": 596}', "malformed_row"),
        (_with(tx_datetime="null"), "bad_timestamp"),
        (_with(tx_datetime="1532908841"), "bad_timestamp"),
        (_with(tx_datetime='"2018-02-30 00:00:41"'), "bad_timestamp"),
        (_with(tx_datetime='"9999-07-30 00:00:41"'), "bad_timestamp"),
        (_with(tx_datetime='"2018-07-30T00:00:41"'), "bad_timestamp"),
        (_with(tx_datetime='"\\ud800"'), "bad_timestamp"),
        (_with(customer_id="-999999"), "unknown_customer"),
        (_with(customer_id="null"), "unknown_customer"),
        (_with(terminal_id="-1"), "unknown_terminal"),
        (_with(tx_amount="0"), "non_positive_amount"),
        (_with(tx_amount="0.004"), "non_positive_amount"),
        (_with(tx_amount="-3.00"), "non_positive_amount"),
        (_with(tx_amount="9999999.995"), "non_positive_amount"),
        (b" " * (1 << 20) + GOOD, "too_large"),
    ],
)
def test_a_bad_message_has_the_first_reason_that_fits(value: bytes | None, reason: str) -> None:
    assert _one(value)[0] == reason


@pytest.mark.parametrize("key", [None, b"", b"597", b"0596", b"596 ", b'"596"'])
def test_a_key_that_is_not_the_customer_is_wrong(key: bytes | None) -> None:
    assert _one(GOOD, key) == ("wrong_key",)


def test_all_reasons_that_fit_are_listed_in_order() -> None:
    value = _with(tx_datetime="null", terminal_id="-5", tx_amount="0")
    assert _one(value, b"1") == (
        "bad_timestamp", "unknown_terminal", "non_positive_amount", "wrong_key",
    )  # fmt: skip


@pytest.mark.parametrize("nesting", [200, 255, 256, 700, 5_000])
def test_the_depth_of_the_caller_does_not_decide_what_a_message_is(nesting: int) -> None:
    value = _with(extra="[" * nesting + "]" * nesting)

    def called_from(depth: int) -> bool:
        return bool(judge_message(b"596", value).reasons) if not depth else called_from(depth - 1)

    assert called_from(0) == called_from(400)


_numbers = st.sampled_from(
    (
        "0",
        "1",
        "17",
        "596",
        "-1",
        "007",
        "1.5",
        "null",
        "true",
        "1e2",
        '"5"',
        "0.1",
        "12.345",
        "",
        "9" * 18,
        "9" * 5_000,
    )
)
_texts = st.builds(
    b"".join,
    st.lists(
        st.sampled_from(
            (b'{"transaction_id": ', b', "tx_datetime": "', b'", "customer_id": ', b"}", b"17",
             b', "terminal_id": ', b', "tx_amount": ', b"596", b"2018-07-30 00:00:41", b"57.16",
             b"\x01", b"\n", b"\\n", b" ", b",")
        ),
        max_size=14,
    ),
)  # fmt: skip
_messages = st.one_of(
    st.builds(
        lambda i, c, t, a: _with(transaction_id=i, customer_id=c, terminal_id=t, tx_amount=a),
        _numbers, _numbers, _numbers, _numbers,
    ),
    _texts,
    st.binary(max_size=20),
    st.just(GOOD),
    st.none(),
)  # fmt: skip


@settings(max_examples=500, deadline=None)
@given(st.lists(_messages, max_size=6))
@example([GOOD + b"\n" + GOOD, GOOD])
@example([b"\x0117\x022018-07-30 00:00:41\x03596\x043156\x0557.16\x06", GOOD])
def test_each_message_is_judged_as_if_it_were_alone(values: list[bytes | None]) -> None:
    keys = [b"596"] * len(values)
    decoded = decode(keys, values)
    expected = [judge_message(key, value) for key, value in zip(keys, values, strict=True)]
    assert [(d.row, d.reasons) for d in decoded.dead] == [
        (row, judged.reasons) for row, judged in enumerate(expected) if judged.reasons
    ]
    tx = decoded.transactions
    columns = (tx.transaction_id, tx.customer_id, tx.terminal_id, tx.second, tx.amount_cents)
    found = list(zip(*(column.tolist() for column in columns), strict=True))
    assert found == [judged.contents for judged in expected if not judged.reasons]
    assert decoded.rows.tolist() == [r for r, j in enumerate(expected) if not j.reasons]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(_messages, st.booleans()), min_size=1, max_size=8))
@example([(_with(tx_amount="57.165"), False), (_with(tx_amount="57.164"), True)])
def test_some_messages_of_many_say_what_they_say_without_the_others(
    given_messages: list[tuple[bytes | None, bool]],
) -> None:
    values = [value for value, _ in given_messages]
    kept = [value for value, is_kept in given_messages if is_kept]
    keep = np.array([is_kept for _, is_kept in given_messages])
    found = decode([b"596"] * len(values), values).where(keep)
    wanted = decode([b"596"] * len(kept), kept)
    assert (found.dead, found.repairs) == (wanted.dead, wanted.repairs)
    assert found.rows.tolist() == wanted.rows.tolist()
    for name, column in vars(wanted.transactions).items():
        if name != "facts":
            assert getattr(found.transactions, name).tolist() == column.tolist()


def test_plain_messages_agree_with_the_json_library() -> None:
    values = [
        json.dumps(
            {
                "transaction_id": n * 7919,
                "tx_datetime": time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(SECOND + n * 997)),
                "customer_id": n % 5000,
                "terminal_id": n * 31 % 10_000,
                "tx_amount": (n * 37 % 90_000 + 1) / 100,
            }
        ).encode()
        for n in range(20_000)
    ]
    decoded = decode([str(json.loads(v)["customer_id"]).encode() for v in values], values)
    assert not decoded.dead
    for n in range(0, 20_000, 997):
        message = json.loads(values[n])
        assert decoded.transactions.transaction_id[n] == message["transaction_id"]
        assert decoded.transactions.terminal_id[n] == message["terminal_id"]
        assert decoded.transactions.second[n] == SECOND + n * 997
        assert decoded.transactions.amount_cents[n] == round(message["tx_amount"] * 100)
