"""The formats of messages as JSON Schemas, derived from the declaration of the data set.

Here: what a sender writes to the topics of transactions and labels, and what a reader of
predictions finds.
Not here: reading messages, which accepts more forms than these (`scoring.messages.declared`,
`scoring.messages.labels`), topics and headers (`contracts.messages`).

A message that fits its schema, with the right key, is read: see the tests.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from fraud_platform.contracts.data_set import MAX_NUMBER, Fact, Key, SourceSpec
from fraud_platform.contracts.drops import FIRST_YEAR, LAST_YEAR, MAX_AMOUNT_CENTS
from fraud_platform.contracts.messages import LABEL_FIELDS
from fraud_platform.errors import DataError
from fraud_platform.rows.declared import MAX_KEY_BYTES
from fraud_platform.rows.findings import MAX_DIGITS
from fraud_platform.rows.samples import sample_message

Schema = dict[str, Any]
DRAFT = "https://json-schema.org/draft/2020-12/schema"
_UNITS = {"s": (1, "seconds"), "ms": (1_000, "milliseconds"), "us": (1_000_000, "microseconds")}
_MOMENT = r"^\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}$"
_PREDICTED: dict[str, Schema] = {
    "fraud_probability": {
        "type": "number",
        "minimum": 0,
        "maximum": 1,
        "description": "Calibrated probability of fraud.",
    },
    "is_alert": {"type": "boolean", "description": "Probability at or above the threshold."},
    "reasons": {
        "type": "array",
        "items": {"type": "string"},
        "description": "Of an alert: the features that raised its probability most.",
    },
    "source_partition": {"type": "integer", "description": "Of the transaction's message."},
    "source_offset": {"type": "integer", "description": "Of the transaction's message."},
    "threshold": {"type": "number", "description": "From this probability on, it is an alert."},
    "model_name": {"type": "string", "description": "The registered model."},
    "model_version": {"type": "integer", "description": "Its version."},
    "scored_at": {"type": "string", "description": "UTC, with microseconds."},
}


def message_schemas(source: SourceSpec) -> dict[str, Schema]:
    """Return, by topic, a schema of the messages' values; the description names their keys.

    The topics are `transactions`, `labels` and `predictions`; settings may name them otherwise.
    """
    return {
        "transactions": _transaction(source),
        "labels": _label(source),
        "predictions": _prediction(source),
    }


def examples(source: SourceSpec) -> dict[str, tuple[str, str]]:
    """Return, by topic, key and value of a valid message of a sender."""
    key, value = sample_message(source)
    sent = json.loads(value)[source.sent_names[source.transaction_id.column]]
    transaction, fraud, kind, known = LABEL_FIELDS
    label = {transaction: sent, fraud: True}
    if source.label.kind_column is not None:
        label[kind] = 1
    label[known] = "2018-01-09 10:20:30"
    return {
        "transactions": (key.decode(), value.decode()),
        "labels": (str(sent), json.dumps(label, ensure_ascii=False)),
    }


def schema_words(source: SourceSpec, topic: str | None = None) -> str:
    """Return the schemas of all topics, or of one, as JSON, with an example of what is sent.

    Raises:
        DataError: there is no such topic.
    """
    schemas = message_schemas(source)
    if topic is not None and topic not in schemas:
        raise DataError(
            f"--topic: expected one of {', '.join(schemas)}, found {topic!r}. Choose one, or leave "
            "the option out for all."
        )
    sent = examples(source)
    shown = {}
    for name in [topic] if topic else schemas:
        shown[name] = schemas[name]
        if name in sent:
            key, value = sent[name]
            shown[name] = {**schemas[name], "examples": [json.loads(value)], "x-key": key}
    return json.dumps(shown, indent=2, ensure_ascii=False)


def fields_table(source: SourceSpec, topic: str) -> str:
    """Return the fields of a topic's messages as a table in Markdown."""
    schema = message_schemas(source)[topic]
    lines = ["| field | JSON type | rule |\n", "| --- | --- | --- |\n"]
    for name, field in schema["properties"].items():
        kinds = field["type"] if isinstance(field["type"], list) else [field["type"]]
        words = field.get("description", "")
        lines.append(f"| `{name}` | {' or '.join(kinds)} | {words} |\n")
    return "".join(lines)


