"""Clean rows as messages of a live stream, and bad messages to mix into it.

Here: the JSON of transactions and labels, and a catalogue of bad messages, each with the reason
that scoring must assign.
Not here: messages of other declared sources (`simulation.declared_stream`), producing and pacing
(`fraud_platform.operations.live.produce`), decoding a message (`fraud_platform.scoring`).

The catalogue holds only messages for which the contract defines the first reason unambiguously.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fraud_platform.contracts.active import DATA_SET, LABEL_DELAY_DAYS, SOURCE
from fraud_platform.contracts.dead_letter_reasons import MessageReason
from fraud_platform.contracts.messages import (
    LABEL_FIELDS,
    TRANSACTION_FIELDS,
    TRANSACTION_ID_ALIAS,
)
from fraud_platform.contracts.quarantine_reasons import Reason
from fraud_platform.contracts.time import SECONDS_PER_DAY, SECONDS_PER_HOUR
from fraud_platform.simulation.declared_stream import (
    bad_kinds,
    declared_labels,
    declared_messages,
)
from fraud_platform.simulation.stream_messages import (
    DUPLICATE,
    LARGE_BYTES,
    TIME_FORM,
    BadMessage,
    Spoil,
    StreamMessages,
    mixed_in,
)

LATE_SECONDS = (SECONDS_PER_HOUR, 2 * SECONDS_PER_DAY)
"""How much later than its turn a late row comes, from and up to."""
_ID, _TX_TIME, _CUSTOMER, _TERMINAL, _AMOUNT = TRANSACTION_FIELDS

Fragments = dict[str, str]
"""Field name to the JSON text of its value."""


def stream_order(rows: pl.DataFrame) -> pl.DataFrame:
    """Return rows of `transactions` ordered by time; equal times are ordered by id."""
    return rows.sort("tx_datetime", "transaction_id")


def transaction_messages(rows: pl.DataFrame) -> StreamMessages:
    """Return rows of `transactions` as messages without their labels, keyed by customer."""
    if not DATA_SET.fits_fast_parser:
        return declared_messages(SOURCE, rows)
    values = _json(
        TRANSACTION_FIELDS,
        pl.col("transaction_id").cast(pl.String),
        _quoted(pl.col("tx_datetime").dt.to_string(TIME_FORM)),
        pl.col("customer_id").cast(pl.String),
        pl.col("terminal_id").cast(pl.String),
        # Digits of the integer: a float's shortest text does not always have two decimals.
        pl.concat_str(
            (pl.col("amount_cents") // 100).cast(pl.String),
            pl.lit("."),
            (pl.col("amount_cents") % 100).cast(pl.String).str.zfill(2),
        ),
    )
    return _messages(rows, pl.col("customer_id"), values)


def label_messages(rows: pl.DataFrame, delay_days: int = LABEL_DELAY_DAYS) -> StreamMessages:
    """Return label messages, keyed by transaction, known `delay_days` after the transaction."""
    if not DATA_SET.fits_fast_parser:
        return declared_labels(SOURCE, rows, delay_days)
    values = _json(
        LABEL_FIELDS,
        pl.col("transaction_id").cast(pl.String),
        pl.when("is_fraud").then(pl.lit("true")).otherwise(pl.lit("false")),
        pl.col("fraud_scenario").cast(pl.String),
        _quoted((pl.col("tx_datetime") + pl.duration(days=delay_days)).dt.to_string(TIME_FORM)),
    )
    return _messages(rows, pl.col("transaction_id"), values)


def bad_messages(
    rows: pl.DataFrame, rate: float, seed: int, *, each_kind: bool = False
) -> list[BadMessage]:
    """Return bad messages made from random rows, in row order.

    Args:
        rows: rows of `transactions` in stream order.
        rate: expected number of bad messages per good one, at most 1; 0 returns no messages.
        seed: the same seed and rows give the same messages.
        each_kind: also add one message of every kind; only this adds the oversized message.
    """
    if not DATA_SET.fits_fast_parser:
        kinds, large = bad_kinds(SOURCE)
        once = (*kinds, large) if each_kind else ()
        return mixed_in(rows, rate, seed, kinds, once, partial(declared_messages, SOURCE))
    once = (*_SMALL_KINDS, _LARGE_KIND) if each_kind else ()
    return mixed_in(rows, rate, seed, _SMALL_KINDS, once, transaction_messages)


def with_late_rows(rows: pl.DataFrame, share: float, seed: int) -> pl.DataFrame:
    """Return rows with a share of them moved back in the stream, by an hour to two days.

    Args:
        rows: rows in stream order.
        share: of the rows that come late.
        seed: the same seed and rows give the same order.
    """
    random = np.random.default_rng(seed)
    is_late = random.random(rows.height) < share
    delay = np.where(is_late, random.integers(*LATE_SECONDS, rows.height), 0)
    order = np.argsort(moments(rows) + delay, kind="stable")
    return rows[order]


def moments(rows: pl.DataFrame) -> NDArray[np.int64]:
    """Return each row's time in seconds since 1970-01-01 UTC."""
    return rows["tx_datetime"].dt.epoch("s").to_numpy()


