"""Random declarations with their transactions, and each feature by plain loops over all rows.

Here: hypothesis strategies of sources, features and rows; `plain_feature`.
Not here: worlds of the Handbook (`oracles.feature_worlds`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from hypothesis import strategies as st

from fraud_platform.contracts.arrays import Transactions
from fraud_platform.contracts.feature_language.declarables import Declaration, Feature
from fraud_platform.contracts.feature_language.expressions import Constant, Expression
from fraud_platform.contracts.feature_language.terms import (
    TERMINAL,
    CustomerSince,
    CustomerSum,
    LabelSum,
    RowTerm,
    TerminalSum,
    VisitSum,
)
from fraud_platform.contracts.source_language.declaring import declaration_of
from fraud_platform.contracts.source_language.sums import value_of
from fraud_platform.declare import (
    Source,
    categorical,
    count,
    csv,
    day_of_week,
    distance_km,
    entity,
    feature,
    first_seen,
    fraud_label,
    hour_of_day,
    hours_since_last,
    identifier,
    is_in,
    json,
    known_fraud_share,
    known_frauds,
    known_genuine_mean,
    mean,
    money,
    number,
    ratio,
    timestamp,
    total,
    where,
)

HOUR, DAY, DELAY = 3600, 24, 168
START_HOUR = 423_000 // DAY * DAY
ZONES = ("UTC", "Europe/Paris", "Asia/Kathmandu", "America/New_York")
CATEGORIES = (0, 7, 8_000_001, (1 << 24) - 1)


@dataclass(frozen=True)
class Row:
    """A transaction with its facts, by `Fact.stored_as`, and its label, known on time."""

    id: int
    second: int
    customer: int
    terminal: int
    cents: int
    facts: tuple[tuple[str, int], ...]
    scenario: int = 0

    @property
    def hour(self) -> int:
        return self.second // HOUR


@dataclass(frozen=True)
class Case:
    """A declaration and rows of its source."""

    declaration: Declaration
    rows: tuple[Row, ...]


def transactions_of(rows: Sequence[Row]) -> Transactions:
    """Return rows as arrays, in their order."""
    names = ("id", "customer", "terminal", "second", "cents")
    ids, customers, terminals, seconds, cents = (
        np.array([getattr(row, name) for row in rows], np.int64) for name in names
    )
    facts = {
        name: np.array([dict(row.facts)[name] for row in rows], np.int64)
        for name, _ in rows[0].facts
    }
    return Transactions(ids, customers, terminals, seconds, cents, facts)


_WINDOWS = st.sampled_from(("1h", "2h", "6h", "25h", "1d", 2, "7d", "30d"))
_DAYS = st.sampled_from(("1d", 2, "7d", "30d"))
_EDGES = (0, 1, 2, 6, 24, 25, 48, 168, 169, 192, 336, 720, 721, 888)
_seconds = st.builds(
    lambda edge, nudge, second: (START_HOUR + 889 - edge + nudge) * HOUR + second,
    st.sampled_from(_EDGES), st.integers(-1, 1), st.sampled_from((0, 1, 1799, 3599)),
)  # fmt: skip


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Draw a declaration of one to eight features, and up to 30 rows."""
    digits = draw(st.lists(st.integers(0, 6), max_size=3))
    n_categories = draw(st.integers(0, 2))
    columns: dict[str, Any] = {
        **{f"n{i}": number(f"n{i}", digits=d, missing=0) for i, d in enumerate(digits)},
        **{f"c{i}": categorical(f"c{i}") for i in range(n_categories)},
    }
    source: Any = type("Own", (Source,), {
        "drops": csv("{day}.csv"), "messages": json(), "key": identifier("key"),
        "booked": timestamp("booked", zone=draw(st.sampled_from(ZONES))),
        "amount": money("amount", currency="EUR", digits=draw(st.sampled_from((0, 2, 3)))),
        "card": entity("card", partitions_topic=True), "shop": entity("shop"),
        "fraud": fraud_label("fraud"), **columns,
    })  # fmt: skip
    formulas = draw(st.lists(_formulas(source, len(digits), n_categories), min_size=1, max_size=8))
    features = [feature(f"f{i}", formula) for i, formula in enumerate(formulas)]
    fact_values = st.tuples(
        *(st.sampled_from((-2_500_000, -1, 0, 1, 30, 1_000_000)) for _ in digits),
        *(st.sampled_from(CATEGORIES) for _ in range(n_categories)),
    )
    values = st.tuples(
        _seconds, st.integers(0, 1), st.integers(0, 1), st.sampled_from((1, 50, 999, 20_001)),
        fact_values, st.sampled_from((0, 0, 1)),
    )  # fmt: skip
    names = source.spec.fact_names
    drawn = draw(st.lists(values, min_size=1, max_size=30))
    rows = tuple(
        Row(i, second, card, shop, cents, tuple(zip(names, facts, strict=True)), scenario)
        for i, (second, card, shop, cents, facts, scenario) in enumerate(drawn)
    )
    return Case(declaration_of(features, source.spec), rows)


