"""The checks of a source's columns and formats; every problem is found in one pass.

Here: `check_source`.
Not here: the class of sources (`contracts.source_language.source`), checks of features
(`contracts.source_language.feature_checks`).
"""

from __future__ import annotations

import re
import zoneinfo
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from fraud_platform.contracts.data_set import DropFormat, MessageFormat
from fraud_platform.contracts.source_language.columns import (
    Declared,
    DeclaredCategory,
    DeclaredFormat,
    DeclaredKey,
    DeclaredLabel,
    DeclaredMoney,
    DeclaredNumber,
    DeclaredTime,
)
from fraud_platform.contracts.source_language.problems import Place, Problems
from fraud_platform.contracts.time_formats import OFFSET, is_usable

DEFAULT_FORMAT = "%Y-%m-%d %H:%M:%S"
MAX_FACTS = 64
MAX_KEEP = 1024
MAX_DIGITS = 6
MAX_CURRENCY_DIGITS = 4
LABEL_DELAYS = range(2, 61)
"""Days. Shorter than two, and a partition would wait for another; longer, and the state grows."""
MAX_KINDS = 3
"""A label is one integer with two bits for its kind (`features.batch.stacked.LABEL_CODE`)."""
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_DELAY = re.compile(r"([0-9]{1,3})d")
_CURRENCY = re.compile(r"[A-Z]{3}")
_EPOCHS = ("s", "ms", "us")
_KEY_TYPES = ("text", "integer")
_NOT_DELIMITERS = '\n\r"'

ColumnType = TypeVar("ColumnType", bound=Declared)
Named = tuple[str, ColumnType]


@dataclass(frozen=True)
class Parts:
    """The parts of a valid source; those with a name of their own as (name, column)."""

    drops: DropFormat
    messages: MessageFormat
    transaction_id: tuple[str, DeclaredKey]
    booked: DeclaredTime
    amount: DeclaredMoney
    customer: tuple[str, DeclaredKey]
    counterparty: tuple[str, DeclaredKey]
    label: DeclaredLabel
    facts: tuple[tuple[str, DeclaredCategory | DeclaredNumber], ...]


def delay_days(delay: object) -> int | None:
    """Return a delay's days, or None if it is not one such as `7d`."""
    match = _DELAY.fullmatch(delay) if isinstance(delay, str) else None
    return int(match[1]) if match else None


def check_source(
    name: str, members: Mapping[str, Any], declared: Mapping[str, Declared], problems: Problems
) -> Parts | None:
    """Return the parts of a source, or None if one is missing; all problems are added.

    Args:
        name: of the class.
        members: all attributes of the class.
        declared: those that are declared columns and formats.
    """
    _check_names(name, members, declared, problems)
    _check_columns(declared, problems)
    ids = _only(name, declared, DeclaredKey, "identifier", problems, is_entity=False)
    booked = _only(name, declared, DeclaredTime, "timestamp", problems)
    amount = _only(name, declared, DeclaredMoney, "money column", problems)
    label = _only(name, declared, DeclaredLabel, "fraud_label", problems)
    customer, counterparty = _entities(name, declared, problems)
    for value in declared.values():
        _check_one(value, problems)
    facts = tuple(
        (n, v) for n, v in declared.items() if isinstance(v, DeclaredCategory | DeclaredNumber)
    )
    if len(facts) > MAX_FACTS:
        problems.add(
            name, f"at most {MAX_FACTS} numbers and categories", str(len(facts)),
            "Remove those that no feature reads.",
        )  # fmt: skip
    drops, messages = _formats(name, declared, problems)
    if not (drops and ids and booked and amount and label and customer and counterparty):
        return None
    return Parts(
        drops, messages, ids, booked[1], amount[1], customer, counterparty, label[1], facts
    )


def _check_names(
    name: str, members: Mapping[str, Any], declared: Mapping[str, Declared], problems: Problems
) -> None:
    for member, value in members.items():
        if not member.startswith("_") and not isinstance(value, Declared):
            problems.add(
                f"{name}.{member}", "a declared column or format", type(value).__name__,
                "Use identifier, timestamp, money, entity, categorical, number, fraud_label, or "
                "move it out of the class.",
            )  # fmt: skip
    for member, value in declared.items():
        if not _NAME.fullmatch(member):
            problems.add(
                value.place, "a name of small letters, digits and _, at most 40", repr(member),
                "Rename it.",
            )  # fmt: skip


def _columns_of(value: Declared) -> Iterable[Any]:
    if isinstance(value, DeclaredTime):
        return value.columns
    if isinstance(value, DeclaredLabel):
        return (value.column,) if value.kind is None else (value.column, value.kind)
    return () if isinstance(value, DeclaredFormat) else (getattr(value, "column", None),)


def _check_columns(declared: Mapping[str, Declared], problems: Problems) -> None:
    """Check that each column has a name, and that no column of a file has two meanings."""
    used = Counter(str(column) for value in declared.values() for column in _columns_of(value))
    for value in declared.values():
        for column in _columns_of(value):
            if not isinstance(column, str) or not column.strip():
                problems.add(value.place, "a column's name", repr(column), "Name the column.")
            elif used[column] > 1:
                problems.add(
                    value.place, "each column once", f"{column!r} {used[column]} times",
                    "Remove one of them.",
                )  # fmt: skip


