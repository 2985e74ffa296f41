"""Every feature by brute force, straight from its words: loops over transactions and labels.

Here: plain Python over lists; no tiles, no prefix sums, nothing of `fraud_platform.features`.
What is known at an hour is, of each transaction's label versions that count by then, the latest.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

HOUR, DAY, DELAY = 3600, 86_400, 168


_FLOAT32_STEP = 1.2e-7


def is_same(name: str, found: np.float32, expected: np.float32) -> bool:
    """Whether a value is the oracle's: in every bit, or within one step where a power is in it."""
    if name.endswith("_probability") or name == "fraud_prior":
        return bool(abs(found - expected) <= _FLOAT32_STEP * abs(expected))
    return bool(found == expected)


@dataclass(frozen=True)
class Tx:
    """A transaction; `second` counts from 1970."""

    id: int
    second: int
    customer: int
    terminal: int
    cents: int

    @property
    def hour(self) -> int:
        return self.second // HOUR


@dataclass(frozen=True)
class LabelVersion:
    """One version of a transaction's label, usable from the hour `counts_from` on."""

    id: int
    scenario: int
    counts_from: int
    version: int = 1


class Oracle:
    """Features of any transaction of a small world."""

    def __init__(self, transactions: Iterable[Tx], labels: Iterable[LabelVersion]) -> None:
        self.by_customer: dict[int, list[Tx]] = defaultdict(list)
        self.by_terminal: dict[int, list[Tx]] = defaultdict(list)
        for tx in transactions:
            self.by_customer[tx.customer].append(tx)
            self.by_terminal[tx.terminal].append(tx)
        self.versions: dict[int, list[LabelVersion]] = defaultdict(list)
        for label in labels:
            self.versions[label.id].append(label)
        self.flag_of = cache(self._flag_of)

    def features(self, tx: Tx, names: Iterable[str]) -> dict[str, np.float32]:
        """Return the named features of a transaction.

        Raises:
            KeyError: a name that no definition here fits; write its definition.
        """
        return {name: np.float32(self._value(tx, name)) for name in names}

    def _value(self, tx: Tx, name: str) -> float:
        for pattern, define in _DEFINITIONS:
            match = pattern.fullmatch(name)
            if match:
                arguments: list[Any] = [int(g) if g.isdigit() else g for g in match.groups()]
                return define(self, tx, *arguments)
        raise KeyError(f"no definition for feature {name}: add it to oracles/features.py")

    def earlier(self, tx: Tx, days: int) -> list[Tx]:
        """The customer's transactions of the last N days' hours, before this one."""
        return [
            other
            for other in self.by_customer[tx.customer]
            if other.hour >= tx.hour - 24 * days and (other.second, other.id) < (tx.second, tx.id)
        ]

    def scenario_known_at(self, tx: Tx, hour: int) -> int | None:
        """The scenario of the latest label version that counts at an hour; 0 is genuine."""
        counted = [v for v in self.versions[tx.id] if v.counts_from <= hour]
        return max(counted, key=lambda v: v.version).scenario if counted else None

    def delayed(self, transactions: list[Tx], hour: int, days: int) -> list[Tx]:
        """Those in the N days that end one label delay before an hour."""
        return [t for t in transactions if hour - DELAY - 24 * days <= t.hour < hour - DELAY]

    def known(self, transactions: list[Tx], hour: int, days: int) -> list[tuple[Tx, int]]:
        """Those in the delayed window whose label is known, with their scenario."""
        found = []
        for other in self.delayed(transactions, hour, days):
            scenario = self.scenario_known_at(other, hour)
            if scenario is not None:
                found.append((other, scenario))
        return found

    def frauds(
        self, transactions: list[Tx], hour: int, days: int, scenarios: tuple[int, ...] = (1, 2, 3)
    ) -> int:
        return sum(s in scenarios for _, s in self.known(transactions, hour, days))

    def genuine_cents(self, tx: Tx) -> list[int]:
        """Amounts of the customer's known genuine transactions, 30 days."""
        known = self.known(self.by_customer[tx.customer], tx.hour, 30)
        return [t.cents for t, scenario in known if scenario == 0]

    def _flag_of(self, tx: Tx, tenths: int) -> bool:
        """Whether the amount is above tenths / 10 times the known-genuine mean of its own hour."""
        cents = self.genuine_cents(tx)
        return bool(cents) and 10 * tx.cents * len(cents) > tenths * sum(cents)


