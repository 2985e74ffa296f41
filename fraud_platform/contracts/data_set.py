"""What a team declares about its data: the columns of its drops and messages, and its features.

Here: `DataSet`, and `SourceSpec` with one type for each kind of column.
Not here: how a person writes them (`contracts.source_language`), which data set this process works
on (`contracts.active`), reading rows (`fraud_platform.rows`), a data set (`fraud_platform.datasets`
or a team's own file).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from fraud_platform.contracts.feature_language.declarables import Declaration
from fraud_platform.contracts.feature_language.expressions import Expression
from fraud_platform.contracts.feature_language.formulas import Formulas

DropKind = Literal["text", "csv", "json_lines", "parquet"]
Header = Literal["first", "commented"]
Epoch = Literal["s", "ms", "us"]
FactKind = Literal["number", "category"]

FACT_PREFIX = "fact_"
"""Begins the name of a fact's column in every table, so that no feature has the same name."""

MAX_NUMBER = 10**15
"""The largest value of a declared number, in stored units: sums of 9,000 of them fit in 64 bits."""


@dataclass(frozen=True)
class DropFormat:
    """The files of drops.

    Attributes:
        kind: `text` has fields between delimiters without quotes; `csv` has quotes as in RFC 4180,
            but no line ending within them; `json_lines` has one object a line; `parquet`.
        name: of a drop's file, with `{day}` for its first day, such as `payments_{day}.csv`. It may
            be followed by `.gz`, `.xz` or `.zst`.
        header: `first`: the first line has the columns' names, in any order; `commented`: it may
            begin with `#`, and the columns must be in the order of `names`.
        names: the columns in order, of a commented header.
    """

    kind: DropKind
    name: str
    delimiter: str = ","
    header: Header = "first"
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class MessageFormat:
    """The values of messages: JSON objects with the columns of drops, except the label.

    Attributes:
        names: column to name in the message, if it is another one.
    """

    kind: Literal["json"] = "json"
    names: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Key:
    """A column that identifies a transaction or an entity.

    Attributes:
        name: the name in the declaration.
        is_text: any text, which is stored as a surrogate; otherwise an integer of up to 18 digits.
        bits: of a surrogate; fewer make keys share one, for tests.
    """

    name: str
    column: str
    is_text: bool
    bits: int = 63


@dataclass(frozen=True)
class Time:
    """When the transaction was made.

    Attributes:
        columns: one column, or two that are joined by a space.
        format: as strptime of Python has it; None with an epoch.
        zone: IANA name of the zone in which the text is local time.
        epoch: the unit of a number since 1970-01-01 UTC.
    """

    columns: tuple[str, ...]
    format: str | None
    zone: str
    epoch: Epoch | None


@dataclass(frozen=True)
class Money:
    """The amount.

    Attributes:
        digits: decimals of the currency; amounts are stored in units of the last one.
        refunds: whether amounts of 0 and below are valid.
    """

    column: str
    currency: str
    digits: int
    refunds: bool = False


@dataclass(frozen=True)
class Fact:
    """A further column of transactions that features can read, stored as one integer a row.

    Attributes:
        kind: `number` is stored as value times 10 ** digits; `category` as a code, see
            `rows.surrogates.category_codes`.
        digits: decimals of a number that are kept; further ones are rounded half up.
        missing: value of an empty field, in stored units; None makes the row invalid.
        keep: of a category, how many values a model may distinguish; it takes the rest as one.
    """

    name: str
    column: str
    kind: FactKind
    digits: int = 0
    missing: int | None = None
    keep: int = 0
    description: str = ""

    @property
    def stored_as(self) -> str:
        """The column's name in tables and the term's name in formulas."""
        return FACT_PREFIX + self.name


@dataclass(frozen=True)
class Label:
    """Whether the transaction was fraud, and of which kind.

    Attributes:
        column: of drops; `1`, `true` and `0`, `false` in any case are values.
        delay_days: days after the transaction until the label counts.
        kind_column: column with the kind of fraud, an integer from 1, 0 if genuine; None if the
            data has no kinds. All fraud is then of kind 1.
        kinds: what the kinds are called, kind 1 first.
    """

    column: str
    delay_days: int
    kind_column: str | None = None
    kinds: tuple[str, ...] = ("fraud",)


