"""Drops of a declared source with real Spark and Delta, by a process on that data set."""

from __future__ import annotations

import lzma
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fraud_platform.contracts.drops import MAX_AMOUNT_CENTS
from fraud_platform_tests.testing.worlds.declared_lake import Declared

DECLARATION = """
from fraud_platform.declare import *

class Payment(Source):
    drops = csv("payments_{day}.csv", delimiter="|")
    transaction_id = identifier("trans_num")
    booked = timestamp("day", "clock", format="%d.%m.%Y %H:%M:%S", zone="Europe/Paris")
    amount = money("amt", currency="EUR")
    card = entity("card", partitions_topic=True)
    merchant = entity("merchant")
    category = categorical("category")
    lat = number("lat", digits=3, missing=-1.0)
    fraud = fraud_label("is_fraud", delay="7d")

FEATURES = [feature("amount", Payment.amount)]
REJECT = {
    "too_large": Payment.amount > 5_000,
    "far_in_the_night": (Payment.lat >= 900) & (hour_of_day() < 4),
}
"""
HEADER = "note|trans_num|day|clock|card|merchant|category|amt|lat|is_fraud"


def good(number: int, day: int = 1) -> str:
    text = f"x|id-{number:04}|{day:02}.07.2018|12:{number % 60:02}:00|card {number % 7}|Café Zoë"
    return f"{text}|cat{number % 3}|{number % 90 + 1}.5|{number % 9}.1|{int(number % 10 == 0)}"


DIRTY = {
    "no field for the label|id-9001|01.07.2018|12:00:00|c|m|a|1.0|2.0": ["malformed_row"],
    'quote|id-9002|01.07.2018|12:00:00|c|"m|a|1.0|2.0|0': ["malformed_row"],
    "x|id-9003|31.06.2018|12:00:00|c|m|a|1.0|2.0|0": ["bad_timestamp"],
    "x|id-9004|01.07.2018|12:00:00||m|a|1.0|2.0|0": ["unknown_customer"],
    "x|id-9005|01.07.2018|12:00:00|c||a|-4|2.0|7": [
        "unknown_terminal",
        "non_positive_amount",
        "bad_label",
    ],
    "x|id-9006|01.07.2018|12:00:00|c|m|a|1.0|far|0": ["bad_value"],
    "x||01.07.2018|12:00:00|c|m|a|1.0|2.0|0": ["malformed_row"],
    "x|id-9007|01.07.2017|12:00:00|c|m|a|1.0|2.0|0": ["time_outside_drop"],
    "x|id-9008|02.07.2018|03:59:59|c|m|a|5000.01|901|0": ["too_large", "far_in_the_night"],
    "x|id-9009|02.07.2018|05:59:59|c|m|a|5000|900|0": ["far_in_the_night"],
    "x|id-9010|02.07.2018|12:00:00|c|m|a|-5000.01|2.0|0": ["non_positive_amount"],
    "y" + good(5)[1:]: ["duplicate_id"],
    good(6).replace("card 6", "card 8"): ["conflicting_duplicate_id"],
}
ODD = [
    'x|id-8001|01.07.2018|12:00:00|"card ""1"" | a"|"m"|""|"1.005"||TRUE',
    "x|id-8002|01.07.2018|24:00:00| card 2 |m|cat1|12|4.00051|0",
]
"""Valid rows in unusual forms."""


@pytest.fixture
def declared(tmp_path: Path) -> Declared:
    return Declared(tmp_path, DECLARATION)


