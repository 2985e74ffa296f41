"""What a plan says of a sample, and of changes against another declaration."""

from __future__ import annotations

from pathlib import Path

import pytest

from fraud_platform.cleaning.holding import Limits
from fraud_platform.cleaning.raw_text import UnpackLimits
from fraud_platform.contracts.data_set import DataSet
from fraud_platform.contracts.source_language.loading import declared_in
from fraud_platform.operations.data_set_plan import changes, plan_words
from fraud_platform.operations.data_set_sample import Sample, read_sample

TEXT = """\
from fraud_platform.declare import *

class Payment(Source):
    drops = csv("payments_{day}.csv")
    transaction_id = identifier("id")
    booked = timestamp("at")
    amount = money("amt", currency="EUR")
    card = entity("card", partitions_topic=True)
    merchant = entity("shop")
    kind = categorical("kind", keep=2)
    height = number("height", digits=1)
    fraud = fraud_label("is_fraud")

P = Payment
FEATURES = [
    feature("amount", P.amount),
    feature("n_1d", count(by=P.card, last=1)),
    feature("kind", P.kind),
]
"""
LIMITS = UnpackLimits(50.0, 1 << 30, 0)
HOLDING = Limits(0.05, 0.5, 0.01, 31, 5.0)


def row(number: int, **other: str) -> str:
    values = {
        "id": f"t{number}",
        "at": f"2024-01-{1 + number // 60:02d} 10:{number % 60:02d}:00",
        "amt": f"{number + 1}.50",
        "card": f"c{number % 7}",
        "shop": f"s{number % 5}",
        "kind": "abcd"[number % 4],
        "height": "1.5",
        "is_fraud": str(int(number % 20 == 0)),
        "colour": "red",
    }
    return ",".join({**values, **other}.values())


@pytest.fixture
def data_set() -> DataSet:
    return declared_in("payments", TEXT)


@pytest.fixture
def sample(tmp_path: Path, data_set: DataSet) -> Sample:
    lines = ["id,at,amt,card,shop,kind,height,is_fraud,colour"]
    lines += [row(n) for n in range(100)]
    lines[11] = row(10, amt="-3")
    lines[21] = row(20, amt="x", card="")
    lines[31] = "too,few"
    path = tmp_path / "payments_2024-01-01.csv"
    path.write_text("\n".join(lines) + "\n")
    return read_sample(data_set, path, 1_000, LIMITS)


def test_rows_are_counted_by_reason_with_their_lines(sample: Sample) -> None:
    assert sample.rows == 100
    assert sample.clean is not None
    assert len(sample.clean) == 97
    assert dict(sample.reasons) == {
        "non_positive_amount": 1,
        "malformed_row": 2,
        "unknown_customer": 1,
    }
    assert sample.lines["non_positive_amount"] == [12]
    assert sorted(sample.lines["malformed_row"]) == [22, 32]
    assert sample.lines["unknown_customer"] == [22]
    assert {name: column.shape for name, column in sample.features.items()} == dict.fromkeys(
        ("amount", "n_1d", "kind"), (97,)
    )


def test_the_first_lines_with_a_reason_are_named_also_if_lines_are_equal(
    tmp_path: Path, data_set: DataSet
) -> None:
    lines = ["id,at,amt,card,shop,kind,height,is_fraud,colour", *(row(n) for n in range(100))]
    lines[5] = lines[9] = row(1, amt="x")
    lines[20] = "too,few"
    lines[40] = row(40, amt="y")
    path = tmp_path / "payments_2024-01-01.csv"
    path.write_text("\n".join(lines) + "\n")
    sample = read_sample(data_set, path, 1_000, LIMITS)
    assert sample.lines["malformed_row"] == [6, 10, 21]
    assert sample.reasons["malformed_row"] == 4


def test_a_plan_says_what_a_person_must_know(data_set: DataSet, sample: Sample) -> None:
    words = "\n".join(plan_words(data_set, None, sample, HOLDING))
    for part in (
        "drops payments_{day}.csv (csv)",
        "no feature reads height",
        "Sample: 100 rows, 97 clean",
        "non_positive_amount: 1 rows (1.00%), lines 12",
        "columns that are not declared: colour",
        "days 2024-01-01 to 2024-01-02",
        "7 card, 5 merchant",
        "kind: 4 values, more than keep=2",
        "height: 1.5 to 1.5",
    ):
        assert part in words, part
    assert "would be held" not in words


def test_a_plan_says_that_a_drop_like_its_sample_would_be_held(
    tmp_path: Path, data_set: DataSet
) -> None:
    path = tmp_path / "payments_2024-01-01.csv"
    rows = [row(n, amt="x" if n < 30 else "1.00") for n in range(100)]
    path.write_text("\n".join(["id,at,amt,card,shop,kind,height,is_fraud,colour", *rows]) + "\n")
    words = "\n".join(plan_words(data_set, None, read_sample(data_set, path, 200, LIMITS), HOLDING))
    held = "a drop like this would be held: 30.00% of its rows are in quarantine, at most 5.00%"
    assert held in words


def test_a_sample_without_a_clean_row_says_so(tmp_path: Path, data_set: DataSet) -> None:
    path = tmp_path / "payments_2024-01-01.csv"
    path.write_text("id,at,amt,card,shop,kind,height,is_fraud\n1,yesterday,2,a,b,c,1,0\n")
    sample = read_sample(data_set, path, 10, LIMITS)
    words = "\n".join(plan_words(data_set, None, sample, HOLDING))
    assert "bad_timestamp: 1 rows (100.00%), lines 2" in words
    assert "no row is clean" in words


def test_changes_name_what_is_new_changed_and_gone(data_set: DataSet) -> None:
    other = TEXT.replace("last=1", "last=3").replace('feature("kind", P.kind)', (
        'feature("height", P.height)'
    ))  # fmt: skip
    words = list(changes(declared_in("payments", other), data_set))
    assert "  features new: height" in words
    assert "  features changed: n_1d" in words
    assert "  features gone: kind" in words
    assert any("models use kind" in line for line in words)
    later = declared_in("payments", TEXT.replace('("is_fraud")', '("is_fraud", delay="10d")'))
    assert "labels count after 10 days, not 7: no feature keeps its meaning" in "\n".join(
        changes(later, data_set)
    )
    assert "labels count" not in "\n".join(words)
    source = TEXT.replace('currency="EUR"', 'currency="USD"')
    assert "rows mean something else (amount)" in "\n".join(
        changes(declared_in("payments", source), data_set)
    )
