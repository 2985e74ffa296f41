"""Every dead letter says, for each reason, which field breaks which rule, without the values."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fraud_platform.contracts.dead_letter_reasons import DEAD_LETTER_REASONS
from fraud_platform.contracts.messages import TRANSACTION_FIELDS
from fraud_platform.rows.findings import explain_fields
from fraud_platform.rows.judge import REASON_BITS, judge_fields
from fraud_platform.scoring.messages.decode import decode
from fraud_platform.scoring.messages.decoded import DeadLetter
from fraud_platform.scoring.messages.labels import read_label

GOOD = {
    "transaction_id": "17",
    "tx_datetime": '"2018-07-30 00:00:41"',
    "customer_id": "596",
    "terminal_id": "3156",
    "tx_amount": "57.16",
}
SAYS = {
    "too_large": ("bytes",),
    "not_json": ("not JSON",),
    "malformed_row": (*TRANSACTION_FIELDS, "JSON object"),
    "bad_timestamp": ("tx_datetime",),
    "unknown_customer": ("customer_id",),
    "unknown_terminal": ("terminal_id",),
    "non_positive_amount": ("tx_amount",),
    "wrong_key": ("key",),
}
"""Of each reason, the words of which its detail has one."""


def _message(fields: dict[str, str]) -> bytes:
    return ("{" + ", ".join(f'"{k}": {v}' for k, v in fields.items() if v) + "}").encode()


def _dead(fields: dict[str, str], key: bytes | None = b"596") -> list[DeadLetter]:
    return decode([key], [_message(GOOD | fields)]).dead


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"tx_amount": "1E+2"}, r"^tx_amount is written with an exponent, expected digits"),
        ({"transaction_id": "1" * 19}, r"^transaction_id has 19 digits, expected an integer of"),
        ({"transaction_id": "17.5"}, r"^transaction_id has decimals"),
        ({"transaction_id": ""}, r"^transaction_id is missing"),
        ({"transaction_id": "-3"}, r"^transaction_id is negative"),
        ({"customer_id": "1e3"}, r"^customer_id is written with an exponent.*; the message's key"),
        ({"customer_id": "null"}, r"^customer_id is missing.*; the message's key"),
        ({"customer_id": "-999999"}, r"^customer_id is the sender's marker of an unknown"),
        ({"terminal_id": "-1"}, r"^terminal_id is negative, expected a terminal's number from 0$"),
        ({"tx_datetime": '"2018-02-30 00:00:41"'}, r"^tx_datetime is not a time of the calendar"),
        ({"tx_datetime": '"1999-02-03 00:00:41"'}, r"^tx_datetime is of another year.*2000 to 2"),
        ({"tx_datetime": '"?"'}, r"^tx_datetime is written otherwise \(1 bytes\), expected"),
        ({"tx_datetime": "12"}, r"^tx_datetime has the wrong JSON type, expected a text YYYY"),
        ({"tx_amount": "0.004"}, r"^tx_amount is zero, or rounds to zero cents, expected more"),
        ({"tx_amount": "9" * 40}, r"^tx_amount is too large, expected .* at most 9,999,999\.99$"),
        ({"tx_amount": "-0.5"}, r"^tx_amount is negative"),
        ({"tx_amount": '"5"'}, r"^tx_amount has the wrong JSON type, expected a number$"),
    ],
)
def test_a_dead_letter_names_the_field_the_rule_and_the_form_that_was_found(
    fields: dict[str, str], says: str
) -> None:
    (letter,) = _dead(fields)
    assert re.search(says, letter.detail), letter.detail


_digits = st.text("123456789", min_size=5, max_size=24)
_numbers = st.one_of(
    st.sampled_from(("", "null", "true", '"x"', "0", "0.001", "-1", "[]", "{}", "1e5", "-999999")),
    _digits,
    st.builds(lambda a, b: f"{a}.{b}", _digits, _digits),
    st.builds(lambda a, b: f"{a}E{b}", _digits, st.sampled_from(("+2", "-3", "9"))),
    st.builds(lambda a: f"-{a}", _digits),
)
_times = st.one_of(
    st.text(max_size=25).map(json.dumps),
    st.sampled_from(('"2018-04-31 00:00:00"', '"2018-04-01 25:00:00"', '"1812-04-01 00:00:00"')),
    st.sampled_from(("", "null", "18", "{}", GOOD["tx_datetime"])),
)
_fields = st.fixed_dictionaries(
    {name: _times if name == "tx_datetime" else _numbers for name in TRANSACTION_FIELDS}
)


@settings(max_examples=600, deadline=None)
@given(_fields, st.sampled_from((b"596", None, b"x")))
@example(GOOD | {"tx_amount": "1E+2"}, b"596")
@example(GOOD | {"transaction_id": "1234567891234567891"}, b"596")
def test_each_reason_of_a_dead_letter_has_words_and_none_has_a_value(
    fields: dict[str, str], key: bytes | None
) -> None:
    (*dead,) = decode([key], [_message(fields)]).dead
    for letter in dead:
        for reason in letter.reasons:
            output = [part for part in letter.detail.split("; ") if part]
            assert any(word in part for part in output for word in SAYS[reason]), (reason, output)
        for value in fields.values():
            for run in re.findall(r"\d{5,}", value):
                assert run not in letter.detail


def test_every_reason_of_a_message_is_among_those_that_must_have_words() -> None:
    assert set(SAYS) == set(DEAD_LETTER_REASONS) & set(SAYS)
    assert set(map(str, DEAD_LETTER_REASONS)) - set(SAYS) <= {
        "bad_value",  # of facts, which the Handbook does not declare
        "time_ahead",
        "time_behind",
        "id_collision",  # of ids that are texts
    }


@settings(max_examples=400, deadline=None)
@given(st.lists(st.one_of(st.binary(max_size=8), _digits.map(str.encode)), min_size=9, max_size=9))
def test_every_reason_of_any_nine_fields_has_a_sentence(fields: list[bytes]) -> None:
    reasons = judge_fields(fields).reasons
    assert len(explain_fields(fields)) >= sum(bool(reasons & bit) for bit in REASON_BITS.values())
    assert all(explain_fields(fields))
    assert bool(explain_fields(fields)) == bool(reasons)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"transaction_id": "1" * 19}, "transaction_id has 19 digits"),
        ({"fraud_scenario": "1E+2"}, "fraud_scenario is written with an exponent"),
        ({"known_at": '"2018-13-01 00:00:00"'}, "known_at is not a time of the calendar"),
        ({"fraud_scenario": "3"}, "is_fraud and fraud_scenario disagree"),
        ({"is_fraud": "0"}, "is_fraud is of another JSON type, expected true or false"),
        ({"known_at": ""}, "known_at is missing, expected a text"),
    ],
)
def test_a_dead_label_names_the_field_and_the_rule(fields: dict[str, str], says: str) -> None:
    good = {
        "transaction_id": "17",
        "is_fraud": "false",
        "fraud_scenario": "0",
        "known_at": '"2018-04-08 00:00:41"',
    }
    assert read_label(_message(good)).transaction_id == 17
    with pytest.raises(ValueError, match=says):
        read_label(_message(good | fields))
