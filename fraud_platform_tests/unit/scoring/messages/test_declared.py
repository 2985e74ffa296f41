"""Messages of a declared source: values by column, reasons, words without values."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fraud_platform.contracts.arrays import ID_CHECK
from fraud_platform.contracts.data_set import SourceSpec
from fraud_platform.contracts.messages import TRANSACTION_ID_ALIAS
from fraud_platform.datasets.handbook import DATA_SET as HANDBOOK
from fraud_platform.declare import (
    Source,
    csv,
    entity,
    fraud_label,
    identifier,
    money,
    number,
    timestamp,
)
from fraud_platform.declare import json as json_messages
from fraud_platform.rows.declared import RowReader
from fraud_platform.rows.judge import REASON_BITS
from fraud_platform.rows.samples import sample_message
from fraud_platform.rows.surrogates import category_codes, id_checks, surrogates
from fraud_platform.scoring.messages.declared import DeclaredMessages
from fraud_platform.scoring.messages.decode import decode
from fraud_platform.scoring.messages.decoded import Decoded
from fraud_platform.simulation.declared_stream import declared_messages
from fraud_platform_tests.testing.worlds.declared import (
    PAYMENTS,
    SOURCE,
    message,
    messages,
    payments,
)
from fraud_platform_tests.testing.worlds.random_sources import rows_of, sources
from fraud_platform_tests.testing.worlds.scoring import mixed_stream, stream_rows

DAY = datetime(2019, 3, 5, tzinfo=UTC)
ROW = {
    "payment": "p-1",
    "day": "2019-03-05",
    "time": "10:20:30",
    "card": "tok_1",
    "shop": "Ann's, \u00e9",
    "trade": "food",
    "amt": "12.50",
    "inhabitants": "100",
    "latitude": "-48.85661",
}
SECOND = 1_551_781_230


class Ledger(Source):
    """Integer keys, an epoch, refunds and a currency without decimals."""

    drops = csv("ledger_{day}.csv")
    messages = json_messages(at="when")
    transaction_id = identifier("id", type="integer")
    booked = timestamp("at", epoch="ms")
    amount = money("value", currency="JPY", digits=0, refunds=True)
    account = entity("account", type="integer", partitions_topic=True)
    branch = entity("branch", type="integer")
    score = number("score", digits=2)
    fraud = fraud_label("fraud")


LEDGER = DeclaredMessages(Ledger.spec)


@pytest.fixture
def payment() -> DeclaredMessages:
    return DeclaredMessages(SOURCE)


def _of(text: str) -> int:
    return int(surrogates(pl.Series([text]))[0])


def test_values_are_read_by_name_and_by_their_own_digits(payment: DeclaredMessages) -> None:
    found = payment.decode([b"tok_1"], [message(ROW)])
    one = found.transactions
    assert not found.dead
    assert one.transaction_id.tolist() == [_of("p-1")]
    assert one.customer_id.tolist() == [_of("tok_1")]
    assert one.terminal_id.tolist() == [_of("Ann's, \u00e9")]
    assert (one.second.tolist(), one.amount_cents.tolist()) == ([SECOND], [1250])
    facts = {name: column.tolist() for name, column in one.facts.items()}
    assert facts.pop(ID_CHECK) == id_checks(pl.Series(["p-1"])).tolist()
    assert facts == {
        "fact_trade": category_codes(pl.Series(["food"])).tolist(),
        "fact_inhabitants": [100],
        "fact_latitude": [-488566],
    }
    texts = {name: column.to_list() for name, column in found.key_texts.items()}
    assert texts == {
        "transaction_key": ["p-1"],
        "customer_key": ["tok_1"],
        "terminal_key": ["Ann's, \u00e9"],
    }


@pytest.mark.parametrize(
    ("changes", "amount"),
    [
        ({"amt": '"12.50"'}, 1250),
        ({"amt": "12.505"}, 1251),
        ({"amt": "1" + "0" * 6 + ".01"}, 100_000_001),
        ({"inhabitants": "null"}, 1250),
        ({"inhabitants": None}, 1250),
        ({"trade": "5411"}, 1250),
        ({"trade": "true"}, 1250),
        ({"trade": None}, 1250),
        ({"time": '" 10:20:30 "'}, 1250),
        ({"card": r'"\u0074ok_1"'}, 1250),
        ({"day": '"2019-03-04"', "time": '"24:00:00"'}, 1250),
    ],
)
def test_other_forms_of_a_valid_message_are_read(
    payment: DeclaredMessages, changes: dict[str, str | None], amount: int
) -> None:
    judged = payment.judge(b"tok_1", message(ROW, **changes))
    assert (judged.reasons, judged.contents[4]) == ((), amount)


@pytest.mark.parametrize(
    ("changes", "reasons", "words"),
    [
        ({"payment": None}, ("malformed_row",), "payment is missing, expected a text of at most"),
        ({"payment": '"' + "x" * 257 + '"'}, ("malformed_row",), "payment has 257 bytes"),
        ({"payment": '["p"]'}, ("malformed_row",), "payment has the wrong JSON type"),
        ({"payment": r'"\ud800"'}, ("malformed_row",), "payment is not valid Unicode"),
        ({"time": '"25:00:00"'}, ("bad_timestamp",), "day with time is not of this form"),
        ({"time": None}, ("bad_timestamp",), "time is missing, expected a real time of the form"),
        ({"day": '"1999-12-31"'}, ("bad_timestamp",), "day with time is of another year"),
        ({"shop": '""'}, ("unknown_terminal",), "shop is missing"),
        ({"amt": "-1"}, ("non_positive_amount",), "amount is negative, expected more than 0"),
        ({"amt": "0.001"}, ("non_positive_amount",), "amount is zero, or rounds to zero"),
        ({"amt": "null"}, ("non_positive_amount",), "amount is missing"),
        ({"amt": "99999999"}, ("non_positive_amount",), "amount is too large"),
        ({"amt": "1e3"}, ("malformed_row",), "amount is written with an exponent"),
        ({"amt": '"12,50"'}, ("malformed_row",), "amount is not a number"),
        ({"amt": '{"value": 12}'}, ("malformed_row",), "amount has the wrong JSON type"),
        ({"latitude": None}, ("bad_value",), "latitude is missing, expected a number"),
        ({"latitude": '"north"'}, ("bad_value",), "latitude is not a number"),
        ({"latitude": "9" * 15}, ("bad_value",), "latitude has 15 digits"),
        ({"amt": "12.5}"}, ("not_json",), "not JSON"),
        ({"amt": "NaN"}, ("not_json",), "not JSON"),
        ({"amt": '1, "amount": 1'}, ("malformed_row",), "amount is given twice"),
    ],
)
def test_a_wrong_field_names_its_reasons_and_the_senders_name(
    payment: DeclaredMessages,
    changes: dict[str, str | None],
    reasons: tuple[str, ...],
    words: str,
) -> None:
    judged = payment.judge(b"tok_1", message(ROW, **changes))
    assert judged.reasons == reasons
    assert judged.detail.startswith(words)


@pytest.mark.parametrize(
    ("key", "value", "reasons"),
    [
        (b"tok_2", message(ROW), ("wrong_key",)),
        (None, message(ROW), ("wrong_key",)),
        (b" tok_1", message(ROW), ("wrong_key",)),
        (b"\xff", message(ROW), ("wrong_key",)),
        (b"tok_1", message(ROW, card=None), ("unknown_customer", "wrong_key")),
        (b"tok_1", b"[]", ("malformed_row",)),
        (b"tok_1", b"", ("not_json",)),
        (b"tok_1", None, ("not_json",)),
        (b"tok_1", b"\xff{}", ("not_json",)),
        (b"tok_1", b"\xef\xbb\xbf" + message(ROW), ("not_json",)),
        (b"tok_1", message(ROW, more='"' + "x" * 2**20 + '"'), ()),
    ],
)
def test_key_and_form_are_judged(
    payment: DeclaredMessages, key: bytes | None, value: bytes | None, reasons: tuple[str, ...]
) -> None:
    assert payment.judge(key, value).reasons == reasons


def test_a_message_over_the_limit_is_too_large(payment: DeclaredMessages) -> None:
    value = message(ROW)[:-1] + b', "more": "' + b"x" * 2**20 + b'"}'
    assert payment.judge(b"tok_1", value).reasons == ("too_large",)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, (7, 5, 0, SECOND, -120)),
        ({"value": '"120"'}, (7, 5, 0, SECOND, 120)),
        ({"id": '"007"', "account": "5"}, (7, 5, 0, SECOND, -120)),
        ({"id": "1" * 19}, ("malformed_row",)),
        ({"id": "-7"}, ("malformed_row",)),
        ({"account": "-5"}, ("unknown_customer", "wrong_key")),
        ({"when": '"2019-03-05"'}, ("bad_timestamp",)),
        ({"score": "null"}, ("bad_value",)),
        ({"at": "1", "when": "null"}, ("bad_timestamp",)),
    ],
)
def test_integer_keys_epochs_and_refunds_are_read(
    fields: dict[str, str], expected: tuple[object, ...]
) -> None:
    given_fields = {
        "id": "7", "when": str(SECOND * 1000 + 999), "value": "-120", "account": "5",
        "branch": "0", "score": "1.5",
    } | fields  # fmt: skip
    value = "{" + ",".join(f'"{name}":{text}' for name, text in given_fields.items()) + "}"
    judged = LEDGER.judge(b"5", value.encode())
    assert (judged.reasons or judged.contents) == expected


@pytest.mark.parametrize("source", [SOURCE, Ledger.spec])
def test_the_sample_message_is_valid(source: SourceSpec) -> None:
    messages_of = DeclaredMessages(source)
    key, value = sample_message(source)
    assert messages_of.judge(key, value).reasons == ()
    assert messages_of.own_key(value) == key


_TOKENS = st.sampled_from(
    [
        *('"tok_1"', '"2019-03-05"', '"10:20:30"', "12.50", "-3", "0", "1e5", "null", "true"),
        *('""', '" a "', r'"\u00e9\n"', r'"\ud83d"', "[]", "{}", '"12.50"', "9" * 30, "0.005"),
    ]
)


@st.composite
def _mixed(draw: st.DrawFn) -> list[tuple[bytes | None, bytes | None]]:
    good = payments(40, DAY, seed=draw(st.integers(0, 3))).iter_rows(named=True)
    made: list[tuple[bytes | None, bytes | None]]
    made = [(row["card"].encode(), message(row)) for row in good]
    for _ in range(draw(st.integers(0, 8))):
        place = draw(st.integers(0, len(made) - 1))
        row = payments(40, DAY, seed=9).row(place % 40, named=True)
        column = draw(st.sampled_from(list(SOURCE.message_columns)))
        spoilt = message(row, **{column: draw(st.one_of(_TOKENS, st.none()))})
        shape = draw(st.sampled_from(["as it is", "twice", "reordered", "cut", "spaced"]))
        if shape == "twice":
            spoilt = spoilt[:-1] + b"," + spoilt[1:]
        elif shape == "reordered":
            spoilt = _reordered(spoilt)
        elif shape == "cut":
            spoilt = spoilt[: draw(st.integers(0, len(spoilt)))]
        elif shape == "spaced":
            spoilt = b"\n" + spoilt.replace(b": ", b"\t:\r")
        made[place] = (draw(st.sampled_from([row["card"].encode(), None])), spoilt)
    return made


def _reordered(value: bytes) -> bytes:
    try:
        return json.dumps(dict(reversed(json.loads(value).items()))).encode()
    except ValueError:
        return value


@settings(max_examples=40, deadline=None)
@given(_mixed())
def test_a_batch_equals_each_message_alone(
    mixed: list[tuple[bytes | None, bytes | None]],
) -> None:
    together = DeclaredMessages(SOURCE)
    keys, values = [key for key, _ in mixed], [value for _, value in mixed]
    for _ in range(2):  # with the shapes that it learnt, too
        found = together.decode(keys, values)
        alone = [DeclaredMessages(SOURCE).decode([key], [value]) for key, value in mixed]
        assert _contents(found) == [one for part in alone for one in _contents(part)]
        letters = {letter.row: letter[1:] for letter in found.dead}
        assert letters == {row: part.dead[0][1:] for row, part in enumerate(alone) if part.dead}
        assert found.repaired == {
            row: part.repaired[0] for row, part in enumerate(alone) if part.repaired
        }


def _contents(found: Decoded) -> list[tuple[object, ...]]:
    one = found.transactions
    columns = (one.transaction_id, one.customer_id, one.terminal_id, one.second, one.amount_cents)
    return list(zip(*columns, *one.facts.values(), *found.key_texts.values(), strict=True))


def test_selections_keep_facts_and_key_texts(payment: DeclaredMessages) -> None:
    rows = payments(50, DAY)
    keys, values = messages(rows)
    values[3] = b"broken"
    found = payment.decode(keys, values)
    keep = np.arange(50) % 2 == 1
    kept = [place for place in range(50) if keep[place] and place != 3]
    own = found.where(keep)
    assert [letter.row for letter in own.dead] == [1]
    assert own.key_texts["transaction_key"].to_list() == rows["payment"][kept].to_list()
    assert set(own.transactions.facts) == {*SOURCE.fact_names, ID_CHECK}
    left = found.without(np.array([0, 1]), [])
    assert left.key_texts["customer_key"].to_list() == [
        rows["card"][place] for place in range(2, 50) if place != 3
    ]
    assert left.transactions.facts["fact_latitude"].size == 47


def test_messages_have_the_values_that_the_rows_of_a_drop_have(payment: DeclaredMessages) -> None:
    rows = payments(300, DAY)
    found = payment.decode(*messages(rows))
    assert not found.dead
    read = RowReader(SOURCE).read({name: rows[name] for name in SOURCE.columns})
    assert not read.reasons.any()
    own = found.transactions
    assert own.transaction_id.tolist() == read.rows.transaction_id.tolist()
    assert own.customer_id.tolist() == read.rows.customer_id.tolist()
    assert own.terminal_id.tolist() == read.rows.terminal_id.tolist()
    assert own.second.tolist() == read.rows.seconds.tolist()
    assert own.amount_cents.tolist() == read.rows.amount_cents.tolist()
    assert {n: c.tolist() for n, c in own.facts.items() if n != ID_CHECK} == {
        n: c.tolist() for n, c in read.rows.facts.items()
    }


def test_no_detail_contains_a_value(payment: DeclaredMessages) -> None:
    secret = "4711081547110815"
    for column in SOURCE.message_columns:
        for text in (f'"{secret}x{"y" * 300}"', f"[{secret}]", f"-{secret}{secret}"):
            judged = payment.judge(b"key-" + secret.encode(), message(ROW, **{column: text}))
            assert secret not in judged.detail
    assert len(PAYMENTS.source.facts) == 3


def test_the_handbook_s_messages_are_read_as_by_the_parser_of_their_shape() -> None:
    sent = mixed_stream(stream_rows(1_500), 0.3)
    keys, values = [one.key for one in sent], [one.value for one in sent]
    # the fast parser's contract alone has a second spelling of one name
    alias = TRANSACTION_ID_ALIAS.encode()
    own = [place for place, value in enumerate(values) if value is None or alias not in value]
    keys, values = [keys[place] for place in own], [values[place] for place in own]
    fast, general = decode(keys, values), DeclaredMessages(HANDBOOK.source).decode(keys, values)
    assert _contents(general) == _contents(fast)
    assert general.rows.tolist() == fast.rows.tolist()
    assert general.repaired == fast.repaired
    assert [letter[:2] for letter in general.dead] == [letter[:2] for letter in fast.dead]
    assert len({letter.reasons for letter in general.dead}) > 8


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_messages_of_any_declaration_have_the_values_and_reasons_of_drops(
    data: st.DataObject,
) -> None:
    source = data.draw(sources())
    texts = data.draw(rows_of(source, 40))
    columns = {name: texts[name] for name in texts.columns}
    read = RowReader(source).read(columns)
    sent = declared_messages(source, texts.rename({n: f"sent:{n}" for n in texts.columns}))
    found = DeclaredMessages(source).decode(sent.keys, sent.values)
    assert found.rows.size + len(found.dead) == 40
    is_valid = read.reasons == 0
    expected = read.rows.where(is_valid)
    own = found.transactions
    assert found.rows.tolist() == np.flatnonzero(is_valid).tolist()
    assert own.transaction_id.tolist() == expected.transaction_id.tolist()
    assert own.customer_id.tolist() == expected.customer_id.tolist()
    assert own.terminal_id.tolist() == expected.terminal_id.tolist()
    assert own.second.tolist() == expected.seconds.tolist()
    assert own.amount_cents.tolist() == expected.amount_cents.tolist()
    assert {name: own.facts[name].tolist() for name in source.fact_names} == {
        name: column.tolist() for name, column in expected.facts.items()
    }
    for letter in found.dead:
        reasons = [str(r) for r, bit in REASON_BITS.items() if read.reasons[letter.row] & bit]
        assert [reason for reason in letter.reasons if reason != "wrong_key"] == reasons
        assert letter.detail
