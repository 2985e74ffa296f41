"""Every table of the lake: columns, types, meaning, key, partitioning.

Here: one `TableContract` a table, checked where the table is written.
Not here: how a table is written or read (`fraud_platform.adapters.tables.lake`), how rows are made
(the stage packages).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from fraud_platform.contracts.active import SOURCE
from fraud_platform.contracts.quarantine_reasons import Reason, Repair
from fraud_platform.contracts.reason_words import REASON_NAMES
from fraud_platform.errors import SchemaMismatchError

_ARROW: dict[str, pa.DataType] = {
    "long": pa.int64(),
    "int": pa.int32(),
    "string": pa.string(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us", tz="UTC"),
    "double": pa.float64(),
    "float": pa.float32(),
    "binary": pa.binary(),
    "array<string>": pa.list_(pa.string()),
}

_BOUNDED_TYPES = ("long", "int", "date", "timestamp", "string")


@dataclass(frozen=True)
class Column:
    """One column: name, Spark type, meaning, and whether it may be null."""

    name: str
    type: str
    description: str
    nullable: bool = False


@dataclass(frozen=True)
class DataFile:
    """A Parquet file inside a table's folder that no commit names yet.

    Args:
        path: relative to the table's folder.
        partition: partition column to value.
        stats: Delta's file statistics as JSON (numRecords, minValues, maxValues, nullCount).
    """

    path: str
    size_bytes: int
    rows: int
    partition: Mapping[str, str]
    stats: str


@dataclass(frozen=True)
class TableContract:
    """A table's name, meaning, columns, key and partition columns.

    Attributes:
        keeps_versions: whether old versions may be named by a model and must stay readable. A
            table that is only appended to, many times a minute, keeps its log short instead.
        bounded: the columns whose least and greatest value the log holds for each file; () is
            none. Every file of the table has them, so a column that was added later cannot be one
            of them. Readers take a missing or incomplete bound for "no row", so floating-point
            columns (NaN, infinities) have none; readers skip no file because of other columns.
        unique_by: of a table of numbered commits: the column of the number, then those by which a
            row of that commit is unique. Two rows that agree in them are one row that is counted
            twice.
    """

    name: str
    description: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    partition_by: tuple[str, ...] = ()
    keeps_versions: bool = True
    bounded: tuple[str, ...] = ()
    unique_by: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check that the bounded columns exist in the files and have bounds of every value."""
        types = {column.name: column.type for column in self.columns}
        for name in self.bounded:
            if types.get(name) not in _BOUNDED_TYPES or name in self.partition_by:
                raise ValueError(
                    f"table {self.name}: expected a bounded column to be of {_BOUNDED_TYPES} and "
                    f"no partition column, found {name} {types.get(name)}. Remove it from bounded."
                )

    @property
    def column_names(self) -> list[str]:
        """Column names in order."""
        return [column.name for column in self.columns]

    @property
    def arrow_schema(self) -> pa.Schema:
        """The schema as Arrow has it; timestamps are UTC microseconds."""
        return pa.schema(
            [pa.field(c.name, _ARROW[c.type], nullable=c.nullable) for c in self.columns]
        )

    def check(self, found: Mapping[str, str]) -> None:
        """Compare found column types (name to Spark type, in order) with the contract.

        Raises:
            SchemaMismatchError: lists every missing, unexpected and differently typed column.
        """
        expected = {c.name: c.type for c in self.columns}
        problems = [f"missing column {n} {t}" for n, t in expected.items() if n not in found]
        problems += [f"unexpected column {n} {t}" for n, t in found.items() if n not in expected]
        problems += [
            f"{n} is {found[n]}, not {t}"
            for n, t in expected.items()
            if n in found and found[n] != t
        ]
        if not problems and list(found) != list(expected):
            problems.append(f"order is {list(found)}, not {list(expected)}")
        if problems:
            raise SchemaMismatchError(
                f"table {self.name} differs from its contract: {'; '.join(problems)}. "
                "Write it with the columns of fraud_platform/contracts/tables.py, or change both."
            )

    def check_arrow(self, found: pa.Schema) -> None:
        """Compare an Arrow schema with the contract.

        Raises:
            SchemaMismatchError: lists every missing, unexpected and differently typed column.
        """
        self.check({field.name: _spark_name(self, field) for field in found})


def _spark_name(table: TableContract, field: pa.Field) -> str:
    """Return the contract's type name if the Arrow types agree, else Arrow's own name."""
    for column, expected in zip(table.columns, table.arrow_schema, strict=True):
        if column.name == field.name and (
            expected.type == field.type
            or (pa.types.is_large_string(field.type) and pa.types.is_string(expected.type))
        ):
            return column.type
    return str(field.type)


_ADDED_LATER = (Reason.TIME_OUTSIDE_DROP, Reason.BAD_VALUE, Reason.ID_COLLISION)
"""Reasons without a count in the rows that an earlier version of the platform wrote."""


def _rejected(reason: str) -> Column:
    is_new = reason in (*_ADDED_LATER, *SOURCE.rule_names)
    return Column(f"rejected_{reason}", "long", f"Rows quarantined as {reason}.", nullable=is_new)


