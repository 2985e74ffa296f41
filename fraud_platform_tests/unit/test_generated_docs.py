"""The parts of the docs that come from code are up to date, and name what they should."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from docs.generators.kept import DOCS, kept_files, with_part
from docs.generators.layers import imports_between_packages
from docs.generators.picture import asset_graph, bands_of
from docs.generators.reference import PACKAGE, reference_pages

KEPT = kept_files()


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.name)
def test_a_kept_file_is_what_the_code_says(path: Path) -> None:
    assert path.read_text() == KEPT[path], "run: python -m docs.generators"


def test_the_picture_shows_every_asset_and_what_requests_it() -> None:
    from fraud_platform.defs.assembly import defs

    graph = asset_graph()
    assets = {key.path[-1] for key in defs.resolve_asset_graph().get_all_asset_keys()}
    assert {name for names in graph.groups.values() for name in names} == assets
    assert ("raw_drops", "transactions") in graph.edges
    assert graph.requested_by["model"] == ("weekly_decision",)


def test_a_group_stands_below_every_group_that_it_reads() -> None:
    graph = asset_graph()
    band_of = {group: n for n, band in enumerate(bands_of(graph)) for group in band}
    group_of = {name: group for group, names in graph.groups.items() for name in names}
    between = {(group_of[a], group_of[b]) for a, b in graph.edges if {a, b} <= set(group_of)}
    assert all(band_of[a] < band_of[b] for a, b in between if a != b)


def test_imports_for_types_only_are_told_apart() -> None:
    found = imports_between_packages()
    assert found["cleaning"]["contracts"] is False
    assert found["promotion"]["settings"] is True
    assert "defs" not in found["cleaning"]


def test_a_page_without_its_markers_is_refused() -> None:
    with pytest.raises(ValueError, match="expected `<!-- begin x -->`"):
        with_part("no markers", "x", "text")
    page = "a\n<!-- begin x -->\nold\n<!-- end x -->\nb\n"
    assert with_part(page, "x", "new\n") == "a\n<!-- begin x -->\nnew\n<!-- end x -->\nb\n"


def test_the_site_has_every_command_table_asset_and_package() -> None:
    from typer.main import get_command

    from fraud_platform.cli.commands import app
    from fraud_platform.tables.catalog import ALL_TABLES

    pages = reference_pages()
    commands = get_command(app).commands  # type: ignore[attr-defined]
    groups = {name for name, command in commands.items() if hasattr(command, "commands")}
    for name in commands.keys() - groups:
        assert f"\n## `{name}`\n" in pages["reference/commands.md"]
    for table in ALL_TABLES:
        assert f"\n## `{table.name}`\n" in pages["reference/tables.md"]
        assert f"| `{table.columns[-1].name}` |" in pages["reference/tables.md"]
    for name in (name for names in asset_graph().groups.values() for name in names):
        assert f"\n| `{name}` |" in pages["reference/assets.md"]
    assert "::: fraud_platform.rows.judge\n" in pages["reference/api/rows.md"]
    for path in (PACKAGE.parent / "findings").glob("*.sh"):
        assert f"`findings/{path.name}` shows it." in pages["reference/findings.md"]


def test_the_page_of_a_command_shows_arguments_options_and_defaults() -> None:
    page = reference_pages()["reference/commands.md"]
    assert "    fraud-platform accept DROP --why WHY\n" in page
    assert "| `--rate` | `400` | Transactions a second, or max. |" in page


def test_the_index_lists_every_decision_record_once() -> None:
    folder = DOCS / "decisions"
    records = sorted(path.name for path in folder.glob("0*.md"))
    listed = re.findall(
        r"^\| \[(\d{4})\]\((\1-[a-z0-9-]+\.md)\) \|",
        (folder / "index.md").read_text(),
        re.MULTILINE,
    )
    assert [name for _, name in listed] == records
    for name in records:
        text = (folder / name).read_text()
        assert text.startswith(f"# {name[:4]}: ")
        headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
        assert headings == ["Context", "Decision", "What was measured", "Consequences"]


def test_every_page_is_in_the_navigation_of_the_site() -> None:
    listed = set(
        re.findall(r": ([\w/]+\.md)$", (DOCS.parent / "mkdocs.yml").read_text(), re.MULTILINE)
    )
    written = {path.name for path in DOCS.glob("*.md")}
    assert written - listed == set(), "add them under nav in mkdocs.yml"
