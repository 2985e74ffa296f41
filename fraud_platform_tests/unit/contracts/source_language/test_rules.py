"""A data set's own quarantine reasons: checked, applied to rows and messages, in words."""

from __future__ import annotations

import json

import pytest

from fraud_platform.contracts.reason_words import words_of_reasons
from fraud_platform.contracts.source_language.loading import declared_in
from fraud_platform.errors import DeclarationError
from fraud_platform.scoring.messages.declared import DeclaredMessages

TEXT = """
from fraud_platform.declare import *

class Payment(Source):
    drops = csv("{day}.csv")
    transaction_id = identifier("id")
    booked = timestamp("at")
    amount = money("amt", currency="EUR")
    card = entity("card", partitions_topic=True)
    shop = entity("shop")
    far = number("far", digits=1, missing=0.0)
    fraud = fraud_label("is_fraud", delay="7d")

P = Payment
FEATURES = [feature("amount", P.amount)]
"""


def declared(reject: str) -> object:
    return declared_in("payments", f"{TEXT}REJECT = {reject}\n")


@pytest.mark.parametrize(
    ("reject", "words"),
    [
        ("[P.amount > 1]", ["a dictionary of names and conditions, found list"]),
        ('{"Too large": P.amount > 1}', ["a name of small letters", "'Too large'"]),
        ('{"bad_label": P.amount > 1}', ["a name of its own, found bad_label"]),
        ('{"x": 5}', ["a condition on columns, found 5"]),
        ('{"x": count(by=P.card, last=7) > 5}', ["values of the row alone"]),
        ('{f"x{n}": P.amount > n for n in range(17)}', ["at most 16 reasons, found 17"]),
    ],
)
def test_wrong_reasons_are_refused_with_place_and_remedy(reject: str, words: list[str]) -> None:
    with pytest.raises(DeclarationError) as caught:
        declared(reject)
    for word in ("payments.py: REJECT", *words):
        assert word in str(caught.value)


def message(**fields: object) -> bytes:
    plain = {"id": "1", "at": "2018-07-01 12:00:00", "amt": 5, "card": "c", "shop": "s"}
    return json.dumps(plain | fields).encode()


def test_a_message_that_a_reason_fits_is_a_dead_letter_with_its_name() -> None:
    data_set = declared_in("payments", TEXT + 'REJECT = {"large": P.amount > 99, "far": P.far > 2}')
    decoder = DeclaredMessages(data_set.source)
    values = [message(), message(amt=99.01, far=2.1), message(far=2.1), message(amt=-100, far=9)]
    decoded = decoder.decode([b"c"] * len(values), values)
    assert decoded.rows.tolist() == [0]
    assert [letter.reasons for letter in decoded.dead] == [
        ("large", "far"), ("far",), ("non_positive_amount",)
    ]  # fmt: skip
    assert "large: the data set refuses a row with" in decoded.dead[0].detail
    assert "99.01" not in decoded.dead[0].detail
    assert [*words_of_reasons(data_set)][-2:] == ["large", "far"]