@dataclass(frozen=True)
class Rule:
    """A quarantine reason of this data set: rows that meet the condition are not clean.

    Attributes:
        condition: over values of the row alone, above 0 if the row is rejected.
    """

    name: str
    condition: Expression


@dataclass(frozen=True)
class SourceSpec:
    """The columns of drops and messages, by what they mean.

    Attributes:
        customer: the entity that partitions the topic, and that a case is about.
        counterparty: the entity at the other side, such as the terminal or the merchant.
        facts: further columns that features can read, in the order of the declaration.
        rules: further quarantine reasons, in order.
    """

    name: str
    drops: DropFormat
    messages: MessageFormat
    transaction_id: Key
    booked: Time
    amount: Money
    customer: Key
    counterparty: Key
    label: Label
    facts: tuple[Fact, ...] = ()
    rules: tuple[Rule, ...] = ()

    @cached_property
    def message_columns(self) -> tuple[str, ...]:
        """The columns of a message, each once, in a fixed order; the label is not among them."""
        columns = (
            self.transaction_id.column,
            *self.booked.columns,
            self.customer.column,
            self.counterparty.column,
            self.amount.column,
            *(fact.column for fact in self.facts),
        )
        return tuple(dict.fromkeys(columns))

    @cached_property
    def label_columns(self) -> tuple[str, ...]:
        """The columns of the label."""
        kind = self.label.kind_column
        return (self.label.column,) if kind is None else (self.label.column, kind)

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Every declared column of a drop, each once, in a fixed order."""
        return tuple(dict.fromkeys((*self.message_columns, *self.label_columns)))

    @cached_property
    def fact_names(self) -> tuple[str, ...]:
        """The facts' columns in tables, in order."""
        return tuple(fact.stored_as for fact in self.facts)

    @cached_property
    def rule_names(self) -> tuple[str, ...]:
        """The names of the data set's own quarantine reasons, in order."""
        return tuple(rule.name for rule in self.rules)

    @cached_property
    def rule_formulas(self) -> Formulas:
        """The conditions of the data set's own quarantine reasons, in order."""
        return Formulas([rule.condition for rule in self.rules])

    @cached_property
    def key_texts(self) -> dict[str, str]:
        """Column of a surrogate to column of its text in tables, of each text key."""
        keys = {
            "transaction_id": self.transaction_id,
            "customer_id": self.customer,
            "terminal_id": self.counterparty,
        }
        return {name: name.replace("_id", "_key") for name, key in keys.items() if key.is_text}

    @cached_property
    def sent_names(self) -> dict[str, str]:
        """Column to its name in messages, of each column of a message."""
        return {name: self.messages.names.get(name, name) for name in self.message_columns}

    @property
    def has_text_keys(self) -> bool:
        """Whether any key is a text, so that surrogates are stored in its place."""
        return any(k.is_text for k in (self.transaction_id, self.customer, self.counterparty))


@dataclass(frozen=True)
class DataSet:
    """One data set: its source, its features, and what models take by default.

    Attributes:
        chosen: names of the features that models use by default; `auto` chosen ones are all
            declared features, from which training chooses.
        rising: names of the features with which risk only rises.
        prior: name of the feature that is itself a probability of fraud; None if there is none.
        feature_sets: further named choices of features, which quality reports compare.
        sizes_trees: whether training chooses the size of trees, and fits trees of that size on all
            training days in the end.
        chooses: whether training chooses among the chosen features by default.
        fits_fast_parser: whether drops and messages have the shape that `rows.canonical` reads.
        text: of the file that declares it; empty for a data set of the platform's own.
        kept: features that an older text declared and that are computed all the same, see
            `contracts.source_language.loading.declared_in`.
    """

    name: str
    source: SourceSpec
    declaration: Declaration
    chosen: tuple[str, ...]
    rising: frozenset[str] = frozenset()
    prior: str | None = None
    feature_sets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    fits_fast_parser: bool = False
    chooses: bool = False
    sizes_trees: bool = True
    text: str = ""
    kept: tuple[Mapping[str, Any], ...] = ()
