"""Pages use no word that the style page rules out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fraud_platform_tests.repository_names import ROOT, pages

STYLE = ROOT / "docs" / "style.md"
_RULE = re.compile(r"Pages do not use these words: ([^.]+)\.")
_CODE = re.compile(r"```.*?```|^ {4}[^\n]*$|`[^`]*`|\]\([^)]*\)", re.DOTALL | re.MULTILINE)


def ruled_out() -> list[str]:
    """Return the words of the style page's list."""
    rule = _RULE.search(STYLE.read_text())
    assert rule is not None
    return [word.strip() for word in rule[1].split(",")]


def words_in(text: str, words: list[str]) -> list[str]:
    """Return the ruled-out words of a text, code and links apart."""
    prose = _CODE.sub(" ", text)
    return re.findall(rf"\b(?:{'|'.join(words)})\b", prose, re.IGNORECASE)


@pytest.mark.parametrize(
    "page", [p for p in pages() if p != STYLE], ids=lambda page: str(page.relative_to(ROOT))
)
def test_a_page_uses_no_word_that_the_style_page_rules_out(page: Path) -> None:
    assert words_in(page.read_text(), ruled_out()) == []


def test_a_ruled_out_word_is_found_in_prose_only() -> None:
    assert {"anew", "whoever"} <= set(ruled_out())
    text = "It is made anew.\n\n    anew in code\n\n`anew` and [a link](anew.md)."
    assert words_in(text, ["anew"]) == ["anew"]
