"""The tests keep rules of their own: no test imports a test, waits are for conditions, names exist.

Here: checks of the source of tests, also of programs that tests hold in strings.
Not here: rules of the product (`unit.test_architecture`), how tests run (`unit.test_running`).
"""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

TESTS = Path(__file__).parents[1]
ROOT = TESTS.parent
MODULES = sorted([*TESTS.rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py")])
CHANGED_CODE = (Path(__file__), TESTS / "unit" / "test_extending.py")
"""Its programs run with code to which a page's section was applied."""
WAITING = TESTS / "testing" / "waiting.py"
_IMPORT = re.compile(
    r"(?:^ *|; )from ((?:fraud_platform|fraud_platform_tests|benchmarks)(?:\.\w+)*) import "
    r"(\([\w\s,]+\)|\w+(?: as \w+)?(?:, *\w+(?: as \w+)?)*)",
    re.MULTILINE,
)


def imported(source: str) -> Iterator[tuple[str, str]]:
    """Yield module and name of the project's imports in a text, also of code in strings."""
    for found in _IMPORT.finditer(source):
        for name in found[2].strip("()").split(","):
            if name.strip():
                yield found[1], name.split(" as ")[0].strip()


def sleeps(tree: ast.AST) -> Iterator[int]:
    """Yield the lines of calls of `sleep`, outside of functions that only sleep."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] == "sleep":
            yield node.lineno


@cache
def has(module: str, name: str) -> bool:
    loaded = importlib.import_module(module)
    if hasattr(loaded, name):
        return True
    try:
        importlib.import_module(f"{module}.{name}")
    except ModuleNotFoundError:
        return False
    return True


def test_no_test_imports_a_test() -> None:
    bad = [
        f"{path.relative_to(ROOT)}: {module}.{name}"
        for path in MODULES
        for module, name in imported(path.read_text())
        if any(part == "conftest" or part.startswith("test_") for part in module.split("."))
    ]
    assert bad == []


def test_every_name_that_a_test_imports_exists() -> None:
    """Also in programs that are strings, which no linter and no collection of tests reads."""
    bad = [
        f"{path.relative_to(ROOT)}: {module}.{name}"
        for path in MODULES
        for module, name in imported(path.read_text())
        if path not in CHANGED_CODE and not has(module, name)
    ]
    assert bad == []


def test_only_the_waiting_module_sleeps() -> None:
    """Programs that run as processes of their own may: they are what is waited for."""
    bad = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in sorted(TESTS.rglob("*.py"))
        if path != WAITING and "programs" not in path.parts
        for line in sleeps(ast.parse(path.read_text()))
    ]
    assert bad == []


def test_imports_and_sleeps_are_found() -> None:
    source = (
        "CODE = '''\nfrom fraud_platform.settings import (\n    Settings,\n    gone as here,\n"
        ")\n'''\n"
        "from time import sleep\nsleep(1)\n"
        "LINE = 'import sys; from fraud_platform.cli import main'\n"
    )
    assert list(imported(source)) == [
        ("fraud_platform.settings", "Settings"),
        ("fraud_platform.settings", "gone"),
        ("fraud_platform.cli", "main"),
    ]
    assert has("fraud_platform.settings", "Settings")
    assert has("fraud_platform", "settings")
    assert not has("fraud_platform.settings", "gone")
    assert list(sleeps(ast.parse(source))) == [8]
