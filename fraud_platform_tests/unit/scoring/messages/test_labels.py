"""Label messages of a declared source: ids as texts, kinds only if the data has them."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl
import pytest

from fraud_platform.contracts.data_set import SourceSpec
from fraud_platform.declare import (
    Source,
    csv,
    entity,
    fraud_label,
    identifier,
    json,
    money,
    timestamp,
)
from fraud_platform.rows.surrogates import surrogates
from fraud_platform.scoring.messages.labels import DeclaredLabels, Label
from fraud_platform.simulation.declared_stream import declared_labels, rows_of_texts
from fraud_platform_tests.testing.worlds.declared import SOURCE, payments

KNOWN = datetime(2019, 3, 12, 10, 20, 30, tzinfo=UTC)
ID = int(surrogates(pl.Series(["p-1"]))[0])
GOOD = b'{"transaction_id": "p-1", "is_fraud": true, "known_at": "2019-03-12 10:20:30"}'


class Ledger(Source):
    """Integer ids and kinds of fraud."""

    drops = csv("ledger_{day}.csv")
    messages = json(number="booking")
    transaction_id = identifier("number", type="integer")
    booked = timestamp("at")
    amount = money("value", currency="EUR")
    account = entity("account", partitions_topic=True)
    branch = entity("branch")
    fraud = fraud_label("reported", kind="how", kinds=("stolen", "lost"))


KINDS = b'{"booking": 17, "reported": 1, "how": 2, "known_at": "2019-03-12 10:20:30"}'


@pytest.mark.parametrize(
    ("source", "value", "expected"),
    [
        (SOURCE, GOOD, Label(ID, True, 1, KNOWN)),
        (SOURCE, GOOD.replace(b"transaction_id", b"payment"), Label(ID, True, 1, KNOWN)),
        (SOURCE, GOOD.replace(b"p-1", b" p-1 "), Label(ID, True, 1, KNOWN)),
        (SOURCE, GOOD.replace(b"true", b"false"), Label(ID, False, 0, KNOWN)),
        (SOURCE, GOOD.replace(b"true", b'"0"'), Label(ID, False, 0, KNOWN)),
        (SOURCE, GOOD[:-1] + b', "fraud_scenario": 1}', Label(ID, True, 1, KNOWN)),
        (SOURCE, GOOD[:-1] + b', "why": {"by": [1]}}', Label(ID, True, 1, KNOWN)),
        (Ledger.spec, KINDS, Label(17, True, 2, KNOWN)),
        (Ledger.spec, KINDS.replace(b"17", b'"17"'), Label(17, True, 2, KNOWN)),
        (
            Ledger.spec,
            KINDS.replace(b"how", b"fraud_scenario").replace(b"reported", b"is_fraud"),
            Label(17, True, 2, KNOWN),
        ),
        (
            Ledger.spec,
            KINDS.replace(b'1, "how": 2', b'0, "how": 0'),
            Label(17, False, 0, KNOWN),
        ),
        (Ledger.spec, KINDS.replace(b'1, "how": 2', b"0"), Label(17, False, 0, KNOWN)),
    ],
)
def test_a_valid_label_names_its_transaction(
    source: SourceSpec, value: bytes, expected: Label
) -> None:
    assert DeclaredLabels(source).read([value]) == ([expected], [""])


@pytest.mark.parametrize(
    ("source", "value", "words"),
    [
        (SOURCE, None, "empty value"),
        (SOURCE, b"[]", "not a JSON object"),
        (SOURCE, GOOD.replace(b"transaction_id", b"id"), "payment is missing, expected a text"),
        (SOURCE, GOOD.replace(b"p-1", b"x" * 300), "payment has 300 bytes"),
        (SOURCE, GOOD.replace(b'"p-1"', b"[1]"), "transaction_id has the wrong JSON type"),
        (SOURCE, GOOD.replace(b"true", b"2"), "is_fraud is missing or no label"),
        (SOURCE, GOOD.replace(b"true", b"null"), "is_fraud is missing or no label"),
        (SOURCE, GOOD.replace(b"10:20", b"25:20"), "known_at is missing or no time"),
        (SOURCE, GOOD.replace(b"12 10", b"12T10"), "known_at is missing or no time"),
        (SOURCE, GOOD[:-1] + b', "fraud_scenario": 2}', "fraud_scenario is missing or out of"),
        (SOURCE, GOOD[:-1] + b', "payment": "p-2"}', "transaction_id and payment are one field"),
        (Ledger.spec, KINDS.replace(b', "how": 2', b""), "how is missing or out of range"),
        (Ledger.spec, KINDS.replace(b"2,", b"3,"), "how is missing or out of range, expected an"),
        (Ledger.spec, KINDS.replace(b"1,", b"0,"), "how is missing or out of range, expected 0"),
        (Ledger.spec, KINDS.replace(b"17", b"-17"), "booking is negative"),
        (Ledger.spec, KINDS.replace(b"17", b"1.5"), "booking has decimals"),
    ],
)
def test_what_is_wrong_is_said_with_the_senders_name(
    source: SourceSpec, value: bytes | None, words: str
) -> None:
    labels, problems = DeclaredLabels(source).read([GOOD, value, KINDS])
    assert labels[1] is None
    assert problems[1].startswith(words)


def test_labels_of_a_drop_name_the_transactions_of_its_messages() -> None:
    texts = payments(200, datetime(2019, 3, 5, tzinfo=UTC))
    rows, _ = rows_of_texts(SOURCE, {name: texts[name] for name in texts.columns})
    labels, problems = DeclaredLabels(SOURCE).read(declared_labels(SOURCE, rows, 7).values)
    assert not any(problems)
    found = [(label.transaction_id, label.is_fraud) for label in labels if label]
    assert found == list(zip(rows["transaction_id"], rows["is_fraud"], strict=True))
    assert 0 < rows["is_fraud"].sum() < 100
