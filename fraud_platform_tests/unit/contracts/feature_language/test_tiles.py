"""Tiles are declared once: tables and snapshots follow, and no other module knows a measure."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import fraud_platform
from fraud_platform.contracts.active import DECLARATION
from fraud_platform.contracts.feature_language.declarables import FIRST_ROW_SUMS
from fraud_platform.contracts.feature_language.tiles import Tile
from fraud_platform.tables.catalog import ALL_TABLES
from fraud_platform.tables.scoring import SCORING_STATE
from fraud_platform_tests.oracles.more_measures import MORE

PACKAGE = Path(fraud_platform.__file__).parent
DECLARING = {
    "contracts/feature_language/declarables.py",
    "contracts/feature_language/terms.py",
    "contracts/source_language/declaring.py",
    "contracts/source_language/features.py",
    "datasets/handbook/features.py",
    "datasets/handbook/posterior.py",
}
SUMMING = {"features/compute/tiles.py", "features/batch/tile_columns.py"}
"""The numpy and the Spark form of what a row adds to a measure; no other module has one."""
NOT_OF_TILES = {"amount_cents"}
"""Measures whose name is that of the column that they sum."""
COUNTING = {"reporting/drop_profile.py"}
"""Modules that sum amounts of other groups than tiles."""


def is_tile_table(names: tuple[str, ...]) -> bool:
    return {"tile_hour", "event_hour"} & set(names) != set()


def test_every_table_of_tiles_is_a_declared_tile() -> None:
    tables = {t.name: t for t in ALL_TABLES if is_tile_table(tuple(t.column_names))}
    assert set(tables) == {tile.name for tile in DECLARATION.tiles}
    for tile in DECLARATION.tiles:
        table = tables[tile.name]
        assert table.key == tile.key
        others = [n for n in table.column_names if n not in tile.key and not n.endswith("_date")]
        assert tuple(others) == tile.names


@pytest.mark.parametrize("tile", DECLARATION.tiles, ids=lambda tile: tile.name)
def test_a_snapshot_has_a_column_for_each_measure(tile: Tile) -> None:
    assert {f"v{i}" for i in range(len(tile.measures))} <= set(SCORING_STATE.column_names)
    assert {tile.entity_column, tile.hour_column} <= set(tile.key)


def test_no_other_module_knows_a_measure_by_name() -> None:
    """A module that named one could sum it in another way, or forget the next one."""
    names = {n for tile in DECLARATION.tiles for n in tile.names} - NOT_OF_TILES
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        module = str(path.relative_to(PACKAGE))
        named = {value for value in texts(path) if value in names}
        if named and module not in DECLARING:
            found[module] = sorted(named)
    assert found == {}


def test_no_other_module_computes_what_a_row_adds() -> None:
    """By numpy or by Spark: squares of amounts, and sums of rows by the keys of a tile."""
    hours = {tile.hour_column for tile in DECLARATION.tiles}
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        module = str(path.relative_to(PACKAGE))
        calls = [
            ast.unparse(node)
            for node in ast.walk(ast.parse(path.read_text()))
            if (isinstance(node, ast.Call) and called(node) in {"groupBy", "group_by"})
        ]
        wrong = [call for call in calls if any(hour in call for hour in hours) or ".key" in call]
        if "squares" in texts(path) or "amount_cents + 50" in path.read_text():
            wrong.append("squares")
        if wrong and module not in SUMMING | COUNTING:
            found[module] = wrong
    allowed = {
        "contracts/feature_language/tiles.py": ["squares"],
        "datasets/handbook/features.py": ["squares"],
        "features/batch/files.py": ["squares"],
        "features/lineage.py": ["squares"],
    }
    assert {module: wrong for module, wrong in found.items() if module not in allowed} == {}
    assert {module: found[module] for module in allowed} == allowed


def test_a_further_measure_is_in_every_tile_of_its_kind_and_in_the_signature() -> None:
    further = {tile.name: set(tile.names) for tile in MORE.tiles}
    new = {tile.name: further[tile.name] - set(tile.names) for tile in DECLARATION.tiles}
    assert new == {
        "customer_tiles": {"more_squares", "more_steps", "more_last"},
        "terminal_tiles": {"more_squares"},
        "label_tiles": {"more_labels"},
    }
    readers = [n for n in MORE.names if n.startswith("x_") and n.endswith("_squares")]
    cents = MORE.row_sums[-1].__class__("more_squares", "Cents.", "cents")
    other = MORE.__class__(
        MORE.features, MORE.flags, MORE.last_times, MORE.label_measures, (*FIRST_ROW_SUMS, cents)
    )
    changed = [n for n in MORE.names if other.signature_of([n]) != MORE.signature_of([n])]
    assert changed == readers
    assert other.tiles_signature() != MORE.tiles_signature()


def texts(path: Path) -> set[str]:
    """Return the texts in a module's code, docstrings among them."""
    return {
        node.value
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else ""