def _only(
    name: str, declared: Mapping[str, Declared], kind: type[ColumnType], words: str,
    problems: Problems, **having: object,
) -> tuple[str, ColumnType] | None:  # fmt: skip
    """Return the one column of a kind, or None after a problem was added."""
    found = [
        (n, v) for n, v in declared.items()
        if isinstance(v, kind) and all(getattr(v, a) == wanted for a, wanted in having.items())
    ]  # fmt: skip
    if not found:
        problems.add(name, f"one {words}", "none", f"Add it to the class {name}.")
    for n, value in found[1:]:
        problems.add(value.place, f"one {words}", f"another one, {n}", "Remove one of them.")
    return found[0] if found else None


def _entities(
    name: str, declared: Mapping[str, Declared], problems: Problems
) -> tuple[tuple[str, DeclaredKey] | None, tuple[str, DeclaredKey] | None]:
    found = [(n, v) for n, v in declared.items() if isinstance(v, DeclaredKey) and v.is_entity]
    first = [one for one in found if one[1].partitions_topic]
    others = [one for one in found if not one[1].partitions_topic]
    if len(first) != 1:
        problems.add(
            first[1][1].place if first else name, "one entity with partitions_topic=True",
            str(len(first)) if first else "none",
            "Mark the entity whose key is the key of messages, usually the card or customer.",
        )  # fmt: skip
    if len(others) != 1:
        problems.add(
            others[1][1].place if others else name, "one further entity",
            str(len(others)) if others else "none",
            "Declare the merchant or terminal as an entity, and other columns as categorical.",
        )  # fmt: skip
    return first[0] if first else None, others[0] if others else None


def _check_one(value: Declared, problems: Problems) -> None:
    if isinstance(value, DeclaredKey) and value.type not in _KEY_TYPES:
        problems.add(value.place, "type text or integer", repr(value.type), "Choose one.")
    elif isinstance(value, DeclaredTime):
        _check_time(value, problems)
    elif isinstance(value, DeclaredMoney):
        _check_money(value, problems)
    elif isinstance(value, DeclaredLabel):
        _check_label(value, problems)
    elif isinstance(value, DeclaredNumber):
        _check_number(value, problems)
    elif isinstance(value, DeclaredCategory) and not _is_among(value.keep, 2, MAX_KEEP):
        problems.add(value.place, f"keep from 2 to {MAX_KEEP}", repr(value.keep), "Change it.")


