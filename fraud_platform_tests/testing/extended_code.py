"""A copy of the package, changed by doing what one section of docs/extending.md says.

Here: reading the edits of a section, applying them to a copy, running programs with that copy.
Not here: what must hold then (`unit.test_extending`).

A section's edit is a sentence in bold and a block of code. The sentence has one of three forms:
"**At the end of `NAME` in `path`, add:**", "**Above `NAME` in `path`, add:**" and
"**Create `path`:**".
"""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from fraud_platform_tests.testing.newer_code import ROOT, environment_of

PAGE = ROOT / "docs" / "extending.md"
_EDIT = re.compile(
    r"^\*\*(?:(?P<place>At the end of|Above) `(?P<name>\w+)` in|Create) "
    r"`(?P<path>[\w/.]+)`(?:, add)?:\*\*\n\n"
    r"```python\n(?P<code>.*?)^```",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Edit:
    """One edit: code at the end of a named class or tuple of a file, or above it, or a new file."""

    path: str
    place: str | None
    name: str | None
    code: str


def edits_of(section: str) -> list[Edit]:
    """Return the edits of a section of the page, in order.

    Raises:
        AssertionError: there is no such section, it has no edit, or a block has another form.
    """
    text = PAGE.read_text()
    assert f"\n## {section}\n" in text, f"{PAGE.name} has no section {section!r}"
    body = text.split(f"\n## {section}\n")[1].split("\n## ")[0]
    edits = [Edit(m["path"], m["place"], m["name"], m["code"]) for m in _EDIT.finditer(body)]
    assert edits, f"section {section!r} has no edit"
    assert len(edits) == body.count("```python"), f"{section}: not every block is an edit"
    return edits


def created_files() -> set[str]:
    """Return the files that the page tells a reader to create; they are not in the repository."""
    return {match["path"] for match in _EDIT.finditer(PAGE.read_text()) if match["name"] is None}


def copied_code(folder: Path) -> Path:
    """Copy the package, its tests and the docs, and return the copy's root."""
    for package in ("fraud_platform", "fraud_platform_tests", "docs"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / package, folder / package, ignore=ignored)
    return folder


def extended_code(folder: Path, section: str) -> Path:
    """Copy the code, apply the edits of a section, and return the copy's root."""
    copied_code(folder)
    for edit in edits_of(section):
        path = folder / edit.path
        if edit.name is None:
            assert not path.exists(), f"{edit.path} exists already"
            path.write_text(edit.code)
        else:
            is_above = edit.place == "Above"
            path.write_text(_with_code(path.read_text(), edit.name, edit.code, is_above=is_above))
    return folder


def _with_code(text: str, name: str, code: str, *, is_above: bool) -> str:
    """Return a module with code above a class or tuple, or after its last member or element."""
    lines = text.splitlines(keepends=True)
    for node in ast.parse(text).body:
        last: ast.stmt | ast.expr | None = None
        if isinstance(node, ast.ClassDef) and node.name == name:
            last = [each for each in node.body if isinstance(each, ast.Assign)][-1]
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if name in map(ast.unparse, targets) and isinstance(node.value, ast.Tuple):
                last = node.value.elts[-1]
        if last is not None:
            at = node.lineno - 1 if is_above else last.end_lineno or 0
            return "".join([*lines[:at], code, *("\n\n" if is_above else ""), *lines[at:]])
    raise AssertionError(f"no class or tuple {name}")


def run_extended(code: Path, program: str, *arguments: str) -> str:
    """Run a program with the changed copy alone and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program, *arguments],
        env=environment_of(code, {}),
        cwd=code,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
