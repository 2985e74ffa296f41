"""A setting has one default, the one in `fraud_platform.settings`.

A parameter or field that a call fills from the settings has no default of its own: a caller that
left it out would silently work with another value than the operator sees and sets.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import fraud_platform

PACKAGE = Path(fraud_platform.__file__).parent
SETTINGS = "fraud_platform.settings"
Parameters = dict[str, ast.expr | None]
"""Default by name, in order; None for none."""


def trees() -> dict[str, ast.Module]:
    return {
        str(path.relative_to(PACKAGE)): ast.parse(path.read_text())
        for path in sorted(PACKAGE.rglob("*.py"))
        if "settings" not in path.relative_to(PACKAGE).parts[:1]
    }


def parameters_of(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Parameters:
    given = [*node.args.posonlyargs, *node.args.args]
    found: Parameters = {arg.arg: None for arg in given}
    defaults = node.args.defaults
    found |= {a.arg: d for a, d in zip(given[len(given) - len(defaults) :], defaults, strict=True)}
    found |= {a.arg: d for a, d in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)}
    return {name: default for name, default in found.items() if name not in ("self", "cls")}


def signature_of(node: ast.AST) -> Parameters | None:
    """Return the parameters of a function, of a class with `__init__`, or of a dataclass."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return parameters_of(node)
    if not isinstance(node, ast.ClassDef):
        return None
    for member in node.body:
        if isinstance(member, ast.FunctionDef) and member.name == "__init__":
            return parameters_of(member)
    return {
        member.target.id: member.value
        for member in node.body
        if isinstance(member, ast.AnnAssign) and isinstance(member.target, ast.Name)
    }


def reads_settings(value: ast.expr) -> bool:
    return any(
        isinstance(node, ast.Attribute)
        and ast.unparse(node.value).split(".")[-1].strip("_") == "settings"
        for node in ast.walk(value)
    )


def calls(tree: ast.Module) -> Iterator[tuple[str, ast.Call]]:
    """Yield each call with the name of what it calls; `cls` is the class around it."""

    def walk(node: ast.AST, around: str) -> Iterator[tuple[str, ast.Call]]:
        if isinstance(node, ast.ClassDef):
            around = node.name
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func).split(".")[-1]
            yield around if name == "cls" else name, node
        for child in ast.iter_child_nodes(node):
            yield from walk(child, around)

    yield from walk(tree, "")


def names_from_settings(tree: ast.Module) -> set[str]:
    return {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith(SETTINGS)
        for alias in node.names
    }


def second_defaults(modules: dict[str, ast.Module]) -> set[tuple[str, str, str]]:
    """Return module, function and parameter of each default of what calls fill from settings."""
    signatures: dict[str, list[tuple[str, Parameters]]] = {}
    for module, tree in modules.items():
        for node in ast.walk(tree):
            if (found := signature_of(node)) is not None:
                signatures.setdefault(node.name, []).append((module, found))  # type: ignore[attr-defined]
    wrong = set()
    for tree in modules.values():
        for name, call in calls(tree):
            for module, parameters in signatures.get(name, []):
                filled = [*zip(parameters, call.args, strict=False)]
                filled += [(k.arg, k.value) for k in call.keywords if k.arg in parameters]
                for parameter, value in filled:
                    default = parameters[str(parameter)]
                    if default is None or not reads_settings(value):
                        continue
                    if ast.unparse(default) not in {"None", *names_from_settings(modules[module])}:
                        wrong.add((module, name, str(parameter)))
    return wrong


NOT_A_SETTING = {
    ("contracts/messages.py", "TopicSpec", "config"),
    # another `Topics` than the one that is called: `contracts.messages.Topics` has names
    ("adapters/kafka/topics.py", "Topics", "answer_seconds"),
}


def test_a_parameter_that_the_settings_fill_has_no_default_of_its_own() -> None:
    assert second_defaults(trees()) == NOT_A_SETTING


@pytest.mark.parametrize("default", ["30", "2 * 15", "DAYS", "-1.0"])
def test_a_second_default_is_found(default: str) -> None:
    modules = {
        "a.py": ast.parse(f"DAYS = 30\ndef write(path, horizon_days={default}): ..."),
        "b.py": ast.parse("write(path, self._settings.duplicate_horizon_days)"),
        "c.py": ast.parse("@dataclass\nclass Rules:\n    days: int = 3\n    seed: int = SEED"),
        "d.py": ast.parse("Rules(days=settings.days, seed=settings.seed)"),
    }
    modules["c.py"].body.insert(0, ast.parse("from fraud_platform.settings.a import SEED").body[0])
    assert second_defaults(modules) == {
        ("a.py", "write", "horizon_days"),
        ("c.py", "Rules", "days"),
    }
