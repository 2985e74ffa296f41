"""Messages of a declared source into transactions, or into dead letters that say why.

Here: `DeclaredMessages`, the rules for messages whose columns the data set declares.
Not here: messages of the shape that has a parser of its own (`scoring.messages.decode`), JSON
(`rows.json_objects`), values of columns (`rows.declared`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import polars as pl

from fraud_platform.contracts.arrays import ID_CHECK, Transactions
from fraud_platform.contracts.data_set import SourceSpec
from fraud_platform.contracts.dead_letter_reasons import MessageReason, value_reasons
from fraud_platform.contracts.messages import MAX_TRANSACTION_BYTES
from fraud_platform.contracts.quarantine_reasons import Reason
from fraud_platform.rows.declared import ReadRows, RowReader
from fraud_platform.rows.declared_findings import explain_row
from fraud_platform.rows.fields import read_integers, trimmed
from fraud_platform.rows.json_objects import ObjectReader, ObjectTexts
from fraud_platform.rows.surrogates import id_checks
from fraud_platform.scoring.messages.decoded import DeadLetter, Decoded, JudgedMessage

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


class DeclaredMessages:
    """Decodes the messages of one source.

    Args:
        source: the declared columns.
        exceptions: see `rows.declared.RowReader`.
    """

    def __init__(
        self, source: SourceSpec, exceptions: Mapping[str, Mapping[str, int]] | None = None
    ) -> None:
        self._source = source
        self._rows = RowReader(source, exceptions)
        self._objects = ObjectReader(tuple(source.sent_names.values()))

    def decode(self, keys: Sequence[bytes | None], values: Sequence[bytes | None]) -> Decoded:
        """Decode messages, given as parallel keys and values.

        Each message is judged alone; they are read together for speed only.
        """
        large = {
            row: len(value)
            for row, value in enumerate(values)
            if value is not None and len(value) > MAX_TRANSACTION_BYTES
        }
        if large:
            values = [None if row in large else value for row, value in enumerate(values)]
        found = self._objects.read(values)
        texts = {column: found.columns[name] for column, name in self._source.sent_names.items()}
        read = self._rows.read(texts, with_label=False)
        wrong_key = self._has_wrong_key(keys, texts[self._source.customer.column])
        is_dead = (read.reasons != 0) | wrong_key
        is_dead[[*found.problems, *found.unread]] = True
        letters = {
            row: _of_form(row, large.get(row), found)
            or self._letter(row, read, texts, found, wrong_key)
            for row in np.flatnonzero(is_dead).tolist()
        }
        for row, letter in self._refused(read, is_dead).items():
            letters[row], is_dead[row] = letter, True
        rows = np.flatnonzero(~is_dead)
        repaired = np.flatnonzero((read.repairs != 0) & ~is_dead)
        key_texts = self._source.key_texts
        return Decoded(
            rows,
            self._with_check(_transactions(read).take(rows), read.keys, rows),
            [letters[row] for row in sorted(letters)],
            dict(zip(repaired.tolist(), read.repairs[repaired].tolist(), strict=True)),
            {key_texts[name]: column.gather(rows) for name, column in read.keys.items()},
        )

    def judge(self, key: bytes | None, value: bytes | None) -> JudgedMessage:
        """Judge one message."""
        decoded = self.decode([key], [value])
        if decoded.dead:
            return JudgedMessage(decoded.dead[0].reasons, decoded.dead[0].detail)
        one = decoded.transactions
        columns = (one.transaction_id, one.customer_id, one.terminal_id, one.second)
        transaction, customer, terminal, second = (int(column[0]) for column in columns)
        contents = (transaction, customer, terminal, second, int(one.amount_cents[0]))
        return JudgedMessage((), "", decoded.repaired.get(0, 0), contents)

    def own_key(self, value: bytes) -> bytes | None:
        """Return the key that a message should have; None if its customer cannot be read."""
        found = self._objects.read([value])
        column = self._source.customer.column
        return self._keys(found.columns[self._source.sent_names[column]])[0]

    def _keys(self, customers: pl.Series) -> pl.Series:
        """Return the keys that messages of these customers should have."""
        texts = trimmed(customers)
        if not self._source.customer.is_text:
            read = read_integers(texts)
            texts = pl.Series(read.values).cast(pl.String)
            texts = texts.set(pl.Series(read.bad | read.missing), None)
        return texts.cast(pl.Binary)

    def _has_wrong_key(self, keys: Sequence[bytes | None], customers: pl.Series) -> Flags:
        return self._keys(customers).ne_missing(pl.Series(keys, dtype=pl.Binary)).to_numpy().copy()

    def _letter(
        self,
        row: int,
        read: ReadRows,
        texts: Mapping[str, pl.Series],
        found: ObjectTexts,
        wrong_key: Flags,
    ) -> DeadLetter:
        """Return the dead letter of an object."""
        source = self._source
        problems = found.problems.get(row, [])
        unread = {problem.name for problem in problems if problem.is_unread}
        # a column without a readable value has that problem alone
        findings = [
            finding
            for finding in read.findings
            if finding.rows[row] and unread.isdisjoint(map(source.sent_names.get, finding.columns))
        ]
        given = {str(finding.reason) for finding in findings}
        reasons = [str(r) for r in (*Reason, *source.rule_names) if str(r) in given]
        if problems and Reason.MALFORMED_ROW not in reasons:
            reasons.insert(0, str(Reason.MALFORMED_ROW))
        own = {column: series[row] for column, series in texts.items()}
        details = [*map(str, problems)]
        details += explain_row(source, findings, own, row, source.sent_names)
        if wrong_key[row]:
            reasons.append(str(MessageReason.WRONG_KEY))
            name = source.sent_names[source.customer.column]
            kind = "its text" if source.customer.is_text else "in digits"
            details.append(f"the message's key is not the {name}, {kind} in UTF-8")
        return DeadLetter(row, tuple(reasons), "; ".join(details))

    def _with_check(
        self, transactions: Transactions, keys: Mapping[str, pl.Series], rows: Ints
    ) -> Transactions:
        """Return transactions with the check of their ids, if these are texts."""
        if not self._source.transaction_id.is_text:
            return transactions
        checks = id_checks(keys["transaction_id"].gather(rows))
        return replace(transactions, facts={**transactions.facts, ID_CHECK: checks})

    def _refused(self, read: ReadRows, is_dead: Flags) -> dict[int, DeadLetter]:
        """Return the letters of valid messages that a rule for values refuses."""
        rows = np.flatnonzero(~is_dead)
        masks = value_reasons(_transactions(read).take(rows))
        if not masks:
            return {}
        letters = {}
        for place in np.flatnonzero(np.logical_or.reduce(list(masks.values()))).tolist():
            row = int(rows[place])
            own = [reason for reason, mask in masks.items() if mask[place]]
            detail = "; ".join(reason.description for reason in own)
            letters[row] = DeadLetter(row, tuple(map(str, own)), detail)
        return letters


def _of_form(row: int, size: int | None, found: ObjectTexts) -> DeadLetter | None:
    """Return the dead letter of a message that is no object or is too large."""
    if size is not None:
        detail = f"{size} bytes, at most {MAX_TRANSACTION_BYTES} are a transaction"
        return DeadLetter(row, (str(MessageReason.TOO_LARGE),), detail)
    if row not in found.unread:
        return None
    unread = found.unread[row]
    reason = str(Reason.MALFORMED_ROW if unread.is_json else MessageReason.NOT_JSON)
    return DeadLetter(row, (reason,), unread.detail)


def _transactions(read: ReadRows) -> Transactions:
    rows = read.rows
    return Transactions(
        rows.transaction_id,
        rows.customer_id,
        rows.terminal_id,
        rows.seconds,
        rows.amount_cents,
        rows.facts,
    )