def _json(fields: tuple[str, ...], *values: pl.Expr) -> pl.Expr:
    parts: list[pl.Expr] = []
    for i, (field, value) in enumerate(zip(fields, values, strict=True)):
        parts += [pl.lit(f'{", " if i else "{"}"{field}": '), value]
    return pl.concat_str(*parts, pl.lit("}"))


def _quoted(text: pl.Expr) -> pl.Expr:
    return pl.concat_str(pl.lit('"'), text, pl.lit('"'))


def _messages(rows: pl.DataFrame, key: pl.Expr, value: pl.Expr) -> StreamMessages:
    messages = rows.select(
        key.cast(pl.String).cast(pl.Binary).alias("key"), value.cast(pl.Binary).alias("value")
    )
    return StreamMessages(messages["key"].to_list(), messages["value"].to_list())


def _field(field: str, text: str | None) -> Spoil:
    """Return a function that sets a field to this JSON text, or removes the field if None."""

    def spoil(key: bytes, value: bytes) -> tuple[bytes, bytes]:
        fields = _fragments(value)
        if text is None:
            del fields[field]
        else:
            fields[field] = text
        # The key must match the message's customer, so that wrong_key does not apply too.
        is_number = field == _CUSTOMER and text is not None and text.startswith("-")
        return (str(text).encode() if is_number else key), _text(fields)

    return spoil


def _whole(change: Callable[[bytes], bytes | None]) -> Spoil:
    return lambda key, value: (key, change(value))


def _rekeyed(change: Callable[[bytes], bytes | None]) -> Spoil:
    return lambda key, value: (change(key), value)


def _fragments(value: bytes) -> Fragments:
    pairs = (pair.split(": ", 1) for pair in value.decode()[1:-1].split(", "))
    return {name.strip('"'): text for name, text in pairs}


def _text(fields: Fragments) -> bytes:
    return ("{" + ", ".join(f'"{name}": {text}' for name, text in fields.items()) + "}").encode()


def _twice(value: bytes) -> bytes:
    """Return the JSON object with its customer field repeated."""
    return value[:-1] + f', "{_CUSTOMER}": {_fragments(value)[_CUSTOMER]}'.encode() + b"}"


