"""The files of the docs that come from code and are kept in the repository.

Here: which they are and what each should hold now.
Not here: writing them (`docs.generators.__main__`), checking them
(`fraud_platform_tests/unit/test_generated_docs.py`).
"""

from __future__ import annotations

from pathlib import Path

from docs.generators.layers import layers_table
from docs.generators.picture import asset_picture
from docs.generators.reasons import reasons_table
from fraud_platform.contracts.active import SOURCE
from fraud_platform.features.documentation import features_markdown
from fraud_platform.scoring.messages.schemas import fields_table
from fraud_platform.settings.documentation import settings_markdown

DOCS = Path(__file__).parents[1]


def kept_files() -> dict[Path, str]:
    """Return each file and its text."""
    architecture, contract = DOCS / "architecture.md", DOCS / "contract.md"
    return {
        DOCS / "images" / "assets.svg": asset_picture(),
        architecture: with_part(architecture.read_text(), "imports", layers_table()),
        contract: _contract(contract.read_text()),
        DOCS / "features.md": features_markdown(),
        DOCS / "settings.md": settings_markdown(),
    }


def _contract(page: str) -> str:
    page = with_part(page, "message reasons", reasons_table())
    for topic in ("transactions", "labels", "predictions"):
        page = with_part(page, f"fields of {topic}", fields_table(SOURCE, topic))
    return page


def with_part(page: str, name: str, text: str) -> str:
    """Return a page with the text between its markers `begin NAME` and `end NAME` replaced.

    Raises:
        ValueError: the page does not have both markers once.
    """
    begin, end = f"<!-- begin {name} -->\n", f"<!-- end {name} -->"
    if page.count(begin) != 1 or page.count(end) != 1:
        raise ValueError(f"expected `{begin.strip()}` and `{end}` once each. Add them to the page.")
    before, rest = page.split(begin)
    return f"{before}{begin}{text}{end}{rest.split(end)[1]}"