def _formulas(source: Any, n_numbers: int, n_categories: int) -> st.SearchStrategy[Expression]:
    """Return a strategy of formulas with every function of the language."""
    numbers = [source.amount, *(getattr(source, f"n{i}") for i in range(n_numbers))]
    categories = [getattr(source, f"c{i}") for i in range(n_categories)]
    card, shop, booked = source.card, source.shop, source.booked
    number_ = st.sampled_from(numbers)
    units = {column: value_of(column)[1] for column in numbers}
    pairs = [a - b for a in numbers for b in numbers if units[a] == units[b]]
    summed = st.one_of(number_, st.sampled_from(pairs))
    compared = st.one_of(
        st.builds(lambda a, b: a > b, number_, st.sampled_from((0, 1, 9.99, -0.000001))),
        st.builds(lambda a, b: a <= b, number_, number_),
        st.just(hour_of_day(booked) >= 22),
        st.just(day_of_week() < 5),
        st.just(known_frauds(by=card, last="7d") > 0),
        st.builds(lambda a: a > known_genuine_mean(by=shop, last="30d"), number_),
        *(st.builds(is_in, st.just(c), st.just("x")) for c in categories),
    )
    plain = st.builds(lambda a, b: a > b, number_, st.sampled_from((0, 1, 9.99)))
    joined = st.recursive(compared, lambda inner: st.one_of(
        st.builds(lambda a, b: a & b, inner, inner), st.builds(lambda a, b: a | b, inner, inner),
        st.builds(lambda a: ~a, inner),
    ), max_leaves=3)  # fmt: skip
    maybe, maybe_plain = st.one_of(st.none(), joined), st.one_of(st.none(), plain)
    whole = [c for c in (getattr(source, f"n{i}") for i in range(n_numbers)) if _is_whole(c)]
    each = st.sampled_from([None, shop, *categories, *whole])
    shares = st.sampled_from((card, shop))
    return st.one_of(
        st.sampled_from([*numbers, *categories, hour_of_day(booked), day_of_week(booked)]),
        st.builds(lambda w, c, e: count(by=card, last=w, where=c, each=e), _WINDOWS, maybe, each),
        st.builds(
            lambda v, w, c, e: total(v, by=card, last=w, where=c, each=e),
            summed, _WINDOWS, maybe, each,
        ),
        st.builds(
            lambda v, w, c, e: ratio(v, mean(v, by=card, last=w, where=c, each=e)),
            number_, _WINDOWS, maybe, each,
        ),
        st.builds(lambda w, c: count(by=shop, last=w, where=c), _DAYS, maybe_plain),
        st.builds(lambda v, w, c: total(v, by=shop, last=w, where=c), summed, _DAYS, maybe_plain),
        st.builds(lambda c: hours_since_last(where=c), maybe),
        st.builds(lambda e, w: first_seen(card, shop if e is None else e, last=w), each, _WINDOWS),
        st.builds(lambda e, w, p: known_fraud_share(by=e, last=w, prior=p), shares, _DAYS,
                  st.integers(0, 20)),
        st.builds(lambda a, b, c: distance_km(a, b, c, a), number_, number_, number_),
        st.builds(lambda c, v: where(c, v, 0) / 3 + v * 0.25, joined, number_),
    )  # fmt: skip


