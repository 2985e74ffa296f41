"""The walls between the rooms: who may import what, and how large a thing may grow."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from functools import cache
from pathlib import Path

import fraud_platform

PACKAGE = Path(fraud_platform.__file__).parent
LAYERS = (
    "errors",
    "kill_points",
    "settings",
    "contracts",
    "declare",
    "datasets",
    "tables",
    "adapters",
    "rows",
    "stream",
    "calendar",
    "labels",
    "features",
    "reporting",
    "simulation",
    "ingest",
    "cleaning",
    "comparison",
    "training",
    "promotion",
    "scoring",
    "monitoring",
    "operations",
    "defs",
    "definitions",
    "cli",
)
"""Packages and top modules from the lowest to the highest; each imports lower ones alone."""
FOUNDATIONS = LAYERS[: LAYERS.index("adapters")]
STAGES = LAYERS[LAYERS.index("adapters") + 1 : LAYERS.index("operations")]
UPWARD = {"adapters/models/pyfunc_entry.py": {"fraud_platform.training.candidate"}}
"""MLflow loads this module by itself, as the code of a model, which is a candidate."""
CLIENTS = {
    "aiobotocore",
    "boto3",
    "botocore",
    "confluent_kafka",
    "deltalake",
    "fsspec",
    "mlflow",
    "s3fs",
}
HEAVY = {"matplotlib", "mlflow", "pyspark", "sklearn", "xgboost"}
MAX_MODULE_LINES, MAX_FUNCTION_LINES, MAX_ASSET_LINES = 400, 40, 25


def modules(*rooms: str) -> list[Path]:
    found = []
    for room in rooms:
        path = PACKAGE / room
        found += sorted(path.rglob("*.py")) if path.is_dir() else [path.with_suffix(".py")]
    return found


def named(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def imports(path: Path, *, typing_too: bool = True, in_functions: bool = True) -> Iterator[str]:
    """Yield every dotted name that a module imports, wherever in it the import stands."""
    waiting: list[ast.AST] = [tree_of(path)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{named(path)} imports relatively"
            yield str(node.module)
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            waiting += node.orelse if not typing_too else node.body + node.orelse
        elif in_functions or not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            waiting += ast.iter_child_nodes(node)


def root(name: str) -> str:
    return name.split(".", maxsplit=1)[0]


def is_dagster(name: str) -> bool:
    return root(name).startswith("dagster")


def body_lines(function: ast.FunctionDef) -> int:
    """Count the lines of a function's body, its docstring apart."""
    statements = function.body
    if ast.get_docstring(function) is not None:
        statements = statements[1:]
    if not statements:
        return 0
    return int(statements[-1].end_lineno or 0) - statements[0].lineno + 1


def decorators(function: ast.FunctionDef) -> set[str]:
    """Return the last names of a function's decorators: `dg.asset(...)` gives `asset`."""
    called = [d.func if isinstance(d, ast.Call) else d for d in function.decorator_list]
    return {ast.unparse(d).split(".")[-1] for d in called}


def offenders(
    paths: list[Path], is_wrong: Callable[[str], bool], **which: bool
) -> dict[str, set[str]]:
    """Return each module's imports that are wrong, for the modules that have any."""
    found = {named(path): set(filter(is_wrong, imports(path, **which))) for path in paths}
    return {name: wrong for name, wrong in found.items() if wrong}


def test_every_package_has_a_layer() -> None:
    there = {path.name.removesuffix(".py") for path in PACKAGE.iterdir()}
    assert there - {"__init__", "__pycache__", "py.typed"} == set(LAYERS)