def test_csv_drops_with_text_keys_reach_the_tables(declared: Declared) -> None:
    first = [HEADER, *(good(number) for number in range(300)), "", *DIRTY, *ODD]
    content = "\ufeff" + "\r\n".join(first) + "\r\n"
    latin = good(7000).replace("Café", "Caf@").encode().replace(b"@", b"\xe9")
    (declared.landing / "payments_2018-07-01.csv").write_bytes(content.encode() + latin)
    second = "\n".join([HEADER, *(good(number, 31) for number in range(299, 400))])
    packed = declared.landing / "payments_2018-07-31.csv.xz"
    packed.write_bytes(lzma.compress(second.encode()))
    (declared.landing / "2018-07-01.txt").write_text("of another data set")

    complaints, ledger, later = declared.publish(range_bytes=5000)

    assert ["payments_YYYY-MM-DD.csv" in one for one in complaints["complaints"]] == [True]
    assert (ledger["status"], later["status"]) == ("published", "published")
    assert ledger["rows_read"] == 300 + len(DIRTY) + len(ODD) + 1
    assert ledger["rows_clean"] == 300 + len(ODD)
    assert (ledger["rejected_too_large"], ledger["rejected_far_in_the_night"]) == (1, 1)
    assert (ledger["blank_lines"], ledger["comment_lines"]) == (1, 1)
    assert (later["rows_read"], later["rows_clean"]) == (101, 100)
    assert later["rejected_conflicting_duplicate_id"] == 1

    quarantined = {
        row["raw_line"]: row["reasons"]
        for row in declared.rows("quarantine")
        if row["drop"] == "2018-07-01"
    }
    expected = {line.encode(): reasons for line, reasons in DIRTY.items()}
    assert quarantined == expected | {latin: ["malformed_row"]}

    rows = declared.rows("transactions")
    at_noon = [datetime(2018, 7, 1, 10, number % 60, tzinfo=UTC) for number in range(300)]
    plain = sorted(row["tx_datetime"] for row in rows if row["drop"] == "2018-07-01")
    odd_times = [datetime(2018, 7, 1, 10, tzinfo=UTC), datetime(2018, 7, 1, 22, tzinfo=UTC)]
    assert plain == sorted(at_noon + odd_times)
    assert len({row["customer_id"] for row in rows}) == 7 + 1
    assert len({row["terminal_id"] for row in rows}) == 2
    assert len({row["transaction_id"] for row in rows}) == len(rows)
    assert {row["transaction_key"] for row in rows} >= {"id-0000", "id-0399", "id-8001"}
    categories = {r["text"]: r["code"] for r in declared.rows("texts") if r["field"][:5] == "fact_"}
    assert categories.keys() == {"cat0", "cat1", "cat2"}
    assert {row["fact_category"] for row in rows} == {0, *categories.values()}
    assert max(row["amount_cents"] for row in rows) < MAX_AMOUNT_CENTS
    odd = {row["amount_cents"]: row for row in rows if row["amount_cents"] in (101, 1200)}
    assert odd[101]["is_fraud"]
    assert (odd[101]["fact_lat"], odd[101]["fact_category"]) == (-1000, 0)
    assert odd[1200]["fact_lat"] == 4001
    assert sum(row["is_fraud"] for row in rows) == ledger["frauds"] + later["frauds"] == 40 + 1
    assert (ledger["repaired_rounded_amount"], ledger["repaired_midnight_24h"]) == (1, 1)
    labels = declared.rows("drop_labels")
    assert {row["transaction_id"] for row in labels} == {row["transaction_id"] for row in rows}


NARROW = """
from dataclasses import replace

_OF = Payment.spec
Payment.spec = replace(
    _OF,
    transaction_id=replace(_OF.transaction_id, bits=12),
    customer=replace(_OF.customer, bits=5),
)
"""
"""Makes keys share surrogates: 12 bits for ids, 5 for cards."""


def test_keys_that_share_a_surrogate_are_told_apart_in_every_drop(tmp_path: Path) -> None:
    declared = Declared(tmp_path, DECLARATION + NARROW)

    def row(number: int, day: int, cards: int) -> str:
        return good(number, day).replace(f"card {number % 7}", f"card {number % cards}")

    header = HEADER + "\n"
    first = [row(number, 1, 12) for number in range(300)]
    second = [row(number, 31, 24) for number in range(300, 600)]
    (declared.landing / "payments_2018-07-01.csv").write_text(header + "\n".join(first))
    declared.publish()
    before = {row["text"]: row["code"] for row in declared.rows("texts")}
    (declared.landing / "payments_2018-07-31.csv").write_text(header + "\n".join(second))
    *_, ledger = declared.publish()

    texts = [row for row in declared.rows("texts") if row["field"] == "customer_id"]
    codes = {row["text"]: row["code"] for row in texts}
    assert set(codes) == {f"card {number}" for number in range(24)}
    assert len(set(codes.values())) == 24
    assert codes.items() >= {t: c for t, c in before.items() if t.startswith("card")}.items()
    exceptions = {row["text"]: row["code"] for row in declared.rows("text_exceptions")}
    assert {text for text, code in codes.items() if code >= 1 << 5} == set(exceptions)
    assert exceptions
    assert codes.items() >= exceptions.items()

    rows = declared.rows("transactions")
    by_id = {row["transaction_key"]: row for row in rows}
    for number, line in enumerate([*first, *second]):
        if f"id-{number:04}" in by_id:
            assert by_id[f"id-{number:04}"]["customer_id"] == codes[line.split("|")[4]]
    quarantined = declared.rows("quarantine")
    assert {row["reason"] for row in quarantined} == {"id_collision"}
    assert ledger["rejected_id_collision"] > 0
    lost = {row["raw_line"].decode().split("|")[1] for row in quarantined}
    assert lost | set(by_id) == {f"id-{number:04}" for number in range(600)}
    assert len(lost) + len(by_id) == 600
    assert len({row["transaction_id"] for row in rows}) == len(rows)


def test_a_drop_without_a_declared_column_is_refused_by_name(declared: Declared) -> None:
    header = HEADER.replace("amt", "AMT").replace("lat", "card")
    path = declared.landing / "payments_2018-07-01.csv"
    path.write_text(f"{header}\n{good(1)}\n")
    _, refused = declared.publish()
    assert refused["error"].startswith("DropHeaderError: payments_2018-07-01.csv: expected")
    for words in ("'amt' is missing, 'AMT' is there", "'lat' is missing", "'card' occurs 2 times"):
        assert words in refused["error"]
    assert declared.rows("transactions") == []
