"""What the names in docstrings and pages may refer to, read from the code itself.

Here: an index of modules, definitions and words of the platform, and the rules that resolve a name.
Not here: the test that applies them (`unit.test_names`).
"""

from __future__ import annotations

import ast
import builtins
import importlib
import importlib.util
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import fraud_platform

ROOT = Path(fraud_platform.__file__).parents[1]
PACKAGES = ("fraud_platform", "fraud_platform_tests", "benchmarks", "docs")
_SHORT_NAMES = {"np": "numpy", "pa": "pyarrow", "pl": "polars", "dg": "dagster", "pd": "pandas"}
_NAME = re.compile(r"[A-Za-z_]\w*")
_DOTTED = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")
_BACKTICKS = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")


@dataclass(frozen=True)
class Module:
    """One module: its dotted name, its syntax nodes, the names that it defines and mentions."""

    name: str
    path: Path
    nodes: tuple[ast.AST, ...]
    definitions: frozenset[str]
    members: dict[str, frozenset[str]]
    mentioned: frozenset[str]

    @property
    def is_package(self) -> bool:
        """Whether this is the `__init__.py` of a folder."""
        return self.path.name == "__init__.py"

    @property
    def package(self) -> str:
        """The dotted name of the folder that it is in."""
        return self.name if self.is_package else self.name.rpartition(".")[0]


@dataclass(frozen=True)
class Text:
    """A docstring or a page: where it is, what it says, and the module whose names it may use."""

    place: str
    words: str
    path: Path
    module: Module | None = None

    def quoted(self) -> list[str]:
        """Return what stands in backticks, code blocks apart."""
        return _BACKTICKS.findall(re.sub(r"```.*?```", "", self.words, flags=re.DOTALL))


@dataclass
class Repository:
    """Every module of the repository, by name, and the words that its parts add."""

    modules: dict[str, Module]
    words: set[str] = field(default_factory=set)

    @cached_property
    def definitions(self) -> set[str]:
        """Names that any module defines at its top level, and those with their members."""
        found = {name for module in self.modules.values() for name in module.definitions}
        for module in self.modules.values():
            for owner, members in module.members.items():
                found |= {f"{owner}.{member}" for member in members}
        return found

    @cached_property
    def member_names(self) -> set[str]:
        """Names of all methods and attributes."""
        found = (m for module in self.modules.values() for m in module.members.values())
        return set().union(*found)

    @cached_property
    def mentioned_by_the_platform(self) -> set[str]:
        """Names in the code of the platform itself, which a page may use without their module."""
        ours = (m for m in self.modules.values() if m.name.startswith("fraud_platform."))
        return set().union(*(module.mentioned for module in ours))

    def resolves(self, quoted: str, text: Text) -> bool:
        """Return whether a name in backticks refers to something; other text passes."""
        name = quoted.removesuffix("()")
        if _NAME.fullmatch(name):
            return self._is_known(name, text)
        if _DOTTED.fullmatch(name):
            return self._is_known_path(name, text)
        return True

    def _is_known(self, name: str, text: Text) -> bool:
        if name in self.words or name in dir(builtins) or _is_installed(name):
            return True
        module = text.module
        if name in self.definitions or name in PACKAGES or f"fraud_platform.{name}" in self.modules:
            return True
        if module is None:
            is_module = any(name == other.rpartition(".")[2] for other in self.modules)
            return is_module or name in self.mentioned_by_the_platform
        if any(f"{p}.{name}" in self.modules for p in _with_parents(module.package)):
            return True
        if module.is_package:
            return any(
                name in other.definitions
                for other in self.modules.values()
                if other.name.startswith(module.package)
            )
        return name in module.mentioned

    def _is_known_path(self, name: str, text: Text) -> bool:
        if name in self.definitions or name in self.words:
            return True
        first = name.partition(".")[0]
        starts = [""] + [f"{package}." for package in PACKAGES]
        if text.module is not None:
            starts += [f"{package}." for package in _with_parents(text.module.package)]
        known = self.modules.keys() | set(PACKAGES)
        ours = [start + name for start in starts if (start + first) in known]
        if ours and any(self._is_in_module(path) for path in ours):
            return True
        if text.module is not None and first in text.module.mentioned - set(_SHORT_NAMES):
            members = self.member_names
            parts = name.split(".")[1:]
            if all(part in members or part in text.module.mentioned for part in parts):
                return True
        return not ours and _is_importable(name)

    def _is_in_module(self, path: str) -> bool:
        module_name: str = path
        rest: list[str] = []
        while module_name not in self.modules:
            module_name, _, last = module_name.rpartition(".")
            rest.insert(0, last)
            if not module_name:
                return False
        module = self.modules[module_name]
        match rest:
            case []:
                return True
            case [name]:
                return name in module.definitions.union(*module.members.values())
            case [name, member]:
                return member in module.members.get(name, frozenset())
        return False


