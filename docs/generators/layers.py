"""Which package imports which, from the code.

Here: the imports between the packages and top modules of `fraud_platform`, as a Markdown table.
Not here: which imports are allowed (`fraud_platform_tests/unit/test_architecture.py`).
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import fraud_platform

PACKAGE = Path(fraud_platform.__file__).parent
_ROOT = "fraud_platform."


def imports_between_packages() -> dict[str, dict[str, bool]]:
    """Return, for each package, the packages that it imports; True if only for types."""
    found: dict[str, dict[str, bool]] = defaultdict(dict)
    for path in sorted(PACKAGE.rglob("*.py")):
        importer = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        for imported, is_for_types in _imports(ast.parse(path.read_text())):
            if imported != importer:
                known = found[importer].get(imported, True)
                found[importer][imported] = known and is_for_types
    return {name: dict(sorted(found[name].items())) for name in sorted(found)}


def _imports(tree: ast.AST, is_for_types: bool = False) -> Iterator[tuple[str, bool]]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith(_ROOT):
            yield str(node.module).removeprefix(_ROOT).partition(".")[0], is_for_types
        elif isinstance(node, ast.Import):
            names = (alias.name for alias in node.names if alias.name.startswith(_ROOT))
            yield from ((n.removeprefix(_ROOT).partition(".")[0], is_for_types) for n in names)
        else:
            guarded = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
            yield from _imports(node, is_for_types or guarded)


def layers_table() -> str:
    """Return the imports as a Markdown table: those at run time, and those for types alone."""
    lines = ["| package | imports | imports for types only |", "| --- | --- | --- |"]
    for importer, imported in imports_between_packages().items():
        if importer == "__init__":
            continue
        at_run_time = [f"`{name}`" for name, for_types in imported.items() if not for_types]
        for_types = [f"`{name}`" for name, for_types in imported.items() if for_types]
        lines.append(f"| `{importer}` | {', '.join(at_run_time)} | {', '.join(for_types)} |")
    return "\n".join([*lines, ""])
