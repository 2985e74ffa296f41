"""A drop that comes after its day was scored: every kind of difference is counted and named."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.monitoring import disagreements
from fraud_platform.monitoring.disagreements import compare_day, days_to_compare, record
from fraud_platform.tables.scoring import STREAM_DISAGREEMENTS
from fraud_platform_tests.oracles.late_drop import (
    BEFORE,
    COMPARED,
    DAY,
    FOUND,
    LANDED,
    MODEL,
    write_late_drop,
)

NEXT = DAY + timedelta(days=1)


def model_of(version: int) -> Any:
    return MODEL


def test_each_kind_of_difference_is_counted_and_named_without_values(lake: Lake) -> None:
    write_late_drop(lake)
    found = compare_day(lake, DAY, LANDED, model_of)
    assert found.examples == FOUND
    assert found.rows == {kind: len(named) for kind, named in FOUND.items()}
    assert found.compared == COMPARED


def test_scores_of_a_model_that_no_longer_loads_are_left_out(lake: Lake) -> None:
    write_late_drop(lake)
    found = compare_day(lake, DAY, LANDED, lambda version: None)
    assert found.rows["score"] == 0
    assert found.rows["features"] == 2


def test_rows_scored_after_the_drop_had_landed_prove_nothing(lake: Lake) -> None:
    write_late_drop(lake)
    found = compare_day(lake, DAY, BEFORE, model_of)
    assert found.compared == 0
    assert not any(found.rows.values())


def test_examples_are_capped_and_counts_are_not(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disagreements, "MAX_EXAMPLES", 1)
    write_late_drop(lake)
    found = compare_day(lake, DAY, LANDED, model_of)
    assert found.rows["only_in_drop"] == 2
    assert found.examples["only_in_drop"] == ["6"]


def test_a_day_is_due_once_for_each_drop_that_it_is_built_from(lake: Lake) -> None:
    def due(inputs: dict[date, str], built: dict[date, str]) -> dict[date, str]:
        return days_to_compare(lake, [DAY - timedelta(days=1), DAY, NEXT], inputs, built)

    a, b = dict.fromkeys((DAY, NEXT), "a"), dict.fromkeys((DAY, NEXT), "b")
    assert due(a, a) == {}
    write_late_drop(lake)
    assert due(a, {}) == {}
    # stream time has not passed the end of the next day, and no row of the day before was scored
    assert due(a, a) == {DAY: "a"}
    record(lake, [compare_day(lake, DAY, LANDED, model_of)], a)
    assert due(a, a) == {}
    assert due(b, a) == {}
    assert due(b, b) == {DAY: "b"}


def test_a_day_compared_again_replaces_what_was_known(lake: Lake) -> None:
    write_late_drop(lake)
    for inputs in ("a", "b"):
        record(lake, [compare_day(lake, DAY, LANDED, model_of)], {DAY: inputs})
    rows = lake.read_arrow(STREAM_DISAGREEMENTS).to_pylist()
    assert {row["kind"]: row["rows"] for row in rows} == {k: len(n) for k, n in FOUND.items()}
    assert len(rows) == len(FOUND)
    assert {row["inputs"] for row in rows} == {"b"}