def _with_parents(package: str) -> Iterator[str]:
    while package:
        yield package
        package = package.rpartition(".")[0]


@cache
def _installed() -> frozenset[str]:
    return frozenset(sys.stdlib_module_names) | frozenset(packages_distributions())


def _is_installed(name: str) -> bool:
    return name in _installed()


@cache
def _is_importable(name: str) -> bool:
    first, _, rest = name.partition(".")
    first = _SHORT_NAMES.get(first, first)
    if first not in _installed():
        return False
    found, parts = importlib.import_module(first), rest.split(".")
    for i, part in enumerate(parts):
        if not hasattr(found, part):
            inner = ".".join((first, *parts[: i + 1]))
            if importlib.util.find_spec(inner) is None:
                return False
            importlib.import_module(inner)
        found = getattr(found, part)
    return True


@cache
def repository() -> Repository:
    """Return the index of this repository, with the words that its running parts add."""
    modules = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            module = _read(path)
            modules[module.name] = module
    return Repository(modules, _words() | _coded_values(modules))


def _read(path: Path) -> Module:
    dotted = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    tree = ast.parse(path.read_text())
    members = {
        node.name: frozenset(_defined(node.body)) | frozenset(_own_attributes(node))
        for node in tree.body
        if isinstance(node, ast.ClassDef)
    }
    nodes = tuple(ast.walk(tree))
    return Module(
        dotted, path, nodes, frozenset(_defined(tree.body)), members, frozenset(_mentioned(nodes))
    )


def _defined(body: list[ast.stmt]) -> Iterator[str]:
    for node in body:
        match node:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name):
                yield name
            case ast.Assign(targets=targets):
                yield from (n.id for t in targets for n in ast.walk(t) if isinstance(n, ast.Name))
            case ast.AnnAssign(target=ast.Name(id=name)):
                yield name
            case ast.Import(names=names) | ast.ImportFrom(names=names):
                yield from (alias.asname or alias.name.partition(".")[0] for alias in names)
            case ast.If(body=inner, orelse=other) | ast.Try(body=inner, orelse=other):
                yield from _defined([*inner, *other])


def _own_attributes(node: ast.ClassDef) -> Iterator[str]:
    for inner in ast.walk(node):
        if isinstance(inner, ast.Attribute) and isinstance(inner.ctx, ast.Store):
            yield inner.attr


def _mentioned(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """Yield every name in the code of a module: not in its docstrings."""
    for node in nodes:
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name):
                yield name
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name) | ast.alias(name=name):
                yield name
            case ast.keyword(arg=str(name)):
                yield name
            case ast.Constant(value=str(text)) if len(text) <= 80:
                yield from _NAME.findall(text)


def _coded_values(modules: dict[str, Module]) -> set[str]:
    """Return the values of enumerations, of `Literal` types and of constants."""
    found: set[str] = set()
    for module in modules.values():
        for node in module.nodes:
            match node:
                case ast.Subscript(value=ast.Name(id="Literal"), slice=inner):
                    values = ast.walk(inner)
                case ast.ClassDef(bases=[ast.Name(id="StrEnum")], body=body):
                    values = (n for statement in body for n in ast.walk(statement))
                case ast.Assign(
                    targets=[ast.Name(id=name) | ast.Tuple(elts=[ast.Name(id=name), *_])]
                ) if name.isupper():
                    values = ast.walk(node.value)
                case _:
                    continue
            constants = (v.value for v in values if isinstance(v, ast.Constant))
            found |= {str(value) for value in constants if isinstance(value, str)}
    return found


def _words() -> set[str]:
    return {*_words_of_contracts(), *_words_of_settings(), *_words_of_cli(), *_words_of_dagster()}


