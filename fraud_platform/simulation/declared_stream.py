"""Rows of a declared source as messages of a live stream, and bad messages to mix into it.

Here: valid rows of a drop with their texts, their JSON, their labels, and bad messages with the
reason that scoring must assign to each.
Not here: messages of the Handbook's shape, their order and pace (`simulation.stream`), the rules
for messages (`scoring.messages.declared`).

A message has the texts that the drop has: a number is sent by its own digits, and what JSON does
not take as a number is sent as a text. An empty field is null.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import polars as pl

from fraud_platform.contracts.data_set import Key, SourceSpec
from fraud_platform.contracts.dead_letter_reasons import MessageReason
from fraud_platform.contracts.messages import LABEL_FIELDS
from fraud_platform.contracts.quarantine_reasons import Reason
from fraud_platform.rows.declared import RowReader
from fraud_platform.rows.fields import read_integers, trimmed
from fraud_platform.rows.message_json import JsonNumber, parse_json
from fraud_platform.rows.samples import is_number
from fraud_platform.simulation.stream_messages import (
    DUPLICATE,
    LARGE_BYTES,
    TIME_FORM,
    Kind,
    Spoil,
    StreamMessages,
)

_JSON_NUMBER = r"^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?$"
_TO_ESCAPE = r'["\\\x00-\x1f]'
_SENT = "sent:"
"""Begins the name of a column with texts of the drop, so that no other column has the same name."""


def rows_of_texts(source: SourceSpec, texts: Mapping[str, pl.Series]) -> tuple[pl.DataFrame, int]:
    """Return the valid rows of a drop, and how many are not valid.

    Args:
        texts: the texts of the declared columns.

    Returns:
        Columns of `transactions`, and the texts of the message's columns.
    """
    read = RowReader(source).read(texts)
    valid = np.flatnonzero(read.reasons == 0)
    rows = read.rows
    columns = {
        "transaction_id": rows.transaction_id[valid],
        "tx_datetime": rows.seconds[valid] * 1_000_000,
        "customer_id": rows.customer_id[valid],
        "terminal_id": rows.terminal_id[valid],
        "amount_cents": rows.amount_cents[valid],
        "is_fraud": rows.scenario[valid] != 0,
        "fraud_scenario": rows.scenario[valid].astype(np.int32),
    }
    frame = pl.DataFrame(columns, schema_overrides={"tx_datetime": pl.Datetime("us", "UTC")})
    sent = [texts[name].gather(valid).alias(_SENT + name) for name in source.message_columns]
    return frame.with_columns(sent), int(np.count_nonzero(read.reasons))


def declared_messages(source: SourceSpec, rows: pl.DataFrame) -> StreamMessages:
    """Return rows as messages without their labels; the key is the customer's."""
    fields = [
        (name, pl.lit(_json_texts(source, rows, column)))
        for column, name in source.sent_names.items()
    ]
    keys = _key_bytes(rows[_SENT + source.customer.column], source.customer)
    return StreamMessages(keys, _json(rows, fields))


def declared_labels(source: SourceSpec, rows: pl.DataFrame, delay_days: int) -> StreamMessages:
    """Return label messages, keyed by transaction, known some days after the transaction."""
    transaction, fraud, kind, known = LABEL_FIELDS
    column = source.transaction_id.column
    fields = [
        (transaction, pl.lit(_json_texts(source, rows, column))),
        (fraud, pl.when("is_fraud").then(pl.lit("true")).otherwise(pl.lit("false"))),
    ]
    if source.label.kind_column is not None:
        fields.append((kind, pl.col("fraud_scenario").cast(pl.String)))
    moment = (pl.col("tx_datetime") + pl.duration(days=delay_days)).dt.to_string(TIME_FORM)
    fields.append((known, pl.concat_str(pl.lit('"'), moment, pl.lit('"'))))
    return StreamMessages(
        _key_bytes(rows[_SENT + column], source.transaction_id), _json(rows, fields)
    )


def bad_kinds(source: SourceSpec) -> tuple[tuple[Kind, ...], Kind]:
    """Return the kinds of bad messages of a source, each with its outcome, and an oversized one.

    They are only those for which the declaration defines the first reason unambiguously.
    """
    names = source.sent_names
    transaction, customer = names[source.transaction_id.column], names[source.customer.column]
    counterparty, amount = names[source.counterparty.column], names[source.amount.column]
    wrong: list[tuple[str, str, tuple[str | None, ...]]] = [
        (Reason.MALFORMED_ROW, transaction, (None, "null", '""', "[17]", '{"id": 17}')),
        (Reason.MALFORMED_ROW, counterparty, ("[]", "{}")),
        (Reason.MALFORMED_ROW, amount, ('"5.00.1"', '"$5.00"', "[57.16]", "true")),
        (Reason.UNKNOWN_CUSTOMER, customer, (None, "null", '""')),
        (Reason.UNKNOWN_TERMINAL, counterparty, (None, "null", '""')),
        (Reason.NON_POSITIVE_AMOUNT, amount, (None, "null", "99999999999")),
    ]
    if not source.amount.refunds:
        wrong.append((Reason.NON_POSITIVE_AMOUNT, amount, ("0", "-5.00")))
    for column in source.booked.columns:
        texts = (None, "null", '""', '"no time"', '"2018-02-30 25:00:00"')
        wrong.append((Reason.BAD_TIMESTAMP, names[column], texts))
    for fact in source.facts:
        if fact.kind == "number":
            gone = (None, "null") if fact.missing is None else ()
            wrong.append((Reason.BAD_VALUE, names[fact.column], (*gone, '"north"', "9" * 30)))
    kinds: list[Kind] = [
        (reason, _field(name, text)) for reason, name, texts in wrong for text in texts
    ]
    return (*kinds, *_OTHERS), (MessageReason.TOO_LARGE, _whole(_oversized))