def _transaction(source: SourceSpec) -> Schema:
    names, money = source.sent_names, source.amount
    fields = {
        names[source.transaction_id.column]: _key(source.transaction_id, "Identifies it."),
        **{names[column]: _time(source, column) for column in source.booked.columns},
        names[source.customer.column]: _key(
            source.customer, "The entity that a case is about; it is the message's key too."
        ),
        names[source.counterparty.column]: _key(source.counterparty, "The other side."),
        names[money.column]: _amount(source),
        **{names[fact.column]: _fact(fact) for fact in source.facts},
    }
    key = "its text in UTF-8" if source.customer.is_text else "its digits"
    optional = {names[f.column] for f in source.facts if _is_optional(f)}
    return _object(
        f"A transaction of {source.name}",
        f"The key is {names[source.customer.column]}, {key}. Further fields are ignored; the "
        "label must not be among them.",
        {name: fields[name] for name in names.values()},
        [name for name in fields if name not in optional],
    )


def _label(source: SourceSpec) -> Schema:
    transaction, fraud, kind, known = LABEL_FIELDS
    label = source.label
    fields = {
        transaction: _key(source.transaction_id, "The transaction's identifier."),
        fraud: {"type": "boolean", "description": "Whether it was fraud."},
    }
    if label.kind_column is not None:
        kinds = ", ".join(f"{n} {name}" for n, name in enumerate(("genuine", *label.kinds)))
        fields[kind] = {
            "type": "integer",
            "minimum": 0,
            "maximum": len(label.kinds),
            "description": f"{kinds}.",
        }
    fields[known] = {
        "type": "string",
        "pattern": _MOMENT,
        "description": "When it became known, UTC; a later one corrects an earlier one.",
    }
    title = f"A label of a transaction of {source.name}"
    words = f"The key is {transaction}, as text. Further fields are ignored."
    return _object(title, words, fields, list(fields))


def _prediction(source: SourceSpec) -> Schema:
    customer = source.sent_names[source.customer.column]
    fields = {LABEL_FIELDS[0]: _key(source.transaction_id, "The transaction's."), **_PREDICTED}
    title = f"A prediction for a transaction of {source.name}"
    return _object(title, f"The key is the transaction's {customer}.", fields, list(fields))


def _object(title: str, words: str, fields: Schema, required: list[str]) -> Schema:
    return {
        "$schema": DRAFT,
        "title": title,
        "description": words,
        "type": "object",
        "properties": fields,
        "required": [name for name in fields if name in required],
    }


def _key(key: Key, words: str) -> Schema:
    if key.is_text:
        rule = f"Text of at most {MAX_KEY_BYTES} bytes; spaces at both ends do not count."
        return {
            "type": "string",
            "minLength": 1,
            "maxLength": MAX_KEY_BYTES,
            "pattern": "[^ ]",
            "description": f"{words} {rule}",
        }
    most = 10**MAX_DIGITS - 1
    rule = f"Integer from 0, of at most {MAX_DIGITS} digits."
    return {"type": "integer", "minimum": 0, "maximum": most, "description": f"{words} {rule}"}


def _time(source: SourceSpec, column: str) -> Schema:
    booked = source.booked
    if booked.epoch is not None:
        unit, words = _UNITS[booked.epoch]
        return {
            "type": "integer",
            "minimum": _second(FIRST_YEAR) * unit,
            "maximum": _second(LAST_YEAR + 1) * unit - 1,
            "description": f"{words.capitalize()} since 1970-01-01 UTC.",
        }
    form = f"The form is {booked.format}, in the zone {booked.zone}."
    if len(booked.columns) > 1:
        joined = " and ".join(source.sent_names[c] for c in booked.columns)
        place = "first" if column == booked.columns[0] else "second"
        form = f"The {place} part of the time; {joined} are joined by a space. {form}"
    return {"type": "string", "minLength": 1, "description": form}


def _amount(source: SourceSpec) -> Schema:
    money = source.amount
    most = MAX_AMOUNT_CENTS / 10**money.digits
    rule = {"minimum": -most} if money.refunds else {"minimum": 1 / 10**money.digits}
    words = f"{money.currency}, digits with at most {money.digits} decimals after a point, without "
    words += "an exponent; further decimals are rounded half up."
    return {"type": "number", **rule, "maximum": most, "description": words}


def _is_optional(fact: Fact) -> bool:
    return fact.kind == "category" or fact.missing is not None


def _fact(fact: Fact) -> Schema:
    kind = "string" if fact.kind == "category" else "number"
    schema: Schema = {"type": [kind, "null"] if _is_optional(fact) else kind}
    if kind == "number":
        most = MAX_NUMBER // 10**fact.digits
        schema |= {"minimum": -most, "maximum": most}
        rule = f"{fact.digits} decimals are kept; the next one rounds."
        if fact.missing is not None:
            rule += f" Null counts as {fact.missing / 10**fact.digits:g}."
    else:
        rule = "A text of few values; null is a value of its own."
    return {**schema, "description": rule}


def _second(year: int) -> int:
    return int(datetime(year, 1, 1, tzinfo=UTC).timestamp())
