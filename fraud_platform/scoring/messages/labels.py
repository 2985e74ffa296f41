"""Messages of the labels topic into labels, or into words that say what is wrong with them.

Here: the rules for one label message, of the Handbook's shape and of declared sources.
Not here: landing labels (`scoring.label_intake`), when a label counts (`labels.book`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache

import polars as pl

from fraud_platform.contracts.active import DATA_SET, SOURCE
from fraud_platform.contracts.data_set import SourceSpec
from fraud_platform.contracts.drops import COLUMNS
from fraud_platform.contracts.messages import LABEL_FIELDS
from fraud_platform.rows.declared import RowReader
from fraud_platform.rows.declared_findings import wrong_key
from fraud_platform.rows.fields import WORDS
from fraud_platform.rows.findings import explain_fields
from fraud_platform.rows.json_objects import text_of
from fraud_platform.rows.judge import judge_fields, read_time
from fraud_platform.rows.message_json import JsonNumber, JsonPairs, parse_json

_OF_ANY_ROW = (b"0", b"0", b"1", b"0", b"0")
"""The text between the time and the label of a drop's row."""

_NAMES = ("transaction_id", "known_at", *COLUMNS[2:7], "is_fraud", "fraud_scenario")
_JSON_TYPES: dict[type, str] = {JsonNumber: "a number", bool: "true or false", str: "a text"}


@dataclass(frozen=True)
class Label:
    """A valid label message."""

    transaction_id: int
    is_fraud: bool
    fraud_scenario: int
    known_at: datetime


def read_label(value: bytes | None) -> Label:
    """Read a label message.

    Raises:
        ValueError: it is not a valid label; the text says why.
    """
    pairs = parse_json(value)
    if not isinstance(pairs, JsonPairs):
        raise ValueError("not a JSON object")
    named = [name for name, _ in pairs]
    if twice := [name for name in LABEL_FIELDS if named.count(name) > 1]:
        raise ValueError(f"{', '.join(twice)} given twice")
    wanted = zip(LABEL_FIELDS, (JsonNumber, bool, JsonNumber, str), strict=True)
    given = dict(pairs)
    problems = [
        f"{name} is {'of another JSON type' if name in given else 'missing'}, "
        f"expected {_JSON_TYPES[kind]}"
        for name, kind in wanted
        if not isinstance(given.get(name), kind)
    ]
    if problems:
        raise ValueError("; ".join(problems))
    transaction, is_fraud, scenario, known_at = map(given.__getitem__, LABEL_FIELDS)
    # judged as a drop's row with this label at this time, because the same rules apply
    fraud, moment = str(int(is_fraud)).encode(), known_at.encode("utf-8", "replace")
    fields = [transaction, moment, *_OF_ANY_ROW, fraud, scenario]
    judged = judge_fields(fields)
    if judged.reasons:
        raise ValueError("; ".join(explain_fields(fields, _NAMES)))
    return Label(
        judged.transaction_id or 0,
        is_fraud,
        judged.scenario,
        datetime.fromtimestamp(judged.seconds, UTC),
    )


def read_labels(
    values: Sequence[bytes | None],
) -> tuple[list[Label | None], list[str]]:
    """Read label messages: each as a label, or None with a text that says what is wrong."""
    if not DATA_SET.fits_fast_parser:
        return _declared_labels().read(values)
    labels: list[Label | None] = []
    problems: list[str] = []
    for value in values:
        try:
            labels.append(read_label(value))
            problems.append("")
        except ValueError as error:
            labels.append(None)
            problems.append(str(error))
    return labels, problems


@cache
def _declared_labels() -> DeclaredLabels:
    return DeclaredLabels(SOURCE)


class DeclaredLabels:
    """Reads label messages of a declared source.

    The transaction may be under its declared name too, and the label and its kind under those of
    the columns of drops. Data without kinds needs no kind.

    Args:
        source: the declared columns.
        exceptions: see `rows.declared.RowReader`.
    """

    def __init__(
        self, source: SourceSpec, exceptions: Mapping[str, Mapping[str, int]] | None = None
    ) -> None:
        self._source = source
        self._rows = RowReader(source, exceptions)
        transaction, fraud, kind, self._known_at = LABEL_FIELDS
        sent = source.sent_names[source.transaction_id.column]
        self._transaction = tuple(dict.fromkeys((transaction, sent)))
        self._fraud = tuple(dict.fromkeys((fraud, source.label.column)))
        self._kind = tuple(dict.fromkeys((kind, source.label.kind_column or kind)))

    def read(self, values: Sequence[bytes | None]) -> tuple[list[Label | None], list[str]]:
        """Read label messages: each as a label, or None with a text that says what is wrong."""
        labels: list[Label | None] = []
        problems: list[str] = []
        texts: list[str | None] = []
        for value in values:
            try:
                text, label = self._label(value)
            except ValueError as error:
                text, label = None, None
                problems.append(str(error))
            else:
                problems.append("")
            labels.append(label)
            texts.append(text)
        ids, is_read = self._rows.read_ids(pl.Series(texts, dtype=pl.String))
        for place, label in enumerate(labels):
            if label is None:
                continue
            if is_read[place]:
                labels[place] = replace(label, transaction_id=int(ids[place]))
            else:
                wrong = wrong_key(self._source.transaction_id, (texts[place] or "").strip(" "))
                labels[place], problems[place] = None, f"{self._transaction[-1]} {wrong}"
        return labels, problems

    def _label(self, value: bytes | None) -> tuple[str | None, Label]:
        """Return the text of the transaction's id and the label, without the id.

        Raises:
            ValueError: it is no valid label; the text says why.
        """
        pairs = parse_json(value)
        if not isinstance(pairs, JsonPairs):
            raise ValueError("not a JSON object")
        transaction = self._text(pairs, self._transaction)
        fraud = self._text(pairs, self._fraud)
        is_fraud = WORDS.get((fraud or "").strip(" ").lower())
        if is_fraud is None:
            raise ValueError(f"{self._fraud[0]} is missing or no label, expected true or false")
        kind = self._kind_of(self._text(pairs, self._kind), is_fraud)
        known_at = self._text(pairs, (self._known_at,))
        second = read_time((known_at or "").encode())
        if second is None:
            raise ValueError(
                f"{self._known_at} is missing or no time, expected a text YYYY-MM-DD HH:MM:SS, UTC"
            )
        return transaction, Label(0, bool(is_fraud), kind, datetime.fromtimestamp(second, UTC))

    def _kind_of(self, text: str | None, is_fraud: int) -> int:
        """Return the kind of fraud, 0 if it is none."""
        label = self._source.label
        if text is None and (label.kind_column is None or not is_fraud):
            return is_fraud
        most = len(label.kinds) if is_fraud else 0
        if text is None or text not in [str(kind) for kind in range(is_fraud, most + 1)]:
            rule = f"an integer from 1 to {most}" if is_fraud else "0, because it is no fraud"
            raise ValueError(f"{self._kind[-1]} is missing or out of range, expected {rule}")
        return int(text)

    def _text(self, pairs: JsonPairs, names: tuple[str, ...]) -> str | None:
        given = [(name, value) for name, value in pairs if name in names]
        if len(given) > 1:
            raise ValueError(f"{' and '.join(name for name, _ in given)} are one field given twice")
        for name, value in given:
            try:
                return text_of(value)
            except ValueError as error:
                raise ValueError(f"{name} {error}") from None
        return None
