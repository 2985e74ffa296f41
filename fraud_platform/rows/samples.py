"""A valid message of a source, made from its declaration.

Here: `sample_texts`, `sample_message`, for the warm-up of scorers and for documentation.
Not here: messages of real rows (`fraud_platform.simulation`).
"""

from __future__ import annotations

import json
from datetime import UTC, datetime

from fraud_platform.contracts.data_set import Key, SourceSpec

SAMPLE_MOMENT = datetime(2018, 1, 2, 10, 20, 30, tzinfo=UTC)
_EPOCHS = {"s": 1, "ms": 1_000, "us": 1_000_000}
_SECONDS = 1_514_888_430


def sample_texts(source: SourceSpec) -> dict[str, str]:
    """Return a valid text of each column of a message."""
    texts = {source.amount.column: "1.00" if source.amount.digits == 2 else "1"}
    for name, key in (
        ("transaction", source.transaction_id),
        ("customer", source.customer),
        ("counterparty", source.counterparty),
    ):
        texts[key.column] = f"{name}-0" if key.is_text else "0"
    texts |= {fact.column: "a" if fact.kind == "category" else "0" for fact in source.facts}
    booked = source.booked
    if booked.epoch is not None:
        return texts | {booked.columns[0]: str(_SECONDS * _EPOCHS[booked.epoch])}
    # a format of two columns has a space between its parts
    text = SAMPLE_MOMENT.strftime(booked.format or "")
    parts = text.split(" ", len(booked.columns) - 1)
    return texts | dict(zip(booked.columns, parts, strict=True))


def is_number(source: SourceSpec, column: str) -> bool:
    """Return whether a column is a number in messages; otherwise it is a text."""
    keys: tuple[Key, ...] = (source.transaction_id, source.customer, source.counterparty)
    if column in {key.column for key in keys}:
        return not next(key for key in keys if key.column == column).is_text
    if column in source.booked.columns:
        return source.booked.epoch is not None
    facts = {fact.column: fact.kind == "number" for fact in source.facts}
    return facts.get(column, True)


def sample_message(source: SourceSpec) -> tuple[bytes, bytes]:
    """Return key and value of a valid message."""
    texts = sample_texts(source)
    fields = []
    for column, name in source.sent_names.items():
        text = texts[column] if is_number(source, column) else json.dumps(texts[column])
        fields.append(f"{json.dumps(name)}: {text}")
    return texts[source.customer.column].encode(), ("{" + ", ".join(fields) + "}").encode()
