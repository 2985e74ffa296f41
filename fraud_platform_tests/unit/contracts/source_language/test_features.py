"""Features of a declaration: what they become, and what is refused with its line."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from fraud_platform.contracts.active import DECLARATION
from fraud_platform.contracts.feature_language.declarables import Declaration
from fraud_platform.contracts.feature_language.expressions import Expression
from fraud_platform.contracts.feature_language.terms import LabelSum, RowTerm
from fraud_platform.contracts.source_language.feature_checks import RESERVED
from fraud_platform.contracts.source_language.loading import declared_in, load_data_set
from fraud_platform.contracts.source_language.references import TimeRef
from fraud_platform.contracts.source_language.sums import integers_of
from fraud_platform.declare import day_of_week, hour_of_day, ratio
from fraud_platform.errors import DeclarationError
from fraud_platform.tables.features import TRANSACTION_FEATURES
from fraud_platform.tables.scoring import SCORED
from fraud_platform.tables.training import TRAINING_SET

SOURCE = """from fraud_platform.declare import *
class P(Source):
    drops = csv("{day}.csv")
    messages = json()
    key = identifier("key")
    booked = timestamp("booked", zone="Europe/Paris")
    amount = money("amount", currency="EUR")
    card = entity("card", partitions_topic=True)
    shop = entity("shop")
    kind = categorical("kind", keep=12)
    tip = number("tip", digits=3)
    items = number("items", missing=1)
    fraud = fraud_label("fraud")