FACTS = tuple(Column(f.stored_as, "long", f.description) for f in SOURCE.facts)
"""The columns of the facts that the data set declares."""
_KEYS = {
    "transaction_key": "Text of the transaction's identifier.",
    "customer_key": "Text of the customer's key.",
    "terminal_key": "Text of the terminal's or merchant's key.",
}
KEY_TEXTS = tuple(Column(name, "string", _KEYS[name]) for name in SOURCE.key_texts.values())
"""The columns of the keys that the data set declares as texts; the ids are then surrogates."""
ID_TEXT = tuple(column for column in KEY_TEXTS if column.name == "transaction_key")
"""The column of the transaction's identifier, if that is a text."""
_KINDS = ", ".join(f"{n} {kind}" for n, kind in enumerate(("genuine", *SOURCE.label.kinds)))

TRANSACTIONS = TableContract(
    name="transactions",
    description="Clean transactions, one row for each transaction_id over all published drops.",
    columns=(
        Column("transaction_id", "long", "Identifier, unique over all drops."),
        Column("tx_datetime", "timestamp", "When the card was used (UTC)."),
        Column("tx_date", "date", "The day of tx_datetime (UTC)."),
        Column("customer_id", "long", "The card's holder."),
        Column("terminal_id", "long", "Where the card was used; 0 is a terminal."),
        Column("amount_cents", "long", "Amount in cents, above 0."),
        Column("is_fraud", "boolean", "The label, known label_delay_days after tx_datetime."),
        Column("fraud_scenario", "int", f"{_KINDS}."),
        *FACTS,
        *ID_TEXT,
        Column("drop", "string", "The drop that the row came from (its first day)."),
    ),
    key=("transaction_id",),
    partition_by=("drop",),
    bounded=("transaction_id", "tx_datetime", "tx_date"),
)

QUARANTINE = TableContract(
    name="quarantine",
    description="Rows that are not clean, byte for byte, under the first reason that fits.",
    columns=(
        Column("drop", "string", "The drop that the row came from."),
        Column("reason", "string", "The first reason that fits."),
        Column("reasons", "array<string>", "All reasons that fit, in order of precedence."),
        Column("raw_line", "binary", "The line as it came, without its line ending."),
        Column("transaction_id", "long", "The id, where it could be read.", nullable=True),
    ),
    key=(),
    partition_by=("drop",),
    bounded=("transaction_id",),
)

CLEANING_LEDGER = TableContract(
    name="cleaning_ledger",
    description="One row a drop, written last: the mark that the drop is published or held.",
    columns=(
        Column("drop", "string", "The drop, by its first day."),
        Column("status", "string", "`published` or `held`."),
        Column("raw_path", "string", "The raw file that was cleaned."),
        Column("content_sha256", "string", "Checksum of the raw file that was cleaned."),
        Column("size_bytes", "long", "Size of the raw file."),
        Column("rows_read", "long", "Data rows: clean plus quarantined."),
        Column("rows_clean", "long", "Rows in `transactions` (would be, while held)."),
        Column("rows_quarantined", "long", "Rows in `quarantine`."),
        *(_rejected(reason) for reason in REASON_NAMES),
        *(Column(f"repaired_{r}", "long", f"Clean rows repaired: {r}.") for r in Repair),
        Column("blank_lines", "long", "Blank lines, beside rows_read."),
        Column("comment_lines", "long", "Lines that begin with #, beside rows_read."),
        Column("frauds", "long", "Clean rows labelled fraud."),
        Column("first_date", "date", "Earliest tx_date of the clean rows.", nullable=True),
        Column("last_date", "date", "Latest tx_date of the clean rows.", nullable=True),
        Column("held_because", "string", "Why the drop is held.", nullable=True),
        Column("accepted_because", "string", "Why a person released it.", nullable=True),
        Column("transactions_version", "long", "`transactions` after this drop.", nullable=True),
        Column(
            "published_sha256",
            "string",
            "Checksum of the content in `transactions`: an older one while a replacement is held.",
            nullable=True,
        ),
        Column("published_path", "string", "The raw file of that content.", nullable=True),
        Column(
            "publication",
            "string",
            "Names the files in `transactions` and `quarantine` that this row is the mark of.",
        ),
        Column("run_id", "string", "The Dagster run that cleaned it."),
        Column("cleaned_at", "timestamp", "When (UTC)."),
    ),
    key=("drop",),
    bounded=("drop",),
)

DROP_LABELS = TableContract(
    name="drop_labels",
    description="Labels that came with drops, with the hour from which each counts.",
    columns=(
        Column("transaction_id", "long", "The labelled transaction."),
        Column("is_fraud", "boolean", "The label."),
        Column("fraud_scenario", "int", f"{_KINDS}."),
        Column("known_at", "timestamp", "tx_datetime + label_delay_days."),
        Column("source", "string", "`drop`, or `topic` where that had told it before."),
        Column("counts_from", "timestamp", "First hour (UTC) in which features may use it."),
        Column("version", "int", "1, then one more for each correction of the same id."),
        Column("drop", "string", "The drop that it came with."),
    ),
    key=("transaction_id", "version"),
    partition_by=("drop",),
    bounded=("transaction_id", "known_at", "counts_from"),
)
