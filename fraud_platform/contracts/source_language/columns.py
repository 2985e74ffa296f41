"""The columns of a source by what they mean, as a team writes them.

Here: `identifier`, `timestamp`, `money`, `entity`, `categorical`, `number`, `fraud_label`, and the
formats of drops and messages.
Not here: putting them together and checking them (`contracts.source_language.source`).
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Literal

from fraud_platform.contracts.data_set import DropFormat, Epoch, Header, MessageFormat
from fraud_platform.contracts.source_language.problems import Place

KeyType = Literal["text", "integer"]


def _here() -> Place:
    """Return where the declaration calls the function that calls this one."""
    frame = sys._getframe(2)
    return Place(frame.f_code.co_filename, frame.f_lineno)


@dataclass(frozen=True)
class Declared:
    """A declared column, before it is checked; `name` is set by the class that holds it."""

    place: Place


@dataclass(frozen=True)
class DeclaredKey(Declared):
    """A transaction's or an entity's key."""

    column: str
    type: KeyType
    is_entity: bool
    partitions_topic: bool = False


@dataclass(frozen=True)
class DeclaredTime(Declared):
    """When the transaction was made."""

    columns: tuple[str, ...]
    format: str | None
    zone: str
    epoch: Epoch | None


@dataclass(frozen=True)
class DeclaredMoney(Declared):
    """The amount."""

    column: str
    currency: str
    digits: int
    refunds: bool


@dataclass(frozen=True)
class DeclaredCategory(Declared):
    """A text of few values."""

    column: str
    keep: int
    description: str


@dataclass(frozen=True)
class DeclaredNumber(Declared):
    """A number that features can read."""

    column: str
    digits: int
    missing: float | None
    description: str


@dataclass(frozen=True)
class DeclaredLabel(Declared):
    """Whether the transaction was fraud."""

    column: str
    delay: str
    kind: str | None
    kinds: tuple[str, ...]


@dataclass(frozen=True)
class DeclaredFormat(Declared):
    """The format of drops or of messages."""

    format: DropFormat | MessageFormat


def identifier(column: str, *, type: KeyType = "text") -> DeclaredKey:  # noqa: A002 - reads well
    """Declare the column that identifies a transaction.

    Args:
        column: its name in drops and messages.
        type: `text`, or `integer` for up to 18 digits.
    """
    return DeclaredKey(_here(), column, type, is_entity=False)


def entity(
    column: str,
    *,
    partitions_topic: bool = False,
    type: KeyType = "text",  # noqa: A002 - reads well
) -> DeclaredKey:
    """Declare the column that identifies a customer, card, merchant or terminal.

    Args:
        column: its name in drops and messages.
        partitions_topic: of exactly one entity: its key is the key of messages, features see its
            history up to the transaction, and it is what a case is about. The history of the other
            entity is seen after the label delay.
        type: `text`, or `integer` for up to 18 digits.
    """
    return DeclaredKey(_here(), column, type, is_entity=True, partitions_topic=partitions_topic)


def timestamp(
    *columns: str, format: str | None = None, zone: str = "UTC", epoch: Epoch | None = None  # noqa: A002 - reads well
) -> DeclaredTime:  # fmt: skip
    """Declare when the transaction was made.

    Args:
        columns: one column, or a date's and a time's, which are joined by a space.
        format: as in Python, at least to the minute; None means `%Y-%m-%d %H:%M:%S`, unless there
            is an epoch. With `%z` each time has its own offset from UTC, or `Z`.
        zone: IANA name of the zone of local times. A time that the clocks skip is no time; of a
            time that they repeat the first one counts.
        epoch: the unit of a number since 1970-01-01 UTC: `s`, `ms` or `us`.
    """
    return DeclaredTime(_here(), columns, format, zone, epoch)


def money(column: str, *, currency: str, digits: int = 2, refunds: bool = False) -> DeclaredMoney:
    """Declare the amount.

    Args:
        column: its name in drops and messages; decimals after a point.
        currency: ISO 4217 code, shown next to amounts.
        digits: decimals of the currency.
        refunds: whether amounts of 0 and below are valid.
    """
    return DeclaredMoney(_here(), column, currency, digits, refunds)


def categorical(column: str, *, keep: int = 64, description: str = "") -> DeclaredCategory:
    """Declare a text of few values.

    Args:
        column: its name in drops and messages.
        keep: how many values a model may distinguish; those that are rare in training are one.
        description: shown in tables and pages.
    """
    return DeclaredCategory(_here(), column, keep, description)


def number(
    column: str, *, digits: int = 0, missing: float | None = None, description: str = ""
) -> DeclaredNumber:
    """Declare a number that features can read.

    Args:
        column: its name in drops and messages.
        digits: decimals that are kept, 0 to 6; further ones are rounded half up. The number may be
            written with an exponent, such as 5e-06.
        missing: stands for an empty field; without it, a row with an empty field is not clean.
        description: shown in tables and pages.
    """
    return DeclaredNumber(_here(), column, digits, missing, description)


def fraud_label(
    column: str, *, delay: str = "7d", kind: str | None = None, kinds: tuple[str, ...] = ()
) -> DeclaredLabel:
    """Declare the label: 1 or true for fraud, 0 or false for genuine.

    Args:
        column: its name in drops.
        delay: time after the transaction until the label counts, such as `7d`.
        kind: column with the kind of fraud, an integer from 1, and 0 for genuine.
        kinds: what the kinds are called, kind 1 first.
    """
    return DeclaredLabel(_here(), column, delay, kind, kinds)


def csv(name: str, *, delimiter: str = ",") -> DeclaredFormat:
    """Declare drops with a header of names and quotes as in RFC 4180, one row a line.

    Args:
        name: of a drop's file, such as `payments_{day}.csv`, with the drop's first day.
        delimiter: one character.
    """
    return DeclaredFormat(_here(), DropFormat("csv", name, delimiter))


def text(
    name: str, *, delimiter: str = ",", header: Header = "first", names: tuple[str, ...] = ()
) -> DeclaredFormat:
    """Declare drops of fields between delimiters, without quotes.

    Args:
        name: of a drop's file, such as `{day}.txt`, with the drop's first day.
        delimiter: one character.
        header: `first`: the first line has the names, in any order. `commented`: it may begin with
            `#`, and the columns are in the order of `names`.
        names: the columns in order, of a commented header.
    """
    return DeclaredFormat(_here(), DropFormat("text", name, delimiter, header, names))


def json_lines(name: str) -> DeclaredFormat:
    """Declare drops with one JSON object a line, in files such as `payments_{day}.jsonl`."""
    return DeclaredFormat(_here(), DropFormat("json_lines", name))


def parquet(name: str) -> DeclaredFormat:
    """Declare drops of Parquet files, such as `payments_{day}.parquet`."""
    return DeclaredFormat(_here(), DropFormat("parquet", name))


def json(**names: str) -> DeclaredFormat:
    """Declare messages of JSON objects; `column="name"` for columns with another name in them."""
    return DeclaredFormat(_here(), MessageFormat("json", names))
