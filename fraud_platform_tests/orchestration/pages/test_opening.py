"""An asset's page begins with a sentence and a short table; its columns do not stand before."""

from __future__ import annotations

import ast
from pathlib import Path

import dagster as dg
import pytest

import fraud_platform.defs as package
from fraud_platform.definitions import defs
from fraud_platform.defs.pages.opening import page, spelt
from fraud_platform.operations.services.links import asset_page, model_page
from fraud_platform.settings import Settings

FOLDER = Path(str(package.__path__[0]))


def test_no_asset_puts_its_columns_before_what_it_says() -> None:
    for spec in defs.resolve_all_asset_specs():
        assert "dagster/column_schema" not in spec.metadata, spec.key


def test_a_page_begins_with_its_sentence_and_its_facts() -> None:
    metadata = page("Done.", {"rows": 12_345, "share": 0.12345}, {"dagster/row_count": 12_345})
    assert list(metadata) == ["headline", "summary", "dagster/row_count"]
    assert metadata["headline"].value == "Done."
    rows = [record.data for record in metadata["summary"].records]
    assert rows == [{"what": "rows", "value": "12,345"}, {"what": "share", "value": "0.1235"}]


def test_a_table_of_facts_is_short() -> None:
    with pytest.raises(ValueError, match="at most 8"):
        page("x", dict.fromkeys(map(str, range(9)), 1), {})


@pytest.mark.parametrize(
    ("value", "text"),
    [(1_234_567, "1,234,567"), (0.5, "0.5"), (4_321.5, "4,322"), (None, "none"), (True, "yes")],
)
def test_values_are_spelt_for_people(value: object, text: str) -> None:
    assert spelt(value) == text


def _results(tree: ast.AST) -> list[ast.Call]:
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [c for c in calls if ast.unparse(c.func) == "dg.MaterializeResult"]


def _begins_with_a_headline(name: str, value: ast.expr, tree: ast.AST) -> bool:
    """Whether an expression of metadata is a page, or the result of a function that makes one."""
    text = ast.unparse(value)
    if "page(" in text:
        return True
    called = [node.func for node in ast.walk(value) if isinstance(node, ast.Call)]
    named = {func.id for func in called if isinstance(func, ast.Name)}
    if isinstance(value, ast.Name | ast.Dict):
        named |= {node.id for node in ast.walk(value) if isinstance(node, ast.Name)}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name in named:
            body = ast.unparse(node)
            if "page(" in body or "'headline'" in body:
                return True
    assigned = [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in named
    ]
    return any(
        other is not value and _begins_with_a_headline(name, other, tree) for other in assigned
    )


def test_every_materialization_begins_with_a_headline() -> None:
    found = 0
    for path in sorted(FOLDER.rglob("*.py")):
        tree = ast.parse(path.read_text())
        for call in _results(tree):
            given = {keyword.arg: keyword.value for keyword in call.keywords}
            found += 1
            assert _begins_with_a_headline(path.name, given["metadata"], tree), (
                f"{path.name}:{call.lineno}: its metadata does not begin with a headline"
            )
    assert found >= 12


def test_links_lead_to_the_model_training_view_and_to_the_partition() -> None:
    settings = Settings(home=Path("x"), mlflow_port=5001, dagster_port=3001)
    url = "http://127.0.0.1:5001/#/models/fraud/versions/7?workflowType=machine_learning"
    assert model_page(settings, 7) == url
    url = "http://127.0.0.1:3001/assets/ab_report?view=partitions&partition=2026-11-23"
    assert asset_page(settings, "ab_report", "2026-11-23") == url
    served = settings.model_copy(update={"mlflow_url": "https://mlflow.bank/"})
    assert model_page(served, 7).startswith("https://mlflow.bank/#/models/fraud/")


def test_metadata_can_be_handed_to_dagster() -> None:
    metadata = page("x", {}, {"dagster/row_count": 3})
    result: dg.MaterializeResult[None] = dg.MaterializeResult(asset_key="a", metadata=metadata)
    headline = (result.metadata or {})["headline"]
    assert isinstance(headline, dg.TextMetadataValue)
    assert headline.text == "x"