def test_the_architecture_page_names_the_layers_in_their_order() -> None:
    page = (PACKAGE.parent / "docs" / "architecture.md").read_text()
    table = page.split("## Layers", 1)[1].split("<!-- begin imports -->")[0]
    assert tuple(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == LAYERS


def test_no_import_runs_upwards() -> None:
    """Types count as well. So there is no circle between packages."""
    for rank, layer in enumerate(LAYERS):
        higher = {f"fraud_platform.{name}" for name in LAYERS[rank + 1 :]}

        def is_wrong(name: str, higher: set[str] = higher) -> bool:
            return ".".join(name.split(".")[:2]) in higher

        for module, wrong in offenders(modules(layer), is_wrong).items():
            allowed = UPWARD.get(module, set())
            assert {n for n in wrong if not n.startswith(tuple(allowed) or ("-",))} == set(), module


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Imports inside functions and for types alone count as well."""
    names = {module_name(path): path for path in modules(".")}
    graph = {name: imported_modules(path, names.keys()) for name, path in names.items()}
    assert circles(graph) == []


def test_a_circle_is_found() -> None:
    graph = {"a": {"b"}, "b": {"c"}, "c": {"b", "d"}, "d": set(), "e": {"a"}}
    assert circles(graph) == [["b", "c"]]
    assert circles({"a": {"a"}}) == [["a"]]


def imported_modules(path: Path, names: AbstractSet[str]) -> set[str]:
    """Return the modules of the package that one imports; `from package import module` is one."""
    found: set[str] = set()
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                found.add(inner if inner in names else str(node.module))
    return found & names


def module_name(path: Path) -> str:
    parts = ("fraud_platform", *path.relative_to(PACKAGE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def circles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """Return the groups of modules each of which imports itself through the others."""
    reached: dict[str, set[str]] = {}
    for start in graph:
        found, waiting = set(), [*graph[start]]
        while waiting:
            if (name := waiting.pop()) not in found:
                found.add(name)
                waiting += graph[name]
        reached[start] = found
    in_circles = [name for name in graph if name in reached[name]]
    groups = {
        tuple(
            sorted(
                other for other in in_circles if other in reached[name] and name in reached[other]
            )
        )
        for name in in_circles
    }
    return sorted(map(list, groups))


def test_stages_and_foundations_import_no_dagster_and_no_client() -> None:
    def is_wrong(name: str) -> bool:
        return is_dagster(name) or root(name) in CLIENTS

    assert offenders(modules(*STAGES, *FOUNDATIONS), is_wrong) == {}


def test_stages_and_foundations_import_no_adapter() -> None:
    """Types count as well: a stage takes ports (`contracts.ports`), the caller an adapter."""

    def is_wrong(name: str) -> bool:
        return name.startswith("fraud_platform.adapters")

    assert offenders(modules(*STAGES, *FOUNDATIONS), is_wrong) == {}


def test_one_module_writes_data_files() -> None:
    """So that all files have statistics of one form, and none is left half written.

    The simulation writes what it knows of a drop next to the drop, in no table.
    """
    writers = {
        named(path)
        for path in modules(".")
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func).split(".")[-1] in {"ParquetWriter", "write_table"}
        and not ast.unparse(node.func).startswith(("writer.", "self._writer."))
    }
    assert writers == {"tables/data_files.py", "simulation/truth.py"}


def test_only_defs_and_definitions_import_dagster() -> None:
    allowed = set(modules("defs", "definitions"))
    others = [path for path in modules(".") if path not in allowed]
    assert offenders(others, is_dagster) == {}


def test_one_module_imports_what_dagster_does_not_publish() -> None:
    def is_private(name: str) -> bool:
        return is_dagster(name) and any(part.startswith("_") for part in name.split("."))

    assert set(offenders(modules("."), is_private)) == {"defs/dagster_internals.py"}


def test_settings_are_read_by_entry_points_alone() -> None:
    """Everything else takes them as a value or as the resource `settings`."""
    readers = offenders(modules("."), lambda name: name.endswith(".load_settings"))
    entries = {"cli/entry.py", "cli/simulate.py", "defs/deployment.py", "settings/__init__.py"}
    assert set(readers) == entries


def test_heavy_packages_are_imported_inside_functions() -> None:
    """So that the code server, sensors and the command line start fast.

    Two are apart: MLflow loads them itself, as a model's code and as a repository of artifacts.
    """
    loaded_by_mlflow = ("pyfunc_entry.py", "hdfs_artifacts.py")
    paths = [path for path in modules(".") if path.name not in loaded_by_mlflow]
    heavy = offenders(paths, lambda n: root(n) in HEAVY, typing_too=False, in_functions=False)
    assert heavy == {}


def test_loading_the_definitions_loads_no_heavy_package() -> None:
    code = "import sys, fraud_platform.definitions; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(map(root, done.stdout.split()))
    assert "dagster" in loaded
    assert loaded & (HEAVY - {"pyspark"}) == set()


def test_definitions_exposes_defs_alone() -> None:
    tree = tree_of(PACKAGE / "definitions.py")
    assigned = {
        ast.unparse(target): ast.unparse(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
    }
    assert assigned == {"__all__": "['defs']"}
    assert not any(isinstance(node, ast.FunctionDef | ast.ClassDef) for node in tree.body)
    imported = [n for n in tree.body if isinstance(n, ast.ImportFrom)]
    assert {a.asname or a.name for n in imported for a in n.names} <= {"defs", "annotations"}


def test_every_module_says_what_belongs_here_and_what_does_not() -> None:
    silent = []
    for path in modules("."):
        docstring = ast.get_docstring(tree_of(path)) or ""
        parts = () if path == PACKAGE / "__init__.py" else ("\nHere: ", "\nNot here: ")
        if not docstring or not all(part in docstring for part in parts):
            silent.append(named(path))
    assert silent == []


def test_modules_and_functions_stay_small() -> None:
    lines = {named(path): len(path.read_text().splitlines()) for path in modules(".")}
    assert {name: n for name, n in lines.items() if n > MAX_MODULE_LINES} == {}
    assert long_functions(modules("."), MAX_FUNCTION_LINES, lambda function: True) == {}


def test_asset_bodies_read_call_write_and_report_only() -> None:
    kinds = {"asset", "multi_asset", "asset_check", "multi_asset_check", "sensor", "schedule", "op"}

    def is_asset(function: ast.FunctionDef) -> bool:
        return bool(decorators(function) & kinds)

    assert long_functions(modules("defs"), MAX_ASSET_LINES, is_asset) == {}


def long_functions(
    paths: list[Path], limit: int, is_meant: Callable[[ast.FunctionDef], bool]
) -> dict[str, int]:
    """Return the lines of every function that is meant and longer than the limit."""
    return {
        f"{named(path)}: {function.name}": body_lines(function)
        for path in paths
        for function in ast.walk(tree_of(path))
        if isinstance(function, ast.FunctionDef) and is_meant(function)
        if body_lines(function) > limit
    }


def test_an_import_is_seen_wherever_it_stands(tmp_path: Path) -> None:
    """The checks above are worth what this one says."""
    source = tmp_path / "module.py"
    source.write_text(
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    from deltalake import DeltaTable\n"
        "def f():\n    try:\n        import dagster as dg\n    finally:\n"
        "        from a.b import c\n"
        "class C:\n    def m(self):\n        with x():\n            import mlflow.pyfunc\n"
    )
    everything = set(imports(source))
    assert everything >= {"deltalake", "deltalake.DeltaTable", "dagster", "a.b.c", "mlflow.pyfunc"}
    assert "deltalake" not in set(imports(source, typing_too=False))
    assert set(imports(source, typing_too=False, in_functions=False)) == {
        "typing",
        "typing.TYPE_CHECKING",
    }


def test_unit_tests_mirror_the_packages() -> None:
    """A folder of unit tests has the path of the package that it tests."""
    tests = Path(__file__).parent
    folders = {path.parent.relative_to(tests) for path in tests.rglob("test_*.py")}
    assert {str(folder) for folder in folders if not (PACKAGE / folder).is_dir()} == set()
