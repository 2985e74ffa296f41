"""The plans that Spark Connect would get: how deep they are nested. No server, no JVM.

A plan for Connect is a protobuf message, which may be nested 100 messages deep. An operator costs
two of them, a union of two tables too. So an expression or a union that is folded over a list is a
plan that `local[*]` runs and Connect refuses.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from fraud_platform.cleaning.duplicates import (
    find_common_ids,
    find_repeated_ids,
    group_stored_ids,
    order_suspects,
)
from fraud_platform.cleaning.labels import _merge
from fraud_platform.cleaning.parquet_files import CLEAN_DDL, SUSPECT_DDL
from fraud_platform.cleaning.stored import StoredFile, read_files
from fraud_platform.contracts.active import DECLARATION
from fraud_platform.contracts.tables import TRANSACTIONS
from fraud_platform.features.batch.day_inputs import DayInputs
from fraud_platform.features.batch.engine import _customer_inputs, _terminal_inputs
from fraud_platform.labels.drop_clock import LabelClock
from fraud_platform.labels.later import later_labels
from fraud_platform.labels.rule import labels_known_at
from fraud_platform.reporting.drop_profile import aggregate_rows
from fraud_platform.training.training_set import evaluation_rows
from fraud_platform_tests.testing.connect_plans import DEEPEST, depth

PACKAGE = Path(__file__).parents[4] / "fraud_platform"
DROPS = [f"20{year}-{month:02d}-01" for year in range(10, 20) for month in range(1, 13)]


class Session:
    """Stands for a Connect session: plans are made, and nothing is sent."""

    session_id = "a session"
    is_mock_session = True
    _client = client = None

    @property
    def read(self) -> Any:
        from pyspark.sql.connect.readwriter import DataFrameReader

        return DataFrameReader(self)  # type: ignore[arg-type]


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> Session:
    """Functions of `pyspark.sql.functions` make Connect's columns."""
    monkeypatch.setenv("SPARK_CONNECT_MODE_ENABLED", "1")
    return Session()


def table(session: Session, columns: list[str] | None = None) -> Any:
    """Return a DataFrame of Connect whose columns are known without asking a server."""
    from pyspark.sql.connect.dataframe import DataFrame
    from pyspark.sql.connect.plan import Read

    class Table(DataFrame):
        columns = property(lambda self: names)  # type: ignore[assignment]

    names = columns or TRANSACTIONS.column_names
    return Table(Read("a_table"), session)  # type: ignore[arg-type]


def depth_of(frame: Any) -> int:
    """Return how deep the plan of a DataFrame is nested."""
    return depth(frame._plan.plan(frame._session))


def stored(drops: list[str]) -> list[StoredFile]:
    return [StoredFile(drop, f"/lake/drop={drop}/a.parquet", 0, 9) for drop in drops]


def inputs(session: Session, *, rows_say_labels: bool) -> DayInputs:
    first, last = date(2018, 4, 1), date(2018, 4, 30)
    frames = [table(session) for _ in range(5)]
    options: dict[str, Any] = {
        "tasks": 2,
        "has_corrections": True,
        "rows_say_labels": rows_say_labels,
    }
    return DayInputs(first, last, *frames, **options)


def merged_labels(session: Session) -> Any:
    files = stored(DROPS)
    return _merge(session, files, files, files, LabelClock())  # type: ignore[arg-type]


def files_of(session: Session) -> Any:
    frame = read_files(session, stored(DROPS), CLEAN_DDL)  # type: ignore[arg-type]  # a stand-in
    assert frame is not None
    return frame


BUILDERS: dict[str, Callable[[Session], Any]] = {
    "a drop's profile": lambda s: aggregate_rows(table(s), "2018-04-01"),
    "rows of many drops": files_of,
    "ids that occur twice": lambda s: find_repeated_ids(table(s)),
    "ids of many drops": lambda s: find_common_ids(table(s), group_stored_ids(files_of(s))),
    "suspects": lambda s: order_suspects(
        table(s, [column.split()[0] for column in SUSPECT_DDL.split(", ")]),
        files_of(s),
    ),
    "labels of many drops": merged_labels,
    "terminals, own labels": lambda s: _terminal_inputs(
        inputs(s, rows_say_labels=True), DECLARATION
    ),
    "terminals, labels joined": lambda s: _terminal_inputs(
        inputs(s, rows_say_labels=False), DECLARATION
    ),
    "customers": lambda s: _customer_inputs(inputs(s, rows_say_labels=True), table(s), DECLARATION),
    "labels known at a date": lambda s: labels_known_at(table(s), date(2018, 7, 2)),
    "the test week": lambda s: evaluation_rows(table(s), table(s), date(2018, 7, 2), 28),
    "later labels": lambda s: later_labels(table(s), table(s)),
}


@pytest.mark.parametrize("name", BUILDERS)
def test_a_plan_stays_far_from_the_depth_that_connect_refuses(name: str, session: Session) -> None:
    assert depth_of(BUILDERS[name](session)) <= DEEPEST


def test_a_folded_sum_is_what_connect_refuses(session: Session) -> None:
    """The measure above is worth what this one shows: 30 operators pass, 60 do not."""
    from google.protobuf.message import DecodeError
    from pyspark.sql import functions as F

    def folded(operators: int) -> Any:
        total = F.lit(0)
        for edge in range(operators):
            total = total + (F.col("amount_cents") >= edge).cast("int")
        return table(session).select(total.alias("bin"))

    assert depth_of(folded(30)) > DEEPEST
    with pytest.raises(DecodeError):
        depth_of(folded(60))


def folds(tree: ast.AST) -> Iterator[int]:
    """Yield the lines of calls that fold columns or DataFrames: `sum` or `reduce` over them."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("sum", "reduce"):
            words = ast.unparse(node)
            if any(word in words for word in (".cast(", "F.", "f.col", "union", "DataFrame")):
                yield node.lineno


FOLDS_OF_FIVE_AT_MOST = {"features/batch/engine.py", "scoring/state/snapshot.py"}
"""Unions of a fixed number of tables, which the builders above and a state's test measure."""


def test_no_module_folds_columns_or_tables_over_a_list_of_any_length() -> None:
    found = {
        str(path.relative_to(PACKAGE)): lines
        for path in sorted(PACKAGE.rglob("*.py"))
        if (lines := list(folds(ast.parse(path.read_text()))))
    }
    assert set(found) <= FOLDS_OF_FIVE_AT_MOST, found