def _words_of_contracts() -> Iterator[str]:
    from fraud_platform.contracts import dead_letter_reasons, messages, quarantine_reasons
    from fraud_platform.contracts.drops import COLUMNS, MISSPELT_TRANSACTION_ID
    from fraud_platform.tables.catalog import ALL_TABLES

    for table in ALL_TABLES:
        yield table.name
        yield from (column.name for column in table.columns)
    own = quarantine_reasons
    for codes in (own.Reason, dead_letter_reasons.MessageReason, own.Repair):
        yield from (code.value for code in codes)
    yield from (*COLUMNS, MISSPELT_TRANSACTION_ID, *messages.TRANSACTION_FIELDS)
    yield from (*messages.LABEL_FIELDS, *messages.DEAD_LETTER_HEADERS)


def _words_of_settings() -> Iterator[str]:
    from fraud_platform.contracts.active import DECLARATION
    from fraud_platform.contracts.messages import topic_specs
    from fraud_platform.settings import OTHER_VARIABLES, Settings
    from fraud_platform.settings.secrets import FILE_SUFFIX, variable

    for name in Settings.model_fields:
        yield from (name, variable(name), variable(name) + FILE_SUFFIX)
    yield from OTHER_VARIABLES
    yield from (topic.name for topic in topic_specs(Settings()))
    yield from (feature.name for feature in DECLARATION.features)
    yield from (flag.name for flag in DECLARATION.flags)


def _words_of_cli() -> Iterator[str]:
    from typer.main import get_command

    from fraud_platform.cli.commands import app

    waiting: list[Any] = [get_command(app)]
    while waiting:
        command = waiting.pop()
        yield str(command.name)
        yield from (option for parameter in command.params for option in parameter.opts)
        waiting += getattr(command, "commands", {}).values()


def _words_of_dagster() -> Iterator[str]:
    from fraud_platform.defs.assembly import defs

    graph, served = defs.resolve_asset_graph(), defs.get_repository_def()
    for node in graph.asset_nodes:
        yield from (node.key.path[-1], str(node.group_name))
    yield from (check.name for check in graph.asset_check_keys)
    named: list[Any] = [*served.sensor_defs, *served.schedule_defs, *served.get_all_jobs()]
    yield from (each.name for each in named)
    yield from served.get_top_level_resources()


@cache
def texts() -> tuple[Text, ...]:
    """Return every docstring of the code, and every page."""
    return tuple(_texts())


def _texts() -> Iterator[Text]:
    for module in repository().modules.values():
        for node in module.nodes:
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                words = ast.get_docstring(node)
                if words:
                    place = f"{module.path.relative_to(ROOT)}:{getattr(node, 'lineno', 1)}"
                    yield Text(place, words, module.path, module)
    for path in pages():
        yield Text(str(path.relative_to(ROOT)), path.read_text(), path)


def pages() -> list[Path]:
    """Return the pages that people write or that are kept in the repository.

    A changelog names what was there at its time, so it is left out.
    """
    found = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    return sorted(path for path in found if path.name != "CHANGELOG.md")


def messages() -> Iterator[Text]:
    """Yield the strings in the code of the platform that are sentences for people."""
    for module in repository().modules.values():
        for node in module.nodes if module.name.startswith("fraud_platform.") else ():
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                place = f"{module.path.relative_to(ROOT)}:{node.lineno}"
                yield Text(place, node.value, module.path, module)


def command_problem(words: list[str]) -> str | None:
    """Return what is wrong with a command line of `fraud-platform`, given without its first word.

    Arguments are not looked at: a page may abbreviate them.
    """
    from typer.main import get_command

    from fraud_platform.cli.commands import app

    command = get_command(app)
    while words and hasattr(command, "commands") and not words[0].startswith("-"):
        if words[0] not in command.commands:
            return f"no command {words[0]}"
        command, words = command.commands[words[0]], words[1:]
    known = {option for parameter in command.params for option in parameter.opts}
    options = {word.partition("=")[0] for word in words if word.startswith("--")}
    unknown = sorted(options - known - {"--help"})
    return f"{command.name}: no option {', '.join(unknown)}" if unknown else None


def is_path_there(path: str, text: Text) -> bool:
    """Return whether a file or folder exists: from the root, from the text, from its package."""
    starts = [ROOT, ROOT / "fraud_platform", *list(text.path.parents)[:3]]
    return any(any(start.glob(path.rstrip("/"))) for start in starts if path.strip("./"))
