"""Pages use no word that the style page rules out."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from fraud_platform_tests.testing.repository_names import ROOT, pages

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


_NOT_PROSE = re.compile(r"`[^`]*`|^ *[\w, ]+: ", re.MULTILINE)


def prose_of(source: str) -> str:
    """Return the docstrings and comments of a module, without names of arguments and code."""
    texts = [
        node.value.value
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    ]
    texts += re.findall(r"(?:^|  | )# (.*)$", source, re.MULTILINE)
    return "\n".join(_NOT_PROSE.sub(" ", text) for text in texts)


def test_docstrings_and_comments_use_no_word_that_the_style_page_rules_out() -> None:
    words = rf"\b(?:{'|'.join(ruled_out())})\b"
    folders = (ROOT / name for name in ("fraud_platform", "fraud_platform_tests", "benchmarks"))
    bad = [
        f"{path.relative_to(ROOT)}: {word}"
        for folder in folders
        for path in sorted(folder.rglob("*.py"))
        for word in re.findall(words, prose_of(path.read_text()), re.IGNORECASE)
        if path != Path(__file__)
    ]
    assert bad == []


def test_a_ruled_out_word_is_found_in_a_docstring_and_in_a_comment() -> None:
    source = '"""Made anew."""\nbehind = 1  # whoever reads `lacks`\n'
    assert prose_of(source) == "Made anew.\nwhoever reads  "