"""
LINES = SOURCE.count("\n")


def declared(tmp_path: Path, *features: str, source: str = SOURCE) -> Declaration:
    path = tmp_path / "own.py"
    listed = "".join(f"    {one},\n" for one in features)
    path.write_text(f"{source}FEATURES = [\n{listed}]\n")
    return load_data_set(str(path)).declaration


def formula_of(tmp_path: Path, formula: str) -> str:
    return str(declared(tmp_path, f'feature("f", {formula})').features[0].formula)


REFUSED = {
    'count(by=P.card, last="31d")': "expected a window of 1h to 30d",
    'count(by=P.card, last="7 days")': "expected a window such as 7d or 6h, found '7 days'",
    "count(by=P.card, last=0)": "expected a window of 1h to 30d",
    'count(by=P.shop, last="6h")': "expected whole days, found '6h'",
    'known_frauds(by=P.card, last="6h")': "expected whole days, found '6h'",
    "count(by=P.amount, last=7)": "expected an entity of the source",
    'count(by=P.card, last=7, where=P.kind == "a")': "expected a condition such as",
    "count(by=P.card, last=7, where=P.amount)": "expected a condition such as",
    "count(by=P.card, last=7, where=count(by=P.card, last=1) > 3)": "expected a condition over",
    "count(by=P.shop, last=7, where=P.amount / P.tip > 3)": "for the history of shop",
    "count(by=P.shop, last=7, each=P.kind)": "expected each with the entity that partitions",
    "count(by=P.card, last=7, each=P.tip)": "expected each with a category, a whole number",
    "total(P.amount / P.tip, by=P.card, last=7)": "expected a number of the row itself",
    "total(count(by=P.card, last=7), by=P.card, last=7)": "expected a number of the row itself",
    "total(P.tip * P.items, by=P.card, last=7)": "expected a value of at most",
    "is_in(P.kind)": "Name at least one value",
    "P.kind + 1": "expected a category by itself or in is_in",
    "count(by=P.card, last=7, where=P.kind > 3)": "expected a category by itself or in is_in",
    "P.unknown": "has no attribute 'unknown'",
    "0 < P.amount < 5": "expected & for and",
    'P.kind == "a"': "expected a formula of feature 'f', found False",
}


@pytest.mark.parametrize("formula", REFUSED)
def test_a_wrong_feature_is_refused_with_its_line_and_a_remedy(
    tmp_path: Path, formula: str
) -> None:
    with pytest.raises(DeclarationError) as refused:
        formula_of(tmp_path, formula)
    assert REFUSED[formula] in str(refused.value)
    assert f"own.py:{LINES + 2}" in str(refused.value) or "own.py: feature 1" in str(refused.value)


def test_every_feature_without_a_good_name_is_listed(tmp_path: Path) -> None:
    with pytest.raises(DeclarationError) as refused:
        declared(
            tmp_path, "P.amount", 'feature("Big", P.amount)', 'feature("tx_date", P.amount)',
            'feature("a", P.amount)', 'feature("a", P.tip)',
        )  # fmt: skip
    for words in ("entry 1: expected a feature", "'Big'", "'tx_date'", "'a' 2 times"):
        assert words in str(refused.value)


def test_names_of_columns_next_to_features_are_reserved() -> None:
    own = {*DECLARATION.names, *(flag.name for flag in DECLARATION.flags)}
    tables = (TRANSACTION_FEATURES, SCORED, TRAINING_SET)
    assert {c for t in tables for c in t.column_names} - own <= RESERVED


def test_a_comparison_with_a_decimal_is_one_of_integers(tmp_path: Path) -> None:
    declaration = declared(tmp_path, 'feature("f", count(by=P.card, last="6h", where=P.tip > 9.5))')
    (made,) = declaration.row_sums[2:]
    assert str(made.value) == "where((fact_tip > 9500), 1, 0)"
    assert not declaration.flags
    assert str(declaration.features[0].formula) == f"customer.{made.name}[6h]"


def test_a_condition_over_known_labels_is_a_flag_that_is_kept(tmp_path: Path) -> None:
    where = 'P.amount > known_genuine_mean(by=P.card, last="30d")'
    declaration = declared(tmp_path, f'feature("f", count(by=P.card, last=7, where={where}))')
    (flag,) = declaration.flags
    assert f"where(({flag.name} > 0), 1, 0)" == str(declaration.row_sums[2].value)
    assert "customer.known.genuine_cents[30d before 7d]" in str(flag.condition)


def test_a_category_is_a_category_of_the_model(tmp_path: Path) -> None:
    declaration = declared(
        tmp_path, 'feature("kind", P.kind)', 'feature("is_a", is_in(P.kind, "a"))'
    )
    assert [feature.keep for feature in declaration.features] == [12, 0]


CHANGES = {
    "digits of a number": ("digits=3", "digits=2"),
    "a missing number": ("missing=1", "missing=0"),
    "the zone": ("Europe/Paris", "Europe/Lisbon"),
}
ALL = (
    'feature("tip", total(P.tip, by=P.card, last="7d"))',
    'feature("items", count(by=P.card, last="7d", each=P.items))',
    'feature("hour", hour_of_day(P.booked))',
)


@pytest.mark.parametrize("change", CHANGES)
def test_what_decides_a_value_is_in_its_signature(tmp_path: Path, change: str) -> None:
    before = declared(tmp_path, *ALL)
    after = declared(tmp_path, *ALL, source=SOURCE.replace(*CHANGES[change]))
    assert before.signature() != after.signature()
    changed = [n for n in before.names if before.signature_of([n]) != after.signature_of([n])]
    assert changed == [before.names[list(CHANGES).index(change)]]


def test_another_condition_is_another_measure(tmp_path: Path) -> None:
    names = [
        formula_of(tmp_path, f"count(by=P.card, last=7, where=P.amount > {n})") for n in (1, 1, 2)
    ]
    assert names[0] == names[1] != names[2]


def _value(formula: Expression, seconds: list[int]) -> list[int]:
    if isinstance(formula, RowTerm):
        values = {"second": np.array(seconds)}
        return list(values[formula.name])
    children = [np.asarray(_value(child, seconds)) for child in formula.children()]
    return list(np.broadcast_to(formula.compute(*children), (len(seconds),)))


@pytest.mark.parametrize("zone", ["Europe/Paris", "Asia/Kathmandu", "America/St_Johns"])
def test_hours_and_weekdays_are_those_of_the_zone(zone: str) -> None:
    random = np.random.default_rng(3)
    changes = [1_521_939_600 + step for step in (-1, 0, 1)]  # Paris, 2018-03-25 01:00 UTC
    seconds = [*changes, *random.integers(700_000_000, 2_500_000_000, 2_000).tolist()]
    local = [datetime.fromtimestamp(s, UTC).astimezone(ZoneInfo(zone)) for s in seconds]
    booked = TimeRef(zone)
    assert _value(hour_of_day(booked), seconds) == [moment.hour for moment in local]
    assert _value(day_of_week(booked), seconds) == [moment.weekday() for moment in local]


def test_integers_of_a_quotient_of_columns_do_not_exist() -> None:
    assert integers_of(RowTerm("fact_a") / RowTerm("fact_b")) is None


@pytest.mark.parametrize(("currency", "digits", "unit"), [("JPY", 0, 1), ("EUR", 2, 100)])
def test_a_mean_of_known_amounts_is_in_the_declared_currency(
    currency: str, digits: int, unit: int
) -> None:
    text = f"""
from fraud_platform.declare import *

class Payment(Source):
    drops = csv("payments_{{day}}.csv")
    transaction_id = identifier("id")
    booked = timestamp("at")
    amount = money("amt", currency="{currency}", digits={digits})
    card = entity("card", partitions_topic=True)
    merchant = entity("shop")
    fraud = fraud_label("is_fraud")

FEATURES = [feature("known", known_genuine_mean(by=Payment.card, last=30))]
"""
    formula = declared_in("payments", text).declaration.features[0].formula
    genuine = LabelSum("customer", "n_genuine", 30)
    assert formula == ratio(LabelSum("customer", "genuine_cents", 30), genuine * unit)
