"""The class that a declaration derives from, and the checks of its columns.

Here: `Source`, whose subclasses have a `SourceSpec`, and whose columns are terms of formulas.
Not here: single columns (`contracts.source_language.columns`), features
(`contracts.source_language.features`), loading a file (`contracts.source_language.loading`).
"""

from __future__ import annotations

import re
import zoneinfo
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar, TypeVar

from fraud_platform.contracts.data_set import (
    DropFormat,
    Fact,
    Key,
    Label,
    MessageFormat,
    Money,
    SourceSpec,
    Time,
)
from fraud_platform.contracts.feature_language.expressions import Expression, ratio
from fraud_platform.contracts.feature_language.terms import Entity, RowTerm
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
from fraud_platform.contracts.source_language.problems import Problems

DEFAULT_FORMAT = "%Y-%m-%d %H:%M:%S"
MAX_FACTS = 64
MAX_KEEP = 1024
MAX_DIGITS = 6
LABEL_DELAYS = range(2, 61)
"""Days. Shorter than two, and a partition would wait for another; longer, and the state grows."""
MAX_KINDS = 3
"""A label is one integer with two bits for its kind (`features.batch.stacked.LABEL_CODE`)."""
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_DELAY = re.compile(r"([0-9]{1,3})d")
_CURRENCY = re.compile(r"[A-Z]{3}")
_EPOCHS = ("s", "ms", "us")
_KEY_TYPES = ("text", "integer")

ColumnType = TypeVar("ColumnType", bound=Declared)


@dataclass(frozen=True)
class EntityRef:
    """An entity of a source, as features name it.

    Attributes:
        role: `customer` for the one that partitions the topic, otherwise `terminal`.
        name: its name in the declaration.
    """

    role: Entity
    name: str


class Source:
    """Base class of a declaration's source; its attributes are the columns.

    After the class statement, attributes are what features are made of: an amount, a number or a
    category is a term, and an entity is an `EntityRef`. The order of facts is that of the class.

    Raises:
        DeclarationError: at the class statement; lists every problem.
    """

    spec: ClassVar[SourceSpec]

    def __init_subclass__(cls, **arguments: Any) -> None:
        """Check the columns and replace them by terms."""
        super().__init_subclass__(**arguments)
        declared = {n: v for n, v in vars(cls).items() if isinstance(v, Declared)}
        cls.spec = _checked(cls.__name__, vars(cls), declared)
        for name, value in declared.items():
            term = _term(cls.spec, name, value)
            if term is not None:
                setattr(cls, name, term)


def _term(spec: SourceSpec, name: str, value: Declared) -> Expression | EntityRef | None:
    """Return what features see of a column, in its declared unit; None if they see nothing."""
    if isinstance(value, DeclaredMoney):
        amount = RowTerm("amount_cents")
        return ratio(amount, 10**value.digits) if value.digits else amount
    if isinstance(value, DeclaredCategory | DeclaredNumber):
        fact = next(fact for fact in spec.facts if fact.name == name)
        return ratio(RowTerm(fact.stored_as), 10**fact.digits) if fact.digits else RowTerm(
            fact.stored_as
        )  # fmt: skip
    if isinstance(value, DeclaredKey) and value.is_entity:
        return EntityRef("customer" if value.partitions_topic else "terminal", name)
    return None


def _checked(name: str, members: Any, declared: dict[str, Declared]) -> SourceSpec:
    problems = Problems()
    _check_names(name, members, declared, problems)
    ids = _only(name, declared, DeclaredKey, "identifier", problems, is_entity=False)
    booked = _only(name, declared, DeclaredTime, "timestamp", problems)
    amount = _only(name, declared, DeclaredMoney, "money column", problems)
    label = _only(name, declared, DeclaredLabel, "fraud_label", problems)
    customer, counterparty = _entities(name, declared, problems)
    drops, messages = _formats(name, declared, problems)
    if booked:
        _check_time(booked[1], problems)
    if amount:
        _check_money(amount[1], problems)
    if label:
        _check_label(label[1], problems)
    facts = _facts(declared, problems)
    _check_columns(declared, problems)
    problems.raise_any(name)
    # each None above added a problem
    assert ids and booked and amount  # noqa: PT018
    assert label and customer and counterparty and drops  # noqa: PT018
    spec = SourceSpec(
        name, drops, messages, _key(*ids), _time(booked[1]),
        Money(amount[1].column, amount[1].currency, amount[1].digits, amount[1].refunds),
        _key(*customer), _key(*counterparty), _label(label[1]), facts,
    )  # fmt: skip
    _check_formats(spec, declared, problems)
    problems.raise_any(name)
    return spec


