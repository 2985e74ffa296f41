"""Random declarations of sources, and random rows of them as texts, valid ones and others.

Here: `sources`, `rows_of`, for property tests.
Not here: the properties (`unit.scoring.messages`), a fixed declared source
(`testing.worlds.declared`).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import polars as pl
from hypothesis import strategies as st

from fraud_platform.contracts.data_set import Key, SourceSpec
from fraud_platform.contracts.source_language.columns import KeyType
from fraud_platform.declare import (
    Source,
    categorical,
    csv,
    entity,
    fraud_label,
    identifier,
    json,
    money,
    number,
    timestamp,
)

_KEY_TYPES: tuple[KeyType, ...] = ("text", "integer")
_TIMES = (
    {"format": "%Y-%m-%d %H:%M:%S"},
    {"format": "%d.%m.%Y %H:%M:%S", "zone": "Europe/Paris"},
    {"format": "%Y%m%dT%H%M%S", "zone": "America/New_York"},
    {"format": "%Y-%m-%dT%H:%M:%SZ"},
    {"epoch": "s"}, {"epoch": "ms"}, {"epoch": "us"},
)  # fmt: skip
_JUNK = (
    *("", " ", "abc", "-1", "-0", "0", "00", "1e5", "NaN", "inf", "9" * 20, "9" * 30, "12.345"),
    *(
        "true",
        "null",
        "2018-02-30",
        '"',
        "\\",
        "a\tb",
        "é" * 130,
        "x" * 300,
        " 7 ",
        "+5",
        "1.",
        ".5",
    ),
    *("24:00:00", "2019-03-31 24:00:00", "2019-03-31 02:30:00", "31.03.2019 02:30:00", "[1]", "{}"),
)
_UNITS = {"s": 1, "ms": 1_000, "us": 1_000_000}
_NAMES = ("id", "when", "tag", "Betrag €", "who", 'the "shop"', "kind of", "x.y", "n", "Größe", "z")


@st.composite
def sources(draw: st.DrawFn) -> SourceSpec:
    """Draw a declaration: its columns' names, types, time, currency and facts."""
    names = iter(draw(st.permutations(_NAMES)))
    kind: st.SearchStrategy[KeyType] = st.sampled_from(_KEY_TYPES)
    time = draw(st.sampled_from(_TIMES))
    parts = [next(names)]
    if " " in str(time.get("format", "")) and draw(st.booleans()):
        parts.append(next(names))
    members: dict[str, Any] = {
        "drops": csv("rows_{day}.csv"),
        "transaction_id": identifier(next(names), type=draw(kind)),
        "booked": timestamp(*parts, **time),  # type: ignore[arg-type]
        "amount": money(
            next(names), currency="EUR", digits=draw(st.integers(0, 4)), refunds=draw(st.booleans())
        ),
        "customer": entity(next(names), type=draw(kind), partitions_topic=True),
        "other": entity(next(names), type=draw(kind)),
        "fraud": fraud_label("label"),
    }
    for place in range(draw(st.integers(0, 3))):
        if draw(st.booleans()):
            members[f"fact_{place}"] = categorical(next(names))
        else:
            digits, missing = draw(st.integers(0, 6)), draw(st.sampled_from((None, 0, -1)))
            members[f"fact_{place}"] = number(next(names), digits=digits, missing=missing)
    if draw(st.booleans()):
        members["messages"] = json(**{members["amount"].column: "renamed"})
    spec: SourceSpec = type("Drawn", (Source,), members).spec  # type: ignore[attr-defined]
    return spec


@st.composite
def rows_of(draw: st.DrawFn, source: SourceSpec, size: int) -> pl.DataFrame:
    """Draw rows as texts of all columns, some of them not valid; the label is always 0."""
    columns = {name: [draw(_text(source, name)) for _ in range(size)] for name in _plain(source)}
    moments = [draw(st.integers(946_684_800, 4_102_444_799)) for _ in range(size)]
    columns |= _times(source, moments)
    columns["label"] = ["0"] * size
    for _ in range(draw(st.integers(0, size))):
        name = draw(st.sampled_from(source.message_columns))
        columns[name][draw(st.integers(0, size - 1))] = draw(st.sampled_from(_JUNK))
    return pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String))


def _plain(source: SourceSpec) -> list[str]:
    return [name for name in source.message_columns if name not in source.booked.columns]


def _times(source: SourceSpec, moments: list[int]) -> dict[str, list[str]]:
    booked = source.booked
    if booked.epoch is not None:
        unit = _UNITS[booked.epoch]
        return {booked.columns[0]: [str(moment * unit + unit // 3) for moment in moments]}
    texts = [
        datetime.fromtimestamp(moment, UTC).strftime(booked.format or "") for moment in moments
    ]
    parts = [text.split(" ", len(booked.columns) - 1) for text in texts]
    return {name: [part[i] for part in parts] for i, name in enumerate(booked.columns)}


def _text(source: SourceSpec, name: str) -> st.SearchStrategy[str]:
    keys: tuple[Key, ...] = (source.transaction_id, source.customer, source.counterparty)
    for key in keys:
        if key.column == name:
            return _key(key)
    if name == source.amount.column:
        return st.decimals("0.0001", "9000", places=4).map(lambda amount: f"{amount:f}")
    fact = next(fact for fact in source.facts if fact.column == name)
    if fact.kind == "category":
        return st.sampled_from(("food", "fuel", "Bücher", 'the "rest"', "5411"))
    return st.decimals(-1_000, 1_000, places=3).map(lambda value: f"{value:f}")


def _key(key: Key) -> st.SearchStrategy[str]:
    if key.is_text:
        return st.text(
            st.characters(codec="utf-8", categories=("L", "N", "P")), min_size=1, max_size=9
        )
    return st.integers(0, 10**18 - 1).map(str)