_FIELD_TEXTS: tuple[tuple[str, str, tuple[str | None, ...]], ...] = (
    (
        Reason.MALFORMED_ROW,
        _ID,
        (
            *(None, "null", "-5", '"12x"', "1.5", "true", "[17]", '{"id": 17}', '"17\\u0000"'),
            *("1234567890123456789", "36893488147419103232"),
        ),
    ),
    (Reason.MALFORMED_ROW, _CUSTOMER, ('"12x"', "596.5", "[596]", '{"id": 596}', "9" * 40)),
    (Reason.MALFORMED_ROW, _CUSTOMER, ("9" * 5_000,)),
    (Reason.MALFORMED_ROW, _TERMINAL, ('"T12"', "12.5", "[]", '"3\\n1"', "9" * 19)),
    (Reason.MALFORMED_ROW, _AMOUNT, ('"5.00.1"', '"$5.00"', "[57.16]", '{"value": 5}', "true")),
    (
        Reason.BAD_TIMESTAMP,
        _TX_TIME,
        (
            *(None, "null", '""', "1522576800", '"2018-02-30 10:00:00"', '"2018-04-01T10:00:00"'),
            *('"9999-12-31 23:59:59"', '"1999-12-31 23:59:59"', '"2018-04-01\\n10:00:00"'),
        ),
    ),
    (Reason.UNKNOWN_CUSTOMER, _CUSTOMER, ("-999999", "-1", "null", None)),
    (Reason.UNKNOWN_TERMINAL, _TERMINAL, ("-1", "-999999", "null", None)),
    (Reason.NON_POSITIVE_AMOUNT, _AMOUNT, ("0", "0.00", "-5.00", "0.004", "null", None)),
    (Reason.NON_POSITIVE_AMOUNT, _AMOUNT, ("10000000.00", "99999999999")),
)

_OTHERS: tuple[tuple[str, Spoil], ...] = (
    (MessageReason.NOT_JSON, _whole(lambda value: None)),
    (MessageReason.NOT_JSON, _whole(lambda value: b"")),
    (MessageReason.NOT_JSON, _whole(lambda value: b"\x00\x00\x00\x00")),
    (MessageReason.NOT_JSON, _whole(lambda value: value[:-9])),
    (MessageReason.NOT_JSON, _whole(lambda value: value.replace(b" ", b"\n", 2) + b"\n" + value)),
    (MessageReason.NOT_JSON, _whole(lambda value: b"17,2018-04-01 10:00:00,596,3156,57.16")),
    (
        MessageReason.NOT_JSON,
        _whole(lambda value: value.replace(b"tx_amount", b"tx\xff\xfeamount")),
    ),
    (MessageReason.NOT_JSON, _whole(lambda value: b'{"a": ' * 2_000 + value + b"}" * 2_000)),
    (MessageReason.NOT_JSON, _field(_AMOUNT, "NaN")),
    (MessageReason.NOT_JSON, _field(_AMOUNT, "-Infinity")),
    (MessageReason.NOT_JSON, _field(_TX_TIME, '"2018-04-01\n10:00:00"')),
    (Reason.MALFORMED_ROW, _whole(lambda value: b"{}")),
    (Reason.MALFORMED_ROW, _whole(lambda value: b'{"transaction": ' + value + b"}")),
    (MessageReason.WRONG_KEY, _rekeyed(lambda key: None)),
    (MessageReason.WRONG_KEY, _rekeyed(lambda key: b"")),
    (MessageReason.WRONG_KEY, _rekeyed(lambda key: key + b"1")),
    (MessageReason.WRONG_KEY, _rekeyed(lambda key: b"customer \xff")),
    (DUPLICATE, _whole(lambda value: value)),
    (DUPLICATE, _whole(lambda value: value.replace(_ID.encode(), TRANSACTION_ID_ALIAS.encode()))),
    (DUPLICATE, _whole(lambda value: value.replace(b", ", b",\n\t"))),
    (Reason.MALFORMED_ROW, _whole(_twice)),
)

_SMALL_KINDS: tuple[tuple[str, Spoil], ...] = (
    *((reason, _field(field, text)) for reason, field, texts in _FIELD_TEXTS for text in texts),
    *_OTHERS,
)
_LARGE_KIND: tuple[str, Spoil] = (
    MessageReason.TOO_LARGE,
    _whole(lambda value: value[:-1] + b', "padding": "' + b"x" * LARGE_BYTES + b'"}'),
)