def _check_names(
    name: str, members: Any, declared: dict[str, Declared], problems: Problems
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


def _only(
    name: str, declared: dict[str, Declared], kind: type[ColumnType], words: str,
    problems: Problems, **having: object,
) -> tuple[str, ColumnType] | None:  # fmt: skip
    """Return the one column of a kind, or None after a problem was added."""
    found = [
        (n, v) for n, v in declared.items()
        if isinstance(v, kind) and all(getattr(v, a) == wanted for a, wanted in having.items())
    ]  # fmt: skip
    if len(found) == 1:
        return found[0]
    if not found:
        problems.add(name, f"one {words}", "none", f"Add it to the class {name}.")
    for n, value in found[1:]:
        problems.add(value.place, f"one {words}", f"another one, {n}", "Remove one of them.")
    return None


def _entities(
    name: str, declared: dict[str, Declared], problems: Problems
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
            f"{len(others)}" if others else "none",
            "Declare the merchant or terminal as an entity, and other columns as categorical.",
        )  # fmt: skip
    for _, value in found:
        if value.type not in _KEY_TYPES:
            problems.add(value.place, "type text or integer", repr(value.type), "Choose one.")
    return first[0] if first else None, others[0] if others else None


def _formats(
    name: str, declared: dict[str, Declared], problems: Problems
) -> tuple[DropFormat | None, MessageFormat]:
    drops, messages = None, MessageFormat()
    for member, value in declared.items():
        if not isinstance(value, DeclaredFormat):
            continue
        if member == "drops" and isinstance(value.format, DropFormat):
            drops = value.format
        elif member == "messages" and isinstance(value.format, MessageFormat):
            messages = value.format
        else:
            problems.add(
                value.place, "`drops` of csv, text, json_lines or parquet, or `messages` of json",
                f"`{member}`", "Rename it, or use another format.",
            )  # fmt: skip
    if drops is None:
        problems.add(name, "the format of drops", "none", 'Add drops = csv("name_{day}.csv").')
    return drops, messages


def _check_time(value: DeclaredTime, problems: Problems) -> None:
    if len(value.columns) not in (1, 2) or not all(value.columns):
        problems.add(
            value.place, "one column, or a date's and a time's", f"{len(value.columns)}",
            "Name the columns.",
        )  # fmt: skip
    if value.epoch is not None and (value.format is not None or len(value.columns) > 1):
        problems.add(
            value.place, "one column with an epoch", "a format or two columns as well",
            "Remove the epoch or the format.",
        )  # fmt: skip
    if value.epoch is not None and value.epoch not in _EPOCHS:
        problems.add(value.place, "an epoch s, ms or us", repr(value.epoch), "Choose one.")
    if value.zone not in zoneinfo.available_timezones():
        problems.add(
            value.place, "the IANA name of a zone", repr(value.zone), "Such as Europe/Paris or UTC."
        )
    if value.format is not None and not _reads_back(value.format):
        problems.add(
            value.place, "a format with day, month, year and time", repr(value.format),
            f"Such as {DEFAULT_FORMAT}.",
        )  # fmt: skip


def _reads_back(form: str) -> bool:
    moment = datetime(2019, 11, 28, 21, 43, 57, tzinfo=UTC).replace(tzinfo=None)
    try:
        return datetime.strptime(moment.strftime(form), form) == moment  # noqa: DTZ007 - a local time
    except ValueError:
        return False


def _check_money(value: DeclaredMoney, problems: Problems) -> None:
    if not _CURRENCY.fullmatch(value.currency):
        problems.add(
            value.place, "a currency of three letters", repr(value.currency), "Such as EUR."
        )
    if value.digits not in range(5):
        problems.add(value.place, "0 to 4 digits", repr(value.digits), "Most currencies have 2.")


def _check_label(value: DeclaredLabel, problems: Problems) -> None:
    delay = _DELAY.fullmatch(value.delay)
    if delay is None:
        problems.add(value.place, "a delay of whole days", repr(value.delay), "Such as 7d.")
    elif int(delay[1]) not in LABEL_DELAYS:
        problems.add(
            value.place, f"a delay from {LABEL_DELAYS[0]}d to {LABEL_DELAYS[-1]}d",
            repr(value.delay), "Partitions may be a day less than the delay apart.",
        )  # fmt: skip
    if (value.kind is None) != (not value.kinds):
        problems.add(
            value.place, "kind and kinds together", "one of them", "Add or remove the other one."
        )
    if len(value.kinds) > MAX_KINDS:
        problems.add(
            value.place, f"at most {MAX_KINDS} kinds", f"{len(value.kinds)}", "Merge some of them."
        )


def _facts(declared: dict[str, Declared], problems: Problems) -> tuple[Fact, ...]:
    facts = []
    for name, value in declared.items():
        if isinstance(value, DeclaredCategory):
            if value.keep not in range(2, MAX_KEEP + 1):
                problems.add(
                    value.place, f"keep from 2 to {MAX_KEEP}", repr(value.keep), "Change it."
                )
            words = value.description or f"{value.column} as a code."
            facts.append(Fact(name, value.column, "category", keep=value.keep, description=words))
        elif isinstance(value, DeclaredNumber):
            facts.append(_number(name, value, problems))
    if len(facts) > MAX_FACTS:
        problems.add(
            "the source", f"at most {MAX_FACTS} numbers and categories", str(len(facts)),
            "Remove those that no feature reads.",
        )  # fmt: skip
    return tuple(facts)


def _number(name: str, value: DeclaredNumber, problems: Problems) -> Fact:
    digits = value.digits if value.digits in range(MAX_DIGITS + 1) else 0
    if digits != value.digits:
        problems.add(value.place, f"0 to {MAX_DIGITS} digits", repr(value.digits), "Change it.")
    missing = None
    if value.missing is not None:
        missing = round(value.missing * 10**digits)
        if missing != value.missing * 10**digits:
            problems.add(
                value.place, f"missing with at most {digits} decimals", repr(value.missing),
                "Change it, or keep more digits.",
            )  # fmt: skip
    words = value.description or f"{value.column}, times {10**digits:,}."
    return Fact(name, value.column, "number", digits, missing, description=words)


def _columns_of(value: Declared) -> Iterable[str]:
    if isinstance(value, DeclaredTime):
        return value.columns
    if isinstance(value, DeclaredLabel):
        return (value.column,) if value.kind is None else (value.column, value.kind)
    column = getattr(value, "column", None)
    return () if column is None else (column,)


def _check_columns(declared: dict[str, Declared], problems: Problems) -> None:
    """Check that each column has a name, and that no column of a file has two meanings."""
    used = Counter(column for value in declared.values() for column in _columns_of(value))
    for value in declared.values():
        for column in _columns_of(value):
            if not isinstance(column, str) or not column.strip():
                problems.add(value.place, "a column's name", repr(column), "Name the column.")
            elif used[column] > 1:
                problems.add(
                    value.place, "each column once", f"{column!r} {used[column]} times",
                    "Remove one of them.",
                )  # fmt: skip


def _check_formats(spec: SourceSpec, declared: dict[str, Declared], problems: Problems) -> None:
    drops, messages = spec.drops, spec.messages
    place = declared["drops"].place
    if drops.name.count("{day}") != 1 or "/" in drops.name:
        problems.add(
            place, "a file name with {day} once", repr(drops.name), 'Such as "payments_{day}.csv".'
        )
    if drops.kind in ("text", "csv") and (len(drops.delimiter) != 1 or drops.delimiter in '\n\r"'):
        problems.add(place, "a delimiter of one character", repr(drops.delimiter), "Change it.")
    if drops.header not in ("first", "commented"):
        problems.add(place, "a header first or commented", repr(drops.header), "Choose one.")
    if drops.header == "commented":
        gone = [column for column in spec.columns if column not in drops.names]
        if gone:
            problems.add(
                place,
                "every column among names",
                f"none of {', '.join(gone)}",
                "Add them in order.",
            )
    unknown = [column for column in messages.names if column not in spec.message_columns]
    if unknown:
        problems.add(
            declared["messages"].place, "names of declared columns except the label",
            ", ".join(unknown), f"Declared are {', '.join(spec.message_columns)}.",
        )  # fmt: skip
    sent = [messages.names.get(column, column) for column in spec.message_columns]
    for name, count in Counter(sent).items():
        if count > 1:
            problems.add(
                declared["messages"].place, "a name of its own for each column",
                f"{name!r} {count} times", "Rename one of them.",
            )  # fmt: skip


def _key(name: str, value: DeclaredKey) -> Key:
    return Key(name, value.column, value.type == "text")


def _time(value: DeclaredTime) -> Time:
    form = value.format
    if form is None and value.epoch is None:
        form = DEFAULT_FORMAT
    return Time(value.columns, form, value.zone, value.epoch)


def _label(value: DeclaredLabel) -> Label:
    delay = _DELAY.fullmatch(value.delay)
    return Label(value.column, int(delay[1]) if delay else 0, value.kind, value.kinds or ("fraud",))
