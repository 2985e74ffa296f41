"""The data contract's cleaning a second time: slow, whole in memory, with other means.

Here: an oracle from bytes to clean rows, quarantined rows and counts, over all drops at once, with
`decimal` and `datetime` where the platform counts digits.
Not here: anything imported from `fraud_platform.cleaning`.
"""

from __future__ import annotations

import string
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal

CleanRow = tuple[int, datetime, int, int, int, bool, int]
"""transaction_id, tx_datetime, customer_id, terminal_id, amount_cents, is_fraud, fraud_scenario."""

QuarantinedRow = tuple[str, tuple[str, ...], bytes, int | None]
"""reason, reasons, raw_line, transaction_id."""

_ORDER = [
    "malformed_row",
    "bad_timestamp",
    "unknown_customer",
    "unknown_terminal",
    "non_positive_amount",
    "bad_label",
    "time_outside_drop",
]
_WIDE = Context(prec=200_000)
_DIGITS = set(string.digits)


@dataclass
class CleanedByOracle:
    """One drop, cleaned."""

    clean: list[CleanRow] = field(default_factory=list)
    quarantined: Counter[QuarantinedRow] = field(default_factory=Counter)
    repairs: Counter[str] = field(default_factory=Counter)
    rows_read: int = 0
    blank_lines: int = 0
    comment_lines: int = 0


@dataclass(frozen=True)
class _Valid:
    row: CleanRow
    repairs: tuple[str, ...]
    line: bytes

    @property
    def contents(self) -> tuple[object, ...]:
        return self.row[1:]


def clean_drops(drops: Mapping[str, bytes]) -> dict[str, CleanedByOracle]:
    """Clean the text of published drops (name to bytes, each with a header line).

    The result does not depend on the order in which they landed.
    """
    results: dict[str, CleanedByOracle] = {}
    kept: dict[int, _Valid] = {}
    for name in sorted(drops):
        result = results[name] = CleanedByOracle()
        copies: dict[int, list[_Valid]] = defaultdict(list)
        lines = _data_lines(drops[name], result)
        own = own_days([_day(line) for line in lines])
        for line in lines:
            judged = judge(line, own)
            if isinstance(judged, _Valid):
                copies[judged.row[0]].append(judged)
            else:
                reasons, transaction_id = judged
                result.quarantined[reasons[0], reasons, line, transaction_id] += 1
        for transaction_id, rows in copies.items():
            rows.sort(key=lambda valid: (valid.contents, valid.line))
            if transaction_id not in kept:
                kept[transaction_id] = first = rows.pop(0)
                result.clean.append(first.row)
                result.repairs.update(first.repairs)
            for row in rows:
                is_equal = row.contents == kept[transaction_id].contents
                reason = "duplicate_id" if is_equal else "conflicting_duplicate_id"
                result.quarantined[reason, (reason,), row.line, transaction_id] += 1
        result.clean.sort()
    return results


def _data_lines(text: bytes, result: CleanedByOracle) -> list[bytes]:
    ended, last = text.split(b"\n")[:-1], text.split(b"\n")[-1]
    lines = [line[:-1] if line[-1:] == b"\r" else line for line in ended] + [last] * bool(last)
    header_seen = False
    data = []
    for line in lines:
        if set(line) <= {ord(" ")}:
            result.blank_lines += 1
        elif not header_seen:
            header_seen = True
            result.comment_lines += 1
        elif line[:1] == b"#":
            result.comment_lines += 1
        else:
            data.append(line)
    result.rows_read = len(data)
    return data