def _mean_amount(o: Oracle, tx: Tx, days: int) -> float:
    cents = [t.cents for t in o.earlier(tx, days)] + [tx.cents]
    return sum(cents) / (100 * len(cents))


def _amount_to_mean(o: Oracle, tx: Tx, days: int) -> float:
    cents = [t.cents for t in o.earlier(tx, days)] + [tx.cents]
    return tx.cents * len(cents) / sum(cents)


def _genuine_mean(o: Oracle, tx: Tx) -> float:
    cents = o.genuine_cents(tx)
    return sum(cents) / (100 * len(cents)) if cents else 0.0


def _amount_to_genuine_mean(o: Oracle, tx: Tx) -> float:
    cents = o.genuine_cents(tx)
    return tx.cents * len(cents) / sum(cents) if cents else 1.0


def _genuine_z(o: Oracle, tx: Tx) -> float:
    cents = o.genuine_cents(tx)
    if not cents:
        return 0.0
    mean = _genuine_mean(o, tx)
    squares = sum(((c + 50) // 100) ** 2 for c in cents)
    deviation = math.sqrt(max(squares / len(cents) - mean * mean, 0.0))
    return (tx.cents / 100 - mean) / max(deviation, 1.0)


def _hours_since(tx: Tx, others: list[Tx]) -> float:
    """Hours since the latest of some earlier transactions, at most 720."""
    seconds = min((tx.second - t.second for t in others), default=30 * DAY)
    return min(seconds, 30 * DAY) / HOUR


def _suspicious(o: Oracle, tx: Tx, days: int, tenths: int) -> int:
    return sum(o.flag_of(t, tenths) for t in o.earlier(tx, days))


def _at(o: Oracle, tx: Tx) -> list[Tx]:
    return o.by_terminal[tx.terminal]


def _risk(o: Oracle, tx: Tx, days: int) -> float:
    count = len(o.delayed(_at(o, tx), tx.hour, days))
    return o.frauds(_at(o, tx), tx.hour, days) / count if count else 0.0


def _fraud_share(o: Oracle, tx: Tx, days: int) -> float:
    known = o.known(_at(o, tx), tx.hour, days)
    return sum(s > 0 for _, s in known) / len(known) if known else 0.0


def _hours_since_known(o: Oracle, tx: Tx, genuine: bool) -> int:
    hours = [t.hour for t, s in o.known(_at(o, tx), tx.hour, 30) if (s == 0) == genuine]
    return tx.hour - DELAY - max(hours) if hours else 720


def _run(o: Oracle, tx: Tx) -> list[int]:
    """Hours of the known frauds after the last known genuine hour."""
    known = o.known(_at(o, tx), tx.hour, 30)
    genuine = max((t.hour for t, s in known if s == 0), default=-1)
    return [t.hour for t, s in known if s > 0 and t.hour > genuine]


def _run_age(o: Oracle, tx: Tx) -> int:
    hours = _run(o, tx)
    return tx.hour - DELAY - min(hours) if hours else 0


def _log_ratio(r: float) -> float:
    """Bits by which r times the mean speaks for fraud: normal around 5 means or around 1."""
    r = min(r, 5.0)
    return min(2.77 * r * r - 4.62 * r - 2.32, 16.6)


def _evidence(r: float) -> int:
    return min(round(2 * math.log2(2 / 3 + 2 ** _log_ratio(r) / 3)), 18)


@cache
def _evidence_steps() -> list[int]:
    """Hundredths of the mean, to the nearest, where the evidence reaches 0, 1, .. 18 half bits."""
    grid = [1 + n / 10_000 for n in range(30_000)]
    return [round(100 * next(r for r in grid if _evidence(r) >= k)) for k in range(19)]


def _half_bits(o: Oracle, tx: Tx) -> int:
    cents = o.genuine_cents(tx)
    if not cents:
        return -1
    return sum(100 * tx.cents * len(cents) > step * sum(cents) for step in _evidence_steps()) - 1


def _customer_fraud(o: Oracle, tx: Tx) -> float:
    bits = max(sum(_half_bits(o, t) for t in o.earlier(tx, days)) for days in (1, 3, 7)) / 2
    compromised = 333 * 2 ** -min(max(bits, -30), 30)
    return 1 / (1 + (compromised + 2 / 3) * 3 / 2 ** _log_ratio(_amount_to_genuine_mean(o, tx)))


def _terminal_fraud(o: Oracle, tx: Tx) -> float:
    known = o.known(_at(o, tx), tx.hour, 30)
    now = tx.hour - DELAY
    genuine = max((t.hour for t, s in known if s == 0), default=None)
    silent = 720 if genuine is None else now - genuine
    run = [t.hour for t, s in known if s == 2 and (genuine is None or t.hour > genuine)]
    if not run:
        return min(silent + 168, 672) / 120_000
    age, last = now - min(run), now - max(t.hour for t, s in known if s == 2)
    lasting = max(min(silent, 504) - age, 0) / max(min(silent, last + 672) - age, 1)
    return lasting + (1 - lasting) * 0.0014


def _either(o: Oracle, tx: Tx) -> float:
    return 1 - (1 - _customer_fraud(o, tx)) * (1 - _terminal_fraud(o, tx))


_SCENARIO = {"terminal": 2, "customer": 3}

_DEFINITIONS = [
    (re.compile(pattern), define)
    for pattern, define in (
        (r"amount", lambda o, tx: tx.cents / 100),
        (r"is_weekend", lambda o, tx: (tx.second // DAY + 3) % 7 in (5, 6)),
        (r"is_night", lambda o, tx: tx.second % DAY < 7 * HOUR),
        (r"customer_n_transactions_(\d+)d", lambda o, tx, n: len(o.earlier(tx, n)) + 1),
        (r"customer_mean_amount_(\d+)d", _mean_amount),
        (
            r"terminal_n_transactions_(\d+)d",
            lambda o, tx, n: len(o.delayed(_at(o, tx), tx.hour, n)),
        ),
        (r"terminal_risk_(\d+)d", _risk),
        (r"amount_to_mean_(\d+)d", _amount_to_mean),
        (r"known_genuine_mean", _genuine_mean),
        (r"amount_to_known_genuine_mean", _amount_to_genuine_mean),
        (r"amount_known_genuine_z", _genuine_z),
        (r"customer_n_suspicious_(\d+)d", lambda o, tx, n: _suspicious(o, tx, n, 22)),
        (r"customer_n_very_suspicious_(\d+)d", lambda o, tx, n: _suspicious(o, tx, n, 30)),
        (r"hours_since_last_transaction", lambda o, tx: _hours_since(tx, o.earlier(tx, 31))),
        (
            r"hours_since_last_suspicious",
            lambda o, tx: _hours_since(tx, [t for t in o.earlier(tx, 31) if o.flag_of(t, 22)]),
        ),
        (
            r"customer_known_frauds_(\d+)d",
            lambda o, tx, n: o.frauds(o.by_customer[tx.customer], tx.hour, n),
        ),
        (
            r"is_first_visit",
            lambda o, tx: all(t.terminal != tx.terminal for t in o.earlier(tx, 30)),
        ),
        (
            r"terminal_known_frauds_(\d+)d",
            lambda o, tx, n: o.frauds(_at(o, tx), tx.hour, n),
        ),
        (r"terminal_known_fraud_share_(\d+)d", _fraud_share),
        (
            r"terminal_frauds_beside_amount_(\d+)d",
            lambda o, tx, n: o.frauds(_at(o, tx), tx.hour, n, (2, 3)),
        ),
        (
            r"terminal_n_fraud_(terminal|customer)_(\d+)d",
            lambda o, tx, kind, n: o.frauds(_at(o, tx), tx.hour, n, (_SCENARIO[kind],)),
        ),
        (
            r"terminal_hours_since_known_genuine",
            lambda o, tx: _hours_since_known(o, tx, genuine=True),
        ),
        (
            r"terminal_hours_since_known_fraud",
            lambda o, tx: _hours_since_known(o, tx, genuine=False),
        ),
        (r"terminal_fraud_run", lambda o, tx: len(_run(o, tx))),
        (r"terminal_fraud_run_age_hours", _run_age),
        (r"known_genuine_count", lambda o, tx: len(o.genuine_cents(tx))),
        (r"customer_fraud_probability", _customer_fraud),
        (r"terminal_fraud_probability", _terminal_fraud),
        (r"fraud_prior", _either),
    )
]
