"""The pages: those that are made from code are up to date, and what the others name is there."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.core import TyperGroup
from typer.main import get_command

from fraud_platform.cli.commands import app
from fraud_platform.features.documentation import features_markdown
from fraud_platform.settings import OTHER_VARIABLES, PREFIX, Settings
from fraud_platform.settings.documentation import settings_markdown
from fraud_platform.settings.secrets import FILE_SUFFIX, variable

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
_PROGRAM = r"(?:\.venv/bin/)?fraud-platform"
_SHOWN = re.compile(rf"^ {{4}}(?:[A-Z_]+=\S+ )*({_PROGRAM} [^#\n]*)", re.MULTILINE)
_NAMED = re.compile(rf"`({_PROGRAM} [^`]*)`")


@pytest.mark.parametrize(
    ("page", "module", "expected"),
    [
        ("features.md", "features", features_markdown()),
        ("settings.md", "settings", settings_markdown()),
    ],
)
def test_a_page_says_what_the_code_says(page: str, module: str, expected: str) -> None:
    assert (ROOT / "docs" / page).read_text() == expected, (
        f"write it anew: python -m fraud_platform.{module}.documentation > docs/{page}"
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_of_a_page_is_one(page: Path) -> None:
    text = page.read_text()
    for line in _SHOWN.findall(text):
        _parse(shlex.split(line)[1:])
    for line in _NAMED.findall(text):
        command, arguments = _command(shlex.split(line)[1:])
        known = {name for parameter in command.params for name in parameter.opts}
        unknown = {word for word in arguments if word.startswith("-")} - known - {"--help", "-h"}
        assert not unknown, f"{line}: no option {unknown}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_variable_of_a_page_is_one(page: Path) -> None:
    known = {variable(name) for name in Settings.model_fields} | set(OTHER_VARIABLES)
    for name in re.findall(rf"`{PREFIX}[A-Z_]+", page.read_text()):
        found = name.strip("`")
        is_known = found in known or found.removesuffix(FILE_SUFFIX) in known
        assert is_known or found.endswith("_"), f"{found} is not a setting"


def test_a_command_that_is_none_is_found() -> None:
    with pytest.raises(AssertionError):
        _command(["no-such-command"])
    with pytest.raises(Exception, match="No such option: --rat"):
        _parse(["produce", "--drop", "2018-06-30", "--rat", "400"])


def _parse(words: list[str]) -> None:
    """Parse a command line as it would be parsed, without running it."""
    command, arguments = _command(words)
    with command.make_context(command.name, list(arguments)):
        pass


def _command(words: list[str]) -> tuple[Any, list[str]]:
    command: Any = get_command(app)
    rest = iter(words)
    for word in rest:
        assert isinstance(command, TyperGroup)
        if word in ("--help", "-h"):
            return command, [word]
        found = command.commands.get(word)
        assert found is not None, f"no command {word}"
        command = found
        if not isinstance(command, TyperGroup):
            break
    return command, list(_without_output(rest))


def _without_output(words: Iterator[str]) -> Iterator[str]:
    """Yield words up to a redirection."""
    for word in words:
        if word in (">", "|"):
            return
        yield word