def _is_whole(column: Expression) -> bool:
    return isinstance(column, RowTerm)


def plain_feature(feature_: Feature, row: Row, rows: Sequence[Row]) -> np.float32:
    """Return a feature of a row from all rows, by loops."""
    with np.errstate(over="ignore"):
        return np.float32(_plain(feature_.formula, row, rows))


def _plain(node: Expression, row: Row, rows: Sequence[Row]) -> Any:
    """Return the value of a formula at a row, as an array of no dimension."""
    if isinstance(node, Constant) or node.children():
        return node.compute(*(_plain(child, row, rows) for child in node.children()))
    return np.asarray(_term(node, row, rows), np.int64)


def _term(term: Expression, row: Row, rows: Sequence[Row]) -> int:
    if isinstance(term, RowTerm):
        return _row_term(term, row, rows)
    earlier = [
        r for r in rows
        if r.customer == row.customer and (r.second, r.id) < (row.second, row.id)
    ]  # fmt: skip
    if isinstance(term, CustomerSum | VisitSum):
        first = row.hour - term.days * DAY - term.hours
        of = [r for r in earlier if r.hour >= first]
        if isinstance(term, VisitSum):
            value = _value_of(term.each)
            of = [r for r in of if value(r) == value(row)]
        return sum(_added(term, r, rows) for r in of)
    if isinstance(term, CustomerSince):
        seconds = [r.second if term.of is None else int(_plain(term.of, r, rows)) for r in earlier]
        last = max(seconds, default=0)
        return min(row.second - last, 720 * HOUR) if last else 720 * HOUR
    end = row.hour - DELAY
    if isinstance(term, TerminalSum):
        of = [
            r for r in rows if r.terminal == row.terminal and end - term.days * DAY <= r.hour < end
        ]
        return sum(_added(term, r, rows) for r in of)
    assert isinstance(term, LabelSum)
    value = _value_of(term.entity)
    of = [r for r in rows if value(r) == value(row) and end - term.days * DAY <= r.hour < end]
    of = [r for r in of if (r.scenario > 0) == (term.measure == "n_fraud")]
    return sum(r.cents if term.measure == "genuine_cents" else 1 for r in of)


def _row_term(term: RowTerm, row: Row, rows: Sequence[Row]) -> int:
    if term.of is not None:
        return int(_plain(term.of, row, rows))
    days = row.hour // DAY
    own = {
        "amount_cents": row.cents, "second": row.second, "hour_of_day": row.hour - days * DAY,
        "day_of_week": (days + 3) % 7, **dict(row.facts),
    }  # fmt: skip
    return own[term.name]


def _added(term: Any, row: Row, rows: Sequence[Row]) -> int:
    if term.of is not None:
        return int(_plain(term.of, row, rows))
    return {"n_transactions": 1, "amount_cents": row.cents}[term.measure]


def _value_of(column: str) -> Callable[[Row], int]:
    if column == TERMINAL:
        return lambda r: r.terminal
    return (lambda r: r.customer) if column == "customer" else lambda r: dict(r.facts)[column]


def with_other_future(case: Case, target: Row) -> Case:
    """Return the case with everything changed that is not known at a row: later rows, labels."""
    changed = []
    for number_, row in enumerate(case.rows):
        is_earlier = (row.second, row.id) <= (target.second, target.id)
        is_known = row.hour < target.hour - DELAY
        if is_earlier:
            changed.append(row if is_known else replace(row, scenario=1 - row.scenario))
        else:
            later = max(row.second, target.second) + number_
            changed.append(replace(row, id=row.id + 1_000, second=later, cents=row.cents + 7))
    return Case(case.declaration, tuple(changed))
