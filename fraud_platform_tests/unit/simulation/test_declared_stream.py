"""Messages of a declared source: the drop's own texts, and bad ones with the reason they get."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime
from functools import partial

import polars as pl
import pytest

from fraud_platform.contracts.data_set import SourceSpec
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
from fraud_platform.scoring.messages.declared import DeclaredMessages
from fraud_platform.simulation.declared_stream import (
    bad_kinds,
    declared_labels,
    declared_messages,
    rows_of_texts,
)
from fraud_platform.simulation.stream import moments, stream_order, with_late_rows
from fraud_platform.simulation.stream_messages import mixed_in
from fraud_platform_tests.testing.worlds.declared import SOURCE, payments

DAY = datetime(2019, 3, 5, tzinfo=UTC)
TEXTS = payments(400, DAY)


class Ledger(Source):
    """Integer keys, an epoch, refunds and kinds of fraud."""

    drops = csv("ledger_{day}.csv")
    transaction_id = identifier("id", type="integer")
    booked = timestamp("at", epoch="s")
    amount = money("value", currency="EUR", refunds=True)
    account = entity("account", type="integer", partitions_topic=True)
    branch = entity("branch", type="integer")
    score = number("score", digits=2, missing=0)
    fraud = fraud_label("fraud", kind="kind", kinds=("stolen", "lost"))


LEDGER = {
    "id": ["007", "8"], "at": ["1551781230", " 1551781231 "], "value": ["-1.50", "02"],
    "account": ["05", "6"], "branch": ["0", "1"], "score": ["", "1.250"], "fraud": ["1", "0"],
    "kind": ["2", "0"],
}  # fmt: skip


def _columns(frame: pl.DataFrame) -> dict[str, pl.Series]:
    return {name: frame[name] for name in frame.columns}


def _rows(source: SourceSpec, frame: pl.DataFrame) -> pl.DataFrame:
    return stream_order(rows_of_texts(source, _columns(frame))[0])


def test_a_message_has_the_texts_of_the_drop() -> None:
    rows, wrong = rows_of_texts(SOURCE, _columns(TEXTS))
    made = declared_messages(SOURCE, rows)
    assert wrong == 0
    assert made.keys == [card.encode() for card in TEXTS["card"]]
    for row, value in zip(TEXTS.iter_rows(named=True), made.values, strict=True):
        found = json.loads(value, parse_float=str, parse_int=str)
        assert found == {name: row[column] or None for column, name in SOURCE.sent_names.items()}
        assert f'"amount": {row["amt"]}'.encode() in value


def test_what_json_takes_for_no_number_is_sent_as_a_text() -> None:
    rows, _ = rows_of_texts(Ledger.spec, _columns(pl.DataFrame(LEDGER)))
    made = declared_messages(Ledger.spec, rows)
    assert made.keys == [b"5", b"6"]
    assert made.values == [
        (
            b'{"id": "007", "at": 1551781230, "account": "05", "branch": 0, "value": -1.50, '
            b'"score": null}'
        ),
        (
            b'{"id": 8, "at": " 1551781231 ", "account": 6, "branch": 1, "value": "02", '
            b'"score": 1.250}'
        ),
    ]
    found = DeclaredMessages(Ledger.spec).decode(made.keys, made.values)
    assert not found.dead
    assert found.transactions.amount_cents.tolist() == [-150, 200]


def test_a_label_names_the_transaction_by_its_text() -> None:
    rows = _rows(SOURCE, TEXTS[:1])
    made = declared_labels(SOURCE, rows, 7)
    assert made.keys == [TEXTS["payment"][0].encode()]
    moment = f"2019-03-12 {TEXTS['time'][0]}"
    assert json.loads(made.values[0]) == {
        "transaction_id": TEXTS["payment"][0], "is_fraud": TEXTS["is_fraud"][0] == "1",
        "known_at": moment,
    }  # fmt: skip
    kinds = declared_labels(Ledger.spec, _rows(Ledger.spec, pl.DataFrame(LEDGER)), 7)
    assert [json.loads(value)["fraud_scenario"] for value in kinds.values] == [2, 0]


def test_rows_that_are_not_valid_are_counted_and_left_out() -> None:
    spoilt = TEXTS.with_columns(
        amt=pl.when(pl.int_range(pl.len()) % 100 == 3).then(pl.lit("x")).otherwise("amt")
    )
    rows, wrong = rows_of_texts(SOURCE, _columns(spoilt))
    assert (rows.height, wrong) == (396, 4)


@pytest.mark.parametrize(
    ("source", "texts"), [(SOURCE, TEXTS), (Ledger.spec, pl.DataFrame(LEDGER))]
)
def test_each_bad_message_gets_its_reason(source: SourceSpec, texts: pl.DataFrame) -> None:
    rows = _rows(source, texts)
    kinds, large = bad_kinds(source)
    made = mixed_in(rows, 1.0, 3, kinds, (*kinds, large), partial(declared_messages, source))
    judge = DeclaredMessages(source).judge
    found = [(judge(bad.key, bad.value).reasons or ("duplicate",))[0] for bad in made]
    assert found == [bad.reason for bad in made]
    assert {reason for reason, _ in (*kinds, large)} == set(Counter(found))


def test_late_rows_come_hours_later_and_none_is_lost() -> None:
    rows = _rows(SOURCE, payments(2_000, DAY, days=6))
    late = with_late_rows(rows, 0.05, seed=1)
    assert late.sort("transaction_id").equals(rows.sort("transaction_id"))
    seconds = moments(late)
    behind = [max(seconds[: n + 1]) - seconds[n] for n in range(len(seconds))]
    assert 50 < sum(b > 3_000 for b in behind) < 150
    assert max(behind) <= 2 * 86_400
    assert with_late_rows(rows, 0.0, seed=1).equals(rows)