def own_days(days: Sequence[date | None]) -> tuple[date, date] | None:
    """Return the first and last day that a row may have, by trying every run of days."""
    rows = Counter(day for day in days if day is not None)
    if not rows:
        return None
    total, ordered = sum(rows.values()), sorted(rows)
    runs = [
        ((last - first).days, -held, first, last)
        for i, first in enumerate(ordered)
        for last in ordered[i:]
        if 3 * (held := sum(n for day, n in rows.items() if first <= day <= last)) >= 2 * total
    ]
    _, _, first, last = min(runs)
    own = sorted(n for day, n in rows.items() for _ in range(n) if first <= day <= last)
    median = own[(len(own) - 1) // 2]
    full = {day for day, n in rows.items() if 20 * n >= median}
    allowed = timedelta(days=max(31, (last - first).days + 1))
    for step in (-1, 1):
        edge, gap = (first if step < 0 else last), 0
        while gap <= 7:
            gap += 1
            try:
                day = edge + timedelta(days=step * gap)
            except OverflowError:
                break
            if day in full:
                edge, gap = day, 0
        first, last = (edge, last) if step < 0 else (first, edge)
    return first - allowed, last + allowed


def _day(line: bytes) -> date | None:
    values = line.decode("latin-1").split(",")
    when = _time(values[1].strip(" ")) if len(values) == 9 else None
    return None if when is None else when.date()


def judge(
    line: bytes, own: tuple[date, date] | None = None
) -> _Valid | tuple[tuple[str, ...], int | None]:
    """Return a valid row, or the reasons that fit (in order) and the id where it can be read."""
    text = line.decode("latin-1")
    values = [value.strip(" ") for value in text.split(",")]
    transaction_id = _whole(values[0])
    if len(values) != 9:
        return ("malformed_row",), transaction_id
    _, when_text, customer_text, terminal_text, amount_text, *_, fraud_text, scenario_text = values
    customer, terminal = _whole(customer_text), _whole(terminal_text)
    fraud, scenario = _whole(fraud_text), _whole(scenario_text)
    amount = _decimal(amount_text)
    when = _time(when_text)
    odd = [v for v in (customer_text, terminal_text, fraud_text, scenario_text) if v]
    cents = None
    if amount is not None and amount.is_finite():
        cents = int(amount.scaleb(2, _WIDE).quantize(Decimal(1), ROUND_HALF_UP, _WIDE))
    fits = {
        "malformed_row": transaction_id is None
        or transaction_id < 0
        or any(_whole(value) is None for value in [*odd, values[5], values[6]])
        or (amount_text != "" and amount is None)
        or not _decodes(line),
        "bad_timestamp": when is None,
        "unknown_customer": customer_text == "" or (customer is not None and customer < 0),
        "unknown_terminal": terminal_text == "" or (terminal is not None and terminal < 0),
        "non_positive_amount": amount_text == ""
        or (amount is not None and (cents is None or not 1 <= cents <= 999_999_999)),
        "bad_label": fraud not in (0, 1)
        or scenario not in (0, 1, 2, 3)
        or (scenario == 0) != (fraud == 0),
        "time_outside_drop": when is not None
        and own is not None
        and not own[0] <= when.date() <= own[1],
    }
    reasons = tuple(reason for reason in _ORDER if fits[reason])
    if reasons:
        return reasons, transaction_id
    repairs = ["midnight_24h"] * when_text.endswith("24:00:00")
    repairs += ["rounded_amount"] * (len(amount_text.partition(".")[2]) > 2)
    assert transaction_id is not None
    assert when is not None
    assert customer is not None
    assert terminal is not None
    assert cents is not None
    row = (transaction_id, when, customer, terminal, cents, fraud == 1, scenario or 0)
    return _Valid(row, tuple(repairs), line)


def _whole(text: str) -> int | None:
    digits = text[1:] if text[:1] == "-" else text
    return int(text) if 1 <= len(digits) <= 18 and set(digits) <= _DIGITS else None


def _decimal(text: str) -> Decimal | None:
    if text.lower() in ("nan", "inf", "-inf"):
        return Decimal(text)
    digits = text[1:] if text[:1] == "-" else text
    whole, dot, decimals = digits.partition(".")
    if not whole or (dot and not decimals) or not set(whole + decimals) <= _DIGITS:
        return None
    return Decimal(text)


def _time(text: str) -> datetime | None:
    shape = "".join("9" if letter in _DIGITS else letter for letter in text)
    if shape != "9999-99-99 99:99:99":
        return None
    days, text = (1, text[:11] + "00:00:00") if text[11:] == "24:00:00" else (0, text)
    try:
        when = datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
        when += timedelta(days=days)
    except (ValueError, OverflowError):
        return None
    return when if 2000 <= when.year <= 2099 else None


def _decodes(line: bytes) -> bool:
    return line.decode("utf-8", "ignore").encode() == line