def _is_among(value: object, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _check_time(value: DeclaredTime, problems: Problems) -> None:
    if len(value.columns) not in (1, 2):
        problems.add(
            value.place, "one column, or a date's and a time's", str(len(value.columns)),
            "Name the columns.",
        )  # fmt: skip
    if value.epoch is not None and (value.format is not None or len(value.columns) > 1):
        problems.add(
            value.place, "one column with an epoch", "a format or two columns as well",
            "Remove the epoch or the format.",
        )  # fmt: skip
    if value.epoch is not None and value.epoch not in _EPOCHS:
        problems.add(value.place, "an epoch s, ms or us", repr(value.epoch), "Choose one.")
    if value.epoch is not None and value.zone != "UTC":
        problems.add(value.place, "UTC with an epoch", repr(value.zone), "Remove the zone.")
    if value.zone not in zoneinfo.available_timezones():
        problems.add(
            value.place, "the IANA name of a zone", repr(value.zone), "Such as Europe/Paris or UTC."
        )
    if value.format is not None and not is_usable(value.format):
        problems.add(
            value.place, "a format with year, month, day, hour and minute", repr(value.format),
            f"Such as {DEFAULT_FORMAT}, or %m/%d/%Y %I:%M %p: %p goes with %I, not with %H.",
        )  # fmt: skip
    elif value.format is not None and OFFSET in value.format and value.zone != "UTC":
        problems.add(
            value.place, f"UTC with {OFFSET}, as each time has its own offset", repr(value.zone),
            "Remove the zone.",
        )  # fmt: skip


def _check_money(value: DeclaredMoney, problems: Problems) -> None:
    if not isinstance(value.currency, str) or not _CURRENCY.fullmatch(value.currency):
        problems.add(
            value.place, "a currency of three letters", repr(value.currency), "Such as EUR."
        )
    if not _is_among(value.digits, 0, MAX_CURRENCY_DIGITS):
        problems.add(
            value.place, f"0 to {MAX_CURRENCY_DIGITS} digits", repr(value.digits),
            "Most currencies have 2.",
        )  # fmt: skip
    if not isinstance(value.refunds, bool):
        problems.add(value.place, "refunds True or False", repr(value.refunds), "Choose one.")


def _check_number(value: DeclaredNumber, problems: Problems) -> None:
    if not _is_among(value.digits, 0, MAX_DIGITS):
        problems.add(value.place, f"0 to {MAX_DIGITS} digits", repr(value.digits), "Change it.")
        return
    missing = value.missing
    if missing is None:
        return
    if isinstance(missing, bool) or not isinstance(missing, int | float):
        problems.add(value.place, "a number for missing", repr(missing), "Such as 0.")
    elif abs(missing * 10**value.digits - round(missing * 10**value.digits)) > 1e-9:
        problems.add(
            value.place, f"missing with at most {value.digits} decimals", repr(missing),
            "Change it, or keep more digits.",
        )  # fmt: skip


def _check_label(value: DeclaredLabel, problems: Problems) -> None:
    days = delay_days(value.delay)
    if days is None:
        problems.add(value.place, "a delay of whole days", repr(value.delay), 'Such as "7d".')
    elif days not in LABEL_DELAYS:
        problems.add(
            value.place, f"a delay from {LABEL_DELAYS[0]}d to {LABEL_DELAYS[-1]}d",
            repr(value.delay), "Partitions may be a day less than the delay apart.",
        )  # fmt: skip
    kinds = value.kinds
    if not isinstance(kinds, tuple | list) or not all(isinstance(kind, str) for kind in kinds):
        problems.add(value.place, "a tuple of names of kinds", repr(kinds), 'Such as ("stolen",).')
        return
    if (value.kind is None) != (not kinds):
        problems.add(
            value.place, "kind and kinds together", "one of them", "Add or remove the other one."
        )
    if len(kinds) > MAX_KINDS:
        problems.add(
            value.place, f"at most {MAX_KINDS} kinds", str(len(kinds)), "Merge some of them."
        )
    if len(set(kinds)) < len(kinds):
        problems.add(value.place, "a name for each kind", repr(kinds), "Rename one of them.")


def _formats(
    name: str, declared: Mapping[str, Declared], problems: Problems
) -> tuple[DropFormat | None, MessageFormat]:
    drops, messages = None, MessageFormat()
    for member, value in declared.items():
        if not isinstance(value, DeclaredFormat):
            continue
        if member == "drops" and isinstance(value.format, DropFormat):
            drops = value.format
            _check_drops(value.place, drops, declared, problems)
        elif member == "messages" and isinstance(value.format, MessageFormat):
            messages = value.format
            _check_messages(value.place, messages, declared, problems)
        else:
            problems.add(
                value.place, "`drops` of csv, text, json_lines or parquet, or `messages` of json",
                f"`{member}`", "Rename it, or use another format.",
            )  # fmt: skip
    if drops is None:
        problems.add(name, "the format of drops", "none", 'Add drops = csv("name_{day}.csv").')
    return drops, messages


def _check_drops(
    place: Place, drops: DropFormat, declared: Mapping[str, Declared], problems: Problems
) -> None:
    if not isinstance(drops.name, str) or drops.name.count("{day}") != 1 or "/" in drops.name:
        problems.add(
            place, "a file name with {day} once", repr(drops.name), 'Such as "payments_{day}.csv".'
        )
    delimiter = drops.delimiter
    is_delimiter = isinstance(delimiter, str) and len(delimiter) == 1 and delimiter.isascii()
    if drops.kind in ("text", "csv") and (not is_delimiter or delimiter in _NOT_DELIMITERS):
        problems.add(place, "a delimiter of one ASCII character", repr(delimiter), "Change it.")
    if drops.header not in ("first", "commented"):
        problems.add(place, "a header first or commented", repr(drops.header), "Choose one.")
    if drops.header == "first" and drops.names:
        problems.add(
            place, "names of a commented header alone", "names with another header",
            'Remove names, or add header="commented".',
        )  # fmt: skip
    if drops.header == "commented":
        columns = [column for value in declared.values() for column in _columns_of(value)]
        gone = [str(column) for column in columns if column not in drops.names]
        if gone:
            problems.add(
                place,
                "every column among names",
                f"none of {', '.join(gone)}",
                "Add them in order.",
            )
        twice = [n for n, count in Counter(drops.names).items() if count > 1]
        if twice:
            problems.add(place, "each name once", f"{', '.join(twice)} twice", "Remove one.")


def _check_messages(
    place: Place, messages: MessageFormat, declared: Mapping[str, Declared], problems: Problems
) -> None:
    columns = [
        column
        for value in declared.values()
        if not isinstance(value, DeclaredLabel)
        for column in _columns_of(value)
    ]
    unknown = [column for column in messages.names if column not in columns]
    if unknown:
        problems.add(
            place, "names of declared columns except the label", ", ".join(unknown),
            f"Declared are {', '.join(map(str, columns))}.",
        )  # fmt: skip
    wrong = [sent for sent in messages.names.values() if not isinstance(sent, str) or not sent]
    if wrong:
        problems.add(place, "a name in messages", repr(wrong[0]), "Write a text.")
    sent_names = Counter(messages.names.get(column, column) for column in columns)
    for sent, count in sent_names.items():
        if count > 1:
            problems.add(
                place, "a name of its own for each column", f"{sent!r} {count} times",
                "Rename one of them.",
            )  # fmt: skip
