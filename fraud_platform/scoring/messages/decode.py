"""Messages into transactions, or into dead letters that say why.

Here: the contract's rules for one message (`judge_message`, the authority), and the fast path for
many messages at once that are formatted exactly as in the contract.
Not here: messages of other declared sources (`scoring.messages.declared`), the rules for fields,
which drops and messages share (`rows.judge`), duplicates (`scoring.state.scorer_state`), reading
Kafka (`adapters.kafka`).

The fast path replaces the five names of a message by one control byte each. JSON has no such bytes
outside of escapes. So if a text held none before, and each message has them in the right order
afterwards, its fields are exactly the texts between them. The parser of drops then reads digits,
times and amounts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from fraud_platform.contracts.active import DATA_SET, SOURCE
from fraud_platform.contracts.arrays import Transactions
from fraud_platform.contracts.dead_letter_reasons import MessageReason, value_reasons
from fraud_platform.contracts.messages import (
    MAX_TRANSACTION_BYTES,
    TRANSACTION_FIELDS,
    TRANSACTION_ID_ALIAS,
)
from fraud_platform.contracts.quarantine_reasons import Reason
from fraud_platform.rows.canonical import read_amounts, read_integers, read_timestamps
from fraud_platform.rows.exceptions import NO_EXCEPTIONS, Exceptions
from fraud_platform.rows.findings import explain_fields
from fraud_platform.rows.judge import REASON_BITS, judge_fields, read_integer
from fraud_platform.rows.lines import PADDING, PaddedText
from fraud_platform.rows.message_json import JsonNumber, JsonPairs, parse_json
from fraud_platform.scoring.messages.declared import DeclaredMessages
from fraud_platform.scoring.messages.decoded import DeadLetter, Decoded, JudgedMessage

Ints = npt.NDArray[np.int64]

_LF = 10
_MARKS = np.array([1, 2, 3, 4, 5, 6, _LF], np.uint8)
"""Control bytes that replace the five names, the closing brace and the end of a message."""
_FIRST_PRINTABLE = 32
_DECODERS: list[tuple[Exceptions, DeclaredMessages]] = []
"""The decoder that was used last; it remembers the shapes of messages."""
_WRONG_TYPE = b"?"
_NO_TEXT = b"not a text"
_TYPE = "has the wrong JSON type"
_NO_LABEL = (b"0", b"0", b"0", b"0")
"""The fields of a drop's nine that a message does not have, with a genuine row's values."""


def decode(
    keys: Sequence[bytes | None],
    values: Sequence[bytes | None],
    exceptions: Exceptions = NO_EXCEPTIONS,
) -> Decoded:
    """Decode messages, given as parallel keys and values.

    An unusual message is judged alone, so it never affects another message.

    Args:
        exceptions: keys whose surrogate is not their hash.
    """
    if not DATA_SET.fits_fast_parser:
        return declared_messages(exceptions).decode(keys, values)
    size = len(values)
    columns = np.zeros((5, size), dtype=np.int64)
    is_valid = np.zeros(size, dtype=bool)
    for is_spaced in (True, False):
        left = np.flatnonzero(~is_valid)
        if not left.size:
            break
        claimed, found = _accepted(*_quick(keys, values, left, is_spaced))
        columns[:, claimed] = found
        is_valid[claimed] = True
    dead, repaired = [], {}
    for row in np.flatnonzero(~is_valid).tolist():
        judged = judge_message(keys[row], values[row])
        if judged.reasons:
            dead.append(DeadLetter(row, judged.reasons, judged.detail))
            continue
        is_valid[row] = True
        columns[:, row] = judged.contents
        if judged.repairs:
            repaired[row] = judged.repairs
    rows = np.flatnonzero(is_valid)
    return Decoded(rows, Transactions(*columns[:, rows]), dead, repaired)


def declared_messages(exceptions: Exceptions = NO_EXCEPTIONS) -> DeclaredMessages:
    """Return the decoder of the source that this process works on; the last one is kept."""
    if not _DECODERS or _DECODERS[0][0] != exceptions:
        _DECODERS[:] = [(exceptions, DeclaredMessages(SOURCE, exceptions))]
    return _DECODERS[0][1]


def own_key(value: bytes) -> bytes | None:
    """Return the key that a message should have; None if its customer cannot be read."""
    if not DATA_SET.fits_fast_parser:
        return declared_messages().own_key(value)
    try:
        pairs = parse_json(value)
    except ValueError:
        return None
    if not isinstance(pairs, JsonPairs):
        return None
    return _customer_key(_text(dict(pairs).get(TRANSACTION_FIELDS[2]), is_time=False) or b"")


def judge_message(key: bytes | None, value: bytes | None) -> JudgedMessage:
    """Judge one message by the contract's rules.

    A field that is null or missing is empty; one of another JSON type is outside of its grammar.
    """
    if not DATA_SET.fits_fast_parser:
        return declared_messages().judge(key, value)
    if value is not None and len(value) > MAX_TRANSACTION_BYTES:
        detail = f"{len(value)} bytes, at most {MAX_TRANSACTION_BYTES} are a transaction"
        return JudgedMessage((MessageReason.TOO_LARGE,), detail)
    try:
        pairs = parse_json(value)
    except ValueError as error:
        return JudgedMessage((MessageReason.NOT_JSON,), f"not JSON: {error}"[:200])
    if not isinstance(pairs, JsonPairs):
        return JudgedMessage((Reason.MALFORMED_ROW,), "not a JSON object")
    names = [name for name, _ in pairs]
    fields, problems = _fields(pairs, names)
    judged = judge_fields([*fields, *_NO_LABEL])
    reasons = [str(r) for r, bit in REASON_BITS.items() if judged.reasons & bit]
    explained = _explained(fields, problems) if reasons else []
    if problems and Reason.MALFORMED_ROW not in reasons:
        reasons.insert(0, str(Reason.MALFORMED_ROW))
    if key != _customer_key(fields[2]):
        reasons.append(str(MessageReason.WRONG_KEY))
        explained.append("the message's key is not the customer_id in digits")
    if reasons:
        return JudgedMessage(tuple(reasons), "; ".join(problems + explained))
    ids = (judged.transaction_id or 0, judged.customer_id, judged.terminal_id)
    contents = (*ids, judged.seconds, judged.amount_cents)
    refused = _value_reasons(contents)
    if refused:
        detail = "; ".join(reason.description for reason in refused)
        return JudgedMessage(tuple(map(str, refused)), detail)
    return JudgedMessage((), "", judged.repairs, contents)


def _value_reasons(contents: Sequence[int]) -> list[MessageReason]:
    """Return the reasons that depend on values alone, of one message."""
    one = Transactions(*np.array(contents, dtype=np.int64)[:, None])
    return [reason for reason, mask in value_reasons(one).items() if mask[0]]


def _accepted(rows: Ints, columns: Ints) -> tuple[Ints, Ints]:
    """Return the rows of the fast path that no rule for values refuses."""
    refused = list(value_reasons(Transactions(*columns)).values())
    if not refused:
        return rows, columns
    accepted = ~np.logical_or.reduce(refused)
    return rows[accepted], columns[:, accepted]


def _fields(pairs: JsonPairs, names: list[str]) -> tuple[list[bytes], list[str]]:
    """Return the five fields as text, and their problems as JSON."""
    problems, fields = [], []
    values = dict(pairs)
    if TRANSACTION_ID_ALIAS in values and TRANSACTION_FIELDS[0] not in values:
        values[TRANSACTION_FIELDS[0]] = values[TRANSACTION_ID_ALIAS]
    for name in TRANSACTION_FIELDS:
        spellings = (name, TRANSACTION_ID_ALIAS) if name == TRANSACTION_FIELDS[0] else (name,)
        if sum(names.count(spelling) for spelling in spellings) > 1:
            problems.append(f"{name} is given twice")
        text = _text(values.get(name), is_time=name == "tx_datetime")
        if text is None:
            problems.append(f"{name} {_TYPE}, expected a number")
        fields.append(_WRONG_TYPE if text is None else text)
    return fields, problems


def _explained(fields: list[bytes], problems: list[str]) -> list[str]:
    """Return the problems of the fields; those of a wrong JSON type are reported only once."""
    known = {problem.partition(" ")[0] for problem in problems if _TYPE in problem}
    explained = explain_fields([*fields, *_NO_LABEL])
    sentences = [text for text in explained if text.partition(" ")[0] not in known]
    if fields[1] is _NO_TEXT:
        wrong = f"tx_datetime {_TYPE}, expected a text YYYY-MM-DD HH:MM:SS"
        return [wrong if text.startswith("tx_datetime ") else text for text in sentences]
    return sentences


def _text(value: Any, is_time: bool) -> bytes | None:
    if value is None:
        return b""
    if is_time:
        # surrogates from a \\u escape have no UTF-8 bytes; such a text is not a time
        return value.encode("utf-8", "replace") if isinstance(value, str) else _NO_TEXT
    return bytes(value) if isinstance(value, JsonNumber) else None


def _customer_key(field: bytes) -> bytes | None:
    customer = read_integer(field)
    return None if customer is None else str(customer).encode()


def _quick(
    keys: Sequence[bytes | None], values: Sequence[bytes | None], rows: Ints, is_spaced: bool
) -> tuple[Ints, Ints]:
    """Return the rows that the fast path can read, and their columns of shape (5, rows)."""
    nothing = np.zeros(0, np.int64), np.zeros((5, 0), np.int64)
    chosen = rows.tolist()
    texts = [values[i] or b"" for i in chosen]
    # a text longer than any plain message could delay the others
    if max(map(len, texts)) > _LONGEST:
        keep = [n for n, text in enumerate(texts) if len(text) <= _LONGEST]
        rows, texts = rows[keep], [texts[n] for n in keep]
    joined = b"\n".join(texts)
    octets = np.frombuffer(joined, np.uint8)
    breaks = np.flatnonzero(octets < _FIRST_PRINTABLE)
    if breaks.size != len(texts) - 1 or not (octets[breaks] == _LF).all():
        keep = [n for n, text in enumerate(texts) if not _has_control(text)]
        if len(keep) == len(texts) or not keep:
            return nothing
        rows, texts = rows[keep], [texts[n] for n in keep]
        joined = b"\n".join(texts)
    if not texts:
        return nothing
    for place, literal in enumerate(_literals(is_spaced)):
        joined = joined.replace(literal, _MARKS[place : place + 1].tobytes())
    block = PaddedText(joined + b"\n")
    bounds = _bounds(block)
    if bounds is None:
        return nothing
    lines, marks = bounds
    found, bad = _columns(block, marks)
    own_keys = [keys[i] for i in rows[lines].tolist()]
    customers = [str(c).encode() for c in found[1].tolist()]
    is_own = np.fromiter(map(bytes.__eq__, map(_or_empty, own_keys), customers), bool, len(lines))
    claimed = ~bad & is_own
    return rows[lines[claimed]], found[:, claimed]


_LONGEST = 1_000
"""Bytes; a message formatted as in the contract has fewer than 200."""


def _has_control(text: bytes) -> bool:
    return bool((np.frombuffer(text, np.uint8) < _FIRST_PRINTABLE).any())


def _or_empty(key: bytes | None) -> bytes:
    return key or b""


def _literals(is_spaced: bool) -> tuple[bytes, ...]:
    """Return the texts before, between and after the five fields, in order."""
    colon, comma = (b": ", b", ") if is_spaced else (b":", b",")
    first, time, *others = (f'"{name}"'.encode() + colon for name in TRANSACTION_FIELDS)
    customer, terminal, amount = others
    return (
        b"{" + first,
        comma + time + b'"',
        b'"' + comma + customer,
        comma + terminal,
        comma + amount,
        b"}",
    )


def _bounds(block: PaddedText) -> tuple[Ints, Ints] | None:
    """Return the lines with exactly the six marks in order, and the marks' places, (lines, 7)."""
    inside = block.octets[PADDING:-PADDING]
    places = np.flatnonzero(inside < _FIRST_PRINTABLE) + PADDING
    codes = block.octets[places]
    ends = np.flatnonzero(codes == _LF)
    starts = np.concatenate(([0], ends[:-1] + 1))
    lines = np.flatnonzero(ends - starts == len(_MARKS) - 1)
    marks = places[starts[lines][:, None] + np.arange(len(_MARKS))]
    is_plain = (block.octets[marks] == _MARKS).all(axis=1)
    # a line begins with its first mark and ends with its last
    line_starts = np.concatenate(([PADDING], places[ends[:-1]] + 1))[lines]
    is_plain &= (marks[:, 0] == line_starts) & (marks[:, 6] == marks[:, 5] + 1)
    return (lines[is_plain], marks[is_plain]) if is_plain.any() else None


def _columns(block: PaddedText, marks: Ints) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """Return the columns of `Transactions`, shape (5, lines), and a mask of unusual lines."""
    starts, ends = marks[:, :5] + 1, marks[:, 1:6]
    ids, bad = read_integers(block, starts[:, 0], ends[:, 0])
    seconds, _, bad_time = read_timestamps(block, starts[:, 1], ends[:, 1])
    customers, bad_customer = read_integers(block, starts[:, 2], ends[:, 2])
    terminals, bad_terminal = read_integers(block, starts[:, 3], ends[:, 3])
    cents, bad_amount = read_amounts(block, starts[:, 4], ends[:, 4])
    bad = bad | bad_time | bad_customer | bad_terminal | bad_amount
    # JSON has no number with zeros before it
    for number in (0, 2, 3, 4):
        first, following = block.octets[starts[:, number]], block.octets[starts[:, number] + 1]
        is_digit = (following >= ord("0")) & (following <= ord("9"))
        bad |= (first == ord("0")) & is_digit
    return np.stack([ids, customers, terminals, seconds, cents]), bad
