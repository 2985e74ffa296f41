"""Calendar arithmetic stands in one module, and is right."""

from __future__ import annotations

import ast
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

import fraud_platform
from fraud_platform.contracts.time import (
    EPOCH_DAY,
    SECONDS_PER_DAY,
    day_number,
    midnight,
    numbered_day,
)

PACKAGE = Path(fraud_platform.__file__).parent
LENGTHS = {3_600, 86_400, 604_800, 2_592_000, 1_440, 86_400_000, 86_400_000_000}
"""Seconds of an hour, a day, a week and 30 days; a day in minutes, milli- and microseconds."""
ALLOWED = {
    "contracts/time.py": {"3600", "24 * SECONDS_PER_HOUR"},
    "contracts/feature_language/times.py": {"3600", "2592000"},  # of older signatures
    "settings/scoring.py": {"86400"},  # a bound; settings import nothing above them
}


def found_in(tree: ast.Module) -> set[str]:
    """Return lengths of days and hours, and arithmetic that gives one or counts from 1970."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and type(node.value) in (int, float):
            found |= {str(node.value)} if node.value in LENGTHS else set()
        if isinstance(node, ast.BinOp):
            sides = ast.unparse(node.left), ast.unparse(node.right)
            is_of_hours = isinstance(node.op, ast.Mult | ast.FloorDiv | ast.Div)
            if is_of_hours and ("24" in sides or set(sides) == {"HOURS_PER_DAY", "TILE_SECONDS"}):
                found.add(ast.unparse(node))
        if isinstance(node, ast.Call) and ast.unparse(node).startswith(
            ("date(1970", "datetime(1970")
        ):
            found.add(ast.unparse(node))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "datetime":
            found |= {ast.unparse(node)} if ".year" in ast.unparse(node) else set()
    return found


def test_no_other_module_computes_with_the_length_of_a_day() -> None:
    found = {
        str(path.relative_to(PACKAGE)): found_in(ast.parse(path.read_text()))
        for path in sorted(PACKAGE.rglob("*.py"))
    }
    own = {"date(1970, 1, 1)", "HOURS_PER_DAY * SECONDS_PER_HOUR"}
    wrong = {
        module: texts - ALLOWED.get(module, set())
        for module, texts in found.items()
        if texts - ALLOWED.get(module, set())
    }
    assert wrong.pop("contracts/time.py") <= own
    assert wrong == {}
    for module in ALLOWED:
        assert found[module], f"{module} needs no exception any more"


@pytest.mark.parametrize(
    "code",
    [
        "x = 86_400", "x = days * 24", "x = 24 * 60 * 60", "x = hours // 24", "x = t // 3600.0",
        "x = HOURS_PER_DAY * TILE_SECONDS", "x = (day - date(1970, 1, 1)).days",
        "x = datetime(day.year, day.month, day.day, tzinfo=UTC)",
    ],
)  # fmt: skip
def test_such_arithmetic_is_found(code: str) -> None:
    assert found_in(ast.parse(code))


def test_days_are_numbered_from_1970() -> None:
    assert day_number(EPOCH_DAY) == 0
    for text in ("1969-12-31", "1970-01-02", "2000-02-29", "2018-07-30", "2099-12-31"):
        day = date.fromisoformat(text)
        moment = datetime.fromisoformat(f"{text}T00:00:00+00:00")
        assert midnight(day) == moment
        assert midnight(day).tzinfo is UTC
        assert day_number(day) * SECONDS_PER_DAY == moment.timestamp()
        assert numbered_day(day_number(day)) == day
