"""Declarations of data sets: a good one, and many kinds of mistake with place and remedy."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fraud_platform.contracts.data_set import DataSet
from fraud_platform.contracts.source_language.loading import declared_in, load_data_set
from fraud_platform.errors import DeclarationError

GOOD = """\
from fraud_platform.declare import *

class Payment(Source):
    drops = csv("payments_{day}.csv", delimiter="|")
    messages = json(amt="amount")
    transaction_id = identifier("id")
    booked = timestamp("day", "clock", zone="Europe/Paris")
    amount = money("amt", currency="EUR", digits=2)
    card = entity("card_token", partitions_topic=True)
    merchant = entity("shop")
    category = categorical("category", keep=20)
    distance = number("km", digits=3, missing=0)
    fraud = fraud_label("is_fraud", delay="14d")

P = Payment
FEATURES = [
    feature("amount", P.amount, rises=True),
    feature("category", P.category),
    feature("distance", P.distance),
    feature("card_mean_7d", mean(P.amount, by=P.card, last=7)),
    feature("shop_frauds_28d", known_frauds(by=P.merchant, last=28)),
]
MODEL_FEATURES = ["amount", "card_mean_7d"]
"""


def load(tmp_path: Path, text: str) -> DataSet:
    path = tmp_path / "payments.py"
    path.write_text(text)
    return load_data_set(str(path))


def test_a_good_declaration_says_what_it_says(tmp_path: Path) -> None:
    data_set = load(tmp_path, GOOD)
    source = data_set.source
    assert data_set.name == "payments"
    assert source.columns == (
        *("id", "day", "clock", "card_token", "shop", "amt", "category", "km", "is_fraud"),
    )
    assert source.fact_names == ("fact_category", "fact_distance")
    assert source.customer.is_text
    assert (source.label.delay_days, source.label.kinds) == (14, ("fraud",))
    assert data_set.declaration.label_delay_hours == 14 * 24
    assert data_set.chosen == ("amount", "card_mean_7d")
    assert data_set.rising == {"amount"}


SOURCE_MISTAKES = [
    # what is replaced, by what, what the error says
    ('csv("payments_{day}.csv", delimiter="|")', 'csv("payments.csv")', "{day} once"),
    ('csv("payments_{day}.csv", delimiter="|")', 'csv("a/{day}.csv")', "{day} once"),
    ('csv("payments_{day}.csv", delimiter="|")', 'csv("{day}_{day}.csv")', "{day} once"),
    ('csv("payments_{day}.csv", delimiter="|")', "csv(7)", "{day} once"),
    ('delimiter="|"', 'delimiter="||"', "one ASCII character"),
    ('delimiter="|"', 'delimiter=""', "one ASCII character"),
    ('delimiter="|"', 'delimiter="\\n"', "one ASCII character"),
    ('delimiter="|"', "delimiter='\"'", "one ASCII character"),
    ('delimiter="|"', "delimiter=None", "one ASCII character"),
    (
        'csv("payments_{day}.csv", delimiter="|")',
        'text("{day}.txt", header="none")',
        "commented",
    ),
    (
        'csv("payments_{day}.csv", delimiter="|")',
        'text("{day}.txt", header="commented", names=("id", "day"))',
        "every column among names",
    ),
    (
        'csv("payments_{day}.csv", delimiter="|")',
        'text("{day}.txt", names=("id", "day"))',
        "names of a commented header alone",
    ),
    ("    drops = csv", "    drop = csv", "the format of drops"),
    ("    messages = json", "    message = json", "`messages` of json"),
    ('json(amt="amount")', 'json(amount="amt")', "names of declared columns"),
    ('json(amt="amount")', 'json(is_fraud="f")', "except the label"),
    ('json(amt="amount")', 'json(amt="id")', "a name of its own for each column"),
    ('json(amt="amount")', "json(amt=5)", "a name in messages"),
    ('json(amt="amount")', 'csv("m_{day}.csv")', "`messages` of json"),
    ('    transaction_id = identifier("id")\n', "", "one identifier"),
    ('identifier("id")', 'identifier("")', "a column's name"),
    ('identifier("id")', "identifier(3)", "a column's name"),
    ('identifier("id")', 'identifier("id", type="uuid")', "text or integer"),
    ('identifier("id")', 'identifier("amt")', "each column once"),
    ('identifier("id")', 'identifier("id")\n    second_id = identifier("id2")', "one identifier"),
    ('    booked = timestamp("day", "clock", zone="Europe/Paris")\n', "", "one timestamp"),
    ('timestamp("day", "clock", zone="Europe/Paris")', "timestamp()", "one column, or a date's"),
    (
        'timestamp("day", "clock", zone="Europe/Paris")',
        'timestamp("a", "b", "c")',
        "one column, or",
    ),
    ('zone="Europe/Paris"', 'zone="Paris"', "IANA name"),
    ('zone="Europe/Paris"', 'format="%Y-%m-%d"', "year, month, day, hour and minute"),
    ('zone="Europe/Paris"', 'format="YYYY-MM-DD hh:mm:ss"', "year, month, day, hour and minute"),
    ('zone="Europe/Paris"', 'format="%Y-%m-%d %H:%M:%S %p"', "%p goes with %I"),
    ('zone="Europe/Paris"', 'format="%Y-%m-%d %I:%M"', "year, month, day, hour and minute"),
    ('zone="Europe/Paris"', 'format="%Y-%m-%d %H"', "year, month, day, hour and minute"),
    (
        'zone="Europe/Paris"',
        'format="%Y-%m-%dT%H:%M:%S%z", zone="Europe/Paris"',
        "UTC with %z, as each time has its own offset",
    ),
    ('zone="Europe/Paris"', 'epoch="s"', "one column with an epoch"),
    ('timestamp("day", "clock", zone="Europe/Paris")', 'timestamp("t", epoch="ns")', "s, ms or us"),
    (
        'timestamp("day", "clock", zone="Europe/Paris")',
        'timestamp("t", epoch="ms", zone="Asia/Tokyo")',
        "UTC with an epoch",
    ),
    ('    amount = money("amt", currency="EUR", digits=2)\n', "", "one money column"),
    ('currency="EUR"', 'currency="euro"', "three letters"),
    ('currency="EUR"', "currency=978", "three letters"),
    ('money("amt", currency="EUR", digits=2)', 'money("amt")', "TypeError"),
    ("digits=2", "digits=9", "0 to 4 digits"),
    ("digits=2", 'digits="2"', "0 to 4 digits"),
    ("digits=2", 'refunds="no"', "refunds True or False"),
    ("partitions_topic=True", "partitions_topic=False", "partitions_topic=True, found none"),
    ('entity("shop")', 'entity("shop", partitions_topic=True)', "partitions_topic=True, found 2"),
    ('    merchant = entity("shop")\n', "", "one further entity, found none"),
    (
        '    merchant = entity("shop")\n',
        '    merchant = entity("shop")\n    bank = entity("bank")\n',
        "one further entity, found 2",
    ),
    ("keep=20", "keep=1", "keep from 2 to 1024"),
    ("keep=20", 'keep="all"', "keep from 2 to 1024"),
    ("digits=3, missing=0", "digits=7", "0 to 6 digits"),
    ("digits=3, missing=0", "digits=0, missing=0.5", "missing with at most 0 decimals"),
    ("digits=3, missing=0", 'digits=3, missing="none"', "a number for missing"),
    ('    fraud = fraud_label("is_fraud", delay="14d")\n', "", "one fraud_label"),
    ('delay="14d"', 'delay="two weeks"', "whole days"),
    ('delay="14d"', "delay=14", "whole days"),
    ('delay="14d"', 'delay="1d"', "from 2d to 60d"),
    ('delay="14d"', 'delay="90d"', "from 2d to 60d"),
    ('delay="14d"', 'kind="how"', "kind and kinds together"),
    ('delay="14d"', 'kinds=("a", "b")', "kind and kinds together"),
    ('delay="14d"', 'kind="how", kinds=("a", "b", "c", "d")', "at most 3 kinds"),
    ('delay="14d"', 'kind="how", kinds=("a", "a")', "a name for each kind"),
    ('delay="14d"', 'kind="how", kinds="ab"', "a tuple of names"),
    ("    card = entity", "    Card = entity", "small letters"),
    ("    card = entity", "    limit = 5\n    card = entity", "Payment.limit: expected a declared"),
    (
        "class Payment(Source)",
        "class Payment",
        "expected a column of a class derived from",
    ),
    ("P = Payment", "P = Payments", "payments.py:15: expected a declaration, found NameError"),
    ("P = Payment\n", "P = Payment\nif\n", "payments.py:16"),
    ("import *", "import Sources", "payments.py:1: expected a declaration, found ImportError"),
]


@pytest.mark.parametrize(("old", "new", "words"), SOURCE_MISTAKES)
def test_a_mistake_in_the_source_is_refused_with_place_and_remedy(
    tmp_path: Path, old: str, new: str, words: str
) -> None:
    refuses(tmp_path, old, new, words)


def refuses(tmp_path: Path, old: str, new: str, words: str) -> None:
    assert old in GOOD
    with pytest.raises(DeclarationError) as error:
        load(tmp_path, GOOD.replace(old, new, 1))
    lines = str(error.value).split("\n")
    assert lines[0].startswith("The declaration ")
    fitting = [line for line in lines[1:] if words in line]
    assert fitting, lines
    for line in lines[1:]:
        assert "expected " in line
        assert ", found " in line
        assert line.rstrip().endswith("."), "the remedy is a sentence"


def test_all_mistakes_are_reported_at_once(tmp_path: Path) -> None:
    wrong = GOOD.replace("digits=2", "digits=9").replace('zone="Europe/Paris"', 'zone="Paris"')
    with pytest.raises(DeclarationError) as error:
        load(tmp_path, wrong.replace('delay="14d"', 'delay="soon"'))
    assert str(error.value).count("\n") == 3


def test_an_unknown_data_set_is_named_with_those_that_exist() -> None:
    with pytest.raises(DeclarationError, match="expected handbook or the path of a Python file"):
        load_data_set("hand-book")


def test_the_declaration_on_the_page_is_valid() -> None:
    page = (Path(__file__).parents[4] / "docs" / "own_data.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    declared = [declared_in("payments", block) for block in blocks if "(Source):" in block]
    assert [data_set.source.customer.name for data_set in declared] == ["card"]