def _json_texts(source: SourceSpec, rows: pl.DataFrame, column: str) -> pl.Series:
    """Return a column's texts as JSON."""
    texts = rows[_SENT + column]
    quoted = _quoted(texts)
    if is_number(source, column):
        is_plain = texts.str.contains(_JSON_NUMBER).fill_null(value=False)
        quoted = quoted.zip_with(~is_plain, texts)
    empty = trimmed(texts).is_null()
    return quoted.set(empty, "null") if empty.any() else quoted


def _quoted(texts: pl.Series) -> pl.Series:
    odd = texts.str.contains(_TO_ESCAPE).fill_null(value=False)
    plain = '"' + texts + '"'
    if not odd.any():
        return plain
    places = odd.arg_true()
    escaped = [json.dumps(text, ensure_ascii=False) for text in texts.gather(places)]
    return plain.scatter(places, escaped)


def _json(rows: pl.DataFrame, fields: Sequence[tuple[str, pl.Expr]]) -> list[bytes]:
    """Return one JSON object for each row; values are JSON texts by name."""
    parts: list[pl.Expr] = []
    for place, (name, value) in enumerate(fields):
        parts += [pl.lit(f"{', ' if place else '{'}{json.dumps(name)}: "), value]
    made = rows.select(value=pl.concat_str(*parts, pl.lit("}")).cast(pl.Binary))
    return made["value"].to_list()


def _key_bytes(texts: pl.Series, key: Key) -> list[bytes]:
    """Return keys of messages: the text, or an integer's digits."""
    own = trimmed(texts)
    if not key.is_text:
        own = pl.Series(read_integers(own).values).cast(pl.String)
    return own.cast(pl.Binary).to_list()


def _field(name: str, text: str | None) -> Spoil:
    """Return a function that sets a field to this JSON text, or removes the field if None."""

    def spoil(key: bytes, value: bytes) -> tuple[bytes, bytes]:
        pairs = [*parse_json(value)]
        fields = {given: _as_json(found) for given, found in pairs}
        if text is None:
            del fields[name]
        else:
            fields[name] = text
        return key, _object(fields)

    return spoil


def _as_json(value: object) -> str:
    return value.decode() if isinstance(value, JsonNumber) else json.dumps(value)


def _object(fields: Mapping[str, str]) -> bytes:
    pairs = (f"{json.dumps(name)}: {text}" for name, text in fields.items())
    return ("{" + ", ".join(pairs) + "}").encode()


def _whole(change: Callable[[bytes], bytes | None]) -> Spoil:
    return lambda key, value: (key, change(value))


def _rekeyed(change: Callable[[bytes], bytes | None]) -> Spoil:
    return lambda key, value: (change(key), value)


def _twice(value: bytes) -> bytes:
    """Return the object with its first field repeated."""
    name, found = parse_json(value)[0]
    return value[:-1] + f", {json.dumps(name)}: {_as_json(found)}}}".encode()


def _reordered(value: bytes) -> bytes:
    return _object({name: _as_json(found) for name, found in reversed(parse_json(value))})


def _oversized(value: bytes) -> bytes:
    return value[:-1] + b', "padding": "' + b"x" * LARGE_BYTES + b'"}'


_OTHERS: tuple[Kind, ...] = (
    (MessageReason.NOT_JSON, _whole(lambda value: None)),
    (MessageReason.NOT_JSON, _whole(lambda value: b"")),
    (MessageReason.NOT_JSON, _whole(lambda value: b"\x00\x00\x00\x00")),
    (MessageReason.NOT_JSON, _whole(lambda value: value[:-9])),
    (MessageReason.NOT_JSON, _whole(lambda value: value + b"\n" + value)),
    (MessageReason.NOT_JSON, _whole(lambda value: b"\xff" + value)),
    (MessageReason.NOT_JSON, _whole(lambda value: b'{"a": ' * 2_000 + value + b"}" * 2_000)),
    (Reason.MALFORMED_ROW, _whole(lambda value: b"{}")),
    (Reason.MALFORMED_ROW, _whole(lambda value: b'{"transaction": ' + value + b"}")),
    (Reason.MALFORMED_ROW, _whole(_twice)),
    (MessageReason.WRONG_KEY, _rekeyed(lambda key: None)),
    (MessageReason.WRONG_KEY, _rekeyed(lambda key: b"")),
    (MessageReason.WRONG_KEY, _rekeyed(lambda key: key + b"1")),
    (MessageReason.WRONG_KEY, _rekeyed(lambda key: b"customer \xff")),
    (DUPLICATE, _whole(lambda value: value)),
    (DUPLICATE, _whole(_reordered)),
)
