"""The schemas of messages: what fits them is read, and what the platform sends fits them."""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fraud_platform.contracts.data_set import SourceSpec
from fraud_platform.contracts.messages import LABEL_FIELDS, TRANSACTION_FIELDS
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
from fraud_platform.errors import DataError
from fraud_platform.scoring.messages.declared import DeclaredMessages
from fraud_platform.scoring.messages.decode import judge_message
from fraud_platform.scoring.messages.labels import DeclaredLabels, read_label
from fraud_platform.scoring.messages.schemas import examples, message_schemas, schema_words
from fraud_platform.simulation.declared_stream import (
    declared_labels,
    declared_messages,
    rows_of_texts,
)
from fraud_platform_tests.testing.worlds.declared import SOURCE, payments

TEXTS = payments(60, datetime(2019, 3, 5, tzinfo=UTC))
_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,), "integer": (int,), "number": (int, float), "boolean": (bool,),
    "null": (type(None),), "array": (list,),
}  # fmt: skip


class Ledger(Source):
    """Integer keys, an epoch, refunds and kinds of fraud."""

    drops = csv("ledger_{day}.csv")
    transaction_id = identifier("id", type="integer")
    booked = timestamp("at", epoch="us")
    amount = money("value", currency="JPY", digits=0, refunds=True)
    account = entity("account", type="integer", partitions_topic=True)
    branch = entity("branch", type="integer")
    score = number("score", digits=2)
    fraud = fraud_label("fraud", kind="kind", kinds=("stolen", "lost"))


SOURCES = {"payments": SOURCE, "ledger": Ledger.spec}


def _fits(schema: dict[str, Any], value: Any) -> bool:
    """Whether a value fits the keywords that the schemas use."""
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    allowed = tuple(t for name in types for t in _TYPES[name])
    if not isinstance(value, allowed) or (isinstance(value, bool) and "boolean" not in types):
        return False
    if isinstance(value, str):
        is_long = not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", 10**9)
        return not is_long and re.search(schema.get("pattern", ""), value) is not None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return schema.get("minimum", value) <= value <= schema.get("maximum", value)
    return True


def _problems(schema: dict[str, Any], value: bytes) -> list[str]:
    fields = json.loads(value)
    missing = [name for name in schema["required"] if name not in fields]
    wrong = [n for n, v in fields.items() if not _fits(schema["properties"][n], v)]
    return missing + wrong


@pytest.mark.parametrize("name", SOURCES)
def test_what_the_platform_sends_fits_the_schemas(name: str) -> None:
    source = SOURCES[name]
    schemas = message_schemas(source)
    for topic, (_, value) in examples(source).items():
        assert _problems(schemas[topic], value.encode()) == []
    if source is SOURCE:
        rows, _ = rows_of_texts(source, {column: TEXTS[column] for column in TEXTS.columns})
        for sent in declared_messages(source, rows).values:
            assert _problems(schemas["transactions"], sent) == []
        for sent in declared_labels(source, rows, 7).values:
            assert _problems(schemas["labels"], sent) == []


def _values(source: SourceSpec, name: str, schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    if name == "day":
        made: st.SearchStrategy[Any] = st.dates(date(2000, 1, 1), date(2099, 12, 31)).map(str)
    elif name == "time":
        made = st.times().map(lambda moment: f"{moment:%H:%M:%S}")
    elif "string" in types:
        characters = st.characters(codec="utf-8")
        sized = st.text(characters, min_size=schema.get("minLength", 0), max_size=64)
        made = sized.filter(lambda text: _fits(schema, text))
    elif "integer" in types:
        made = st.integers(schema["minimum"], schema["maximum"])
    else:
        numbers = st.decimals(schema["minimum"], schema["maximum"], places=2).map(float)
        made = numbers.filter(lambda value: _fits(schema, value) and "e" not in repr(value))
    return st.one_of(made, st.none()) if "null" in types else made


@settings(max_examples=60, deadline=None)
@given(st.data(), st.sampled_from(list(SOURCES)))
def test_what_fits_the_schema_of_transactions_is_read(data: st.DataObject, name: str) -> None:
    source = SOURCES[name]
    schema = message_schemas(source)["transactions"]
    fields = {n: data.draw(_values(source, n, s)) for n, s in schema["properties"].items()}
    key = str(fields[source.sent_names[source.customer.column]]).strip(" ").encode()
    judged = DeclaredMessages(source).judge(key, json.dumps(fields).encode())
    assert judged.reasons == (), judged.detail


def test_the_examples_are_read() -> None:
    for source in SOURCES.values():
        sent = examples(source)
        key, value = sent["transactions"]
        assert DeclaredMessages(source).judge(key.encode(), value.encode()).reasons == ()
        labels, problems = DeclaredLabels(source).read([sent["labels"][1].encode()])
        assert labels[0] is not None, problems


def test_the_handbook_s_formats_are_its_contract() -> None:
    source = HANDBOOK.source
    schemas = message_schemas(source)
    assert list(schemas["labels"]["properties"]) == list(LABEL_FIELDS)
    assert sorted(schemas["transactions"]["properties"]) == sorted(TRANSACTION_FIELDS)
    sent = examples(source)
    assert judge_message(*(part.encode() for part in sent["transactions"])).reasons == ()
    assert read_label(sent["labels"][1].encode()).is_fraud


def test_one_topic_can_be_shown_and_another_name_is_refused() -> None:
    assert list(json.loads(schema_words(SOURCE, "labels"))) == ["labels"]
    assert set(json.loads(schema_words(SOURCE))) == {"transactions", "labels", "predictions"}
    with pytest.raises(DataError, match="expected one of transactions, labels, predictions"):
        schema_words(SOURCE, "label")
